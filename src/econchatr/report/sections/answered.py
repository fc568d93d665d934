"""The section that lays the answers out beside each other, question by question, failures apart from speech.

Under an answer stand the nearest thing the host really said, and which of its words are the host's own. Words that were
copied are found again in the answer by the words alone: where that fails, nothing is marked, and the sentence under the
answer still says what was copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from econchatr.display import label_imitation, name_hosts
from econchatr.records import Answer, CopiedSpan, Mark, NearQuote, Question, Score, Variant
from econchatr.records.measures import HELD_OUT_CUES, ROW_NAMES, Measure
from econchatr.report.counts import keep_start
from econchatr.report.formats import count_noun, format_cases, format_decimal, format_share, format_source
from econchatr.report.material import ReportMaterial
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
    Passage,
    QuestionCard,
    RealQuote,
    Section,
    Stretch,
    keep,
    say_absent,
)

_COLUMNS: tuple[tuple[Variant, str], ...] = (
    ("tuned", "Tuned model"),
    ("base", "Base model"),
    ("persona", "Base model with a persona prompt"),
)
_WITH_EXCERPTS: tuple[tuple[Variant, str], ...] = (
    ("grounded", "Tuned model with real excerpts"),
    ("retrieval", "Base model with real excerpts"),
)
"""Folded away, so that each question has three answers to read; not mentioned where they were not asked."""


def answers_section(material: ReportMaterial) -> Section:
    """Give one card per question, in the exam's order, samples in the order of their numbers."""
    title = "Answers, side by side"
    if not material.questions:
        return Section("answers", title, (say_absent("No question has been asked."),), menu="Answers")
    lede = " ".join(
        (
            f"Each of the {len(material.questions)} questions, as each form of the model answered it.",
            "What stands first is the first sample, whatever its mark.",
            *tell_draws(material.answers),
        )
    )
    host = name_hosts(material.hosts)
    underlined = f"Words underlined are copied from what {host} said in the training episodes."
    blocks: tuple[Block, ...] = (
        Paragraph(lede, "lede", of_page=underlined),
        *(Paragraph(told, "people") for told in _tell_people(material)),
        *_lay_out_cards(material),
    )
    return Section("answers", title, blocks, menu="Answers")


def tell_draws(answers: Iterable[Answer]) -> tuple[str, ...]:
    """Say in a sentence how each answer was chosen; none where every answer is a single draw."""
    n_draws = dict[str, int]()
    for answer in answers:
        n_draws[answer.rung] = max(answer.best_of, n_draws.get(answer.rung, 1))
    chosen = {rung: n for rung, n in n_draws.items() if n > 1}
    if not chosen:
        return ()
    is_alike = len(chosen) == len(n_draws) and len(set(chosen.values())) == 1
    who = "of a model tuned here" if is_alike else f"of the tuned {' and '.join(chosen)}"
    how_many = " and ".join(map(str, dict.fromkeys(chosen.values())))
    return (
        f"Each answer {who} is the best of {how_many} draws, as the untuned model chooses; every other answer is drawn "
        "once.",
    )


def lay_out_before_and_after(material: ReportMaterial, question: Question, rung: str, *, key: str) -> QuestionCard:
    """Give one question with what the host really said nearest to it, and the first answers before and after."""
    number, n = material.questions.index(question) + 1, len(material.questions)
    columns = (_Layout(material).lay_out_first(material, question, rung),)
    return QuestionCard(key, number, n, question.kind, question.text, question.told_expected, columns)


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
            question.told_expected,
            tuple(blocks) or (say_absent("Not asked of any model."),),
        )


