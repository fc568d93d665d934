"""The first screen: in plain words, how near each rung comes to the host, what it copies and what it makes up.

Each sentence is made from scores and gates alone: a Voice behind a closed gate is no nearness, a value that is not
there is named with its reason, and a difference whose interval holds zero is not shown to be one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from econchatr.display import name_hosts
from econchatr.records import Score
from econchatr.records.measures import TUNED_MINUS_PERSONA
from econchatr.report.formats import count_noun, format_count, format_decimal, format_interval, format_share
from econchatr.report.material import ReportMaterial, find_round
from econchatr.report.page_blocks import Block, Box, Facts, Paragraph, Part, Section, Statement, keep
from econchatr.report.score_table import find_gates, list_doubts, tell_why_closed
from econchatr.report.scorebook import (
    BLIND_PICKS,
    CHANGE,
    CLOSED_QUESTIONS,
    CLOSER,
    CONFABULATION,
    COPIED,
    COVERAGE,
    LONGEST_RUN,
    MADE_UP,
    VOICE,
    find_score,
    list_rungs,
)
from econchatr.report.sections.measured import chart_bits, chart_voices
from econchatr.report.sections.preference_round import tell_round
from econchatr.report.sections.replies import tell_surprise

_NEAR = 0.5
"""An interval that reaches the host and begins above this is called as near as the measure can tell."""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing the scores show, under a word or two."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rung's scores show."""

    rung: str
    sentence: str
    is_greyed: bool
    """How near it comes cannot be said: a gate is closed."""
    points: tuple[Point, ...]


def verdict_section(material: ReportMaterial) -> Section:
    """Give the first screen: a sentence and a chart, and below them what the scores show."""
    verdicts = give_verdicts(material)
    unscored = Paragraph("Nothing has been scored yet, so nothing can be said of how close the model came.", "sentence")
    told = tuple(Statement(one.sentence, one.is_greyed) for one in verdicts) or (unscored,)
    caveat = (
        f"It imitates a manner; it knows nothing. {name_hosts(material.hosts)} said none of the answers below, and "
        "they may be false."
    )
    points = (_list_points(one, with_rung=len(verdicts) > 1) for one in verdicts)
    gaps = (Paragraph(gap, "warning") for gap in _note_gaps(material))
    blocks = keep(
        Box("told", told),
        Box("shown", keep(chart_voices(material) or chart_bits(material))),
        Box("rest", (*points, Paragraph(caveat, "caveat"), *gaps)),
    )
    return Section("verdict", "Verdict", blocks)


def _list_points(verdict: Verdict, *, with_rung: bool) -> Block:
    points = Facts(tuple((point.title, point.text) for point in verdict.points), "points")
    return Box("rung-points", (Part(verdict.rung, (points,), style=""),) if with_rung else (points,))


def give_verdicts(material: ReportMaterial) -> tuple[Verdict, ...]:
    """Judge each scored rung, in the order of its scores; empty when nothing was scored."""
    rungs = list_rungs(material.scores)
    return tuple(_judge(material, rung, is_first=rung == rungs[0]) for rung in rungs)


def _judge(material: ReportMaterial, rung: str, *, is_first: bool) -> Verdict:
    closed = _why_closed(material, rung)
    makers = (_tell_grey, _tell_training, _tell_copied, _tell_made_up, _tell_preferences)
    points = [Point(title, text) for make in makers for title, text in make(material, rung)]
    points.append(Point("Surprise", tell_surprise(material, rung)))
    score = find_score(material.scores, BLIND_PICKS, rung=rung, variant="tuned")
    if score is not None and score.value is not None:
        told = f"people found {name_hosts(material.hosts)}’s own reply among five {_spell(score)}; a guess finds 20%."
        points.append(Point("People", told[0].upper() + told[1:]))
    return Verdict(rung, _tell_nearness(material, rung, closed, is_first=is_first), bool(closed), tuple(points))


