"""The table of closed questions, each with its right names and what was answered to it; judges no answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from econchatr.display import label_imitation
from econchatr.records import Answer, Probe
from econchatr.report.counts import keep_start
from econchatr.report.formats import MISSING
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Table, name_columns
from econchatr.report.scorebook import ROW_NAMES

_ASKED = ("base", "tuned")
_MOST_PROBES = 60
_MOST_ANSWER_CHARS = 140


def tabulate_closed_answers(material: ReportMaterial) -> Table | None:
    """List the closed questions with their right names and the first answer of each model; `None`: none was asked."""
    firsts: dict[tuple[str, str, str], Answer] = {}
    for answer in material.more_answers:
        firsts.setdefault((answer.question_id, answer.rung, answer.variant), answer)
    probes = list({probe.probe_id: probe for probe in material.probes}.values())
    places = list(
        dict.fromkeys(
            (answer.rung, answer.variant)
            for probe in probes
            for answer in material.more_answers
            if answer.question_id == probe.probe_id and answer.variant in _ASKED
        )
    )
    if not probes or not places:
        return None
    n_rungs = len({rung for rung, _ in places})
    titles = [f"{ROW_NAMES[variant]}{f', {rung}' if n_rungs > 1 else ''}" for rung, variant in places]
    openings = _find_openings(probes)
    rows = tuple(
        (
            probe.text.removeprefix(openings[probe.kind]),
            _name_right(probe),
            "yes" if probe.is_answerable else "no",
            *(_show(firsts.get((probe.probe_id, *place))) for place in places),
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
    return {kind: _share_opening(ones) if len(ones) > 1 else "" for kind, ones in texts.items()}


def _share_opening(texts: Sequence[str]) -> str:
    sentences = zip(*(text.split(". ")[:-1] for text in texts), strict=False)
    return "".join(f"{same[0]}. " for same in takewhile(lambda same: len(set(same)) == 1, sentences))


def _tell_openings(openings: Mapping[str, str]) -> str:
    return "".join(
        f"Before what is shown, each question of the kind “{kind}” says: “{opening.strip()}” "
        for kind, opening in openings.items()
        if opening
    )


def _name_right(probe: Probe) -> str:
    return ", ".join(_some(probe.right)) or MISSING


def _some(names: tuple[str, ...]) -> Iterator[str]:
    yield from names[:4]
    if len(names) > 4:
        yield f"{len(names) - 4} more"


def _show(answer: Answer | None) -> str:
    if answer is None:
        return MISSING
    if answer.reply is None or answer.error is not None:
        return f"no answer: {answer.error or 'no reason was recorded'}"
    return keep_start(" ".join(answer.reply.text.split()), _MOST_ANSWER_CHARS) or "no words"
