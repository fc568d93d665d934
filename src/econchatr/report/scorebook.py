"""Find scores among the many, and turn the few the page speaks about into plain sentences.

Knows the names of some measures; every other one is listed on the page all the same. Measures nothing: percentages
are the scores' own values, divided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from econchatr.records import Score
from econchatr.records.measures import CLOSED_QUESTIONS as CLOSED_QUESTIONS
from econchatr.records.measures import GUEST_REPLIES as GUEST_REPLIES
from econchatr.records.measures import HELD_OUT_CUES as HELD_OUT_CUES
from econchatr.records.measures import HOST_REPLIES as HOST_REPLIES
from econchatr.records.measures import PREFERRED as PREFERRED
from econchatr.records.measures import REFERENCES as REFERENCES
from econchatr.records.measures import ROW_NAMES as ROW_NAMES
from econchatr.records.measures import TUNED_MINUS_BASE, Measure

CHANGE = TUNED_MINUS_BASE
BITS = Measure.BITS_PER_BYTE
MEDIAN_WORDS = Measure.MEDIAN_WORDS
HOST_SHARE = Measure.HOST_BITS_SAVED
HAND_MARK = Measure.HAND_MARK
SCORER_AGREEMENT = Measure.SCORER_AGREEMENT
BLIND_PICKS = Measure.BLIND_PICKS
VOICE = Measure.VOICE
CLOSER = Measure.VOICE_CLOSER
COPIED = Measure.COPIED_WORDS
LONGEST_RUN = Measure.LONGEST_RUN
TRUE_REPLY = Measure.TRUE_REPLY
MADE_UP = Measure.MADE_UP
CONFABULATION = Measure.CONFABULATION
COVERAGE = Measure.COVERAGE
VARIANT_ORDER = tuple(ROW_NAMES)


@dataclass(frozen=True, slots=True)
class Fall:
    """By how many percent a measure fell from the base to the tuned model; negative when it rose."""

    before: Score
    after: Score
    percent: float
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero; without an interval nothing is clear."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def refuse_infinite(scores: Sequence[Score]) -> tuple[Score, ...]:
    """Give the scores with every value that is no finite number turned into an unscored one, with that reason."""
    return tuple(score if _is_finite(score) else _unscore(score) for score in scores)


def _is_finite(score: Score) -> bool:
    return all(value is None or math.isfinite(value) for value in (score.value, score.low, score.high))


def _unscore(score: Score) -> Score:
    reason = score.reason or "the measured value or its interval is not a finite number"
    return score.model_copy(update={"value": None, "low": None, "high": None, "reason": reason})


def find_score(
    scores: Sequence[Score], measure: str, *, rung: str, variant: str, subject: str | None = None
) -> Score | None:
    """Give the first score that fits; a reference may stand under any rung."""
    fitting = [
        score
        for score in scores
        if score.measure == measure and score.variant == variant and subject in (None, score.subject)
    ]
    own = [score for score in fitting if score.rung == rung]
    if own:
        return own[0]
    return fitting[0] if fitting and variant in REFERENCES else None


def list_rungs(scores: Sequence[Score]) -> tuple[str, ...]:
    """Give the rungs that were scored as models, in the order of the scores."""
    return tuple(dict.fromkeys(score.rung for score in scores if score.variant not in REFERENCES and score.rung))


def compute_fall(scores: Sequence[Score], *, rung: str, subject: str) -> Fall | str:
    """Give the fall of bits per byte in percent of the base model's value, or why there is none.

    The interval is that of the difference, divided by the base value as if that were exact.
    """
    before = find_score(scores, BITS, rung=rung, variant="base", subject=subject)
    after = find_score(scores, BITS, rung=rung, variant="tuned", subject=subject)
    for score, name in ((before, "before training"), (after, "after training")):
        if score is None:
            return f"there is no score {name}"
        if score.value is None:
            return score.reason or f"no reason was given {name}"
    if before is None or after is None or not before.value or after.value is None:
        return "the value before training is zero"
    change = find_score(scores, BITS, rung=rung, variant=CHANGE, subject=subject)
    if change is None or change.value is None:
        return Fall(before, after, 100 * (before.value - after.value) / before.value, None, None)
    to_percent = -100 / before.value
    low = None if change.high is None else change.high * to_percent
    high = None if change.low is None else change.low * to_percent
    return Fall(before, after, change.value * to_percent, low, high)
