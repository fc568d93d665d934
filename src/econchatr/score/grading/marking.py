"""The exam, marked by each question's own rule: quotations by the words, facts by who was a guest.

What the host thinks, explains or jokes about has no right words: those answers stay unmarked, with that reason, and
are measured by their manner. A failure is never marked.

Of expected words, those that carry meaning count four times as much as those that only hold a sentence together, so
that "but to be rich" is not nearly "but to be lovely". The list of the latter is English; in another language every
word counts alike, which makes `near` a little easier to reach. The same thought in other words is wrong.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from econchatr.noun_phrases import word_list
from econchatr.records import Answer, Episode, Grade, Mark, Question, QuestionKind, Score, Turn
from econchatr.records.measures import ANSWERS, Measure
from econchatr.score.grading.names import GuestBook
from econchatr.score.speech import split_words
from econchatr.score.statistics import Interval, exact_share, make_score

NEAR: Final = 0.6
"""From this likeness on the words are nearly right. Source: docs/experiments.md, "When a quotation is nearly right"."""

_SMALL_WEIGHT: Final = 0.25
_MIN_STEM_CHARS: Final = 4
_MIN_STEM_SHARE: Final = 0.7

_BY_MANNER: Final = "no words are right or wrong here: the manner is what the voice measures judge"

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
        return Mark(**place, grade="unmarked", reason=_BY_MANNER)
    if question.guests_of is not None:
        if not truth:
            reason = f"no episode with a named guest fits guests_of = {question.guests_of!r}"
            return Mark(**place, grade="unmarked", reason=reason)
        found = book.read(text, asked_for=truth, passed_over=[*guide.passed_over, question.text, *question.paraphrases])
        is_exact = found.right and not (found.misplaced or found.invented)
        grade: Grade = "exact" if is_exact else "near" if found.right else "wrong"
        names = {"named": found.right, "misplaced": found.misplaced, "invented": found.invented}
        return Mark(**place, grade=grade, **names, n_true=len(truth))
    if question.expected is None:
        return Mark(**place, grade="unmarked", reason="the question says neither what is expected nor whose guests")
    grade, likeness = grade_words(text, question.expected)
    reason = "the expected words hold no word" if grade == "unmarked" else ""
    return Mark(**place, grade=grade, likeness=None if reason else likeness, reason=reason)


# --- expected words ---------------------------------------------------------------------------------------------------


def grade_words(text: str, expected: str) -> tuple[Grade, float]:
    """`exact`, `near` or `wrong`, and the likeness behind it, 0 to 1.

    Exact means word for word, whatever the case, accents and marks, anywhere in the text. Of expected words that are
    none (only marks), nothing can be said: `unmarked`.

    >>> grade_words("Man, they say, wants not only love, but to be LOVELY!", "but to be lovely")
    ('exact', 1.0)
    >>> grade_words("And also to be lovely.", "but to be lovely")[0]
    'near'
    >>> grade_words("But to be rich.", "but to be lovely")[0]
    'wrong'
    """
    wanted, said = _plain_words(expected), _plain_words(text)
    if not wanted:
        return "unmarked", 0.0
    if f" {' '.join(wanted)} " in f" {' '.join(said)} ":
        return "exact", 1.0
    likeness = _measure_likeness(wanted, said)
    return ("near" if likeness >= NEAR else "wrong"), likeness


def _measure_likeness(wanted: Sequence[str], said: Sequence[str]) -> float:
    """1 minus the least weighted edits that make some stretch of `said` into `wanted`, over the weight of `wanted`.

    A missing word costs its weight, a wrong one too, another form of it a quarter; a word too many costs a small word.

    Source: Sellers 1980, Journal of Algorithms 1, 359-373 (edit distance to the best stretch); the weights are ours.
    """
    weights = [_SMALL_WEIGHT if word in word_list("small") else 1.0 for word in wanted]
    # costs[j]: cheapest way to make the words so far out of a stretch that ends before said[j].
    costs = [0.0] * (len(said) + 1)
    for word, weight in zip(wanted, weights, strict=True):
        before, costs = costs, [costs[0] + weight]
        for place, other in enumerate(said):
            swap = 0.0 if word == other else weight * (0.25 if _is_same_stem(word, other) else 1.0)
            costs.append(min(before[place] + swap, before[place + 1] + weight, costs[place] + _SMALL_WEIGHT))
    return max(0.0, 1 - min(costs) / sum(weights))


def _is_same_stem(word: str, other: str) -> bool:
    """Whether two words begin alike for most of their length: `measure` and `measured`, not `measure` and `mean`."""
    n_shared = 0
    for one, two in zip(word, other, strict=False):
        if one != two:
            break
        n_shared += 1
    return n_shared >= max(_MIN_STEM_CHARS, _MIN_STEM_SHARE * max(len(word), len(other)))


def _plain_words(text: str) -> list[str]:
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return split_words(plain)


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
                make_score(
                    _UNMARKED[kind],
                    None,
                    rung=rung,
                    variant="every form",
                    subject=ANSWERS,
                    n=len(of_kind),
                    reason=_BY_MANNER,
                )
            )
            continue
        for variant in dict.fromkeys(mark.variant for mark in own):
            rows = [mark for mark in of_kind if mark.variant == variant]
            words = [mark for mark in rows if mark.question_id not in lists]
            found = _measure_words(words, kind) if words or not lists else []
            if kind == "fact" and lists:
                found += _measure_guests([mark for mark in rows if mark.question_id in lists])
            scores += [
                make_score(measure, value, rung=rung, variant=variant, subject=ANSWERS, n=n, reason=reason)
                for measure, value, n, reason in found
            ]
    return scores


def _measure_words(rows: Sequence[Mark], kind: QuestionKind) -> list[tuple[Measure, Interval | None, int, str]]:
    """Each measure of answers in words, with its value, n, and why it may be missing."""
    graded = [mark.grade for mark in rows if mark.grade != "unmarked"]
    reason, n = next((mark.reason for mark in rows if mark.reason), "no answers"), len(graded)
    exact, near = _MARKED[kind]
    hits = {exact: graded.count("exact"), near: graded.count("exact") + graded.count("near")}
    return [(measure, exact_share(hits[measure], n) if n else None, n, reason) for measure in hits]


def _measure_guests(rows: Sequence[Mark]) -> list[tuple[Measure, Interval | None, int, str]]:
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
        (measure, exact_share(sum(values), len(values)) if values else None, len(values) or len(graded), reason)
        for measure, values in shares.items()
    ]
