"""A chat in the terminal, streaming, with the label always in sight.

Ctrl-C stops an answer and gives the prompt back. On a terminal lines can be edited and called back. This module does
not know where the model came from.
"""

from __future__ import annotations

import io
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from econchatr.ask.asker import GenerationLog
from econchatr.ask.exam import GROUNDED_FORM, Speaker
from econchatr.display import label_imitation, name_imitation, strip_controls
from econchatr.errors import EconChatRError, InputError
from econchatr.prompts import ChatTemplate, Voice
from econchatr.records import Variant
from econchatr.talk.session import ChatSession, Find

_HELP: Final = """\
/base, /tuned       switch the model; a new conversation begins
/ground             give the model real turns of the host before each question, or no more
/retry              answer the last question again, with another seed
/seed NUMBER        set the seed of the next answer
/set NAME VALUE     temperature, max_tokens or repeat_penalty
/show               the model, the settings and the system line
/save FILE          write the conversation as Markdown
/new                forget the conversation
/quit               leave (also Ctrl-D)
Ctrl-C stops an answer. Text between \"\"\" and \"\"\" may have several lines."""
_SHOWN_WORDS: Final = 20
"""Of each real turn a model was given."""
_SIGN: Final = 3
"""Columns of the sign that an answer is under way: `...`."""
_PIECES_A_DOT: Final = 8
"""Pieces drawn by a model until the sign moves: it stands still where nothing is drawn."""
_QUOTES: Final = '"""'
_LIMITS: Final[dict[str, tuple[type, float, float]]] = {
    "temperature": (float, 0, 2),
    "max_tokens": (int, 1, 8192),
    "repeat_penalty": (float, 1, 2),
}
"""What /set can set: kind, lowest and highest value."""


def hold_chat(
    speaker: Speaker,
    template: ChatTemplate,
    voice: Voice,
    *,
    seed: int,
    identify: Callable[[Variant], str],
    log_path: Path,
    open_find: Callable[[], Find],
    ground: bool = False,
    question: str = "",
) -> None:
    """Read lines until the end of input and stream an answer to each, with the real turns the model was given for it.

    A failed or stopped answer leaves the conversation as it was before.

    Args:
        identify: Gives the hash that an answer of a variant carries, for the log.
        open_find: Gives what finds the host's real turns for a question; called when it is first needed.
        ground: Whether to begin with real turns; `/ground` switches.
        question: Answer this alone, and return.

    Raises:
        EconChatRError: The one `question` cannot be answered.
    """
    session = ChatSession(speaker, template, voice, seed=seed)
    session.find = open_find() if ground else None
    chat = _Chat(session, GenerationLog(log_path), identify, open_find)
    label = strip_controls(label_imitation((voice.host,)))
    if question:
        print(f"{label}. It makes things up.", file=sys.stderr)
        chat.answer(question)
        return
    print(f"{label}. It makes things up.\n/help lists the commands, /quit (or Ctrl-D) leaves.")
    for line in _read_lines():
        try:
            if line.startswith("/") and chat.obey(line):
                return
            if not line.startswith("/"):
                chat.answer(line)
        except EconChatRError as exc:
            print(f"Error: {strip_controls(f'{exc.message} {exc.hint}')}", file=sys.stderr)


class _StoppedError(Exception):
    """Ends an answer that the user stopped; never leaves this module."""


