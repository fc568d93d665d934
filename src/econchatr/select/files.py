"""Training files as JSON lines, in the two shapes that services take: chat messages, and prompt with completion."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from econchatr.prompts import Voice, completion_2023
from econchatr.records import Example, Pair


def chat_lines(examples: Iterable[Example]) -> bytes:
    """One `{"messages": [...]}` per example, as chat models are trained on."""
    return _lines({"messages": [message.model_dump() for message in example.messages]} for example in examples)


def completion_lines(pairs: Sequence[Pair], voice: Voice) -> bytes:
    """One `{"prompt": ..., "completion": ...}` per pair, in the form of 2023."""
    return _lines(completion_2023(pair, voice) for pair in pairs)


def _lines(rows: Iterable[object]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
