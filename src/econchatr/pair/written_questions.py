"""What a model is shown that writes a question for a passage, and how its question is read.

A model that follows instructions is asked in messages. A small model on this machine answers instead of asking, so it
gets a page to go on with: passages, each with its question, and the first words of the question that is missing.
"""

from __future__ import annotations

from typing import Final

from econchatr.records import Message

WRITER_VERSION: Final = 2
"""Raised whenever the texts below change: questions written for another text are not taken over."""

_EXAMPLES: Final = (
    (
        "I used to plan the whole garden on paper in January. Now I walk around with a cup of tea and look at what has "
        "survived. The paper plan never once knew about the slugs, and the slugs always knew about the paper plan.",
        "How do you plan a garden?",
    ),
    (
        "We lost money on every bicycle we repaired that first winter. But people who trust you with an old bicycle "
        "come back for a new one, so I would do the repairs again, and I would do them at a loss.",
        "Is a repair shop worth running at a loss?",
    ),
    (
        "My father read the weather from the way the cows stood. I have four apps for it, and three of them were "
        "wrong about Sunday. I don't say the cows were better. I say nobody ever paid the cows for an upgrade.",
        "What do you think of weather apps?",
    ),
)
"""Passages and questions of our own."""

_OPENINGS: Final = ("What do", "How do", "What is", "What should", "Do you", "Where do")
"""The question of candidate n begins with the n-th of these, and after the last with the first again."""

STOP: Final = "\n"
"""Where a page that is gone on with ends."""


def writer_messages(passage: str) -> tuple[Message, ...]:
    """What a model that follows instructions is asked."""
    system = (
        "You are shown what somebody said in a conversation. Write the one short question that it answers, as a "
        "curious person would ask it. Do not repeat its sentences, and do not answer. Write nothing but the question."
    )
    return Message(role="system", content=system), Message(role="user", content=passage)


def writer_page(passage: str, candidate: int) -> str:
    """The page that a small model goes on with: it ends in the first words of the candidate's question."""
    shown = "".join(f"Somebody said: {said}\nThe question was: {asked}\n\n" for said, asked in _EXAMPLES)
    return f"{shown}Somebody said: {' '.join(passage.split())}\nThe question was: {_open(candidate)}"


def read_page(said: str, candidate: int) -> str:
    """The question that a model ended the candidate's page with; empty where it wrote none."""
    line = f"{_open(candidate)}{said}".split("\n")[0]
    question, mark, _ = line.partition("?")
    return " ".join(f"{question}{mark}".split()) if mark else ""


def read_question(said: str) -> str:
    """The question in what a model wrote to messages, without quotes and bullets; empty where there is none.

    Of several lines the last that ends in a question mark is taken: models that think aloud end with it.
    """
    lines = [line.strip().strip("\"'“”*# -") for line in said.splitlines()]
    return next((" ".join(line.split()) for line in reversed(lines) if line.endswith("?")), "")


def _open(candidate: int) -> str:
    return _OPENINGS[candidate % len(_OPENINGS)]
