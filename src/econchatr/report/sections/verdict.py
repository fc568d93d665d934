"""How near each rung comes to the host by measures alone, what it copies and what it makes up, in plain words.

Each sentence is made from scores and gates alone: a Voice behind a closed gate is no nearness, a value that is not
there is named with its reason, and a difference whose interval holds zero is not shown to be one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from econchatr.display import name_hosts
from econchatr.records import Score
from econchatr.records.measures import CLOSED_QUESTIONS, TUNED_MINUS_BASE, TUNED_MINUS_PERSONA, Measure
from econchatr.report.formats import (
    count_noun,
    format_cases,
    format_count,
    format_decimal,
    format_interval,
    format_share,
)
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Block, Box, Facts, Paragraph, Part, Section, Statement, keep
from econchatr.report.score_table import ScoredRow, list_doubts, tell_why_closed
from econchatr.report.sections.measured import chart_voices
from econchatr.report.sections.preferences_told import tell_round
from econchatr.report.sections.replies import chart_bits, tell_surprise

_BY_READERS = "People"
_NEAR = 0.5
"""An interval that reaches the host and begins above this is called as near as the measure can tell."""


@dataclass(frozen=True, slots=True)
class RungVerdict:
    """What one rung's scores show."""

    rung: str
    sentence: str
    is_greyed: bool
    """How near it comes cannot be said: a gate is closed."""
    points: tuple[tuple[str, str], ...]
    """What else the scores show: a word or two, and what is said under it."""


def verdict_section(material: ReportMaterial) -> Section:
    """Give a sentence, a chart, and what the scores show; what people found stands on the first screen."""
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
    return Section("verdict", "How near it comes, by measures alone", blocks, menu="Nearness")


def _list_points(verdict: RungVerdict, *, with_rung: bool) -> Block:
    points = Facts(tuple(point for point in verdict.points if point[0] != _BY_READERS), "points")
    return Box("rung-points", (Part(verdict.rung, (points,), style=""),) if with_rung else (points,))


def give_verdicts(material: ReportMaterial) -> tuple[RungVerdict, ...]:
    """Judge each scored rung, in the order of its scores; empty when nothing was scored."""
    rungs = material.scored_rungs
    return tuple(_judge(ScoredRow(material, rung, "tuned"), is_first=rung == rungs[0]) for rung in rungs)


def _judge(tuned: ScoredRow, *, is_first: bool) -> RungVerdict:
    makers = (_tell_grey, _tell_training, _tell_copied, _tell_made_up, _tell_preferences, _tell_rest)
    points = tuple(point for make in makers for point in make(tuned))
    return RungVerdict(tuned.rung, _tell_nearness(tuned, is_first=is_first), bool(_why_closed(tuned)), points)


def _note_gaps(material: ReportMaterial) -> Iterator[str]:
    """Say how many answers failed, and how many belong to no question of this exam."""
    n_failed = sum(answer.reply is None or answer.error is not None for answer in material.answers)
    if n_failed:
        total = count_noun(len(material.answers), "answer")
        yield f"{format_count(n_failed)} of {total} failed; each is shown as an error where it belongs."
    known = {question.question_id for question in material.questions}
    n_strays = sum(answer.question_id not in known for answer in material.answers)
    if n_strays:
        yield f"{count_noun(n_strays, 'answer')} to questions that are no longer asked: not shown."


# --- how near ---------------------------------------------------------------------------------------------------------


def _why_closed(tuned: ScoredRow) -> str:
    """Why the tuned model's Voice is greyed out; empty: it is not, or there is none."""
    score = tuned.find(Measure.VOICE)
    return "" if score is None or score.value is None else tell_why_closed(tuned.gates)


def _tell_nearness(tuned: ScoredRow, *, is_first: bool) -> str:
    rung, host, score = tuned.rung, tuned.host, tuned.find(Measure.VOICE)
    if score is None:
        return f"How near {rung} comes to {host} was not measured."
    if score.value is None:
        return f"How near {rung} comes to {host} is not known: {score.reason or 'no reason was given'}."
    if closed := _why_closed(tuned):
        return f"How near {rung} comes to {host} cannot be said: {closed}."
    scale = f"Voice {format_decimal(score.value, 2)}"
    # Said once: the sentences of a ladder stand under each other.
    scale += f", where the guests are 0 and {host} is 1" if is_first else ""
    if score.low is None or score.high is None:
        return f"{_place_share(rung, score.value, host)} ({scale}; no interval says how sure that is)."
    doubts = list_doubts(tuned.gates)
    but = f"; in doubt: {' and '.join(doubts)}" if doubts else ""
    return f"{_place(rung, score.value, score.low, score.high, host)} ({scale}; {_tell_interval(score)}){but}."


def _place(rung: str, value: float, low: float, high: float, host: str) -> str:
    if low > 1:
        return f"{rung} overdoes {host}: it is further from the guests than {host} is"
    if high < 1:
        if low <= 0:
            return f"It is not shown that {rung} talks any more like {host} than the guests do"
        return _place_share(rung, value, host)
    if low >= _NEAR:
        return f"In its way of talking {rung} comes as near to {host} as this measure can tell"
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


