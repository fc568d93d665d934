"""Which pairs are worth learning from: the filters, by name.

It knows numbers only; counting is done where the pairs are made.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from econchatr.records import Record


class PairProfile(Record):
    """The filters of one profile; a pair must pass all of them."""

    name: str
    tokenizer: str = "gpt2"
    """Whose tokens the limits count."""
    min_reply_tokens: int = Field(default=0, ge=0)
    min_cue_tokens: int = Field(default=0, ge=0)
    min_reply_words: int = Field(default=0, ge=0)
    min_cue_words: int = Field(default=0, ge=0)
    max_pair_tokens: int = Field(default=2000, gt=0)
    """Of cue and reply together."""
    drop_duplicates: bool = True


PROFILES: Final[dict[str, PairProfile]] = {
    "2023": PairProfile(name="2023", min_reply_tokens=21, min_cue_tokens=61),
    "default": PairProfile(name="default", min_reply_words=5, min_cue_words=5),
}
"""`2023` repeats the first experiment: reply over 20 tokens, cue over 60, both at most 2,000 (GPT-2).

`default` is gentler. Long cues and replies are where a host lectures; the short ones (one sharp question after one
sentence) are where a manner of speaking shows, and a small show cannot spare them. Five words drop only nods.
The upper bound stays: a pair over 2,000 tokens is a reading or a broken label, and costs as much as twenty others.

Source: the 2023 limits are those the EconChatR post of January 2023 reports.
"""
