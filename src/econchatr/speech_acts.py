"""What a turn does: it asks, states, does both, hands over, thanks, or summarises what the other one said.

By rule, from the turn's own words (`speech_acts.toml`). The rules are for English. In any other language only question
marks tell, and everything else states.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

_SENTENCE_END: Final = re.compile(r"[.!?…。！？؟]+[\"'”’)\]]*(?=\s|$)|[。！？]")
_WORD: Final = re.compile(r"[\w$%]+(?:['’.\-][\w]+)*")
_QUESTION_MARKS: Final = "?？؟"
_CLOSING: Final = " \"'”’)]*_"
_MAX_NOD_WORDS: Final = 8
_MAX_TAG_WORDS: Final = 4
_MAX_WORDS_BEFORE: Final = 5
"""So many words at most stand before a phrase that hands over or thanks."""
_MAX_PHRASE_WORDS: Final = 6
_MIN_STATED_WORDS: Final = 8
"""So many words of statement beside a question make a turn that does both; fewer only lead up to the question."""


class Act(StrEnum):
    """What a turn, or one sentence of it, does."""

    ASKS = "asks"
    STATES = "states"
    BOTH = "both"
    """It states and then asks, or the other way round."""
    HANDS_OVER = "hands over"
    THANKS = "thanks"
    SUMMARISES = "summarises"
    """It says again what the other one said."""
    NODS = "nods"
    """It only shows that somebody listens."""


class Sentence(NamedTuple):
    """One sentence of a text."""

    start: int
    """Position of its first character in the text."""
    end: int
    act: Act
    """Never `BOTH`."""
    n_words: int


class Turning(NamedTuple):
    """What a turn does, and where it turns."""

    act: Act
    turns_at: int | None = None
    """Of a turn that does both: position of the first character after which it asks, or states. Else `None`."""


def read_act(text: str) -> Turning:
    """What the turn does as a whole.

    A turn that states `_MIN_STATED_WORDS` words and asks as well does both. One that does neither does what most of its
    words do. A text without a word nods.
    """
    sentences = read_sentences(text)
    asked = [one for one in sentences if one.act == Act.ASKS]
    n_stated = _count_words(sentences, Act.STATES)
    if asked and n_stated >= _MIN_STATED_WORDS:
        return Turning(Act.BOTH, _find_turn(sentences))
    if asked:
        return Turning(Act.ASKS)
    said = [one.act for one in sentences if one.act != Act.NODS]
    if not said:
        return Turning(Act.NODS)
    if n_stated >= _MIN_STATED_WORDS and 2 * n_stated >= sum(one.n_words for one in sentences):
        return Turning(Act.STATES)
    return Turning(max(said, key=lambda act: (_count_words(sentences, act), -said.index(act))))


def _count_words(sentences: Sequence[Sentence], act: Act) -> int:
    return sum(one.n_words for one in sentences if one.act == act)


def _find_turn(sentences: Sequence[Sentence]) -> int:
    """Where the turn goes over from stating to asking, or, if it begins by asking, from asking to stating."""
    told = [one for one in sentences if one.act in (Act.ASKS, Act.STATES)]
    return next(one.start for one in told if one.act != told[0].act)


def gives_the_word_back(text: str) -> bool:
    """Whether an answer hands over or thanks instead of answering."""
    return read_act(text).act in (Act.HANDS_OVER, Act.THANKS)


def asks_back(text: str) -> bool:
    """Whether an answer asks: it ends in a question that is no mere tag, or asks and states nothing."""
    sentences = read_sentences(text)
    said = [one for one in sentences if one.act != Act.NODS]
    return bool(said) and (said[-1].act == Act.ASKS or read_act(text).act == Act.ASKS)


def leads_conversation(text: str) -> bool:
    """Whether a sentence leads a conversation or speaks of it (`I'm curious how ...`), rather than of a subject."""
    small = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    return _has_phrase(small, _lists()["leads"], n_starts=len(small))


def read_sentences(text: str) -> list[Sentence]:
    """The sentences of a text in order, each with what it does. Sentences without a word belong to the one before."""
    found, start = list[Sentence](), 0
    ends = [mark.end() for mark in _SENTENCE_END.finditer(text) if not _is_abbreviated(text, mark.start(), mark.end())]
    for end in [*ends, len(text)]:
        piece = text[start:end]
        if words := _WORD.findall(piece):
            first = start + len(piece) - len(piece.lstrip())
            found.append(Sentence(first, first + len(piece.strip()), _read_sentence(piece, words), len(words)))
        elif found and piece.strip():
            found[-1] = found[-1]._replace(end=end)
        start = end
    return found


def _is_abbreviated(text: str, start: int, end: int) -> bool:
    """Whether a full stop ends an abbreviation, or a small letter goes on after dots."""
    if text[start:end].strip(_CLOSING) not in (".", "...", "…"):
        return False
    after = text[end : end + 2].lstrip()
    if after[:1].islower():
        return True
    before = text[max(0, start - 8) : start].split()[-1:]
    return bool(before) and before[0].lower().lstrip("(\"'“‘") in _lists()["abbreviations"]


def _read_sentence(text: str, words: Sequence[str]) -> Act:
    lists = _lists()
    small = [word.lower().replace("’", "'") for word in words]
    plain = _drop_nods(small)
    if text.rstrip(_CLOSING)[-1:] in tuple(_QUESTION_MARKS):
        return Act.STATES if is_tag_question(text) else Act.ASKS
    if len(small) <= _MAX_NOD_WORDS and all(word in lists["nods"] for word in small):
        return Act.NODS
    if _begins(plain, lists["asks_begin"]):
        return Act.ASKS
    if _opens_with(plain, lists["thanks"]):
        return Act.THANKS
    if _opens_with(plain, lists["hands_over"]):
        return Act.HANDS_OVER
    return (
        Act.SUMMARISES
        if _begins(small, lists["summarises_begin"]) or _begins(plain, lists["summarises_begin"])
        else Act.STATES
    )


def is_tag_question(text: str) -> bool:
    """Whether a sentence states, and only a tag at its end (`..., right?`) makes it a question."""
    before, comma, tag = text.rstrip(_CLOSING + _QUESTION_MARKS + ".!").rpartition(",")
    words = [word.lower().replace("’", "'") for word in _WORD.findall(tag)]
    return (
        bool(comma)
        and 0 < len(words) <= _MAX_TAG_WORDS
        and " ".join(words) in _lists()["tags"]
        and len(_WORD.findall(before)) >= _MAX_TAG_WORDS
    )


_LEADS: Final = frozenset(
    {"yeah", "yes", "no", "right", "okay", "ok", "well", "so", "and", "but", "oh", "ah", "um", "uh", "now", "sure"}
)


def _drop_nods(words: Sequence[str]) -> Sequence[str]:
    """The words without what only leads up to a sentence (`well, so`)."""
    start = next((place for place, word in enumerate(words) if word not in _LEADS), len(words))
    return words[start:]


def _begins(words: Sequence[str], phrases: frozenset[str]) -> bool:
    return _has_phrase(words, phrases, n_starts=1)


def _opens_with(words: Sequence[str], phrases: frozenset[str]) -> bool:
    """Whether one of the phrases begins among the first words. Later in a sentence it is part of a statement."""
    return _has_phrase(words[: _MAX_WORDS_BEFORE + _MAX_PHRASE_WORDS], phrases, n_starts=_MAX_WORDS_BEFORE)


def _has_phrase(words: Sequence[str], phrases: frozenset[str], *, n_starts: int) -> bool:
    """Whether one of the phrases begins at one of the first so many words."""
    # Looked up by its first word: nearly no sentence has one, and this is asked of every sentence of a show.
    n_words = _count_by_first(phrases)
    if n_words.keys().isdisjoint(words[:n_starts]):
        return False
    for start, word in enumerate(words[:n_starts]):
        for n in n_words.get(word, ()):
            if start + n <= len(words) and " ".join(words[start : start + n]) in phrases:
                return True
    return False


@cache
def _count_by_first(phrases: frozenset[str]) -> dict[str, tuple[int, ...]]:
    """First word of a phrase -> how many words the phrases have that begin with it."""
    found = dict[str, set[int]]()
    for phrase in phrases:
        words = phrase.split(" ")
        found.setdefault(words[0], set()).add(len(words))
    return {word: tuple(sorted(numbers)) for word, numbers in found.items()}


@cache
def _lists() -> dict[str, frozenset[str]]:
    text = files("econchatr").joinpath("speech_acts.toml").read_text(encoding="utf-8")
    return {name: frozenset(entries) for name, entries in tomllib.loads(text).items()}