class _Chat:
    """One session with its log, and what the commands do to it."""

    def __init__(
        self,
        session: ChatSession,
        log: GenerationLog,
        identify: Callable[[Variant], str],
        open_find: Callable[[], Find],
    ) -> None:
        self._session, self._log, self._identify, self._open_find = session, log, identify, open_find
        self._n_answers = 0

    def answer(self, line: str, *, is_again: bool = False) -> None:
        """Stream an answer, name the real turns it was given, and log it.

        Args:
            is_again: Whether the line is the last question, and the answer takes the place of the last one.
        """
        session, printer = self._session, _WordPrinter()
        print(f"AI imitation ({self._model()})> ", end="", flush=True)
        printer.column = len(f"AI imitation ({self._model()})> ")
        printer.wait()
        try:
            with _stopping_on_interrupt() as check:

                def show(text: str) -> None:
                    check()
                    printer.write(text)

                reply = session.say_again(on_text=show) if is_again else session.say(line, on_text=show)
        except _StoppedError:
            printer.end()
            print("(stopped; the conversation is as it was before)")
            return
        except EconChatRError:
            printer.end()
            raise
        printer.end()
        self._cite()
        variant = self._model()
        row = {"variant": variant, "model_sha256": self._identify(variant), "seed": session.drawn_seed, "cue": line}
        given = {"excerpts": [pair.pair_id for pair in session.cited]} if session.find else {}
        self._log.add("", {**row, "turn": self._n_answers, **given, "reply": reply.model_dump()})
        self._n_answers += 1

    def obey(self, command: str) -> bool:
        """Do what a /command says; whether it ends the chat."""
        word, _, rest = command.partition(" ")
        session = self._session
        if word in ("/quit", "/exit", "/bye"):
            return True
        if word in ("/base", "/tuned"):
            session.is_tuned = word == "/tuned"
            session.forget()
            print(f"now the {self._model()} model answers; a new conversation")
        elif word == "/ground":
            session.find = None if session.find else self._open_find()
            given = "real turns of the host" if session.find else "nothing"
            print(f"now the model is given {given} before each question")
        elif word == "/new":
            session.forget()
            print("a new conversation")
        elif word == "/retry":
            self._retry()
        elif word == "/seed":
            session.seed = int(_read_number("seed", rest, int, 0, 2**31 - 1)) - len(session.messages)
            print(f"the next answer is drawn with seed {session.next_seed}")
        elif word == "/set":
            self._set(rest)
        elif word == "/show":
            self._show()
        elif word == "/save":
            self._save(rest.strip())
        else:
            print(_HELP if word in ("/help", "/?") else f"no command {strip_controls(word)}\n{_HELP}")
        return False

    def _retry(self) -> None:
        asked = [message.content for message in self._session.messages if message.role == "user"]
        if not asked:
            raise InputError("nothing was asked yet.", hint="Type a question.")
        print(f"(again: {strip_controls(asked[-1], keeps_lines=False)})")
        self.answer(asked[-1], is_again=True)

    def _set(self, rest: str) -> None:
        name, _, value = rest.strip().partition(" ")
        if name not in _LIMITS:
            raise InputError(f"/set cannot set {name!r}.", hint=f"It sets {', '.join(_LIMITS)}: /set temperature 0.8")
        kind, low, high = _LIMITS[name]
        self._session.settings = self._session.settings._replace(**{name: _read_number(name, value, kind, low, high)})
        print(f"{name} is {value.strip()} from the next answer on")

    def _show(self) -> None:
        session = self._session
        drawn = ", ".join(f"{name} {getattr(session.settings, name):g}" for name in _LIMITS)
        print(f"model: {self._model()}\nsettings: {drawn}, next seed {session.next_seed}")
        print(f"system line: {strip_controls(session.system)}")

    def _save(self, name: str) -> None:
        if not name:
            raise InputError("/save needs a file's name.", hint="/save talk.md")
        host = self._session.voice.host
        said = [(one.role, one.content) for one in self._session.messages]
        lines = [f"**{'You' if role == 'user' else name_imitation((host,))}:** {text}\n" for role, text in said]
        try:
            Path(name).expanduser().write_text(f"# {label_imitation((host,))}\n\n" + "\n".join(lines), encoding="utf-8")
        except (OSError, RuntimeError, ValueError) as exc:  # `~nobody` is a RuntimeError
            reason = str(getattr(exc, "strerror", None) or exc).rstrip(".")
            raise InputError(f"cannot write {name}: {reason}.", hint="Name another file.") from exc
        print(f"wrote {strip_controls(name)}")

    def _model(self) -> Variant:
        variant: Variant = "tuned" if self._session.is_tuned else "base"
        return GROUNDED_FORM[variant] if self._session.find else variant

    def _cite(self) -> None:
        """Name the real turns the model was given, and what the host said there."""
        if self._session.find and not self._session.cited:
            print("  (nothing the host said is like it)")
        for pair in self._session.cited:
            words = pair.reply.split()
            said = " ".join(words[:_SHOWN_WORDS]) + (" \N{HORIZONTAL ELLIPSIS}" if len(words) > _SHOWN_WORDS else "")
            day = f", {pair.published}" if pair.published else ""
            place = f"{pair.slug}{day}, turn {pair.pair_id.rpartition('#')[2]}"
            print(strip_controls(f"  [given: {place}] {pair.reply_speaker}: {said}"))


