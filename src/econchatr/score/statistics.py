"""Intervals and tests that know which values belong together: replies of one episode, answers to one question.

Whole groups are resampled, left out or flipped, never single replies.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from econchatr.records import Score
from econchatr.records.measures import Measure
from econchatr.score.sparse_matrix import SparseMatrix

_CONFIDENCE: Final = 0.95
_MAX_FLIPS: Final = 20
"""Up to this many pairs every pattern of signs is tried (a million); beyond, a hundred thousand drawn ones."""
_MAX_GROUPS: Final = 20
"""Episodes beyond this many are left out several at a time: more would cost time and change the interval little."""

_ROUNDING: Final = 4e-16
"""Relative changes this small are rounding: twice the last bit of a float."""
_MAX_STEPS: Final = 10_000
"""A few are needed, and about the square root of n where n cases are counted."""

_FIRST_REPLIES: Final = 64
"""Of each order that are gone through at first, to fill a window."""


class Interval(NamedTuple):
    """A value with its 95% interval; the ends are `None` where one group, or none, cannot give an interval."""

    value: float
    low: float | None = None
    high: float | None = None


def jackknife_ratio(tops: Sequence[float], bottoms: Sequence[float], groups: Sequence[str]) -> Interval:
    """sum(tops) / sum(bottoms), with the interval of the jackknife over groups (whole episodes).

    Replies of one episode resemble each other, so episodes are left out, never single replies. Fewer than two episodes
    that hold something give no interval.
    """
    table = np.stack(_sum_groups(tops, bottoms, groups))
    return jackknife_sums(table[:, table[1] > 0], lambda sums: sums[0] / sums[1])


def jackknife_sums(
    table: NDArray[np.float64], measure: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Interval:
    """What `measure` makes of the sums of a table's columns, with the interval of leaving out a column at a time.

    Args:
        table: Last axis: the groups. No group may hold all there is of a sum that is divided by.
        measure: From sums to a value; it takes one more axis at the end, for many sums at once.
    """
    whole = table.sum(axis=-1, keepdims=True)
    value = float(measure(whole)[..., 0])
    left_out = measure(whole - table) if table.shape[-1] > 1 else np.zeros(0)
    return jackknife_interval(value, [left_out.tolist()])


def share_interval(hits: Sequence[float], totals: Sequence[float], groups: Sequence[str]) -> Interval:
    """sum(hits) / sum(totals), a share, with Wilson's interval at the sample size that the groups are worth.

    A bootstrap of few groups says nothing where a share is near 0 or 1: twelve answers without a fault give an interval
    of no width. The sample size here is the one at which independent cases would vary as the groups do; where all are
    hits, or none is, that is the number of groups.

    Source: Wilson's interval with the effective sample size of clustered data, after Dean and Pagano, "Evaluating
    confidence interval methods for binomial proportions in clustered surveys" (2015); coverage in docs/experiments.md.

    >>> share_interval([1, 1], [2, 2], ["a", "b"]).value
    0.5
    """
    hit, total = _sum_groups(hits, totals, groups)
    n_groups, size = len(total), float(total.sum())
    value = float(hit.sum()) / size
    if n_groups < 2:
        return Interval(value)
    variance = n_groups / (n_groups - 1) * float(((hit - value * total) ** 2).sum()) / size**2
    n = min(value * (1 - value) / variance, size) if variance > 0 and 0 < value < 1 else float(n_groups)
    z2 = find_t(n_groups - 1, (1 + _CONFIDENCE) / 2) ** 2
    middle = (value + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (value * (1 - value) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return Interval(value, max(0.0, middle - half), min(1.0, middle + half))


def jackknife_interval(value: float, left_out: Sequence[Sequence[float]]) -> Interval:
    """Give a value the interval that comes of leaving out one group at a time.

    Args:
        value: The measure over everything.
        left_out: One list for each independent source of chance (questions; episodes), with the measure without each of
            its groups. A source of one group gives no interval.

    Source: the delete-one-group jackknife with Student's t; degrees of freedom by Satterthwaite. Why not the bootstrap:
    docs/decisions/0009-intervals.md.
    """
    if not left_out or any(len(values) < 2 for values in left_out):
        return Interval(value)
    variances = [jackknife_error(values) ** 2 for values in left_out]
    total = sum(variances)
    if total == 0:
        return Interval(value, value, value)
    freedom = total**2 / sum(part**2 / (len(v) - 1) for part, v in zip(variances, left_out, strict=True))
    half = find_t(freedom, (1 + _CONFIDENCE) / 2) * math.sqrt(total)
    return Interval(value, value - half, value + half)


def jackknife_error(left_out: Sequence[float]) -> float:
    """Give the standard error of a measure from its values without each group of one source."""
    values = np.asarray(left_out, dtype=float)
    return math.sqrt((len(values) - 1) / len(values) * float(((values - values.mean()) ** 2).sum()))


def sign_flip_p(differences: Sequence[float], *, seed: int = 0) -> float | None:
    """How often differences as one-sided as these, or more, come of chance alone; `None` where there are none.

    Each difference is one question's, of two models; under chance its sign could as well be the other one. Two-sided,
    exact up to 20 questions: with 12, the smallest value is 2 / 4096.

    Source: shared reference `evaluation.md`, section 3, "Statistics".
    """
    values = np.asarray(differences, dtype=float)
    if not len(values):
        return None
    if len(values) <= _MAX_FLIPS:
        patterns = np.arange(2 ** len(values))
        sums = np.zeros(len(patterns))
        for place, value in enumerate(values):
            sums += np.where(patterns >> place & 1, value, -value)
        extra = 0
    else:
        signs = np.random.default_rng(seed).integers(0, 2, size=(100_000, len(values)), dtype=np.int8) * 2 - 1
        sums, extra = signs @ values, 1
    # Rounding must not part sums that are equal but for the order of adding.
    reached = abs(sums) >= abs(values.sum()) - 1e-9 * float(abs(values).sum())
    return float((reached.sum() + extra) / (len(sums) + extra))


def _sum_groups(
    tops: Sequence[float], bottoms: Sequence[float], groups: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sums of both within each group, groups in order of name."""
    names = {name: place for place, name in enumerate(sorted(set(groups)))}
    top, bottom = np.zeros(len(names)), np.zeros(len(names))
    for t, b, group in zip(tops, bottoms, groups, strict=True):
        top[names[group]] += t
        bottom[names[group]] += b
    return top, bottom


