"""The section on what was measured: how near each row comes to the host, the table of rows, every score, every gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from econchatr.display import label_imitation, name_hosts
from econchatr.records import Answer, Probe, Score
from econchatr.records.measures import MARKS_GIVEN, PREFERRED, REFERENCES, ROW_NAMES, WORDS_SAID, Measure
from econchatr.report.counts import keep_start
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
    Box,
    Chart,
    Folded,
    Items,
    LegendEntry,
    Part,
    Section,
    Table,
    keep,
    name_columns,
    say_absent,
    tabulate,
)
from econchatr.report.score_table import explain_columns, list_doubts, tabulate_gates, tabulate_rows, tell_why_closed
from econchatr.report.sections.replies import chart_bits
from econchatr.report.svg import Datum, Ends, Group, draw_bars, draw_rows


def measures_section(material: ReportMaterial) -> Section:
    """Give the section: the table of rows, then everything that was scored, was not, and was ruled by a gate."""
    bits = chart_bits(material) if chart_voices(material) else None
    wording, unscored = tell_wording(material), _list_unscored(material)
    answers = tabulate_closed_answers(material)
    gates, scores = tabulate_gates(material), _tabulate_scores(material)
    blocks = keep(
        *_list_rows(material),
        Items(wording, "plain further") if wording else None,
        Folded(answers.caption, (answers,)) if answers else None,
        Folded("Every gate, and why a Voice is greyed out", (gates,)) if gates else None,
        Box("pair even", keep(bits, _chart_lengths(material))),
        Folded("Not scored, and why", (Items(unscored, "unscored"),)) if unscored else None,
        Folded("Every score, with interval and n", (scores,)) if scores else say_absent("Nothing has been scored."),
    )
    return Section("measures", "Measured, beside the real host", blocks, menu="Measures")


def _list_rows(material: ReportMaterial) -> Iterator[Block]:
    if tables := tabulate_rows(material):
        yield from tables
        yield Part("What each column tells", (explain_columns(material, "explained"),))


# --- the Voice of every row -------------------------------------------------------------------------------------------

_ORDER = (PREFERRED, "tuned", "grounded", "retrieval", "persona", "base")
_OF_MANY = (PREFERRED, "tuned", "base")
"""Drawn of each rung where there are several; the table has them all."""
_SHORT = {
    "guest": "guests",
    "parrot": "retrieval parrot",
    PREFERRED: "preferred",
    "tuned": "tuned",
    "grounded": "tuned + excerpts",
    "retrieval": "base + excerpts",
    "persona": "base + persona",
    "base": "base",
}
"""A telephone leaves room for sixteen letters."""
_STYLES = {"tuned": "k-tuned", "grounded": "k-tuned", PREFERRED: "k-tuned", "host": "k-host", "guest": "k-host"}


@dataclass(frozen=True, slots=True)
class _Voice:
    """One row's Voice, why it is greyed out, and what is in doubt; empty: it is not, and nothing is."""

    rung: str
    variant: str
    name: str
    score: Score
    closed: str
    doubts: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        return self.score.value is not None

    @property
    def ruling(self) -> str:
        """What the gates say of it, in words."""
        return self.closed or (f"in doubt: {' and '.join(self.doubts)}" if self.doubts else "passes")

    def draw(self) -> Datum:
        style = _STYLES.get(self.variant, "k-base") + (" k-greyed" if self.closed else "")
        label = "the real host" if self.variant == "host" else self.name
        return Datum(style, label, self.score.value or 0.0, self.score.low, self.score.high)

    def tell(self, *, with_rung: bool) -> str:
        rung = f" {self.rung}" if with_rung and self.variant not in REFERENCES else ""
        if not self.is_known:
            return f"{self.name}{rung}: not scored."
        return f"{self.name}{rung}: {format_decimal(self.score.value, 2)}{', greyed out' if self.closed else ''}."