def _tell_grey(tuned: ScoredRow) -> Iterator[tuple[str, str]]:
    """Why a Voice is greyed out, or in doubt."""
    score = tuned.find(Measure.VOICE)
    if score is None or score.value is None:
        return
    if tell_why_closed(tuned.gates):
        closed = (gate for gate in tuned.gates if gate.outcome in ("fails", "unscored") and not gate.is_void)
        told = f"Its Voice of {format_decimal(score.value, 2)} is greyed out, since a trick can reach that too."
        yield "Greyed out", " ".join([told, *(_capitalise(gate.reason) for gate in closed)]).strip()
    elif doubts := list_doubts(tuned.gates):
        are = "are past their limits" if len(doubts) > 1 else "is past its limit"
        yield (
            "In doubt",
            f"{_capitalise(' and '.join(doubts))} {are}, but by less than chance can bring: more answers must decide.",
        )


def _tell_training(tuned: ScoredRow) -> Iterator[tuple[str, str]]:
    """What training brought against the same model untrained and against a persona prompt."""
    if _why_closed(tuned):
        return
    rivals = ((TUNED_MINUS_BASE, "the untrained model"), (TUNED_MINUS_PERSONA, "a prompt that describes the host"))
    told = [
        _tell_nearer(score, score.value, rival)
        for variant, rival in rivals
        if (score := tuned.of(variant).find(Measure.VOICE_CLOSER)) is not None and score.value is not None
    ]
    if told:
        yield "Training", " ".join(told)


def _tell_nearer(score: Score, value: float, rival: str) -> str:
    size = f"{format_decimal(abs(value), 2)} {'nearer' if value >= 0 else 'further away'}; {_tell_interval(score)}"
    if score.low is not None and score.low > 0:
        return f"Nearer to the host than {rival} ({size})."
    if score.high is not None and score.high < 0:
        return f"Further from the host than {rival} ({size})."
    return f"Not shown to be nearer than {rival} ({size})."


def _tell_copied(tuned: ScoredRow) -> Iterator[tuple[str, str]]:
    score = tuned.find(Measure.COPIED_WORDS)
    if score is None:
        return
    if score.value is None:
        yield "Copied", f"Not known: {score.reason or 'no reason was given'}."
        return
    own, run = tuned.of("host").find(Measure.COPIED_WORDS), tuned.find(Measure.LONGEST_RUN)
    host = tuned.host
    beside = f" ({host}’s own, in new episodes: {format_share(own.value, 1)})" if own and own.value is not None else ""
    longest = f" The longest has {count_noun(round(run.value), 'word')}." if run and run.value else ""
    share = format_share(score.value, 1) if score.value else "None"
    yield "Copied", f"{share} of its words stand in runs of eight or more that {host} said before{beside}.{longest}"


def _tell_made_up(tuned: ScoredRow) -> Iterator[tuple[str, str]]:
    made_up, blurted, covered = (
        tuned.find(measure, CLOSED_QUESTIONS) for measure in (Measure.MADE_UP, Measure.CONFABULATION, Measure.COVERAGE)
    )
    if made_up is None:
        return
    if made_up.value is None:
        told = [f"How many names are wrong is not known: {made_up.reason or 'no reason was given'}."]
    else:
        told = [f"Asked for names of the show, it got {_tell_share(made_up)} wrong of those it gave."]
    if blurted is not None and blurted.value is not None:
        told.append(f"Where it could not know, it named somebody {_tell_times(blurted)}.")
    if covered is not None and covered.value is not None:
        told.append(f"Where it could, it was right {_tell_times(covered)}.")
    yield "Made up", " ".join(told)


def _tell_preferences(tuned: ScoredRow) -> Iterator[tuple[str, str]]:
    """What became of a round on preferences, if there was one."""
    if (outcome := tuned.material.find_round(tuned.rung)) is not None:
        yield "Preferences", tell_round(outcome)


def _tell_rest(tuned: ScoredRow) -> Iterator[tuple[str, str]]:
    """What the bits say, and what people found."""
    yield "Surprise", tell_surprise(tuned.material, tuned.rung)
    score = tuned.find(Measure.BLIND_PICKS)
    if score is not None and score.value is not None:
        found = f"People found {tuned.host}’s own reply among five {_tell_share(score)}"
        yield _BY_READERS, f"{found}; a guess finds 20%."


def _tell_share(score: Score) -> str:
    """A share with its interval and n; of few cases their count."""
    told, span = format_cases(score.value, score.n), ""
    if "%" not in told:
        return told
    if score.low is not None and score.high is not None:
        span = f"{format_share(score.low)} to {format_share(score.high)}, "
    return f"{told} ({span}n = {format_count(score.n)})"


def _tell_times(score: Score) -> str:
    told = format_cases(score.value, score.n)
    return f"{told} of the time" if "%" in told else f"{told} times"


def _tell_interval(score: Score) -> str:
    if score.low is None or score.high is None:
        return "no interval says how sure that is"
    return f"95% interval {format_interval(score.low, score.high, 2)}"


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
