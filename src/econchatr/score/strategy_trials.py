"""Trials of several strategies -> what each is worth at each budget, beside random choice.

A value is the mean over a strategy's trials of host bits saved: what training saved on the host's held-out replies
beyond the guests'. Intervals are the jackknife's, over episodes and over each strategy's own trials; a difference from
random choice is paired by episode.

Source: shared reference `evaluation.md`, 5.4; the interval: docs/decisions/0009-intervals.md.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from econchatr.records import ComparedStrategy, Trial
from econchatr.score.likelihood import save_bits
from econchatr.score.statistics import Interval, jackknife_interval

RANDOM = "random"


def compare_strategies(trials: Sequence[Trial]) -> list[ComparedStrategy]:
    """Get one row per budget and strategy, smallest budget first, best strategy first within it.

    All trials must have been measured on the same episodes.
    """
    rows = list[ComparedStrategy]()
    for share in sorted({trial.share for trial in trials}):
        by_strategy = defaultdict[str, list[Trial]](list)
        for trial in sorted(trials, key=lambda trial: (trial.strategy, trial.key)):
            if trial.share == share:
                by_strategy[trial.strategy].append(trial)
        saved = {name: _measure(own) for name, own in by_strategy.items()}
        chance = saved.get(RANDOM)
        found = [_tell(by_strategy[name], own, None if name == RANDOM else chance) for name, own in saved.items()]
        rows += sorted(found, key=lambda row: -row.value)
    return rows


def random_multiplier(rows: Sequence[ComparedStrategy], strategy: str, share: float) -> float | None:
    """Get how many times the budget random choice needs to be worth as much as `strategy` is at `share`.

    Read off a straight line between random's values over the logarithm of the budget; `None` where random was not tried
    around that value.
    """
    target = next((row.value for row in rows if (row.strategy, row.share) == (strategy, share)), None)
    curve = sorted((row.share, row.value) for row in rows if row.strategy == RANDOM)
    if target is None:
        return None
    for (low_share, low), (high_share, high) in pairwise(curve):
        if low < high and low <= target <= high:
            place = (target - low) / (high - low)
            return math.exp(math.log(low_share) + place * math.log(high_share / low_share)) / share
    return None


class _Saved(NamedTuple):
    """Host bits saved by a strategy, the mean over its trials."""

    value: float
    by_episode: NDArray[np.float64]
    """Without each episode."""
    by_trial: NDArray[np.float64]
    """Without each trial; empty for a single one, which says nothing of how trials differ."""

    def span(self, chance: _Saved | None = None) -> Interval:
        """The value with its interval, or how far it is above random choice's."""
        if chance is None:
            return jackknife_interval(self.value, _list_sources(self.by_episode, self.by_trial))
        sources = _list_sources(self.by_episode - chance.by_episode, self.by_trial, chance.by_trial)
        return jackknife_interval(self.value - chance.value, sources)


def _list_sources(by_episode: NDArray[np.float64], *by_trial: NDArray[np.float64]) -> list[list[float]]:
    return [by_episode.tolist(), *(values.tolist() for values in by_trial if len(values))]


def _measure(trials: Sequence[Trial]) -> _Saved:
    """Measure a strategy on the episodes that have replies of both sides."""
    by_slug = [{saving.slug: saving for saving in trial.savings} for trial in trials]
    slugs = sorted(slug for slug, saving in by_slug[0].items() if saving.host_bytes and saving.guest_bytes)
    columns = ("host_bits", "host_bytes", "guest_bits", "guest_bytes")
    table = [[[getattr(one[slug], name) for slug in slugs] for one in by_slug] for name in columns]
    sums = np.array(table, dtype=float)  # column, trial, episode
    whole = sums.sum(axis=2, keepdims=True)
    by_trial = save_bits(whole)[:, 0]
    n = len(trials)
    by_episode = save_bits(whole - sums).mean(axis=0) if len(slugs) > 1 else np.zeros(0)
    without = (by_trial.sum() - by_trial) / (n - 1) if n > 1 else np.zeros(0)
    return _Saved(float(by_trial.mean()), by_episode, without)


def _tell(trials: Sequence[Trial], own: _Saved, chance: _Saved | None) -> ComparedStrategy:
    span, over = own.span(), own.span(chance) if chance is not None else None
    n = len(trials)
    return ComparedStrategy(
        strategy=trials[0].strategy,
        share=trials[0].share,
        n_trials=n,
        mean_pairs=sum(trial.n_pairs for trial in trials) / n,
        mean_tokens=sum(trial.n_tokens for trial in trials) / n,
        mean_steps=sum(trial.n_steps for trial in trials) / n,
        value=span.value,
        low=span.low,
        high=span.high,
        over_random=over.value if over else None,
        over_random_low=over.low if over else None,
        over_random_high=over.high if over else None,
    )