def _note_gaps(material: ReportMaterial) -> tuple[str, ...]:
    """Say how many answers failed, and how many belong to no question of this exam."""
    notes = []
    n_failed = sum(answer.reply is None or answer.error is not None for answer in material.answers)
    if n_failed:
        total = count_noun(len(material.answers), "answer")
        notes.append(f"{format_count(n_failed)} of {total} failed; each is shown as an error where it belongs.")
    known = {question.question_id for question in material.questions}
    n_strays = sum(answer.question_id not in known for answer in material.answers)
    if n_strays:
        notes.append(f"{count_noun(n_strays, 'answer')} to questions that are no longer asked: not shown.")
    return tuple(notes)


# --- how near ---------------------------------------------------------------------------------------------------------


def _why_closed(material: ReportMaterial, rung: str) -> str:
    """Why the tuned model's Voice is greyed out; empty: it is not, or there is none."""
    score = find_score(material.scores, VOICE, rung=rung, variant="tuned")
    if score is None or score.value is None:
        return ""
    return tell_why_closed(find_gates(material.gates, rung=rung, variant="tuned"))


def _tell_nearness(material: ReportMaterial, rung: str, closed: str, *, is_first: bool) -> str:
    host = name_hosts(material.hosts)
    score = find_score(material.scores, VOICE, rung=rung, variant="tuned")
    if score is None:
        return f"How near {rung} comes to {host} was not measured."
    if score.value is None:
        return f"How near {rung} comes to {host} is not known: {score.reason or 'no reason was given'}."
    if closed:
        return f"How near {rung} comes to {host} cannot be said: {closed}."
    scale = f"Voice {format_decimal(score.value, 2)}"
    # Said once: the sentences of a ladder stand under each other.
    scale += f", where the guests are 0 and {host} is 1" if is_first else ""
    if score.low is None or score.high is None:
        return f"{_place_share(rung, score.value, host)} ({scale}; no interval says how sure that is)."
    doubts = list_doubts(find_gates(material.gates, rung=rung, variant="tuned"))
    but = f"; in doubt: {' and '.join(doubts)}" if doubts else ""
    return f"{_place(rung, score.value, score.low, score.high, host)} ({scale}; {_span(score, 2)}){but}."


def _place(rung: str, value: float, low: float, high: float, host: str) -> str:
    if low > 1:
        return f"{rung} overdoes {host}: it is further from the guests than {host} is"
    if high < 1:
        if low <= 0:
            return f"It is not shown that {rung} talks any more like {host} than the guests do"
        return _place_share(rung, value, host)
    if low >= _NEAR:
        return f"By its way of talking alone, {rung} cannot be told from {host}"
    if low > 0:
        return f"{rung} talks more like {host} than the guests do, but how near it comes is not sure"
    return f"The answers are too few to say whether {rung} talks like {host} or like the guests"


def _place_share(rung: str, value: float, host: str) -> str:
    if value > 1:
        return f"{rung} overdoes {host}: it is further from the guests than {host} is"
    if value <= 0:
        return f"{rung} talks no more like {host} than the guests do"
    return f"{rung} stands {format_share(value)} of the way from how the guests talk to how {host} talks"


# --- the points -------------------------------------------------------------------------------------------------------


def _tell_grey(material: ReportMaterial, rung: str) -> Iterator[tuple[str, str]]:
    """Why a Voice is greyed out, or in doubt."""
    score = find_score(material.scores, VOICE, rung=rung, variant="tuned")
    if score is None or score.value is None:
        return
    gates = find_gates(material.gates, rung=rung, variant="tuned")
    if tell_why_closed(gates):
        reasons = " ".join(_capitalise(gate.reason) for gate in gates if gate.outcome in ("fails", "unscored"))
        told = f"Its Voice of {format_decimal(score.value, 2)} is greyed out, since a trick can reach that too."
        yield "Greyed out", f"{told} {reasons}".strip()
    elif doubts := list_doubts(gates):
        are = "are past their limits" if len(doubts) > 1 else "is past its limit"
        yield (
            "In doubt",
            f"{_capitalise(' and '.join(doubts))} {are}, but by less than chance can bring: more answers must decide.",
        )


