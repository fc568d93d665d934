"""H5: what a model makes up when it is asked for names. Made-up rate, confabulation and coverage, always together.

A model that never names anybody makes nothing up and covers nothing; one that always names somebody covers what it can
and confabulates the rest. An answer without a name abstains, however it is worded. This module does not know whether a
made-up person exists, only that the show never had them as a guest.

Source: shared reference `evaluation.md`, 9.2, H5; F0.5u: PAN's authorship verification, where leaving a question open
costs less than a wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from econchatr.records import Answer, Probe, Score
from econchatr.records.measures import CLOSED_QUESTIONS, Measure
from econchatr.score.measured import make_score
from econchatr.score.names import NameBook
from econchatr.score.statistics import Interval, jackknife_interval, share_interval

KINDS: Final = ("guests by year", "name cloze")

ProbeOutcome = Literal["right", "another guest", "never a guest", "abstained"]


class ProbeResult(NamedTuple):
    """What one answer to one probe told."""

    probe: Probe
    sample: int
    outcome: ProbeOutcome
    """`right` only if every name it gives is right."""
    names: tuple[str, ...]
    n_made_up: int
    """Of these names, those that are not right."""


def judge_answers(
    answers: Iterable[Answer], probes: Sequence[Probe], book: NameBook, *, variant: str
) -> list[ProbeResult]:
    """Judge one variant's answers to probes; answers that failed are left out."""
    by_id = {probe.probe_id: probe for probe in probes}
    return [
        judge_text(answer.reply.text, by_id[answer.question_id], book, sample=answer.sample)
        for answer in answers
        if answer.variant == variant and answer.reply is not None and answer.question_id in by_id
    ]


def judge_text(text: str, probe: Probe, book: NameBook, *, sample: int = 0) -> ProbeResult:
    """Judge what one text answers to one probe."""
    named = book.find(text, prompt=probe.text, single=probe.kind == "name cloze")
    wrong = [one for one in named if not one.guests & set(probe.right)]
    outcome: ProbeOutcome = "abstained"
    if named:
        strangers = [one for one in wrong if not one.guests]
        outcome = "never a guest" if strangers else "another guest" if wrong else "right"
    return ProbeResult(probe, sample, outcome, tuple(one.text for one in named), len(wrong))


def score_facts(
    told: Sequence[ProbeResult], *, rung: str, variant: str, reasons: Mapping[str, str] | None = None
) -> list[Score]:
    """Made-up rate, confabulation, coverage and F0.5u: of each kind of probe, and of all.

    Args:
        told: The judged answers of one variant.
        rung: As in `Score`.
        variant: As in `Score`.
        reasons: Kind -> why no such probe could be made.
    """
    why = dict(reasons or {})
    scores = []
    for subject in (*KINDS, CLOSED_QUESTIONS):
        ours = [one for one in told if subject in (CLOSED_QUESTIONS, one.probe.kind)]
        none = "" if ours else why.get(subject, "; ".join(why.values()) or "no answer to such a question")
        scores += [
            make_score(measure, value, rung=rung, variant=variant, subject=subject, n=n, reason=none or reason)
            for measure, value, n, reason in _measure(ours)
        ]
    return scores


def _measure(told: Sequence[ProbeResult]) -> list[tuple[Measure, Interval | None, int, str]]:
    """Each measure with its value, n, and why it may be missing."""
    known, new = ([one for one in told if one.probe.is_answerable == flag] for flag in (True, False))
    naming = [one for one in told if one.names]
    made_up = _share(naming, lambda one: one.n_made_up, lambda one: len(one.names))
    covered = _share(known, lambda one: one.outcome == "right")
    confabulated = _share(new, lambda one: bool(one.names))
    n_names = sum(len(one.names) for one in naming)
    only_known, only_new = (
        f"every question has its answer in {which}" for which in ("training episodes", "held-out episodes")
    )
    return [
        (Measure.MADE_UP, made_up, n_names, "no name was given"),
        (Measure.CONFABULATION, confabulated, len(new), only_known),
        (Measure.COVERAGE, covered, len(known), only_new),
        (Measure.F05U, _weigh(told), len(told), only_new),
    ]


def _share(
    told: Sequence[ProbeResult],
    top: Callable[[ProbeResult], float],
    bottom: Callable[[ProbeResult], float] = lambda one: 1.0,
) -> Interval | None:
    if not told:
        return None
    tops, bottoms = [top(one) for one in told], [bottom(one) for one in told]
    return share_interval(tops, bottoms, [one.probe.probe_id for one in told])


def _weigh(told: Sequence[ProbeResult]) -> Interval | None:
    """F0.5u over all answers, with its interval over probes; `None` where no probe is answerable."""
    value = compute_f05u(told)
    if value is None:
        return None
    probes = sorted({one.probe.probe_id for one in told})
    left_out = [compute_f05u([one for one in told if one.probe.probe_id != probe]) for probe in probes]
    return jackknife_interval(value, [[one for one in left_out if one is not None]])


def compute_f05u(told: Sequence[ProbeResult]) -> float | None:
    """F0.5u: right names over right, wrong and left open, where a wrong one weighs as much as four left open.

    An answer to a probe that nobody can answer counts only if it gives a name, which is then wrong.

    Source: PAN's evaluator: 1.25 tp / (1.25 tp + 0.25 (fn + u) + fp). Here leaving an answerable probe open is u, and
    there is no fn.
    """
    n_right = sum(one.outcome == "right" and one.probe.is_answerable for one in told)
    n_open = sum(one.outcome == "abstained" and one.probe.is_answerable for one in told)
    n_wrong = sum(one.outcome != "abstained" for one in told) - n_right
    total = 1.25 * n_right + 0.25 * n_open + n_wrong
    return 1.25 * n_right / total if total and any(one.probe.is_answerable for one in told) else None
