"""Which pairs are worth learning from: the filters, by name.

It knows numbers only; counting is done where the pairs are made.
"""

from __future__ import annotations

import html
import re
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


_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ue000-\ue07f]"
)
# Escaped marks are hidden behind private characters while emphasis and links are read, then come back.
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_HIDDEN_BASE: Final = 0xE000
_HIDDEN: Final = re.compile("[\ue000-\ue07f]")
# Bounded: the standard library gives up on a number of thousands of digits.
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_TAG: Final = re.compile(r"</?(?:b|i|em|strong|u|s|sup|sub|br|span|p)\s*/?>", re.IGNORECASE)
_LINK: Final = re.compile(r"!?\[([^\[\]\n]{0,300})\]\((?:[^()\s]|\([^()\s]{0,300}\)){0,2000}(?: \"[^\"\n]{0,200}\")?\)")
_STARS: Final = re.compile(
    r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*\n]+)(?<=\S)\1(?!\*)|(\*{1,3})(?=[^\s*])([^*\n]+)(?<=\S)\3(?![\w*])"
)
_UNDERSCORES: Final = re.compile(r"(?<![\w_])(_{1,3})(?=[^\s_])([^_\n]+)(?<=[^\s_])\1(?![\w_])")
_CODE: Final = re.compile(r"(`{1,3})([^`\n]+)\1")
_LINE_STAR: Final = re.compile(r"^[ \t]*\*(?=[\"“'\w])|(?<=[\w.!?,\"”'])[ \t]?\*[ \t]*$", re.MULTILINE)
_CLOCK: Final = r"(?:\d{1,2}:)?\d{1,3}:\d{2}(?:[.:]\d{1,3})?"
_START_STAMP: Final = re.compile(rf"^(?:\({_CLOCK}\)|{_CLOCK}(?=[A-Z][a-z]))", re.MULTILINE)
_LINE_STAMP: Final = re.compile(rf"^{_CLOCK}$", re.MULTILINE)
# The second form is a typing slip for a sound note.
_BRACKET: Final = re.compile(r"\[([^\[\]]{0,400})\]|\[laugh(?:s|ter)?\[", re.IGNORECASE)
_AT_DOMAIN: Final = re.compile(r" ?\[at\] ?(?=[\w-]{1,63}(?:\.[\w-]{1,63}){0,3}\.[a-zA-Z]{2,12}\b)")
_OPENING: Final = frozenset("\"'“‘(-–—$")
_MAX_INDEX_CHARS: Final = 3
_CODE_BEFORE: Final = frozenset(")]_")
_SOUND: Final = re.compile(
    r"\((?:laugh(?:s|ter|ing)?|chuckl(?:es|ing)|applause|sighs?|crosstalk|inaudible|music|coughs?)\)", re.IGNORECASE
)
_SPOKEN: Final = frozenset({"at", "dot"})


def clean_speech(text: str) -> str:
    """Get what was said, on one line; empty if the transcript noted only sounds.

    Text in square brackets is the transcript's own: doubts keep their word (`[? word]`), notes (`[laughs]`) and glosses
    (`AI [artificial intelligence]`) go.
    """
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text
    text = _INVISIBLE.sub("", text)
    text = _ESCAPED.sub(lambda mark: chr(_HIDDEN_BASE + ord(mark[1])), text)
    text = _undo_markdown(text)
    text = _HIDDEN.sub(lambda mark: chr(ord(mark[0]) - _HIDDEN_BASE), text)
    # Twice, for a note inside a gloss.
    if "[" in text:
        text = _AT_DOMAIN.sub("@", text)
        text = _drop_brackets(_drop_brackets(text))
    text = _SOUND.sub(" ", text) if "(" in text else text
    text = "\n".join(" ".join(line.split()) for line in text.splitlines())
    text = _START_STAMP.sub("", text)
    # A turn of nothing but "10:30" is an answer; on a line of its own among others it is a stamp.
    text = _LINE_STAMP.sub("", text) if "\n" in text.strip() else text
    return " ".join(text.split())


def _undo_markdown(text: str) -> str:
    text = _TAG.sub(" ", text) if "<" in text else text
    text = _LINK.sub(r"\1", text) if "](" in text else text
    text = _CODE.sub(r"\2", text) if "`" in text else text
    if "*" in text:
        text = _STARS.sub(lambda span: span[2] or span[4], text)
        text = _LINE_STAR.sub("", text)
    return _UNDERSCORES.sub(r"\2", text) if "_" in text else text


def _drop_brackets(text: str) -> str:
    pieces, position = list[str](), 0
    for bracket in _BRACKET.finditer(text):
        before, after = text[max(0, bracket.start() - 1) : bracket.start()], text[bracket.end() : bracket.end() + 1]
        spoken = text[position : bracket.start()]
        kept = "" if bracket[1] is None else _read_bracket(bracket[1], before)
        pieces.append(spoken if kept else spoken.rstrip(" \t"))
        pieces.append(kept or (" " if after.isalnum() or after in _OPENING else ""))
        position = bracket.end()
    return "".join([*pieces, text[position:]])


def _read_bracket(inside: str, before: str) -> str:
    """Get what stays of a bracket: a doubted word, a word that was said (`[at]`), an index (`a[0]`, `O[n]`)."""
    if inside.strip().startswith("?"):
        return inside.strip(" ?\t\n")
    if inside.strip().lower() in _SPOKEN:
        return inside.strip()
    is_index = len(inside) <= _MAX_INDEX_CHARS and (inside.isalnum() or not inside)
    return f"[{inside}]" if is_index and before and (before.isalnum() or before in _CODE_BEFORE) else ""
