"""What everybody hears in a way of talking: how long, how often it asks back, and the host's own sayings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Final, NamedTuple

from econchatr.speech_acts import asks_back

_SAYING_WORDS: Final = 4
"""A saying of five or six words that is said in many episodes holds one of four that is said in as many."""
_MIN_EPISODES: Final = 3
_MIN_EPISODE_SHARE: Final = 0.1

Run = tuple[str, ...]


class Habits(NamedTuple):
    """What some answers have of a host's habits."""

    n: int
    """Answers, without the failures."""
    n_ask_back: int
    """Of them, those that ask instead of answering, or at their end (`speech_acts.asks_back`)."""
    n_with_saying: int
    """Of them, those that hold a saying of the host's."""
    n_words: float
    """In the middle answer (the median)."""


def find_sayings(spoken: Iterable[tuple[str, str]]) -> frozenset[Run]:
    """Give the runs of four words said in at least three episodes and in one of ten.

    Args:
        spoken: Episode and words of each of the host's turns.
    """
    episodes, slugs = defaultdict[Run, set[str]](set), set[str]()
    for slug, text in spoken:
        slugs.add(slug)
        for run in _list_runs(text):
            episodes[run].add(slug)
    enough = max(_MIN_EPISODES, _MIN_EPISODE_SHARE * len(slugs))
    return frozenset(run for run, found in episodes.items() if len(found) >= enough)


def measure_habits(texts: Sequence[str], sayings: frozenset[Run]) -> Habits | None:
    """Count the habits in some answers; `None`: there is no answer."""
    if not texts:
        return None
    return Habits(
        n=len(texts),
        n_ask_back=sum(map(asks_back, texts)),
        n_with_saying=sum(any(run in sayings for run in _list_runs(text)) for text in texts),
        n_words=float(median(len(text.split()) for text in texts)),
    )


def _list_runs(text: str) -> Iterator[Run]:
    words = re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", text.casefold())
    return zip(*(words[start:] for start in range(_SAYING_WORDS)), strict=False)
