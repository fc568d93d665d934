"""The exam, marked by each question's own rule: quotations by the words, facts by who was a guest.

What the host thinks, explains or jokes about has no right words: those answers stay unmarked here, with that reason,
and are measured by their manner. This module does not know where guests' names come from, and never marks a failure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from econchatr.records import Answer, Episode, Mark, Question, QuestionKind, Score, Turn
from econchatr.records.measures import ANSWERS, Measure
from econchatr.score.exam.names import GuestBook
from econchatr.score.exam.phrases import grade_words
from econchatr.score.statistics import Interval, exact_share, make_score

BY_MANNER = "no words are right or wrong here: the manner is what the voice measures judge"

_UNMARKED: Final[dict[QuestionKind, Measure]] = {
    "belief": Measure.EXAM_BELIEF,
    "idea": Measure.EXAM_IDEA,
    "joke": Measure.EXAM_JOKE,
}
_MARKED: Final[dict[QuestionKind, tuple[Measure, Measure]]] = {
    "quotation": (Measure.QUOTATION_EXACT, Measure.QUOTATION_NEAR),
    "fact": (Measure.FACT_EXACT, Measure.FACT_NEAR),
}
"""Kinds with words that are right: the share that is exact, and the share that is exact or near."""


class AiredEpisode(NamedTuple):
    """What the exam needs to know of an episode."""

    title: str
    year: int | None
    guests: tuple[str, ...]


_MIN_GUEST_TURNS: Final = 3
"""Who says less often something is a caller or a voice played in, not a guest."""


def list_aired(episodes: Sequence[Episode], turns: Sequence[Turn], *, no_guests: Collection[str]) -> list[AiredEpisode]:
    """Every episode with its year and its named guests, in the show's order; `year` is `None` where it is undated.

    Args:
        no_guests: Labels that name nobody, and people who only read advertisements.
    """
    counts = defaultdict[str, Counter[str]](Counter)
    for turn in turns:
        if turn.role == "guest" and turn.speaker and turn.speaker not in no_guests:
            counts[turn.slug][turn.speaker] += 1
    return [
        AiredEpisode(
            title=episode.title,
            year=episode.published.year if episode.published else None,
            guests=tuple(name for name, n in counts[episode.slug].items() if n >= _MIN_GUEST_TURNS),
        )
        for episode in episodes
    ]


class MarkingGuide(NamedTuple):
    """What answers are checked against, beside the questions themselves."""

    episodes: Sequence[AiredEpisode]
    passed_over: Collection[str]
    """Names that count for nothing in an answer: the host's, the show's."""


# --- marks ------------------------------------------------------------------------------------------------------------


def mark_answers(answers: Iterable[Answer], questions: Sequence[Question], guide: MarkingGuide) -> list[Mark]:
    """One mark per answer that was given, in their order; answers that failed, or to no question, get none."""
    asked = {question.question_id: question for question in questions}
    book = GuestBook(guest for episode in guide.episodes for guest in episode.guests)
    truths = {question.question_id: find_guests(question.guests_of, guide.episodes) for question in questions}
    return [
        _mark(answer, answer.reply.text, asked[answer.question_id], truths[answer.question_id], book, guide)
        for answer in answers
        if answer.reply is not None and answer.question_id in asked
    ]


def find_guests(guests_of: str | None, episodes: Sequence[AiredEpisode]) -> frozenset[str]:
    """The guests a question asks for: of a year, of all episodes, or of those whose title holds the words."""
    if guests_of is None:
        return frozenset()
    wanted = " ".join(guests_of.split()).casefold()
    return frozenset(
        guest
        for episode in episodes
        if wanted == "all"
        or (wanted == str(episode.year) if wanted.isdecimal() else wanted in " ".join(episode.title.split()).casefold())
        for guest in episode.guests
    )


def _mark(
    answer: Answer, text: str, question: Question, truth: frozenset[str], book: GuestBook, guide: MarkingGuide
) -> Mark:
    place = {name: getattr(answer, name) for name in ("question_id", "rung", "variant", "sample", "wording")}
    if question.kind not in ("quotation", "fact"):
        return Mark(**place, grade="unmarked", reason=BY_MANNER)
    if question.guests_of is not None:
        if not truth:
            reason = f"no episode with a named guest fits guests_of = {question.guests_of!r}"
            return Mark(**place, grade="unmarked", reason=reason)
        found = book.read(text, asked_for=truth, passed_over=[*guide.passed_over, question.text, *question.paraphrases])
        grade = (
            "exact" if found.right and not (found.misplaced or found.invented) else "near" if found.right else "wrong"
        )
        return Mark(
            **place, grade=grade, named=found.right, misplaced=found.misplaced, invented=found.invented,
            n_true=len(truth),
        )  # fmt: skip
    if question.expected is None:
        return Mark(**place, grade="unmarked", reason="the question says neither what is expected nor whose guests")
    grade, likeness = grade_words(text, question.expected)
    reason = "the expected words hold no word" if grade == "unmarked" else ""
    return Mark(**place, grade=grade, likeness=None if reason else likeness, reason=reason)


# --- scores -----------------------------------------------------------------------------------------------------------


def score_exam(marks: Sequence[Mark], questions: Sequence[Question], *, rung: str) -> list[Score]:
    """The exam's scores per kind and variant, over answers to the questions' own words.

    The intervals tell how much another draw of answers to these same questions would differ, not how other questions
    would fare: a show has few of them, and they were chosen.
    """
    kinds = {question.question_id: question.kind for question in questions}
    lists = {question.question_id for question in questions if question.guests_of is not None}
    own = [mark for mark in marks if mark.wording == 0]
    scores: list[Score] = []
    for kind in dict.fromkeys(kinds.values()):
        of_kind = [mark for mark in own if kinds.get(mark.question_id) == kind]
        if kind in _UNMARKED:
            scores.append(
                _score(_UNMARKED[kind], None, len(of_kind), rung=rung, variant="every form", reason=BY_MANNER)
            )
            continue
        for variant in dict.fromkeys(mark.variant for mark in own):
            rows = [mark for mark in of_kind if mark.variant == variant]
            words = [mark for mark in rows if mark.question_id not in lists]
            if words or not lists:
                scores += _score_words(words, kind, rung=rung, variant=variant)
            if kind == "fact" and lists:
                guests = [mark for mark in rows if mark.question_id in lists]
                scores += _score_guests(guests, rung=rung, variant=variant)
    return scores


def _score_words(rows: Sequence[Mark], kind: QuestionKind, *, rung: str, variant: str) -> list[Score]:
    graded = [mark.grade for mark in rows if mark.grade != "unmarked"]
    exact, near = _MARKED[kind]
    counts = {
        exact: sum(grade == "exact" for grade in graded),
        near: sum(grade in ("exact", "near") for grade in graded),
    }
    if not graded:
        reason = next((mark.reason for mark in rows if mark.reason), "no answers")
        return [_score(measure, None, 0, rung=rung, variant=variant, reason=reason) for measure in counts]
    return [
        _score(measure, exact_share(hits, len(graded)), len(graded), rung=rung, variant=variant)
        for measure, hits in counts.items()
    ]


def _score_guests(rows: Sequence[Mark], *, rung: str, variant: str) -> list[Score]:
    """Of the names an answer gives, the shares that are right and invented; of the guests asked for, the share named.

    Each is an average over answers. The interval is that of a count of as many answers, which no average of shares
    between 0 and 1 can need wider.
    """
    graded = [mark for mark in rows if mark.grade != "unmarked"]
    names = {mark: len(mark.named) + len(mark.misplaced) + len(mark.invented) for mark in graded}
    naming = [mark for mark in graded if names[mark]]
    shares = {
        Measure.GUESTS_RIGHT: [len(mark.named) / names[mark] for mark in naming],
        Measure.GUESTS_INVENTED: [len(mark.invented) / names[mark] for mark in naming],
        Measure.GUESTS_RECALLED: [len(mark.named) / mark.n_true for mark in graded if mark.n_true],
    }
    reason = "no answer names anybody" if graded else next((mark.reason for mark in rows if mark.reason), "no answers")
    return [
        _score(measure, exact_share(sum(values), len(values)), len(values), rung=rung, variant=variant)
        if values
        else _score(measure, None, len(graded), rung=rung, variant=variant, reason=reason)
        for measure, values in shares.items()
    ]


def _score(measure: Measure, value: Interval | None, n: int, *, rung: str, variant: str, reason: str = "") -> Score:
    return make_score(measure, value, rung=rung, variant=variant, subject=ANSWERS, n=n, reason=reason)
