"""How far people who marked the same things agree, beyond chance: Krippendorff's alpha for ordered marks.

This module does not know what was marked, nor who is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from econchatr.score.statistics import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def ordinal_alpha(
    units: Sequence[Sequence[float]], groups: Sequence[Hashable], *, n_resamples: int = 2000, seed: int = 0
) -> Interval | str:
    """Krippendorff's alpha, 1 for full agreement and 0 for what chance gives; or why there is none.

    It takes any number of scorers, and units that not everybody marked; a unit with one mark says nothing about
    agreement and is left out.

    Args:
        units: Per thing marked, the marks it got.
        groups: Per thing marked, what it belongs to (its question): the interval resamples these.

    Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", with the ordinal difference.
    """
    import numpy as np

    paired = [(marks, group) for marks, group in zip(units, groups, strict=True) if len(marks) > 1]
    if not paired:
        return "no answer was marked by two people"
    values = sorted({value for marks, _ in paired for value in marks})
    if len(values) < 2:
        return "all marks are the same, so agreement beyond chance has no meaning"
    names = list(dict.fromkeys(group for _, group in paired))
    place = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(values), len(values)))
    for marks, group in paired:
        counts[place[group]] += _coincidences(Counter(marks), values)
    value = float(_alpha(counts.sum(axis=0)))
    if len(names) < 2:
        return Interval(value, None, None)
    draws = np.random.default_rng(seed).integers(0, len(names), size=(n_resamples, len(names)))
    drawn = [found for draw in draws if not np.isnan(found := _alpha(counts[draw].sum(axis=0)))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _coincidences(marks: Mapping[float, int], values: Sequence[float]) -> NDArray[np.float64]:
    """How often two marks of one thing meet, each pair weighed so that a thing counts as many times as it has marks."""
    import numpy as np

    n = np.array([marks.get(value, 0) for value in values], dtype=float)
    return np.asarray((np.outer(n, n) - np.diag(n)) / (n.sum() - 1))


def _alpha(coincidences: NDArray[np.float64]) -> float:
    """1 minus observed over expected disagreement; not a number where all marks are the same."""
    import numpy as np

    n = coincidences.sum(axis=1)
    # Between two marks lie all marks of the values between them, and half of the two values' own.
    below = np.cumsum(n) - n / 2
    difference = (below[:, None] - below[None, :]) ** 2
    expected = float((np.outer(n, n) * difference).sum())
    if not expected:
        return float("nan")
    return 1 - float((n.sum() - 1) * (coincidences * difference).sum() / expected)
