"""The first screen: one question before and after, how many are right, whether readers can tell, habits, cost.

One sentence weighs them. People outrank marks, and marks outrank Voice, which is named only where neither is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from math import comb
from typing import NamedTuple

from econchatr.display import name_hosts
from econchatr.records import Question
from econchatr.records.measures import HELD_OUT_CUES, Measure
from econchatr.report.formats import count_noun, format_decimal, format_share, format_usd
from econchatr.report.habits import Habits, find_sayings, measure_habits
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Block, Box, Facts, Paragraph, QuestionCard, Section, Statement, Table, tabulate
from econchatr.report.sections.answered import lay_out_before_and_after
from econchatr.report.sections.verdict import give_verdicts

_WORTH = {"exact": 1.0, "near": 0.5, "wrong": 0.0}
_GUESS = 0.2
_FORMS = (("base", "Before: base"), ("persona", "Before: base + persona"), ("tuned", "After: tuned"))
_REPORTED_2023 = "Reported in 2023, by hand, best of several tries: 6 of 12 before, 9.5 of 12 after."


class RightAnswers(NamedTuple):
    """How many first answers of one form are right, by one marker: 1, a half or 0 each."""

    marker: str
    variant: str
    n_right: float
    n_marked: int


def first_screen(material: ReportMaterial) -> Section:
    """Give what a reader with one minute should see."""
    rungs = tuple(dict.fromkeys(answer.rung for answer in material.answers))
    blocks = [block for rung in rungs for block in _lay_out(material, rung)]
    unasked = Paragraph("No model has been asked yet.", "absent")
    return Section("first", "At a glance", tuple(blocks) or (unasked,), menu="At a glance")


def _lay_out(material: ReportMaterial, rung: str) -> Iterator[Block]:
    habits = measure_all_habits(material, rung)
    if question := choose_question(material, rung):
        number = material.questions.index(question) + 1
        answers = lay_out_before_and_after(material, question, rung)
        yield QuestionCard(
            f"first-{rung}-{question.question_id}",
            number,
            len(material.questions),
            question.kind,
            question.text,
            question.expected or "",
            answers,
        )
        yield Paragraph("Shown: the first question with a marked answer, else the first; not the best.", "note")
    facts = (
        ("Right answers", " ".join(tell_right(material, rung))),
        ("Can readers tell?", tell_readers(material, rung)),
        ("What it cost", _tell_cost(material, rung)),
    )
    yield Box("glance", (Statement(weigh(material, rung)), Facts(facts), _tabulate_habits(material, rung, habits)))


def choose_question(material: ReportMaterial, rung: str) -> Question | None:
    """Choose the first question with a marked answer of the tuned model, else the first; `None`: none is asked."""
    marked = {
        mark.question_id
        for mark in material.marks
        if mark.rung == rung and mark.variant == "tuned" and mark.grade != "unmarked"
    }
    found = [question for question in material.questions if question.question_id in marked]
    return next(iter(found or material.questions), None)


# --- right answers ----------------------------------------------------------------------------------------------------


def count_right(material: ReportMaterial, rung: str) -> tuple[RightAnswers, ...]:
    """Count the right answers by each marker there is: the rule's first tries, and all that people marked."""
    worth = defaultdict[str, list[float]](list)
    for mark in material.marks:
        if (mark.rung, mark.sample, mark.wording) == (rung, 0, 0) and mark.grade in _WORTH:
            worth[mark.variant].append(_WORTH[mark.grade])
    found = [RightAnswers("rule", form, sum(worth[form]), len(worth[form])) for form, _ in _FORMS if form in worth]
    for form, _ in _FORMS:
        score = material.find_score(Measure.HAND_MARK, rung, form)
        if score is not None and score.value is not None:
            found.append(RightAnswers("people", form, score.value * score.n, score.n))
    return tuple(found)


def tell_right(material: ReportMaterial, rung: str) -> Iterator[str]:
    """Say how many answers are right, a sentence for each marker."""
    counts = count_right(material, rung)
    for marker in ("people", "rule"):
        own = {one.variant: one for one in counts if one.marker == marker}
        if own:
            told = "; ".join(f"{title} {_tell_count(own[form])}" for form, title in _FORMS if form in own)
            yield f"By {marker}: {told}."
    if not any(one.marker == "people" for one in counts):
        yield "By people: not marked yet (econchatr mark)."
    if material.history is not None:
        yield _REPORTED_2023


def _tell_count(one: RightAnswers) -> str:
    return f"{one.n_right:.3g} of {one.n_marked}"


# --- readers ----------------------------------------------------------------------------------------------------------