def chart_voices(material: ReportMaterial) -> Chart | None:
    """Draw the Voice of every row of every rung, with intervals; `None` when no Voice is known."""
    rungs, host = material.scored_rungs, name_hosts(material.hosts)
    references = list(_find_voices(material, rungs[0] if rungs else "", REFERENCES))
    models = {rung: list(_find_voices(material, rung, _ORDER)) for rung in rungs}
    found = [*references, *(voice for rung in rungs for voice in models[rung])]
    if not any(voice.is_known for voice in found if voice.variant not in REFERENCES):
        return None
    drawn = [
        voice for voice in found if voice.is_known and (len(rungs) == 1 or voice.variant in (*REFERENCES, *_OF_MANY))
    ]
    # The host's own row stands first, then the models, then what a guest and a parrot reach.
    ceiling = Group("", "", tuple(voice.draw() for voice in drawn if voice.variant == "host"))
    floor = tuple(voice.draw() for voice in drawn if voice.variant in REFERENCES and voice.variant != "host")
    groups = [
        Group(
            rung if len(rungs) > 1 else "",
            "",
            tuple(voice.draw() for voice in drawn if voice.rung == rung and voice.variant not in REFERENCES),
        )
        for rung in rungs
    ]
    groups = [ceiling, *groups, Group("for comparison" if len(rungs) > 1 else "", "", floor)]
    told = " ".join(voice.tell(with_rung=len(rungs) > 1) for voice in found)
    n_greyed = sum(bool(voice.closed) for voice in drawn)
    legend = [("dot k-host", "really said"), ("dot k-tuned", "trained"), ("dot k-base", "not trained")]
    legend += [("dot k-base k-greyed", "greyed out")] if n_greyed else []
    grey = f" In brackets: {count_noun(n_greyed, 'Voice')} greyed out, see the table." if n_greyed else ""
    return Chart(
        "fig-voices",
        f"How near each comes to {host}",
        f"Voice, from 0 (the guests) to 1 ({host}). {told}",
        draw_rows([group for group in groups if group.data], Ends(0.0, 1.0, "0 guests", "1 host")),
        _tabulate_voices(found),
        legend=tuple(LegendEntry(*entry) for entry in legend),
        note=f"Voice: how it talks, whatever it says. Above 1 is caricature. Lines are 95% intervals.{grey}",
    )


def _find_voices(material: ReportMaterial, rung: str, variants: Sequence[str]) -> Iterator[_Voice]:
    for variant in variants:
        if variant == PREFERRED and not material.is_round_kept(rung):
            continue
        score = material.find_score(Measure.VOICE, rung, variant)
        if score is not None:
            name = name_hosts(material.hosts) if variant == "host" else _SHORT[variant]
            gates = material.find_gates(rung, variant)
            yield _Voice(rung, variant, name, score, tell_why_closed(gates), list_doubts(gates))


def _tabulate_voices(found: Sequence[_Voice]) -> Table:
    return tabulate(
        "fig-voices-table",
        "Voice of every row",
        found,
        {
            "row": lambda voice: voice.name,
            "rung": lambda voice: MISSING if voice.variant in REFERENCES else voice.rung,
            "#Voice": lambda voice: format_decimal(voice.score.value, 2) if voice.is_known else "not scored",
            "#95% interval": lambda voice: format_interval(voice.score.low, voice.score.high, 2),
            "#n": lambda voice: format_count(voice.score.n),
            "gates, or why there is none": lambda voice: (
                voice.ruling if voice.is_known else voice.score.reason or "no reason was given"
            ),
        },
    )


# --- how much the wording matters, and how long replies are -----------------------------------------------------------

_WORDING_SUBJECTS = {WORDS_SAID: "words said", MARKS_GIVEN: "marks"}


def tell_wording(material: ReportMaterial) -> tuple[str, ...]:
    """Say how much the wording of a question matters, a sentence per rung; empty: nobody measured it."""
    told = []
    for score in material.scores:
        if score.measure == Measure.WORDING_SHARE and score.variant == "tuned" and score.value is not None:
            rung = f"{score.rung}: " if len(material.scored_rungs) > 1 else ""
            subject = _WORDING_SUBJECTS.get(score.subject, score.subject)
            low, high = format_share(score.low), format_share(score.high)
            span = "" if score.low is None else f" (95% interval {low} to {high})"
            share = f"{format_share(score.value)}{span} comes from how the question is worded, the rest from the draw."
            told.append(f"{rung}Of all that makes answers to one question differ ({subject}), {share}")
    return tuple(told)


def _chart_lengths(material: ReportMaterial) -> Chart | None:
    """Draw the median words of a reply, host and models; `None` when no length is scored."""
    rungs = material.scored_rungs
    data, rows = [], []
    for index, rung in enumerate(rungs):
        for variant in ("host", "base", "persona", "tuned"):
            score = material.find_score(Measure.MEDIAN_WORDS, rung, variant)
            if score is None or (variant == "host" and index):
                continue
            label = name_hosts(material.hosts) if variant == "host" else ROW_NAMES[variant]
            label = label if len(rungs) == 1 or variant == "host" else f"{label}, {rung}"
            shown = format_decimal(score.value, 0) if score.value is not None else f"not scored: {score.reason}"
            rows.append((label, shown, format_interval(score.low, score.high, 0), format_count(score.n)))
            if score.value is not None:
                data.append(Datum(f"k-{variant}", label, score.value, score.low, score.high))
    if not data:
        return None
    told = ", ".join(f"{datum.label} {format_decimal(datum.value, 0)}" for datum in data)
    columns = name_columns("who", "#words", "#95% interval", "#n")
    return Chart(
        "fig-lengths",
        "Words in a typical reply",
        f"Median words: {told}.",
        draw_bars(data),
        Table("fig-lengths-table", "Median words of a reply", columns, tuple(rows)),
        note="Median words: of the host, replies in held-out episodes; of the models, answers to the questions above.",
    )