def average_groups(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The mean of each group's values, groups in the order in which they come."""
    groups = defaultdict[str, list[float]](list)
    for group, value in values:
        groups[group].append(value)
    return {group: sum(found) / len(found) for group, found in groups.items()}


def exact_share(hits: float, n: int, *, confidence: float = 0.95) -> Interval:
    """`hits` of `n` as a share, with the interval of Clopper and Pearson.

    It covers the truth at least as often as it says, at any `n`: with twelve answers the usual normal interval is too
    narrow. A count that is not whole (an average over several people) is taken as it is.

    Args:
        n: At least 1.

    Source: Clopper and Pearson 1934, Biometrika 26, 404-413; why no normal interval: shared reference
    `evaluation.md`, section 3, "Statistics".
    """
    tail = (1 - confidence) / 2
    low = 0.0 if hits <= 0 else _invert_beta(hits, n - hits + 1, tail)
    high = 1.0 if hits >= n else _invert_beta(hits + 1, n - hits, 1 - tail)
    return Interval(hits / n, low, high)


def make_score(
    measure: Measure, found: Interval | str | None, *, rung: str, variant: str, subject: str, n: int, reason: str = ""
) -> Score:
    """Put a value down with its interval and the measure's unit.

    Args:
        found: The value; or, in words, why there is none; or `None`, and `reason` says why. The rest is as in `Score`.
    """
    known = found._asdict() if isinstance(found, Interval) else {"value": None, "reason": found or reason}
    return Score(measure=measure.value, rung=rung, variant=variant, subject=subject, n=n, unit=measure.unit, **known)


# --- Student's t and the beta distribution ----------------------------------------------------------------------------


def find_t(freedom: float, share: float) -> float:
    """Give the value that Student's t stays below with this chance.

    Args:
        freedom: Degrees of freedom, above 0, whole or not.
        share: Above 0.5 and below 1.

    >>> round(find_t(11, 0.975), 3)
    2.201
    """
    x = _invert_beta(freedom / 2, 0.5, 2 * (1 - share))
    return math.sqrt(freedom * (1 - x) / x)


def _invert_beta(a: float, b: float, share: float) -> float:
    """Give the value that a beta-distributed number stays below with this chance.

    Newton's steps, and halves of what is left where a step would leave it.
    """
    low, high, x = 0.0, 1.0, 0.5
    for _ in range(_MAX_STEPS):
        error = _beta_share(a, b, x) - share
        low, high = (x, high) if error < 0 else (low, x)
        density = math.exp(_log_beta_term(a, b, x)) / (x * (1 - x))
        step = x - error / density if density > 0 else 0.0
        before, x = x, step if low < step < high else (low + high) / 2
        if abs(x - before) <= _ROUNDING * x or x in (0.0, 1.0):
            break
    return x


def _log_beta_term(a: float, b: float, x: float) -> float:
    """The logarithm of x^a (1 - x)^b / B(a, b)."""
    return a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)