def tell_readers(material: ReportMaterial, rung: str) -> str:
    """Say how often people found the real reply among five, on sheets and in the playground."""
    found, n = count_found(material, rung)
    if not n:
        return "Not tried yet: econchatr play, tab Blind."
    return f"Readers found the real one {found:.3g} of {n}; a guess finds one of five."


def count_found(material: ReportMaterial, rung: str) -> tuple[float, int]:
    """Count how often the real reply was found, and of how many: cues of the sheets, guesses in the playground."""
    score = material.find_score(Measure.BLIND_PICKS, rung, "tuned", HELD_OUT_CUES)
    guesses = [is_right for of_rung, is_right in material.guesses if of_rung == rung]
    found, n = (0.0, 0) if score is None or score.value is None else (score.value * score.n, score.n)
    return found + sum(guesses), n + len(guesses)


# --- habits and cost --------------------------------------------------------------------------------------------------


def measure_all_habits(material: ReportMaterial, rung: str) -> dict[str, Habits]:
    """Measure the habits of each form of the model, and of the host in held-out episodes."""
    kept = [pair for pair in material.pairs if pair.is_kept]
    sayings = find_sayings((pair.slug, pair.reply) for pair in kept if pair.split == "train")
    texts = {
        form: [
            one.reply.text
            for one in material.answers
            if (one.rung, one.variant) == (rung, form) and one.reply is not None
        ]
        for form, _ in _FORMS
    }
    texts["host"] = [pair.reply for pair in kept if pair.split == "test"]
    return {form: found for form, said in texts.items() if (found := measure_habits(said, sayings)) is not None}


def _tabulate_habits(material: ReportMaterial, rung: str, habits: dict[str, Habits]) -> Table:
    titles = dict(_FORMS) | {"host": f"{name_hosts(material.hosts)}, really"}
    return tabulate(
        f"habits-{material.scored_rungs.index(rung) if rung in material.scored_rungs else rung}",
        "What it did learn",
        habits.items(),
        {
            "": lambda row: titles[row[0]],
            "#words, middle answer": lambda row: format_decimal(row[1].n_words, 0),
            "#with a saying": lambda row: f"{row[1].n_with_saying} of {row[1].n}",
            "#end in a question": lambda row: f"{row[1].n_ask_back} of {row[1].n}",
        },
        note="A saying is a run of four words that the host says in many training episodes.",
    )


def _tell_cost(material: ReportMaterial, rung: str) -> str:
    charged = sum((row.charged_usd - row.refunded_usd for row in material.bill if row.rung == rung), Decimal(0))
    tuned = next((one for one in material.tuned_models if one.rung == rung), None)
    steps = f", {count_noun(tuned.n_steps, 'step')} of training" if tuned else ""
    return f"{format_usd(charged)}{steps}."


# --- the sentence that weighs them ------------------------------------------------------------------------------------


def weigh(material: ReportMaterial, rung: str) -> str:
    """Weigh what was found in one sentence: people first, then marks, then Voice."""
    parts = [_weigh_readers(material, rung), _weigh_marks(material, rung)]
    if not any(parts):
        verdict = next((one.sentence for one in give_verdicts(material) if one.rung == rung), "")
        parts = [verdict.rstrip(".") or f"How near {rung} comes to its host was not measured"]
    return "; ".join(filter(None, (*parts, _weigh_asking(material, rung)))) + "."


def _weigh_readers(material: ReportMaterial, rung: str) -> str:
    (n_found, n), host = count_found(material, rung), name_hosts(material.hosts)
    if not n:
        return ""
    found = f"{n_found:.3g} of {n}"
    by_chance = sum(comb(n, k) * _GUESS**k * (1 - _GUESS) ** (n - k) for k in range(int(n_found), n + 1))
    if by_chance < 0.025:
        return f"Readers tell {rung} from {host}: they found the real one {found} times"
    return f"Readers found {host}’s own reply {found} times, which does not show that they can tell"


def _weigh_marks(material: ReportMaterial, rung: str) -> str:
    counts = count_right(material, rung)
    for marker in ("people", "rule"):
        own = {one.variant: one for one in counts if one.marker == marker}
        if "tuned" in own:
            before = f", before training {_tell_count(own['base'])}" if "base" in own else ""
            return f"{rung} answers {_tell_count(own['tuned'])} rightly by {marker}{before}"
    return ""


def _weigh_asking(material: ReportMaterial, rung: str) -> str:
    habits = measure_all_habits(material, rung)
    own, host = habits.get("tuned"), habits.get("host")
    if own is None or host is None or own.n_ask_back / own.n <= host.n_ask_back / host.n:
        return ""
    really = f"{name_hosts(material.hosts)} in {format_share(host.n_ask_back / host.n)} of {host.n} replies"
    return f"it asks back in {own.n_ask_back} of {own.n} answers, {really}"
