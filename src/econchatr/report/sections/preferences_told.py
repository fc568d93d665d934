"""The section on a round on preferences: what it learned from, what it changed, and why it was kept or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from econchatr.records import PreferenceOutcome, Score
from econchatr.records.measures import BEFORE_PREFERENCES, DEV_REPLIES, PREFERRED, PREFERRED_MINUS_TUNED, Measure
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
from econchatr.report.page_blocks import (
    Block,
    Cell,
    Facts,
    Figure,
    Paragraph,
    Part,
    Section,
    Table,
    keep,
    name_columns,
    tabulate,
)
from econchatr.report.score_table import ScoredRow, show_gate_value, show_score, show_voice

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
        _tabulate_measures(material, outcome, index),
        _tabulate_gates(material, outcome, index),
    )


def tell_round(outcome: PreferenceOutcome) -> str:
    """Say in three sentences what a round learned from, and what became of it."""
    kept = "It was kept beside the tuned model." if outcome.is_kept else "It was not kept."
    return f"A further round learned from {_tell_source(outcome)}. {kept} {outcome.reason}"


def _tell_source(outcome: PreferenceOutcome) -> str:
    n = outcome.n_preferences
    people = "1 person" if outcome.n_scorers == 1 else f"{format_count(outcome.n_scorers)} people"
    if outcome.source == "host replies":
        return f"{count_noun(n, 'pair')} of the host’s own reply above the model’s answer; nobody ranked anything"
    if outcome.source == "verdicts":
        return f"{count_noun(n, 'answer')} called right or wrong by {people}"
    return f"{count_noun(n, 'comparison')} of two answers by {people}"


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
        "questions answered alike by transformers and llama.cpp",
        "not checked" if alike is None else f"{alike} of {outcome.n_checked_questions}",
    )
    yield "SHA-256 of the adapter it began from", outcome.tuned_sha256
    yield "SHA-256 of the adapter it made", outcome.adapter_sha256


# --- before and after -------------------------------------------------------------------------------------------------


class _Measured(NamedTuple):
    """A row of the table: what is looked for, and what the outcome itself holds of it."""

    title: str
    measure: Measure
    form: Callable[[float], str]
    known: tuple[float | None, float | None] = (None, None)
    """Before and after, for a round of an earlier version, which kept no scores."""
    subject: str | None = None


def _list_measures(outcome: PreferenceOutcome) -> tuple[_Measured, ...]:
    percent = partial(format_share, places=1)
    copied, words = (outcome.copied_before, outcome.copied_after), (outcome.words_before, outcome.words_after)
    agreement = (outcome.agreement_before, outcome.agreement_after)
    return (
        _Measured(Measure.COPIED_WORDS, Measure.COPIED_WORDS, percent, copied),
        _Measured("longest copied run, in words", Measure.LONGEST_RUN, partial(format_decimal, places=0)),
        _Measured("words of an answer, median", Measure.MEDIAN_WORDS, format_value, words),
        _Measured("four-word sequences said again", Measure.REPETITION, percent),
        _Measured("agreement with the judgements kept out", Measure.JUDGEMENTS_AGREED, format_share, agreement),
    )


def _tabulate_measures(material: ReportMaterial, outcome: PreferenceOutcome, index: int) -> Table:
    before, after = (ScoredRow(material, outcome.rung, variant) for variant in (BEFORE_PREFERENCES, PREFERRED))
    bits = _Measured(
        "bits per byte of the host’s development replies",
        Measure.BITS_PER_BYTE,
        partial(format_decimal, places=4),
        (outcome.bits_before, outcome.bits_after),
        DEV_REPLIES,
    )
    rows: tuple[tuple[Cell, ...], ...] = (
        (*_show_both(before, after, bits), _show_change_of_bits(outcome)),
        ("Voice", show_voice(before), show_voice(after), _show_nearer(after)),
        *((*_show_both(before, after, one), Figure(MISSING)) for one in _list_measures(outcome)),
    )
    return Table(
        f"rows-round-{index}",
        f"Before and after the round on preferences, {outcome.rung}",
        name_columns("measure", "tuned model", "after the round", "change"),
        rows,
        note="Both were asked the exam anew, with the same seeds, so the first column may differ a little from the "
        "tuned model's row above. The bits are of development episodes; no test reply was touched. Small figures are "
        "95% intervals and n. A dash: nobody took it.",
        is_stacked=True,
    )


def _show_both(before: ScoredRow, after: ScoredRow, one: _Measured) -> tuple[Cell, ...]:
    scores = (row.find(one.measure, one.subject) for row in (before, after))
    cells = (_show_or_known(score, one.form, known) for score, known in zip(scores, one.known, strict=True))
    return (one.title, *cells)


def _show_or_known(score: Score | None, form: Callable[[float], str], known: float | None) -> Figure:
    if score is None and known is not None:
        return Figure(form(known), "no interval was kept")
    return show_score(score, form)


def _show_change_of_bits(outcome: PreferenceOutcome) -> Figure:
    if outcome.bits_before is None or outcome.bits_after is None:
        return Figure(MISSING)
    span = format_interval(outcome.bits_change_low, outcome.bits_change_high, 4)
    n = f"n {format_count(outcome.n_held_out)}"
    change = format_decimal(outcome.bits_after - outcome.bits_before, 4)
    return Figure(change, n if span == MISSING else f"{span}, {n}")


def _show_nearer(after: ScoredRow) -> Figure:
    nearer = after.of(PREFERRED_MINUS_TUNED).find(Measure.VOICE_CLOSER)
    shown = show_score(nearer, partial(format_decimal, places=2))
    is_known = nearer is not None and nearer.value is not None
    return Figure(shown.value, f"nearer to the host; {shown.context}") if is_known else shown


# --- gates ------------------------------------------------------------------------------------------------------------


def _tabulate_gates(material: ReportMaterial, outcome: PreferenceOutcome, index: int) -> Table | None:
    """List what each gate found before and after; `None`: the round kept no gates."""
    after = material.find_gates(outcome.rung, PREFERRED)
    if not after:
        return None
    before = {gate.gate: gate.outcome for gate in material.find_gates(outcome.rung, BEFORE_PREFERENCES)}
    return tabulate(
        f"round-gates-{index}",
        f"The gates before and after, {outcome.rung}",
        after,
        {
            "gate": lambda gate: gate.gate,
            "tuned model": lambda gate: before.get(gate.gate, MISSING),
            "after the round": lambda gate: gate.outcome,
            "#value": lambda gate: show_gate_value(gate, gate.value),
            "#limit": lambda gate: show_gate_value(gate, gate.limit),
            "why": lambda gate: ("The round is lost by it. " if gate.gate in outcome.gates_lost else "") + gate.reason,
        },
        note="The gate on the question is told, and does not decide whether the round is kept.",
    )