def _read_number(name: str, text: str, kind: type, low: float, high: float) -> Any:
    try:
        value = kind(text.strip())
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise InputError(f"{name} cannot be {text.strip()!r}.", hint=f"Give a number from {low:g} to {high:g}.")
    return value


class _WordPrinter:
    """Prints text as it comes; on a terminal no word is broken at the line's end, and dots move until it comes."""

    def __init__(self) -> None:
        self.column = 0
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        self._held = ""
        self._n_waited = 0

    def wait(self) -> None:
        """On a terminal, move the sign that something is under way."""
        if self.column + _SIGN < self._width:
            n_dots = self._n_waited // _PIECES_A_DOT % _SIGN + 1
            print(f"{'.' * n_dots:{_SIGN}}", end="\b" * _SIGN, flush=True)
            self._n_waited += 1

    def write(self, text: str) -> None:
        """Print what is complete; the beginning of a word is held back until its end is known."""
        text = strip_controls(text)
        if not self._width:
            print(text, end="", flush=True)
            return
        if not text and self._n_waited:
            return self.wait()
        self._wipe()
        *words, self._held = (self._held + text).replace("\n", " \n ").split(" ")
        for word in words:
            self._put(word)
        sys.stdout.flush()

    def end(self) -> None:
        """Print what is held back, and end the line."""
        self._wipe()
        self._put(self._held)
        self._held = ""
        print(flush=True)

    def _wipe(self) -> None:
        if self._n_waited:
            print(" " * _SIGN, end="\b" * _SIGN)
            self._n_waited = 0

    def _put(self, word: str) -> None:
        if word == "\n" or (self.column and self.column + len(word) >= self._width):
            print()
            self.column = 0
        if word.strip():
            print(word, end=" ")
            self.column += len(word) + 1


@contextmanager
def _stopping_on_interrupt() -> Iterator[Callable[[], None]]:
    """Within the block Ctrl-C raises nothing by itself: the function that is given raises where that is safe."""
    is_stopped = False

    def stop(*_signal: object) -> None:
        nonlocal is_stopped
        is_stopped = True

    def check() -> None:
        if is_stopped:
            raise _StoppedError

    try:
        before = signal.signal(signal.SIGINT, stop)
    except ValueError:  # not in the main thread, where no Ctrl-C arrives
        yield check
        return
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)


def _read_lines() -> Iterator[str]:
    """Get what the user types; text between triple quotes is one line."""
    is_terminal = sys.stdin.isatty()
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a byte that is no UTF-8 is a wrong letter, not the end of the chat
    if is_terminal:
        _load_line_editor()
    while True:
        try:
            line = _read_line("you> ", is_terminal=is_terminal)
            if line is not None and line.strip().startswith(_QUOTES):
                line = _read_block(line.strip().removeprefix(_QUOTES), is_terminal=is_terminal)
        except KeyboardInterrupt:
            print("\n(Ctrl-D or /quit leaves)")
            continue
        if line is None:
            print()
            return
        if line.strip():
            yield line.strip()


def _load_line_editor() -> None:
    try:
        import readline  # noqa: F401 - from here on `input` has history and line editing
    except ImportError:  # Windows, whose console has its own
        return


def _read_line(prompt: str, *, is_terminal: bool) -> str | None:
    if is_terminal:
        try:
            return input(prompt)
        except EOFError:
            return None
    return sys.stdin.readline() or None


def _read_block(first: str, *, is_terminal: bool) -> str:
    lines, line = list[str](), first
    while not line.rstrip().endswith(_QUOTES):
        lines.append(line.rstrip("\n"))
        more = _read_line("... ", is_terminal=is_terminal)
        if more is None:
            return "\n".join(lines)
        line = more
    return "\n".join([*lines, line.rstrip().removesuffix(_QUOTES)])
