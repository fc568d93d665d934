"""The section that lays the answers out beside each other, question by question, failures apart from speech.

Reads questions, answers and their marks; judges no answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from econchatr.display import label_imitation, name_hosts
from econchatr.records import Answer, Mark, Question, Score, Variant
from econchatr.report.formats import count_noun, format_decimal, format_share
from econchatr.report.material import ReportMaterial
from econchatr.report.nearest_quotes import gather_findings, split_copied
from econchatr.report.page_blocks import (
    AnswerColumn,
    Block,
    Box,
    FailedAnswer,
    Folded,
    ModelAnswer,
    More,
    Paragraph,
    Part,
    QuestionCard,
    Section,
    keep,
    say_absent,
)
from econchatr.report.scorebook import (
    BLIND_PICKS,
    HAND_MARK,
    HELD_OUT_CUES,
    ROW_NAMES,
    SCORER_AGREEMENT,
    VARIANT_ORDER,
    find_score,
    list_rungs,
)

COLUMNS: tuple[tuple[Variant, str], ...] = (
    ("tuned", "Tuned model"),
    ("base", "Base model"),
    ("persona", "Base model with a persona prompt"),
)
_WITH_EXCERPTS: tuple[tuple[Variant, str], ...] = (
    ("grounded", "Tuned model with real excerpts"),
    ("retrieval", "Base model with real excerpts"),
)
"""Folded away, so that each question has three answers to read; not mentioned where they were not asked."""

_CHANCE = 0.2
"""Of picking the real one of five by guessing."""


def answers_section(material: ReportMaterial) -> Section:
    """Give one card per question, in the exam's order, samples in the order of their numbers."""
    title = "Answers, side by side"
    if not material.questions:
        return Section("answers", title, (say_absent("No question has been asked."),), menu="Answers")
    lede = (
        f"Each of the {len(material.questions)} questions, as each form of the model answered it. What stands first is "
        "the first sample drawn, not the best."
    )
    host = name_hosts(material.hosts)
    underlined = f"Words underlined are copied from what {host} said in the training episodes."
    blocks: tuple[Block, ...] = (
        Paragraph(lede, "lede", of_page=underlined),
        *(Paragraph(told, "people") for told in _tell_people(material)),
        *_lay_out_cards(material),
    )
    return Section("answers", title, blocks, menu="Answers")


def _lay_out_cards(material: ReportMaterial) -> Iterator[QuestionCard]:
    layout, rungs = _Layout(material), tuple(dict.fromkeys(answer.rung for answer in material.answers))
    for number, question in enumerate(material.questions, start=1):
        blocks = list[Block]()
        for rung in rungs:
            answers = layout.lay_out(question, rung)
            blocks += answers if len(rungs) == 1 else [Part(rung, answers, style="rung")]
        yield QuestionCard(
            f"q-{question.question_id}",
            number,
            len(material.questions),
            question.kind,
            question.text,
            question.expected or "",
            tuple(blocks) or (say_absent("Not asked of any model."),),
        )


class _Layout:
    """Every answer, mark and finding of a show, looked up by question, rung and form of the model."""

    def __init__(self, material: ReportMaterial) -> None:
        self._host = name_hosts(material.hosts)
        self._label = label_imitation(material.hosts)
        self._findings = gather_findings(material)
        self._marks = {_place(mark): mark for mark in material.marks if mark.wording == 0}
        self._answers: dict[tuple[str, str, str], list[Answer]] = {}
        for answer in material.answers:
            self._answers.setdefault((answer.question_id, answer.rung, answer.variant), []).append(answer)
        asked = {answer.variant for answer in material.answers}
        self._with_excerpts = [form for form in _WITH_EXCERPTS if form[0] in asked]

    def lay_out(self, question: Question, rung: str) -> tuple[Block, ...]:
        """Give the answers of one rung to a question: three columns, and folded away those with real excerpts."""
        columns = Box("columns", tuple(self._lay_out_column(question, rung, *form) for form in COLUMNS))
        if not self._with_excerpts:
            return (columns,)
        more = Box("columns two", tuple(self._lay_out_column(question, rung, *form) for form in self._with_excerpts))
        return (columns, Folded(f"With real turns of {self._host} put before the question", (more,)))

    def _lay_out_column(self, question: Question, rung: str, variant: Variant, title: str) -> AnswerColumn:
        found = self._answers.get((question.question_id, rung, variant), [])
        samples = [
            self._show_sample(answer, number=place, mark=_tell_mark(self._marks.get(_place(answer)), question))
            for place, answer in enumerate(sorted(found, key=lambda one: (one.sample, one.seed)), start=1)
        ]
        blocks: list[Block] = [*samples[0]] if samples else [say_absent("Not asked.")]
        if len(samples) > 1:
            more = tuple(block for sample in samples[1:] for block in sample)
            blocks.append(More(f"{len(samples) - 1} more {'sample' if len(samples) == 2 else 'samples'}", more))
        return AnswerColumn(variant, title, tuple(blocks))

    def _show_sample(self, answer: Answer, *, number: int, mark: str) -> tuple[Block, ...]:
        where = f"sample {number} \N{MIDDLE DOT} seed {answer.seed}"
        if answer.error is not None or answer.reply is None:
            return (FailedAnswer(answer.error or "no reply and no reason were recorded", where),)
        tokens = count_noun(answer.reply.n_reply_tokens, "token")
        cut = ", cut off at the limit" if answer.reply.stop == "length" else ""
        facts = f"{where} \N{MIDDLE DOT} {tokens}{cut}"
        text = answer.reply.text.strip()
        if not text:
            return (FailedAnswer("the model returned no words", facts),)
        place = answer.rung, answer.variant, answer.question_id, answer.sample
        speech = split_copied(text, self._findings.spans.get(place))
        copied = self._findings.tell_copied(place)
        return keep(ModelAnswer(speech, self._label, facts, mark, copied), self._findings.near.get(place))


