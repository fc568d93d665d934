"""Turn a pair into the example that one rung's model sees, with the tokens it is billed for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from econchatr.prompts import ChatTemplate, Voice, chat_messages, completion_2023, render_example, system_line
from econchatr.records import Example, Pair
from econchatr.tokens import Tokenizer, cut_left, cut_right


class ExampleForm(NamedTuple):
    """How a rung's examples are written: `template` is `None` for the prompt/completion form of 2023."""

    rung: str
    voice: Voice
    tokenizer: Tokenizer
    template: ChatTemplate | None
    max_cue_tokens: int
    max_example_tokens: int


def build_example(pair: Pair, form: ExampleForm) -> Example:
    """The pair in the rung's form; too much is cut from the cue's beginning and the reply's end, and counted."""
    if form.template is None:
        return _build_completion(pair, form)
    tokenizer, system = form.tokenizer, system_line(form.voice)
    cue, n_cut_cue = cut_left(pair.cue, tokenizer, n_tokens=form.max_cue_tokens)
    prompt, _ = render_example(chat_messages(cue, "", system=system), form.template)
    n_prompt = tokenizer.count(prompt)
    room = max(1, form.max_example_tokens - n_prompt - 1)
    reply, n_cut_reply = cut_right(pair.reply, tokenizer, n_tokens=room)
    n_learned = tokenizer.count(reply) + (0 if n_cut_reply else 1)
    return Example(
        pair_id=pair.pair_id,
        rung=form.rung,
        split=pair.split,
        messages=chat_messages(cue, reply, system=system),
        n_billed_tokens=n_prompt + n_learned,
        n_learned_tokens=n_learned,
        n_cut_cue_tokens=n_cut_cue,
        n_cut_reply_tokens=n_cut_reply,
    )


def _build_completion(pair: Pair, form: ExampleForm) -> Example:
    row = completion_2023(pair, form.voice)
    n_learned = form.tokenizer.count(row["completion"])
    return Example(
        pair_id=pair.pair_id,
        rung=form.rung,
        split=pair.split,
        messages=chat_messages(pair.cue, pair.reply, system=system_line(form.voice)),
        n_billed_tokens=form.tokenizer.count(row["prompt"]) + n_learned,
        n_learned_tokens=n_learned,
    )


def chat_lines(examples: Iterable[Example]) -> bytes:
    """One `{"messages": [...]}` per example, as chat models are trained on."""
    return _lines({"messages": [message.model_dump() for message in example.messages]} for example in examples)


def completion_lines(pairs: Sequence[Pair], voice: Voice) -> bytes:
    """One `{"prompt": ..., "completion": ...}` per pair, in the form of 2023."""
    return _lines(completion_2023(pair, voice) for pair in pairs)


def _lines(rows: Iterable[object]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
