"""The chat in a real terminal: Ctrl-C, history and words at the line's end."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")

CHAT = """
import sys, time
from pathlib import Path
from econchatr.prompts import CHATML, Voice
from econchatr.records import Reply
from econchatr.talk.terminal import hold_chat

class Slow:
    def reply(self, prompt, sampling, *, tuned, on_text=None):
        for n in range(20):
            on_text("")  # as the best of several draws does until it is chosen
        words = "extraordinarily circumstantial considerations " * (400 if "long" in prompt else 4)
        for n in range(0, len(words), 3):
            on_text(words[n:n + 3])
            time.sleep(0.02 if "long" in prompt else 0)
        return Reply(text=words, stop="end", n_prompt_tokens=1, n_reply_tokens=1)

hold_chat(Slow(), CHATML, Voice(host="Hal Host", show="The Show"), seed=0, identify=str, log_path=Path(sys.argv[1]),
          open_find=lambda: lambda question: ())
"""


class Terminal:
    """A chat in a process of its own, at the other end of a terminal of 40 columns."""

    def __init__(self, log: Path) -> None:
        self.parent, child = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "40", "LINES": "24"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHAT, str(log)],
            stdin=child,
            stdout=child,
            stderr=child,
            env=env,
            start_new_session=True,
        )
        os.close(child)
        self.seen = ""

    def wait_for(self, text: str) -> str:
        """Read until a text stands on the screen; gives what came up to it."""
        while text not in self.seen:
            ready, _, _ = select.select([self.parent], [], [], 60)
            assert ready, f"{text!r} never came after {self.seen!r}"
            self.seen += os.read(self.parent, 4096).decode(errors="replace")
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, keys: str) -> None:
        os.write(self.parent, keys.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C until it is heard: Python writes a prompt a moment before it reads, and is deaf between."""
        for _ in range(60):
            self.process.send_signal(signal.SIGINT)
            if select.select([self.parent], [], [], 1)[0]:
                return


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    one = Terminal(tmp_path / "log.jsonl")
    one.wait_for("you> ")
    yield one
    one.process.kill()
    one.process.wait()
    os.close(one.parent)


def test_ctrl_c_stops_the_answer_and_gives_the_prompt_back(terminal: Terminal) -> None:
    terminal.type("long\r")
    terminal.wait_for("circumstantial")
    terminal.process.send_signal(signal.SIGINT)
    told = terminal.wait_for("you> ")
    assert "(stopped; the conversation is as it was" in told
    assert "Traceback" not in told
    terminal.type("short\r")
    assert "considerations" in terminal.wait_for("you> ")


def test_ctrl_c_at_the_prompt_says_how_to_leave(terminal: Terminal) -> None:
    terminal.interrupt()
    assert "(Ctrl-D or /quit leaves)" in terminal.wait_for("you> ")
    terminal.type("\x04")
    assert terminal.process.wait(timeout=60) == 0


def test_the_up_arrow_brings_the_last_question_back(terminal: Terminal) -> None:
    terminal.type("short\r")
    terminal.wait_for("you> ")
    terminal.type("\x1b[A\r")
    assert "considerations" in terminal.wait_for("you> ")


def test_no_word_is_broken_at_the_end_of_a_line(terminal: Terminal) -> None:
    terminal.type("short\r")
    lines = re.sub("[. ]{3}\b{3}", "", terminal.wait_for("you> ")).splitlines()
    assert all(len(line.rstrip()) <= 40 for line in lines)
    words = {word for line in lines for word in line.split() if not line.startswith("AI")}
    assert {"extraordinarily", "circumstantial", "considerations"} >= words - {"short"}


def test_dots_move_until_words_come_and_are_wiped_out(terminal: Terminal) -> None:
    terminal.type("short\r")
    before = terminal.wait_for("extraordinarily").partition("> ")[2].split("\b\b\b")
    assert list(dict.fromkeys(before)) == [".  ", ".. ", "...", "   ", ""]


def test_retry_names_the_question_that_it_asks_again(terminal: Terminal) -> None:
    terminal.type("short\r")
    terminal.wait_for("you> ")
    terminal.type("/retry\r")
    assert "(again: short)" in terminal.wait_for("considerations")