def _beta_share(a: float, b: float, x: float) -> float:
    """The chance that a beta-distributed number is below x (the regularised incomplete beta function).

    Source: the continued fraction 8.17.22 of NIST's Digital Library of Mathematical Functions, evaluated by Lentz's
    method from the front.
    """
    if x > (a + 1) / (a + b + 2):  # there the fraction converges slowly, and that of the mirror image soon
        return 1 - _beta_share(b, a, 1 - x)
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _MAX_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = fraction
        for term in (even, odd):
            d, c = 1 / (1 + term * d), 1 + term / c
            fraction *= c * d
        if abs(fraction - before) <= _ROUNDING * abs(fraction):
            break
    return math.exp(_log_beta_term(a, b, x)) * fraction / a


# --- windows of replies -----------------------------------------------------------------------------------------------


def fold_groups(names: Iterable[str]) -> dict[str, int]:
    """Number the groups 0, 1, ... in order of name; more than 20 of them share numbers, in turn."""
    return {name: place % _MAX_GROUPS for place, name in enumerate(sorted(set(names)))}


def draw_windows(n_words: NDArray[np.int64], *, size: int, n_windows: int, seed: int) -> SparseMatrix:
    """Draw windows of `size` words: a matrix (window, reply) with 1 where the reply is in the window.

    Within a window no reply comes twice. A pool of fewer words gives windows that hold all of it.
    """
    orders = _shuffle(len(n_words), n_windows, seed)
    return _fill(orders, n_words, np.ones(len(n_words), dtype=bool), size)


def draw_left_out(
    n_words: NDArray[np.int64], groups: NDArray[np.int64], *, n_groups: int, size: int, n_windows: int, seed: int
) -> list[SparseMatrix]:
    """Draw windows of the whole pool, and then of the pool without each of the groups 0 to `n_groups` - 1.

    A window without its group is the same window, filled up with what came next: so what leaving a group out changes is
    not hidden behind the chance of another draw.
    """
    orders = _shuffle(len(n_words), n_windows, seed)
    return [_fill(orders, n_words, groups != group, size) for group in (-1, *range(n_groups))]


def _shuffle(n_replies: int, n_windows: int, seed: int) -> NDArray[np.int64]:
    """For each window, the replies in an order of its own."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(n_replies) for _ in range(n_windows)])


def _fill(orders: NDArray[np.int64], n_words: NDArray[np.int64], is_kept: NDArray[np.bool_], size: int) -> SparseMatrix:
    """Fill each window with the kept replies in its order, until `size` words are reached: all windows at once."""
    kept_words, n_replies = n_words * is_kept, len(n_words)
    width = min(_FIRST_REPLIES, n_replies)
    # Few replies of a long order are needed, mostly; so that the rest is not gone through.
    while width < n_replies and (kept_words[orders[:, :width]].sum(axis=1) < size).any():
        width = min(2 * width, n_replies)
    first = orders[:, :width]
    words = kept_words[first]
    is_taken = (np.cumsum(words, axis=1) - words < size) & is_kept[first]
    ends = np.concatenate([[0], np.cumsum(is_taken.sum(axis=1))])
    columns = first[is_taken]
    return SparseMatrix(np.ones(len(columns)), columns, ends, n_replies)