class _Layout:
    """Every answer, mark and finding of a show, looked up by question, rung and form of the model."""

    def __init__(self, material: ReportMaterial) -> None:
        self._host = name_hosts(material.hosts)
        self._label = label_imitation(material.hosts)
        self._quotes = index_quotes(material)
        self._marks = {name_answer(mark): mark for mark in material.marks if mark.wording == 0}
        self._answers: dict[tuple[str, str, str], list[Answer]] = {}
        for answer in material.answers:
            self._answers.setdefault((answer.question_id, answer.rung, answer.variant), []).append(answer)
        asked = {answer.variant for answer in material.answers}
        self._with_excerpts = [form for form in _WITH_EXCERPTS if form[0] in asked]

    def lay_out(self, question: Question, rung: str) -> tuple[Block, ...]:
        """Give the answers of one rung to a question: three columns, and folded away those with real excerpts."""
        columns = Box("columns", tuple(self._lay_out_column(question, rung, *form) for form in _COLUMNS))
        if not self._with_excerpts:
            return (columns,)
        more = Box("columns two", tuple(self._lay_out_column(question, rung, *form) for form in self._with_excerpts))
        return (columns, Folded(f"With real turns of {self._host} put before the question", (more,)))

    def lay_out_first(self, material: ReportMaterial, question: Question, rung: str) -> Box:
        """Give what the host really said, and the first answers of base and tuned model, without other samples."""
        said = [
            Passage((Stretch(words),), where)
            for asked, words, where in material.real_words
            if asked == question.question_id
        ]
        real = AnswerColumn("host", f"{self._host}, really", tuple(said) or (say_absent("Nothing close was found."),))
        columns = [real]
        forms: tuple[tuple[Variant, str], ...] = (("base", "Before: base model"), ("tuned", "After: tuned model"))
        for variant, title in forms:
            found = self._lay_out_column(question, rung, variant, title)
            kept = tuple(_tell_less(one) for one in found.blocks if not isinstance(one, More | RealQuote))
            columns.append(AnswerColumn(variant, title, kept))
        return Box("columns thirds", tuple(columns))

    def _lay_out_column(self, question: Question, rung: str, variant: Variant, title: str) -> AnswerColumn:
        found = self._answers.get((question.question_id, rung, variant), [])
        samples = [
            self._show_sample(answer, question, number=place)
            for place, answer in enumerate(sorted(found, key=lambda one: (one.sample, one.seed)), start=1)
        ]
        blocks: list[Block] = [*samples[0]] if samples else [say_absent("Not asked.")]
        if len(samples) > 1:
            more = tuple(block for sample in samples[1:] for block in sample)
            blocks.append(More(count_noun(len(samples) - 1, "more sample"), more))
        return AnswerColumn(variant, title, tuple(blocks))

    def _show_sample(self, answer: Answer, question: Question, *, number: int) -> tuple[Block, ...]:
        where = f"sample {number} \N{MIDDLE DOT} seed {answer.seed}"
        if answer.error is not None or answer.reply is None:
            return (FailedAnswer(answer.error or "no reply and no reason were recorded", where),)
        tokens = count_noun(answer.reply.n_reply_tokens, "token")
        cut = ", cut off at the limit" if answer.reply.stop == "length" else ""
        drawn = f" \N{MIDDLE DOT} best of {answer.best_of} draws" if answer.best_of > 1 else ""
        facts = f"{where}{drawn} \N{MIDDLE DOT} {tokens}{cut}"
        text = answer.reply.text.strip()
        if not text:
            return (FailedAnswer("the model returned no words", facts),)
        key = name_answer(answer)
        speech, copied = split_copied(text, self._quotes.spans.get(key)), self._quotes.tell_copied(key)
        mark = self._marks.get(key)
        told, worth = _tell_mark(mark, question), mark.worth if mark else None
        return keep(ModelAnswer(speech, self._label, facts, told, copied, worth), self._quotes.near.get(key))


def _tell_less(block: Block) -> Block:
    """Leave out how an answer was drawn, but not that it was cut off."""
    return (
        replace(block, facts="cut off at the limit" if "cut off" in block.facts else "")
        if isinstance(block, ModelAnswer)
        else block
    )


# --- what was found of an answer --------------------------------------------------------------------------------------

_MOST_QUOTE_CHARS = 200
_BETWEEN = r"[\W_]+"
_QUOTES = "['\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}]"

AnswerKey = tuple[str, str, str, int]
"""Rung, variant, question, sample."""


def name_answer(row: Answer | Mark | NearQuote) -> AnswerKey:
    """Give what tells an answer from the others, as `QuoteIndex` and the marks are looked up by."""
    return row.rung, row.variant, row.question_id, row.sample


@dataclass(frozen=True, slots=True)
class QuoteIndex:
    """By answer, what the host really said that is nearest to it, and what it copies."""

    near: Mapping[AnswerKey, RealQuote]
    spans: Mapping[AnswerKey, CopiedSpan]
    titles: Mapping[str, str]
    host: str

    def tell_copied(self, answer: AnswerKey) -> str:
        """Say what the answer copies, from where; empty: no run of words."""
        span = self.spans.get(answer)
        if span is None:
            return ""
        source = format_source(self.titles.get(span.slug) or span.slug, span.published)
        return f"{count_noun(span.n_words, 'word')} in a row are {self.host}’s own: {source}."


