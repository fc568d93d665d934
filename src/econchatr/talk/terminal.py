"""A chat in the terminal, streaming, with the label always in sight.

This module does not know where the model came from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from econchatr.ask.exam import Speaker
from econchatr.ask.log import GenerationLog
from econchatr.errors import EconChatRError
from econchatr.prompts import ChatTemplate, Voice
from econchatr.talk.session import ChatSession

HELP = "/base and /tuned switch the model, /new forgets the conversation, /quit (or Ctrl-D) leaves."


def hold_chat(
    speaker: Speaker, template: ChatTemplate, voice: Voice, *, seed: int, model_sha256: str, log_path: Path
) -> None:
    """Read lines until the end of input and stream an answer to each.

    A failed answer is shown as an error; the conversation goes on as it was before.
    """
    session, log = ChatSession(speaker, template, voice, seed=seed), GenerationLog(log_path)
    print(f"AI imitation of {voice.host}, not {voice.host}. It makes things up.\n{HELP}")
    for n, line in enumerate(_read_lines()):
        if line.startswith("/"):
            if _obey(line, session):
                return
            continue
        try:
            print(f"AI imitation ({_model(session)})> ", end="", flush=True)
            reply = session.say(line, on_text=_stream)
        except EconChatRError as exc:
            print(f"\nError: {exc.message} {exc.hint}", file=sys.stderr)
            continue
        print()
        row = {"variant": _model(session), "model_sha256": model_sha256, "seed": seed, "turn": n, "cue": line}
        log.add("", {**row, "reply": reply.model_dump()})


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


def _obey(command: str, session: ChatSession) -> bool:
    """Do what a /command says; whether it ends the chat."""
    word = command.split()[0]
    if word in ("/base", "/tuned"):
        session.is_tuned = word == "/tuned"
        print(f"now the {_model(session)} model answers")
    elif word == "/new":
        session.forget()
        print("a new conversation")
    elif word in ("/quit", "/exit"):
        return True
    else:
        print(HELP)
    return False


def _model(session: ChatSession) -> str:
    return "tuned" if session.is_tuned else "base"


def _stream(text: str) -> None:
    # Control characters from a model must not steer the terminal.
    print("".join(char for char in text if char in "\n\t" or char.isprintable()), end="", flush=True)