def _tell_training(material: ReportMaterial, rung: str) -> Iterator[tuple[str, str]]:
    """What training brought against the same model untrained and against a persona prompt."""
    if _why_closed(material, rung):
        return
    told = []
    for variant, rival in (
        (CHANGE, "the untrained model"),
        (TUNED_MINUS_PERSONA, "a prompt that describes the host"),
    ):
        score = find_score(material.scores, CLOSER, rung=rung, variant=variant)
        if score is not None and score.value is not None:
            told.append(_tell_nearer(score, rival))
    if told:
        yield "Training", " ".join(told)


def _tell_nearer(score: Score, rival: str) -> str:
    value = score.value or 0.0
    size = f"{format_decimal(abs(value), 2)} {'nearer' if value >= 0 else 'further away'}; {_span(score, 2)}"
    if score.low is not None and score.low > 0:
        return f"Nearer to the host than {rival} ({size})."
    if score.high is not None and score.high < 0:
        return f"Further from the host than {rival} ({size})."
    return f"Not shown to be nearer than {rival} ({size})."


def _tell_copied(material: ReportMaterial, rung: str) -> Iterator[tuple[str, str]]:
    host = name_hosts(material.hosts)
    score = find_score(material.scores, COPIED, rung=rung, variant="tuned")
    if score is None:
        return
    if score.value is None:
        yield "Copied", f"Not known: {score.reason or 'no reason was given'}."
        return
    own = find_score(material.scores, COPIED, rung=rung, variant="host")
    beside = f" ({host}’s own, in new episodes: {format_share(own.value, 1)})" if own and own.value is not None else ""
    run = find_score(material.scores, LONGEST_RUN, rung=rung, variant="tuned")
    longest = f" The longest has {count_noun(round(run.value), 'word')}." if run and run.value else ""
    share = format_share(score.value, 1) if score.value else "None"
    told = f"{share} of its words stand in runs of eight or more that {host} said before{beside}."
    yield "Copied", told + longest


def _tell_made_up(material: ReportMaterial, rung: str) -> Iterator[tuple[str, str]]:
    found = {
        name: find_score(material.scores, name, rung=rung, variant="tuned", subject=CLOSED_QUESTIONS)
        for name in (MADE_UP, CONFABULATION, COVERAGE)
    }
    made_up, blurted, covered = found.values()
    if made_up is None:
        return
    if made_up.value is None:
        told = [f"How many names are wrong is not known: {made_up.reason or 'no reason was given'}."]
    else:
        told = [f"Asked for names of the show, it got {_spell(made_up)} of those it gave wrong."]
    if blurted is not None and blurted.value is not None:
        told.append(f"Where it could not know, it named somebody {format_share(blurted.value)} of the time.")
    if covered is not None and covered.value is not None:
        told.append(f"Where it could, it was right {format_share(covered.value)} of the time.")
    yield "Made up", " ".join(told)


def _tell_preferences(material: ReportMaterial, rung: str) -> Iterator[tuple[str, str]]:
    """What became of a round on preferences, if there was one."""
    if (outcome := find_round(material, rung)) is not None:
        yield "Preferences", tell_round(outcome)


def _spell(score: Score) -> str:
    """A share with its interval and n."""
    span = ""
    if score.low is not None and score.high is not None:
        span = f"{format_share(score.low)} to {format_share(score.high)}, "
    return f"{format_share(score.value)} ({span}n = {format_count(score.n)})"


def _span(score: Score, places: int) -> str:
    if score.low is None or score.high is None:
        return "no interval says how sure that is"
    return f"95% interval {format_interval(score.low, score.high, places)}"


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
