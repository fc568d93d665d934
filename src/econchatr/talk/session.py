"""A conversation with one rung, with its base or its tuned model.

A failure is never speech: when the model fails the error goes up and the history stays as it was.

This module does not print and does not read the keyboard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final, NamedTuple

from econchatr.ask.best_of import BestOf
from econchatr.ask.exam import Speaker
from econchatr.errors import InputError
from econchatr.prompts import ChatTemplate, Voice, exchange_messages, render_chat, system_line, without_question
from econchatr.records import REPEAT_PENALTY, Message, Pair, Reply, Sampling

_SEEDS: Final = 2**31
_ROOM_OF_A_BYTE: Final = 3.5
"""Characters of English that take as many tokens as each byte more than one in a character: 3.5 for a Cyrillic letter,
7 for a Chinese one. Source: 25 languages in the embedded model's tokenizer; a test has them."""


class TalkSettings(NamedTuple):
    """How answers are drawn."""

    temperature: float = 0.6
    max_tokens: int = 250
    repeat_penalty: float = REPEAT_PENALTY
    max_history_chars: int = 4000
    """Of English; older exchanges are left out of the prompt. About 1,000 tokens, half of the context."""


class ChatSession:
    """Says one thing after another to a model and remembers what was said."""

    def __init__(
        self,
        speaker: Speaker,
        template: ChatTemplate,
        voice: Voice,
        *,
        seed: int,
        settings: TalkSettings | None = None,
        find: Callable[[str], tuple[Pair, ...]] | None = None,
    ) -> None:
        self.is_tuned = True
        self.voice = voice
        self.find = find
        """Gives the real turns that stand before each question; `None`: answer without."""
        self.cited: tuple[Pair, ...] = ()
        """Those the model was given for the last answer."""
        self.drawn_seed = seed
        """That of the last answer."""
        self._speaker = speaker
        self._template = template
        self.seed = seed
        self.settings = settings or TalkSettings()
        self._history: list[Message] = []

    @property
    def next_seed(self) -> int:
        """The seed of the next answer: the session's, plus the number of messages so far."""
        return (self.seed + len(self._history)) % _SEEDS

    def say(self, text: str, *, on_text: Callable[[str], None] | None = None) -> Reply:
        """The model's reply, streamed to `on_text` as it comes.

        Raises:
            InputError: Nothing was said, or far too much.
            ModelError: The model failed; the conversation is as before.
        """
        text = text.encode("utf-8", errors="replace").decode()  # halves of surrogate pairs are no text
        if not text.strip():
            raise InputError("nothing was said.", hint="Type a question.")
        if len(text) > self.settings.max_history_chars:
            raise InputError(
                f"{len(text):,} characters are too many for this model.",
                hint=f"Say it in at most {self.settings.max_history_chars:,}.",
            )
        said = Message(role="user", content=text.strip())
        found = self.find(said.content) if self.find else ()
        real = exchange_messages(found)
        recent = keep_recent(self._history, (*real, said), max_chars=self.settings.max_history_chars)
        system = Message(role="system", content=self.system)
        prompt = render_chat((system, *real, *recent, said), self._template)
        drawn = self.settings
        seed = self.next_seed
        sampling = Sampling(seed, drawn.temperature, drawn.max_tokens, drawn.repeat_penalty)
        speaker = self._speaker
        if isinstance(speaker, BestOf):
            speaker = speaker.compare_with(render_chat(without_question((system, *recent, said)), self._template))
        reply = speaker.reply(prompt, sampling, tuned=self.is_tuned, on_text=on_text)
        self._history += [said, Message(role="assistant", content=reply.text)]
        self.cited, self.drawn_seed = found, seed
        return reply

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said so far, questions and answers in turn."""
        return tuple(self._history)

    @property
    def system(self) -> str:
        """The system line that stands before every prompt."""
        return system_line(self.voice)

    def say_again(self, *, on_text: Callable[[str], None] | None = None) -> Reply:
        """Another reply to the last question, with the next seed, in place of the last reply.

        Raises:
            InputError: Nothing was asked yet.
            ModelError: The model failed; the conversation is as before.
        """
        if not self._history:
            raise InputError("nothing was asked yet.", hint="Type a question.")
        before, seed = list(self._history), self.seed
        del self._history[-2:]
        self.seed += 1
        try:
            return self.say(before[-2].content, on_text=on_text)
        except BaseException:
            self._history, self.seed = before, seed
            raise

    def forget(self) -> None:
        """Begin a new conversation."""
        self._history.clear()


def keep_recent(history: Sequence[Message], beside: Sequence[Message], *, max_chars: int) -> list[Message]:
    """The latest whole exchanges that fit, in so many characters of English, beside what else stands in the prompt."""
    room, start = max_chars - sum(map(_take_room, beside)), len(history)
    while start >= 2:
        room -= sum(map(_take_room, history[start - 2 : start]))
        if room < 0:
            break
        start -= 2
    return list(history[start:])


def _take_room(message: Message) -> float:
    """The room of a message in a prompt, as characters of English: other scripts have more tokens to a character."""
    text = message.content
    n_more_bytes = len(text.encode("utf-8", errors="replace")) - len(text)
    return sum(map(str.isascii, text)) + _ROOM_OF_A_BYTE * n_more_bytes


Find = Callable[[str], tuple[Pair, ...]]
"""Gives the real turns that are put before a question, as a model is given them."""


class RealTurns:
    """What finds real turns, for every rung; threads may share it."""

    def __init__(self, open_find: Callable[[str], Find]) -> None:
        self._open_find = open_find
        self._finds: dict[str, Find] = {}
        self._lock = Lock()

    def find(self, rung: str, question: str) -> tuple[Pair, ...]:
        """The real turns that a rung's models are given with a question.

        Raises:
            ShowFolderError: They cannot be looked up.
        """
        with self._lock:
            if rung not in self._finds:
                self._finds[rung] = self._open_find(rung)
        return self._finds[rung](question)
