"""Find scores among the many, and turn the few the page speaks about into plain sentences.

Knows the names of some measures; every other one is listed on the page all the same. Measures nothing: percentages
are the scores' own values, divided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from econchatr.records import Score

BITS = "bits per byte"
MEDIAN_WORDS = "median reply words"
HOST_REPLIES = "host replies (test)"
GUEST_REPLIES = "guest replies (test)"
CHANGE = "tuned minus base"
HOST_SHARE = "host bits saved"
HAND_MARK = "hand mark"
SCORER_AGREEMENT = "agreement between scorers"
BLIND_PICKS = "blind picks of the real host"
HELD_OUT_CUES = "held-out cues (test)"
VOICE = "voice"
CLOSER = "voice, closer to the host by"
COPIED = "copied words"
LONGEST_RUN = "longest copied run"
TRUE_REPLY = "true reply among twenty"
MADE_UP = "made-up rate"
CONFABULATION = "confabulation"
COVERAGE = "coverage"
CLOSED_QUESTIONS = "closed questions"
REFERENCES = ("host", "guest", "parrot")
"""Rows that are the same for every rung."""
PREFERRED = "preferred"
"""What a round on preferences made of the tuned model."""
VARIANT_ORDER = ("host", "guest", "base", "persona", "retrieval", "parrot", "tuned", "grounded", PREFERRED)
ROW_NAMES = {
    "host": "the real host",
    "guest": "the guests",
    "base": "base model",
    "persona": "base model with a persona prompt",
    "retrieval": "base model with real excerpts",
    "parrot": "retrieval parrot",
    "tuned": "tuned model",
    "grounded": "tuned model with real excerpts",
    PREFERRED: "tuned model after a round on preferences",
}
"""How the rows are called, in the order of the table: ceiling and floor, what costs no training, what was trained."""


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
