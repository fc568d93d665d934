"""How many of the exam's twelve questions are answered rightly, as 2023 counted: 1, a half or 0 for each.

The first answer drawn is what a reader gets; the best of all tries beside it is what 2023 told, where a question was
tried up to ten times. An answer that nobody marked, and one that failed, counts nowhere.

Source: shared reference `original.md`, step 11.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from econchatr.records import Answer, HandMark, Mark, Question, RightCount
from econchatr.score.raters.hand import answer_key
from econchatr.score.statistics import average_groups

Marker = Literal["rule", "people", "judge"]
_Place = tuple[str, str, str, int]
"""Question, rung, variant, sample."""


def count_right(
    answers: Iterable[Answer], questions: Sequence[Question], worth: Mapping[_Place, float], *, marker: Marker
) -> list[RightCount]:
    """Count for every rung and variant that was asked; one of which nothing is marked has `n_right` `None`.

    Args:
        worth: What each marked answer is worth, as `worth_by_rule` and `worth_by_key` give it.
    """
    asked = {question.question_id for question in questions}
    tries = defaultdict[tuple[str, str], dict[str, list[_Place]]](lambda: defaultdict(list))
    for answer in answers:
        if answer.reply is not None and answer.wording == 0 and answer.question_id in asked:
            place = (answer.question_id, answer.rung, answer.variant, answer.sample)
            tries[answer.rung, answer.variant][answer.question_id].append(place)
    return [
        _count(of_variant.values(), worth, RightCount(
            marker=marker, rung=rung, variant=variant, n_right=None, n_marked=0, n_questions=len(questions),
            reason="not marked yet",
        ))
        for (rung, variant), of_variant in tries.items()
    ]  # fmt: skip


def _count(questions: Iterable[list[_Place]], worth: Mapping[_Place, float], empty: RightCount) -> RightCount:
    marked = []
    for places in questions:
        first, *more = sorted(places, key=lambda place: place[3])
        if first in worth:
            marked.append([worth[first], *(worth[place] for place in more if place in worth)])
    if not marked:
        return empty
    n_tries = max(map(len, marked))
    found = {
        "n_right": sum(values[0] for values in marked),
        "n_marked": len(marked),
        "n_tries": n_tries,
        "best_of_tries": sum(map(max, marked)) if n_tries > 1 else None,
        "reason": "",
    }
    return empty.model_copy(update=found)


def worth_by_rule(marks: Iterable[Mark]) -> dict[_Place, float]:
    """What the questions' own rules make of each answer to a question as it stands."""
    return {
        (mark.question_id, mark.rung, mark.variant, mark.sample): mark.worth
        for mark in marks
        if mark.wording == 0 and mark.worth is not None
    }


def worth_by_key(
    answers: Iterable[Answer], questions: Sequence[Question], values: Mapping[str, float]
) -> dict[_Place, float]:
    """What each answer is worth by marks that go by question and words alone, as people and the judge give them."""
    texts = {question.question_id: question.text for question in questions}
    return {
        (answer.question_id, answer.rung, answer.variant, answer.sample): values[key]
        for answer in answers
        if answer.reply is not None
        and answer.question_id in texts
        and (key := answer_key(texts[answer.question_id], answer.reply.text)) in values
    }


def average_marks(marks: Iterable[HandMark]) -> dict[str, float]:
    """Answer -> the mean of the marks people gave it."""
    return average_groups((mark.key, mark.value) for mark in marks)