def _tell_people(material: ReportMaterial) -> tuple[str, ...]:
    """Say what people made of the answers: hand marks, how far scorers agree, and the blind test; empty: nobody did."""
    rungs = list_rungs(material.scores)
    return (
        *(told for rung in rungs if (told := _tell_marks_by_hand(material, rung))),
        *(told for rung in rungs if (told := _tell_blind_picks(material, rung))),
    )


def _tell_marks_by_hand(material: ReportMaterial, rung: str) -> str:
    found = [
        (ROW_NAMES[variant], score)
        for variant in VARIANT_ORDER
        if (score := find_score(material.scores, HAND_MARK, rung=rung, variant=variant)) and score.value is not None
    ]
    if not found:
        return ""
    told = "; ".join(f"{title} {_tell_share(score)}, n = {score.n}" for title, score in found)
    agreement = find_score(material.scores, SCORER_AGREEMENT, rung="", variant="all")
    if agreement is None or agreement.value is None:
        trust = f"How far scorers agree is not known: {agreement.reason if agreement else 'it was not scored'}."
    else:
        alpha = format_decimal(agreement.value, 2)
        trust = f"Scorers agree with alpha = {alpha} (1 is full agreement, 0 is chance; n = {agreement.n})."
    return f"Marked by people who were not told whose answer it was (0, a half or 1), {rung}: {told}. {trust}"


def _tell_blind_picks(material: ReportMaterial, rung: str) -> str:
    score = find_score(material.scores, BLIND_PICKS, rung=rung, variant="tuned", subject=HELD_OUT_CUES)
    if score is None or score.value is None:
        return ""
    if score.low is not None and score.low > _CHANCE:
        verdict = "so they can tell"
    elif score.high is not None and score.high < _CHANCE:
        verdict = "so they take the model for the host"
    else:
        verdict = "so it is not shown that they can tell"
    return (
        f"Blind test, {rung}: of five replies to a cue no model had seen, people picked {name_hosts(material.hosts)}'s "
        f"own {_tell_share(score)} of the time, n = {score.n} cues; a guess is right {format_share(_CHANCE)} of the "
        f"time, {verdict}."
    )


def _tell_share(score: Score) -> str:
    span = (
        "" if score.low is None or score.high is None else f" ({format_share(score.low)} to {format_share(score.high)})"
    )
    return f"{format_share(score.value)}{span}"


def _place(row: Answer | Mark) -> tuple[str, str, str, int]:
    return row.question_id, row.rung, row.variant, row.sample


def _tell_mark(mark: Mark | None, question: Question) -> str:
    """Say what the question's own rule made of an answer."""
    if mark is None or question.kind not in ("quotation", "fact"):
        return ""
    if mark.grade == "unmarked":
        return f"Not marked: {mark.reason}."
    if mark.n_true is None:
        likeness = format_share(mark.likeness)
        wrong = f"Not the expected words ({likeness} alike)."
        near = f"Nearly the expected words ({likeness} alike)."
        return {"exact": "The expected words, word for word.", "near": near}.get(mark.grade, wrong)
    parts = [
        f"{title}: {', '.join(names)}"
        for title, names in (
            ("right", mark.named),
            ("guests, but not those asked for", mark.misplaced),
            ("never a guest", mark.invented),
        )
        if names
    ]
    asked_for = f"{count_noun(mark.n_true, 'guest')} asked for"
    return f"Names given: {'; '.join(parts)} ({asked_for})." if parts else f"Names nobody ({asked_for})."
