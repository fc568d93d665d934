"""Voice as the measure by which the best of many answers is picked, and what the pick gains.

Two instruments are made, each of every other episode: profiles of training episodes, marks of held-out ones. One
picks, the other measures what the pick was worth, and they change places: they share no episode. A pick must be on its
question and not copied. This module asks no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from econchatr.records import Pair, Score
from econchatr.score.best import Fold, choose_best, score_choosing
from econchatr.score.copying import SpeechIndex, find_copied
from econchatr.score.gates import MAX_RUN_WORDS
from econchatr.score.profiles import Bags
from econchatr.score.speech import Said, split_words
from econchatr.score.topic import Subjects, measure_topic
from econchatr.score.voice import WINDOW_WORDS, VoiceScale, fit_voice, place_bags

MEASURE: Final = "voice"
UNIT: Final = "0 guests, 1 host"

MAX_COPIED: Final = 0.5
"""Share of copied words from which on an answer is no answer of the model's own."""

MIN_CREDIT: Final = 0.5
"""An answer is on its question if it resembles it more than the others, or as much as one other."""

_REPLY_WORDS: Final = (200, 100, 50, 25)
"""A single answer is compared with windows of host and guests of the largest of these sizes that it fills."""


class _Picked(NamedTuple):
    """The instruments' way of knowing an answer again."""

    scale: VoiceScale
    bags: Bags
    rows: dict[tuple[str, int], int]
    """Question and sample -> row of `bags`."""

    def like(self, one: Said) -> float | None:
        """How near one answer is to the host; nearest is 0, and it falls on either side."""
        row = self.rows[one.group, one.sample]
        n_words = int(self.bags.n_words[row])
        size = next((size for size in _REPLY_WORDS if size <= n_words), None)
        return None if size is None else _near(self._take([row]), self.scale, size)

    def worth(self, ones: Sequence[Said], window_words: int) -> float | None:
        """How near a row of answers is to the host, together."""
        return _near(self._take([self.rows[one.group, one.sample] for one in ones]), self.scale, window_words)

    def _take(self, rows: Sequence[int]) -> Bags:
        places = np.array(rows, dtype=np.int64)
        return Bags(*(part[places] for part in self.bags))


class VoicePicker:
    """Two scales of one show that share no episode, and what keeps a pick honest."""

    def __init__(self, host: Sequence[Pair], guest: Sequence[Pair], speech: SpeechIndex, subjects: Subjects) -> None:
        """Make both scales.

        Args:
            host: As for `make_yardstick`.
            guest: As for `make_yardstick`.
            speech: Of what the host said in training episodes.
            subjects: Of the same show.
        """
        self._speech, self._subjects = speech, subjects
        halves = _halve_episodes([*host, *guest])
        self._scales = [
            fit_voice(*([pair for pair in side if pair.slug in slugs] for side in (host, guest))) for slugs in halves
        ]

    def score(self, said: Sequence[Said], *, rung: str, variant: str) -> Score:
        """What the best of n is nearer to the host than one draw; unscored with the reason where that is not known."""
        scales = [scale for scale in self._scales if not isinstance(scale, str)]
        size = _choose_window(said)
        reason = next((f"half of the show: {scale}" for scale in self._scales if isinstance(scale, str)), "")
        if not said:
            reason = "no answers"
        elif not reason and size is None:
            reason = f"too few words in the answers: {min(WINDOW_WORDS)} and more are needed in one to each question"
        if reason or size is None:
            return score_choosing([], [], measure=MEASURE, unit=UNIT, rung=rung, variant=variant, reason=reason)
        picked = [_count(said, scale) for scale in scales]
        folds = [
            Fold(like=one.like, worth=lambda ones, other=other: other.worth(ones, size))  # type: ignore[misc]
            for one, other in (picked, picked[::-1])
        ]
        return score_choosing(
            said, folds, gates=[self._list_honest(said).__contains__], measure=MEASURE, unit=UNIT, rung=rung,
            variant=variant,
        )  # fmt: skip

    def pick(self, said: Sequence[Said]) -> list[Said]:
        """Get the best answer to each question, by both scales together; the first where none can be judged."""
        picked = [_count(said, scale) for scale in self._scales if not isinstance(scale, str)]
        honest = self._list_honest(said)

        def like(one: Said) -> float | None:
            values = [value for value in (each.like(one) for each in picked) if value is not None]
            return sum(values) / len(values) if values else None

        groups: dict[str, list[Said]] = {}
        for one in said:
            groups.setdefault(one.group, []).append(one)
        return [choose_best(draws, like, gates=[honest.__contains__]) for draws in groups.values()]

    def _list_honest(self, said: Sequence[Said]) -> set[Said]:
        """The answers that are on their question and not copied."""
        credits = measure_topic(said, self._subjects).credits or (None,) * len(said)
        return {
            one
            for one, credit in zip(said, credits, strict=True)
            if (credit is None or credit >= MIN_CREDIT) and not self._is_copied(one)
        }

    def _is_copied(self, one: Said) -> bool:
        copied = find_copied(one.text, self._speech, prompt=one.prompt)
        run = copied.longest.n_words if copied.longest else 0
        return run >= MAX_RUN_WORDS or copied.n_copied > MAX_COPIED * copied.n_words


def _halve_episodes(pairs: Sequence[Pair]) -> tuple[frozenset[str], frozenset[str]]:
    """Every other episode of each split, in the show's order."""
    halves: tuple[set[str], set[str]] = (set(), set())
    for split in ("train", "dev", "test"):
        episodes = sorted({(pair.rank, pair.slug) for pair in pairs if pair.split == split})
        for place, (_, slug) in enumerate(episodes):
            halves[place % 2].add(slug)
    return frozenset(halves[0]), frozenset(halves[1])


def _count(said: Sequence[Said], scale: VoiceScale) -> _Picked:
    rows = {(one.group, one.sample): row for row, one in enumerate(said)}
    return _Picked(scale, scale.profiles.count([one.text for one in said]), rows)


def _near(bags: Bags, scale: VoiceScale, window_words: int) -> float | None:
    value = place_bags(bags, scale, window_words=window_words)
    return None if value is None else -abs(1 - value)


def _choose_window(said: Sequence[Said]) -> int | None:
    """The largest window that rows of one answer to each question fill on average, with one question left out."""
    words: dict[str, list[int]] = {}
    for one in said:
        words.setdefault(one.group, []).append(len(split_words(one.text)))
    means = [sum(counts) / len(counts) for counts in words.values()]
    filled = sum(means) - max(means, default=0)
    return next((size for size in WINDOW_WORDS if size <= filled), None)