# --- closed questions -------------------------------------------------------------------------------------------------

_ASKED = ("base", "tuned")
_MOST_PROBES = 60
_MOST_ANSWER_CHARS = 140


def tabulate_closed_answers(material: ReportMaterial) -> Table | None:
    """List the closed questions with their right names and the first answer of each model; `None`: none was asked."""
    probes = list({probe.probe_id: probe for probe in material.probes}.values())
    firsts: dict[tuple[str, str, str], Answer] = {}
    for answer in material.more_answers:
        firsts.setdefault((answer.question_id, answer.rung, answer.variant), answer)
    answered = ((rung, variant) for probe in probes for asked, rung, variant in firsts if asked == probe.probe_id)
    models = [model for model in dict.fromkeys(answered) if model[1] in _ASKED]
    if not models:
        return None
    with_rung = len({rung for rung, _ in models}) > 1
    titles = [f"{ROW_NAMES[variant]}{f', {rung}' if with_rung else ''}" for rung, variant in models]
    openings = _find_openings(probes)
    rows = tuple(
        (
            probe.text.removeprefix(openings[probe.kind]),
            _name_right(probe),
            "yes" if probe.is_answerable else "no",
            *(_show_answer(firsts.get((probe.probe_id, *model))) for model in models),
        )
        for probe in probes[:_MOST_PROBES]
    )
    shown = f": {len(rows)} of {len(probes)} shown" if len(rows) < len(probes) else ""
    return Table(
        "probes",
        f"Closed questions, to see what it makes up{shown}",
        name_columns("question", "right", "in the training episodes", *titles),
        rows,
        note=_tell_openings(openings)
        + f"First answers, cut where they are long. {label_imitation(material.hosts)}: any name among them may be "
        "made up.",
    )


def _find_openings(probes: Sequence[Probe]) -> dict[str, str]:
    """Per kind the sentences that all its questions begin with; `""`: none, or there is but one question."""
    texts: dict[str, list[str]] = {}
    for probe in probes:
        texts.setdefault(probe.kind, []).append(probe.text)
    openings = {}
    for kind, ones in texts.items():
        sentences = zip(*(text.split(". ")[:-1] for text in ones), strict=False)
        shared = takewhile(lambda same: len(set(same)) == 1, sentences)
        openings[kind] = "".join(f"{same[0]}. " for same in shared) if len(ones) > 1 else ""
    return openings


def _tell_openings(openings: Mapping[str, str]) -> str:
    return "".join(
        f"Before what is shown, each question of the kind “{kind}” says: “{opening.strip()}” "
        for kind, opening in openings.items()
        if opening
    )


def _name_right(probe: Probe) -> str:
    names = list(probe.right)
    more = [f"{len(names) - 4} more"] if len(names) > 4 else []
    return ", ".join(names[:4] + more) or MISSING


def _show_answer(answer: Answer | None) -> str:
    if answer is None:
        return MISSING
    if answer.reply is None or answer.error is not None:
        return f"no answer: {answer.error or 'no reason was recorded'}"
    return keep_start(" ".join(answer.reply.text.split()), _MOST_ANSWER_CHARS) or "no words"


# --- every score ------------------------------------------------------------------------------------------------------


def _list_unscored(material: ReportMaterial) -> tuple[str, ...]:
    """Name what could not be measured, reason by reason."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for score in material.scores:
        if score.value is None:
            named = f"{score.measure} ({score.subject})"
            rows = by_reason.setdefault(score.reason or "no reason was given", {}).setdefault(named, [])
            row = score.variant if score.rung == "" else f"{score.rung} {score.variant}"
            rows += [row] if row not in rows else []
    return tuple(
        f"{reason}: " + "; ".join(f"{measure}: {', '.join(rows)}" for measure, rows in measures.items())
        for reason, measures in by_reason.items()
    )


def _tabulate_scores(material: ReportMaterial) -> Table | None:
    """List every score as it was measured, with its interval and n; `None`: there is none.

    What is not scored has its reason in `_list_unscored`, and a row of its own in `scores.csv`.
    """
    scored = [score for score in material.scores if score.value is not None]
    if not scored:
        return None
    return tabulate(
        "scores",
        "Every score",
        scored,
        {
            "measure": lambda score: score.measure,
            "rung": lambda score: score.rung or MISSING,
            "variant": lambda score: score.variant,
            "measured on": lambda score: score.subject,
            "#value": lambda score: format_value(score.value),
            "#95% interval": lambda score: (
                MISSING if score.low is None else f"{format_value(score.low)} to {format_value(score.high)}"
            ),
            "#n": lambda score: format_count(score.n),
            "unit": lambda score: score.unit,
        },
    )
