"""A chat in the terminal, streaming, with the label always in sight.

This module does not know where the model came from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from econchatr.ask.asker import GenerationLog
from econchatr.ask.exam import GROUNDED_FORM, Speaker
from econchatr.display import label_imitation, strip_controls
from econchatr.errors import EconChatRError
from econchatr.prompts import ChatTemplate, Voice
from econchatr.records import Variant
from econchatr.talk.session import ChatSession, Find

_HELP = (
    "/base and /tuned switch the model, /ground gives it real turns of the host before each question or no more, /new "
    "forgets the conversation, /quit (or Ctrl-D) leaves."
)
_SHOWN_WORDS = 20
"""Of each real turn a model was given."""


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
) -> None:
    """Read lines until the end of input and stream an answer to each, with the real turns the model was given for it.

    A failed answer is shown as an error; the conversation goes on as it was before.

    Args:
        identify: Gives the hash that an answer of a variant carries, for the log.
        open_find: Gives what finds the host's real turns for a question; called when it is first needed.
        ground: Whether to begin with real turns; `/ground` switches.
    """
    session, log = ChatSession(speaker, template, voice, seed=seed), GenerationLog(log_path)
    session.find = open_find() if ground else None
    print(f"{strip_controls(label_imitation((voice.host,)))}. It makes things up.\n{_HELP}")
    for n, line in enumerate(_read_lines()):
        if line.startswith("/"):
            if _obey(line, session, open_find):
                return
            continue
        try:
            print(f"AI imitation ({_model(session)})> ", end="", flush=True)
            drawn_seed, reply = session.next_seed, session.say(line, on_text=_stream)
        except EconChatRError as exc:
            print(f"\nError: {strip_controls(f'{exc.message} {exc.hint}')}", file=sys.stderr)
            continue
        print()
        _cite(session)
        variant = _model(session)
        row = {"variant": variant, "model_sha256": identify(variant), "seed": drawn_seed, "turn": n, "cue": line}
        given = {"excerpts": [pair.pair_id for pair in session.cited]} if session.find else {}
        log.add("", {**row, **given, "reply": reply.model_dump()})


def _read_lines() -> Iterator[str]:
    while True:
        if sys.stdin.isatty():
            print("you> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            print()
            return
        if line.strip():
            yield line.strip()


def _obey(command: str, session: ChatSession, open_find: Callable[[], Find]) -> bool:
    """Do what a /command says; whether it ends the chat."""
    word = command.split()[0]
    if word in ("/base", "/tuned"):
        session.is_tuned = word == "/tuned"
        print(f"now the {_model(session)} model answers")
    elif word == "/ground":
        session.find = None if session.find else open_find()
        print(f"now the model is given {'real turns of the host' if session.find else 'nothing'} before each question")
    elif word == "/new":
        session.forget()
        print("a new conversation")
    elif word in ("/quit", "/exit"):
        return True
    else:
        print(_HELP)
    return False


def _model(session: ChatSession) -> Variant:
    variant: Variant = "tuned" if session.is_tuned else "base"
    return GROUNDED_FORM[variant] if session.find else variant


def _cite(session: ChatSession) -> None:
    """Name the real turns the model was given, and what the host said there."""
    if session.find and not session.cited:
        print("  (nothing the host said is like it)")
    for pair in session.cited:
        words = pair.reply.split()
        said = " ".join(words[:_SHOWN_WORDS]) + (" \N{HORIZONTAL ELLIPSIS}" if len(words) > _SHOWN_WORDS else "")
        day = f", {pair.published}" if pair.published else ""
        place = f"{pair.slug}{day}, turn {pair.pair_id.rpartition('#')[2]}"
        print(strip_controls(f"  [given: {place}] {pair.reply_speaker}: {said}"))


def _stream(text: str) -> None:
    print(strip_controls(text), end="", flush=True)
