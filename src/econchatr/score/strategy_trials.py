"""Trials of several strategies -> what each is worth at each budget, beside random choice.

A value is the mean over a strategy's trials of host bits saved: what training saved on the host's held-out replies
beyond the guests'. Intervals resample episodes, the same ones for every strategy, and each strategy's own trials; a
difference from random choice is therefore paired by episode.

Source: shared reference `evaluation.md`, 5.4.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from econchatr.records import ComparedStrategy, Trial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RANDOM = "random"


def compare_strategies(trials: Sequence[Trial], *, n_resamples: int = 2000, seed: int = 0) -> list[ComparedStrategy]:
    """Get one row per budget and strategy, smallest budget first, best strategy first within it.

    All trials must have been measured on the same episodes.
    """
    rows = list[ComparedStrategy]()
    for share in sorted({trial.share for trial in trials}):
        by_strategy = defaultdict[str, list[Trial]](list)
        for trial in sorted(trials, key=lambda trial: (trial.strategy, trial.key)):
            if trial.share == share:
                by_strategy[trial.strategy].append(trial)
        draws = {name: _draw(own, n_resamples=n_resamples, seed=seed) for name, own in by_strategy.items()}
        chance = draws.get(RANDOM)
        found = [_tell(by_strategy[name], own, None if name == RANDOM else chance) for name, own in draws.items()]
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


def _draw(trials: Sequence[Trial], *, n_resamples: int, seed: int) -> tuple[float, NDArray[np.float64] | None]:
    """The mean over trials, and its resampled values; `None` for a single episode."""
    import numpy as np

    slugs = sorted(saving.slug for saving in trials[0].savings)
    by_slug = [{saving.slug: saving for saving in trial.savings} for trial in trials]
    columns = ("host_bits", "host_bytes", "guest_bits", "guest_bytes")
    table = [[[getattr(one[slug], name) for slug in slugs] for name in columns] for one in by_slug]
    sums = np.array(table, dtype=float)  # trial, column, episode
    whole = sums.sum(axis=2)
    value = float(np.mean(whole[:, 0] / whole[:, 1] - whole[:, 2] / whole[:, 3]))
    if len(slugs) < 2:
        return value, None
    # The same seed for every strategy: draw k takes the same episodes everywhere.
    episodes = np.random.default_rng(seed).integers(0, len(slugs), size=(n_resamples, len(slugs)))
    picks = np.random.default_rng([seed, len(trials)]).integers(0, len(trials), size=(n_resamples, len(trials)))
    drawn = sums[:, :, episodes].sum(axis=3)  # trial, column, resample
    saved = drawn[:, 0] / drawn[:, 1] - drawn[:, 2] / drawn[:, 3]
    return value, saved[picks, np.arange(n_resamples)[:, None]].mean(axis=1)


def _tell(
    trials: Sequence[Trial],
    own: tuple[float, NDArray[np.float64] | None],
    chance: tuple[float, NDArray[np.float64] | None] | None,
) -> ComparedStrategy:
    value, resampled = own
    over, difference = None, None
    if chance is not None:
        over = value - chance[0]
        difference = resampled - chance[1] if resampled is not None and chance[1] is not None else None
    (low, high), (over_low, over_high) = _ends(resampled), _ends(difference)
    n = len(trials)
    return ComparedStrategy(
        strategy=trials[0].strategy,
        share=trials[0].share,
        n_trials=n,
        mean_pairs=sum(trial.n_pairs for trial in trials) / n,
        mean_tokens=sum(trial.n_tokens for trial in trials) / n,
        mean_steps=sum(trial.n_steps for trial in trials) / n,
        value=value,
        low=low,
        high=high,
        over_random=over,
        over_random_low=over_low,
        over_random_high=over_high,
    )


def _ends(resampled: NDArray[np.float64] | None) -> tuple[float | None, float | None]:
    import numpy as np

    if resampled is None:
        return None, None
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)
