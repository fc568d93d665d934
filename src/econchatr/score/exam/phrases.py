"""How much of some expected words stands in a text: all, most, or not enough.

Words that carry meaning count four times as much as those that only hold a sentence together, so that "but to be rich"
is not nearly "but to be lovely". This module knows English function words only; in another language every word counts
alike, which makes `near` a little easier to reach. It does not understand: the same thought in other words is wrong.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Final

from econchatr.records import Grade
from econchatr.score.speech import split_words

NEAR: Final = 0.6
"""From this likeness on the words are nearly right. Source: docs/experiments.md, "When a quotation is nearly right"."""

_SMALL_WEIGHT: Final = 0.25
_MIN_STEM_CHARS: Final = 4
_MIN_STEM_SHARE: Final = 0.7


def grade_words(text: str, expected: str, *, near: float = NEAR) -> tuple[Grade, float]:
    """`exact`, `near` or `wrong`, and the likeness behind it, 0 to 1.

    Exact means word for word, whatever the case, accents and marks, anywhere in the text. Of expected words that are
    none (only marks), nothing can be said: `unmarked`.

    >>> grade_words("Man, they say, wants not only love, but to be LOVELY!", "but to be lovely")
    ('exact', 1.0)
    >>> grade_words("And also to be lovely.", "but to be lovely")[0]
    'near'
    >>> grade_words("But to be rich.", "but to be lovely")[0]
    'wrong'
    """
    wanted, said = _plain_words(expected), _plain_words(text)
    if not wanted:
        return "unmarked", 0.0
    if f" {' '.join(wanted)} " in f" {' '.join(said)} ":
        return "exact", 1.0
    likeness = measure_likeness(wanted, said)
    return ("near" if likeness >= near else "wrong"), likeness


def measure_likeness(wanted: Sequence[str], said: Sequence[str]) -> float:
    """1 minus the least weighted edits that make some stretch of `said` into `wanted`, over the weight of `wanted`.

    A missing word costs its weight, a wrong one too, another form of it a quarter; a word too many costs a small word.

    Source: Sellers 1980, Journal of Algorithms 1, 359-373 (edit distance to the best stretch); the weights are ours.
    """
    weights = [_SMALL_WEIGHT if word in word_list("small") else 1.0 for word in wanted]
    # costs[j]: cheapest way to make the words so far out of a stretch that ends before said[j].
    costs = [0.0] * (len(said) + 1)
    for word, weight in zip(wanted, weights, strict=True):
        before, costs = costs, [costs[0] + weight]
        for place, other in enumerate(said):
            swap = 0.0 if word == other else weight * (0.25 if _is_same_stem(word, other) else 1.0)
            costs.append(min(before[place] + swap, before[place + 1] + weight, costs[place] + _SMALL_WEIGHT))
    return max(0.0, 1 - min(costs) / sum(weights))


def _is_same_stem(word: str, other: str) -> bool:
    """Whether two words begin alike for most of their length: `measure` and `measured`, not `measure` and `mean`."""
    n_shared = 0
    for one, two in zip(word, other, strict=False):
        if one != two:
            break
        n_shared += 1
    return n_shared >= max(_MIN_STEM_CHARS, _MIN_STEM_SHARE * max(len(word), len(other)))


def _plain_words(text: str) -> list[str]:
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return split_words(plain)


@lru_cache(maxsize=8)
def word_list(name: str) -> frozenset[str]:
    """One list of `word_lists.toml`, in small letters."""
    text = resources.files("econchatr.score").joinpath("word_lists.toml").read_text(encoding="utf-8")
    return frozenset(tomllib.loads(text)[name].split())