def index_quotes(material: ReportMaterial) -> QuoteIndex:
    """Look up by answer what was found of it; of several copied runs the longest."""
    titles, host = {episode.slug: episode.title for episode in material.episodes}, name_hosts(material.hosts)
    near = {name_answer(row): _show_quote(row, titles, host) for row in material.nearest}
    spans: dict[AnswerKey, CopiedSpan] = {}
    for span in sorted(material.spans, key=lambda one: one.n_words):
        spans[span.rung, span.variant, span.group, span.sample] = span
    return QuoteIndex(near, spans, titles, host)


def _show_quote(row: NearQuote, titles: Mapping[str, str], host: str) -> RealQuote:
    likeness = f"{format_share(row.likeness)} alike"
    if not row.text.strip():
        return RealQuote(host, "", likeness)
    quote = keep_start(" ".join(row.text.split()), _MOST_QUOTE_CHARS)
    return RealQuote(host, quote, f"{format_source(titles.get(row.slug) or row.slug, row.published)}, {likeness}")


def split_copied(text: str, span: CopiedSpan | None) -> tuple[Stretch, ...]:
    """Part an answer where the copied run stands in it; in one piece where none is, or where it is not found.

    >>> from econchatr.records import CopiedSpan
    >>> span = CopiedSpan(rung="r", variant="tuned", group="q", sample=0, n_words=2, text="who counted", slug="e",
    ...                   published=None, position=0)
    >>> [piece.text for piece in split_copied("Well. Who, counted it?", span)]
    ['Well. ', 'Who, counted', ' it?']
    """
    found = None if span is None else _find_words(text, span.text.split())
    if found is None:
        return (Stretch(text),)
    start, end = found
    pieces = (Stretch(text[:start]), Stretch(text[start:end], is_marked=True), Stretch(text[end:]))
    return tuple(piece for piece in pieces if piece.text)


def _find_words(text: str, words: Sequence[str]) -> tuple[int, int] | None:
    if not words:
        return None
    patterns = (re.escape(word).replace("'", _QUOTES) for word in words)
    found = re.search(rf"(?<![^\W_]){_BETWEEN.join(patterns)}(?![^\W_])", text, re.IGNORECASE)
    return found.span() if found else None


# --- what people and rules made of them -------------------------------------------------------------------------------

_CHANCE = 0.2
"""Of picking the real one of five by guessing."""


def _tell_people(material: ReportMaterial) -> Iterator[str]:
    """Say what people made of the answers: hand marks, how far scorers agree, and the blind test."""
    for tell in (_tell_marks_by_hand, _tell_blind_picks):
        yield from filter(None, (tell(material, rung) for rung in material.scored_rungs))


def _tell_marks_by_hand(material: ReportMaterial, rung: str) -> str:
    found = [
        (ROW_NAMES[variant], score)
        for variant in ROW_NAMES
        if (score := material.find_score(Measure.HAND_MARK, rung, variant)) and score.value is not None
    ]
    if not found:
        return ""
    told = "; ".join(f"{title} {_tell_share(score)}" for title, score in found)
    agreement = material.find_score(Measure.SCORER_AGREEMENT, "", "all")
    if agreement is None or agreement.value is None:
        trust = f"How far scorers agree is not known: {agreement.reason if agreement else 'it was not scored'}."
    else:
        alpha = format_decimal(agreement.value, 2)
        trust = f"Scorers agree with alpha = {alpha} (1 is full agreement, 0 is chance; n = {agreement.n})."
    return f"Marked by people who were not told whose answer it was (0, a half or 1), {rung}: {told}. {trust}"


def _tell_blind_picks(material: ReportMaterial, rung: str) -> str:
    score = material.find_score(Measure.BLIND_PICKS, rung, "tuned", HELD_OUT_CUES)
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
        f"own {_tell_share(score)} times; a guess is right one time in five, {verdict}."
    )


def _tell_share(score: Score) -> str:
    told = format_cases(score.value, score.n)
    if "%" not in told:
        return told
    span = f"{format_share(score.low)} to {format_share(score.high)}, " if score.low is not None else ""
    return f"{told} ({span}n = {score.n})"


_SENSE = {
    "exact": "It holds what a right answer holds.",
    "near": "It holds a part of what a right answer holds.",
    "wrong": "It does not hold what a right answer holds.",
}


def _tell_mark(mark: Mark | None, question: Question) -> str:
    """Say what the question's own rule made of an answer."""
    if mark is None or (mark.grade == "unmarked" and question.kind not in ("quotation", "fact")):
        return ""
    if mark.grade == "unmarked":
        return f"Not marked: {mark.reason}."
    if mark.says_opposite:
        return "It says the opposite of the host."
    if question.kind not in ("quotation", "fact"):
        return _SENSE[mark.grade]
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
