"""How far a selection leans towards the exam: how many of the exam's uncommon words its replies hold.

The selection of 2023 looked for the very words that its questions asked about. So this is reported for every selection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from econchatr.records import Overlap
from econchatr.select.features import split_words
from econchatr.select.strategies import matches_subject

_MIN_LETTERS: Final = 4
_MAX_POOL_SHARE: Final = 0.02
"""A word in more of the replies than this is nobody's subject."""


def measure_overlaps(
    exam: Sequence[str],
    pool: Sequence[str],
    chosen: Mapping[str, Collection[int]],
    *,
    names: Sequence[str] = (),
    subjects: Sequence[str] = (),
) -> list[Overlap]:
    """Per rung, the exam's uncommon words, which of them its replies hold, and how often against the whole pool.

    Args:
        exam: Questions and expected answers.
        pool: Replies of every pair that could be chosen.
        chosen: Rung -> the places of its replies in the pool.
        names: Of host and show; their words are nobody's subject here.
        subjects: What the strategy looks for, as `matches_subject` reads it.
    """
    own = _list_words(names)
    asked = {word for word in _list_words(exam) - own if len(word) >= _MIN_LETTERS}
    holders = _find_holders(pool, asked)
    rare = {word: found for word in asked if len(found := holders.get(word, set())) <= _MAX_POOL_SHARE * len(pool)}
    leaning = set[int]().union(*rare.values())
    shared = tuple(subject for subject in subjects if any(matches_subject(text, subject) for text in exam))
    overlaps = []
    for rung, places in chosen.items():
        taken = set(places)
        held = {word: len(taken & found) / len(found) for word, found in rare.items() if taken & found}
        overlaps.append(
            Overlap(
                rung=rung,
                n_exam_words=len(rare),
                words=tuple(sorted(held, key=lambda word: (-held[word], word))),
                share=len(taken & leaning) / len(taken) if taken else 0.0,
                pool_share=len(leaning) / len(pool) if pool else 0.0,
                subjects=shared,
            )
        )
    return overlaps


def _list_words(texts: Sequence[str]) -> set[str]:
    return {word for words in split_words(texts).to_list() for word in words}


def _find_holders(replies: Sequence[str], words: Collection[str]) -> dict[str, set[int]]:
    """Per word, the places of the replies that hold it."""
    import polars as pl

    lists = pl.DataFrame({"place": range(len(replies)), "word": split_words(replies)})
    found = lists.explode("word").filter(pl.col("word").is_in(sorted(words)))
    holders: dict[str, set[int]] = {}
    for place, word in found.iter_rows():
        holders.setdefault(word, set()).add(place)
    return holders
