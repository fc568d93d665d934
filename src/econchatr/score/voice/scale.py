"""H1, Voice: where a text stands between the guests (0) and the host (1), by how it is said.

What is learned from training episodes is set to 0 and 1 by held-out ones, in windows of as many words as the measured
text is given. Above 1 is caricature: what counts is the distance from 1. Babble of the host's words scores near 1 too;
so a Voice counts only where the gates pass. This module does not know models, nor whether a text makes sense.

Source: shared reference `evaluation.md`, 2.3 and 9.2, H1; intervals: docs/decisions/0009-intervals.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from econchatr.records import Pair
from econchatr.score.speech import Said, read_pairs, split_words, spread_pairs
from econchatr.score.statistics import Interval, jackknife_error, jackknife_interval
from econchatr.score.voice.style import Bags, Counts, Floats, Profiles, draw_left_out, fold_groups, learn_profiles

WINDOW_WORDS: Final = (1000, 500, 250)
"""A text is measured in windows of the largest of these sizes that it fills. Source: docs/experiments.md."""

SCORERS: Final = ("common words", "masked characters")
MAX_REPLIES: Final = 2000
"""Of each side and split that are read, evenly over the episodes: more would only cost time."""

MIN_TRAINING_WORDS: Final = 2000
MIN_EPISODES: Final = 2
SURENESS: Final = 0.995
"""How sure it must be that the host stands apart from the guests (Student's t, one-sided): else there is no scale."""

N_WINDOWS: Final = 200


class MeasuredVoice(NamedTuple):
    """The Voice of one row, or why there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    by_scorer: tuple[float, ...] = ()
    """Of common words, of masked characters; the value is their mean."""
    n: int = 0
    """Replies measured."""
    n_words: int = 0
    window_words: int = 0
    left_out: tuple[tuple[float, ...], ...] = ()
    """The value without each group of replies, and without each held-out episode: what the interval is made of."""
    reason: str = ""

    @property
    def distance(self) -> float | None:
        """How far from the host, on either side; the smallest wins."""
        return None if self.value is None else abs(1 - self.value)


class _Pool(NamedTuple):
    bags: Bags
    groups: Counts
    """Of each reply."""
    n_groups: int


class _Marks(NamedTuple):
    """Where guests and host stand: over everything, then without each episode. Shape of each (1 + episodes, 2)."""

    guest: Floats
    host: Floats


@dataclass
class VoiceScale:
    """Profiles, and the held-out speech that sets 0 and 1."""

    profiles: Profiles
    guest: _Pool
    host: _Pool
    seed: int
    marks: dict[int, _Marks] = field(default_factory=dict)
    """By the words of a window, as far as they were asked for."""


def fit_voice(host: Sequence[Pair], guest: Sequence[Pair], *, seed: int = 0) -> VoiceScale | str:
    """Make the scale of a show, or say why there is none.

    Args:
        host: Pairs whose reply is the host's, of training and test episodes.
        guest: Pairs whose reply is a guest's, of the same episodes.
        seed: Of the windows that are drawn.
    """
    replies = {
        side: [pair.reply for pair in _take(pairs, "train")] for side, pairs in (("host", host), ("guests", guest))
    }
    for side, texts in replies.items():
        n_words = sum(len(split_words(text)) for text in texts)
        if n_words < MIN_TRAINING_WORDS:
            return f"{n_words:,} words of the {side} in training episodes; {MIN_TRAINING_WORDS:,} are needed"
    profiles = learn_profiles(replies["host"], replies["guests"], seed=seed)
    return set_scale(profiles, read_pairs(_take(host, "test")), read_pairs(_take(guest, "test")), seed=seed)


def set_scale(profiles: Profiles, host: Sequence[Said], guest: Sequence[Said], *, seed: int = 0) -> VoiceScale | str:
    """Set 0 and 1 by what guests and host said in held-out episodes, or say why that cannot be done."""
    for side, said in (("host", host), ("guests", guest)):
        n_episodes = len({one.group for one in said})
        if n_episodes < MIN_EPISODES:
            return f"the {side} in {n_episodes} held-out episodes; {MIN_EPISODES} are needed"
    numbers = fold_groups(one.group for one in (*host, *guest))
    return VoiceScale(profiles, _fill_pool(profiles, guest, numbers), _fill_pool(profiles, host, numbers), seed)


def measure_voice(said: Sequence[Said], scale: VoiceScale | str, *, window_words: int | None = None) -> MeasuredVoice:
    """Measure where these replies stand between the guests, 0, and the host, 1.

    Args:
        said: All replies of one row, pooled; each with the question or episode it belongs to.
        scale: Of the show; or why there is none.
        window_words: Size of the windows; `None`: the largest of `WINDOW_WORDS` that text and held-out speech fill.
    """
    if isinstance(scale, str):
        return MeasuredVoice(None, n=len(said), reason=scale)
    return _measure(said, scale, fold_groups(one.group for one in said), window_words)


def compare_voices(before: Sequence[Said], after: Sequence[Said], scale: VoiceScale | str) -> Interval | str:
    """Measure how much closer to the host the second row stands than the first; or say why that is not known.

    Both are measured in windows of the same size, and the interval is of the difference: questions and episodes that
    both share do not widen it.
    """
    if isinstance(scale, str):
        return scale
    numbers = fold_groups(one.group for one in (*before, *after))
    voices = [_measure(said, scale, numbers, None) for said in (before, after)]
    # A row too short for any window has none at the other's size either.
    if all(voice.value is not None for voice in voices):
        size = min(voice.window_words for voice in voices)
        voices = [_measure(said, scale, numbers, size) for said in (before, after)]
    first, second = voices
    if first.distance is None or second.distance is None:
        return first.reason or second.reason
    left_out = [
        [abs(1 - one) - abs(1 - other) for one, other in zip(ones, others, strict=True)]
        for ones, others in zip(first.left_out, second.left_out, strict=True)
    ]
    return jackknife_interval(first.distance - second.distance, left_out)


def _measure(
    said: Sequence[Said], scale: VoiceScale, numbers: Mapping[str, int], window_words: int | None
) -> MeasuredVoice:
    if not said:
        return MeasuredVoice(None, reason="no answers")
    pool = _fill_pool(scale.profiles, said, numbers)
    n_words = int(pool.bags.n_words.sum())
    size = window_words or _choose_window(pool, scale)
    known = MeasuredVoice(None, n=len(said), n_words=n_words, window_words=size or 0)
    if size is None:
        return known._replace(reason=_tell_few(pool, len(said)))
    marks = _find_marks(scale, size)
    if reason := _doubt_marks(marks, size):
        return known._replace(reason=reason)
    row = _place_pool(scale.profiles, pool, size, scale.seed)
    by_scorer = (row[0] - marks.guest[0]) / (marks.host[0] - marks.guest[0])
    left_out = (
        ((row[1:] - marks.guest[0]) / (marks.host[0] - marks.guest[0])).mean(axis=1),
        ((row[0] - marks.guest[1:]) / (marks.host[1:] - marks.guest[1:])).mean(axis=1),
    )
    interval = jackknife_interval(float(by_scorer.mean()), left_out)
    return known._replace(
        value=interval.value,
        low=interval.low,
        high=interval.high,
        by_scorer=tuple(by_scorer.tolist()),
        left_out=tuple(tuple(values.tolist()) for values in left_out),
    )


def _take(pairs: Sequence[Pair], split: str) -> list[Pair]:
    return spread_pairs([pair for pair in pairs if pair.split == split], n=MAX_REPLIES)


def _fill_pool(profiles: Profiles, said: Sequence[Said], numbers: Mapping[str, int]) -> _Pool:
    groups = np.array([numbers[one.group] for one in said], dtype=np.int64)
    return _Pool(profiles.count([one.text for one in said]), groups, len(set(numbers.values())))


def _choose_window(pool: _Pool, scale: VoiceScale) -> int | None:
    """The largest window that each pool still fills when its largest group is left out."""
    filled = min(_count_filled(one) for one in (pool, scale.guest, scale.host))
    return next((size for size in WINDOW_WORDS if size <= filled), None)


def _count_filled(pool: _Pool) -> int:
    """How many words are left when the largest group is left out."""
    n_words = pool.bags.n_words
    return int(n_words.sum() - np.bincount(pool.groups, n_words).max() * (pool.n_groups > 1))


def _tell_few(pool: _Pool, n_replies: int) -> str:
    """Why not even the smallest window can be filled."""
    n_words, least = int(pool.bags.n_words.sum()), min(WINDOW_WORDS)
    if n_words < least:
        return f"{n_words} words in {n_replies} replies; {least} and more are needed"
    if (n_left := _count_filled(pool)) < least:
        return f"{n_words} words in {n_replies} replies, {n_left} without the longest; {least} and more are needed then"
    return f"fewer than {least} words of the real host or of the guests are held out, to compare with"


def _find_marks(scale: VoiceScale, window_words: int) -> _Marks:
    if window_words not in scale.marks:
        scale.marks[window_words] = _Marks(
            _place_pool(scale.profiles, scale.guest, window_words, scale.seed + 1),
            _place_pool(scale.profiles, scale.host, window_words, scale.seed + 2),
        )
    return scale.marks[window_words]


def _doubt_marks(marks: _Marks, window_words: int) -> str:
    """Why host and guests cannot be told apart in such windows; empty if they can."""
    from scipy.special import stdtrit

    for scorer, apart in enumerate((marks.host - marks.guest).T):
        if apart[0] < stdtrit(len(apart) - 2, SURENESS) * jackknife_error(apart[1:].tolist()):
            return (
                f"host and guests of held-out episodes cannot be told apart surely enough by {SCORERS[scorer]} in "
                f"{window_words} words"
            )
    return ""


def _place_pool(profiles: Profiles, pool: _Pool, size: int, seed: int) -> Floats:
    """The mean place of the pool's windows, and of the pool's without each group. Shape (1 + groups, 2)."""
    drawn = draw_left_out(
        pool.bags.n_words, pool.groups, n_groups=pool.n_groups, size=size, n_windows=N_WINDOWS, seed=seed
    )
    return np.stack([profiles.place(pool.bags, windows).mean(axis=0) for windows in drawn])
