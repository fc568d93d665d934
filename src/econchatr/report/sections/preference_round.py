"""The section on a round on preferences: what it learned from, what it changed, and why it was kept or not.

Reads the round's outcome, and its scores and gates among the others; decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from econchatr.records import PreferenceOutcome, Score
from econchatr.records.measures import BEFORE_PREFERENCES, DEV_REPLIES, PREFERRED_MINUS_TUNED, Measure
from econchatr.report.formats import (
    MISSING,
    count_noun,
    format_count,
    format_decimal,
    format_interval,
    format_share,
    format_value,
)
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Block, Cell, Facts, Figure, Paragraph, Part, Section, Table, keep, name_columns
from econchatr.report.score_table import Place, find_gates, show_gate_value, show_score, show_voice
from econchatr.report.scorebook import BITS, CLOSER, COPIED, LONGEST_RUN, MEDIAN_WORDS, PREFERRED

BEFORE = BEFORE_PREFERENCES
CHANGE = PREFERRED_MINUS_TUNED
AGREEMENT = Measure.JUDGEMENTS_AGREED
REPEATED = Measure.REPETITION

_METHODS = {"dpo": "DPO", "kto": "KTO"}


def preferences_section(material: ReportMaterial) -> Section | None:
    """Give every round that was made on a tuned model of this report, kept or not; `None`: there was none."""
    blocks = list[Block]()
    for index, outcome in enumerate(material.rounds, start=1):
        shown = _lay_out(material, outcome, index)
        blocks += shown if len(material.rounds) == 1 else [Part(outcome.rung, shown)]
    title = "A round on preferences"
    return Section("preferences", title, tuple(blocks), menu="Preferences") if blocks else None


def _lay_out(material: ReportMaterial, outcome: PreferenceOutcome, index: int) -> tuple[Block, ...]:
    told = (
        f"{'Kept' if outcome.is_kept else 'Not kept'}. {outcome.reason} The tuned model stays as it is, and every part "
        "of this page that does not name the round is of it."
    )
    return keep(
        Paragraph(told, "lede"),
        Facts(tuple(_list_facts(outcome))),
        _tabulate_measures(material, outcome, f"rows-round-{index}"),
        _tabulate_gates(material, outcome, f"round-gates-{index}"),
    )


def tell_round(outcome: PreferenceOutcome) -> str:
    """Say in three sentences what a round learned from, and what became of it."""
    kept = "It was kept beside the tuned model." if outcome.is_kept else "It was not kept."
    return f"A further round learned from {_tell_source(outcome)}. {kept} {outcome.reason}"


def _tell_source(outcome: PreferenceOutcome) -> str:
    n, people = outcome.n_preferences, _tell_people(outcome.n_scorers)
    if outcome.source == "host replies":
        return f"{count_noun(n, 'pair')} of the host’s own reply above the model’s answer; nobody ranked anything"
    if outcome.source == "verdicts":
        return f"{count_noun(n, 'answer')} called right or wrong by {people}"
    return f"{count_noun(n, 'comparison')} of two answers by {people}"


def _tell_people(n: int) -> str:
    return "1 person" if n == 1 else f"{format_count(n)} people"


def _list_facts(outcome: PreferenceOutcome) -> Iterator[tuple[str, str]]:
    yield "learned from", _tell_source(outcome)
    kept_out = count_noun(outcome.n_kept_out, "judgement")
    yield "kept out, to check on", f"{kept_out}, whole questions" if outcome.n_kept_out else "none"
    method = _METHODS.get(outcome.method, outcome.method)
    recipe = f"beta {outcome.beta:g}, learning rate {outcome.learning_rate:g}"
    yield "method", f"{method}, {count_noun(outcome.n_steps, 'step')}, {recipe}"
    yield "how far it went", f"{format_share(outcome.strength)} of the way from the tuned model to the trained one"
    alike = outcome.n_agreeing_questions
    yield (
        "questions with the same first tokens in transformers and llama.cpp",
        "not checked" if alike is None else f"{alike} of {outcome.n_checked_questions}",
    )
    yield "SHA-256 of the adapter it began from", outcome.tuned_sha256
    yield "SHA-256 of the adapter it made", outcome.adapter_sha256


# --- before and after -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Measure:
    """A row of the table: what is looked for, and what the outcome itself holds of it."""

    title: str
    name: str
    form: Callable[[float], str]
    subject: str | None = None
    known: tuple[float | None, float | None] = (None, None)
    """Before and after, for a round of an earlier version, which kept no scores."""


def _list_measures(outcome: PreferenceOutcome) -> tuple[_Measure, ...]:
    agreement = (outcome.agreement_before, outcome.agreement_after)
    return (
        _Measure(
            COPIED,
            COPIED,
            lambda value: format_share(value, 1),
            known=(outcome.copied_before, outcome.copied_after),
        ),
        _Measure("longest copied run, in words", LONGEST_RUN, partial(format_decimal, places=0)),
        _Measure(
            "words of an answer, median", MEDIAN_WORDS, format_value, known=(outcome.words_before, outcome.words_after)
        ),
        _Measure("four-word sequences said again", REPEATED, lambda value: format_share(value, 1)),
        _Measure("agreement with the judgements kept out", AGREEMENT, format_share, known=agreement),
    )


def _tabulate_measures(material: ReportMaterial, outcome: PreferenceOutcome, key: str) -> Table:
    places = [Place(material, outcome.rung, variant) for variant in (BEFORE, PREFERRED)]
    rows: list[tuple[Cell, ...]] = [_show_bits(material, outcome), _show_voices(material, outcome.rung)]
    for measure in _list_measures(outcome):
        cells = [
            _show_or_known(place.find(measure.name, subject=measure.subject), measure.form, known)
            for place, known in zip(places, measure.known, strict=True)
        ]
        rows.append((measure.title, *cells, Figure(MISSING)))
    return Table(
        key,
        f"Before and after the round on preferences, {outcome.rung}",
        name_columns("measure", "tuned model", "after the round", "change"),
        tuple(rows),
        note="Both were asked the exam anew, with the same seeds, so the first column may differ a little from the "
        "tuned model's row above. The bits are of development episodes; no test reply was touched. Small figures are "
        "95% intervals and n. A dash: nobody took it.",
        is_stacked=True,
    )


def _show_bits(material: ReportMaterial, outcome: PreferenceOutcome) -> tuple[Cell, ...]:
    form = partial(format_decimal, places=4)
    found = [Place(material, outcome.rung, variant).find(BITS, subject=DEV_REPLIES) for variant in (BEFORE, PREFERRED)]
    known = (outcome.bits_before, outcome.bits_after)
    cells = [_show_or_known(score, form, value) for score, value in zip(found, known, strict=True)]
    change = Figure(MISSING)
    if outcome.bits_before is not None and outcome.bits_after is not None:
        span = format_interval(outcome.bits_change_low, outcome.bits_change_high, 4)
        n = f"n {format_count(outcome.n_held_out)}"
        context = n if span == MISSING else f"{span}, {n}"
        change = Figure(form(outcome.bits_after - outcome.bits_before), context)
    return ("bits per byte of the host’s development replies", *cells, change)


def _show_voices(material: ReportMaterial, rung: str) -> tuple[Cell, ...]:
    before, after = (show_voice(Place(material, rung, variant)) for variant in (BEFORE, PREFERRED))
    nearer = Place(material, rung, CHANGE).find(CLOSER)
    shown = show_score(nearer, partial(format_decimal, places=2))
    is_known = nearer is not None and nearer.value is not None
    return ("Voice", before, after, Figure(shown.value, f"nearer to the host; {shown.context}") if is_known else shown)


def _show_or_known(score: Score | None, form: Callable[[float], str], known: float | None) -> Figure:
    if score is None and known is not None:
        return Figure(form(known), "no interval was kept")
    return show_score(score, form)


# --- gates ------------------------------------------------------------------------------------------------------------


def _tabulate_gates(material: ReportMaterial, outcome: PreferenceOutcome, key: str) -> Table | None:
    """List what each gate found before and after; `None`: the round kept no gates."""
    before, after = (find_gates(material.gates, rung=outcome.rung, variant=one) for one in (BEFORE, PREFERRED))
    if not after:
        return None
    then = {gate.gate: gate for gate in before}
    rows = tuple(
        (
            gate.gate,
            then[gate.gate].outcome if gate.gate in then else MISSING,
            gate.outcome,
            show_gate_value(gate, gate.value),
            show_gate_value(gate, gate.limit),
            f"The round is lost by it. {gate.reason}" if gate.gate in outcome.gates_lost else gate.reason,
        )
        for gate in after
    )
    columns = name_columns("gate", "tuned model", "after the round", "#value", "#limit", "why")
    note = "The gate on the question is told, and does not decide whether the round is kept."
    return Table(key, f"The gates before and after, {outcome.rung}", columns, rows, note=note)
