"""Marks given by people, as in 2023: 0, a half or 1 per answer, without knowing whose it is.

Every mark is believed: whether a scorer was careful shows only in the agreement between two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from econchatr.records import Answer, HandMark, HandSheet, Question, Score, SheetAnswer
from econchatr.records.measures import ANSWERS, Measure, name_difference
from econchatr.score.raters.filled_sheets import (
    FilledSheet,
    HandFile,
    check_known,
    check_people,
    read_file,
    sheet_sha256,
)
from econchatr.score.statistics import Interval, average_groups, jackknife_ratio, make_score, share_interval
from econchatr.tables import hash_settings

_CONTRASTS: Final = (("tuned", "base"), ("tuned", "persona"))

_Marks = Sequence[tuple[str, float]]
"""Question id and mark of each answer; the mark is averaged over the scorers."""

_score = partial(make_score, subject=ANSWERS)


def answer_key(question: str, text: str) -> str:
    """What stands for an answer on a sheet: the same for the same words to the same question, whoever gave them."""
    return hash_settings([question, text])


def lay_out_sheet(answers: Iterable[Answer], questions: Sequence[Question], *, seed: int) -> HandSheet:
    """Every answer once, question by question, shuffled within each; failures are no answers.

    The order depends on the seed and the texts alone, so it tells nothing of which model gave which.
    """
    found: dict[str, dict[str, str]] = {question.question_id: {} for question in questions}
    texts = {question.question_id: question.text for question in questions}
    for answer in answers:
        if answer.reply is not None and answer.question_id in found:
            found[answer.question_id][answer_key(texts[answer.question_id], answer.reply.text)] = answer.reply.text
    laid_out = []
    for question_id, by_key in found.items():
        keys = sorted(by_key)
        Random(f"{seed} {question_id}").shuffle(keys)
        laid_out += [SheetAnswer(key=key, question_id=question_id, text=by_key[key]) for key in keys]
    digest = sheet_sha256(seed, [answer.key for answer in laid_out])
    return HandSheet(seed=seed, sha256=digest, answers=tuple(laid_out))


def read_marks(files: Sequence[FilledSheet], known: Iterable[str], *, show: str) -> list[HandMark]:
    """The marks in filled sheets, each checked against the answers the show has.

    Args:
        known: The keys of all answers of the show.

    Raises:
        InputError: A file is foreign, half filled, changed, about other answers, or two are by one person.
    """
    keys, read = set(known), [(filled, read_file(filled, HandFile, show=show)) for filled in files]
    check_people([(filled, file.scorer) for filled, file in read])
    for filled, file in read:
        check_known(filled, file.marks, keys, thing="marked answers")
    return [
        HandMark(key=key, scorer=file.scorer, value=float(value))
        for _, file in read
        for key, value in file.marks.items()
    ]


def score_hand(
    marks: Sequence[HandMark], answers: Sequence[Answer], questions: Sequence[Question], *, n_resamples: int = 2000
) -> list[Score]:
    """The mean mark of every rung and variant, what training changed, and how far scorers agree.

    Each answer's marks are averaged over its scorers first. The intervals are over questions, because answers to one
    question are alike; `n` is the number of answers marked. Nothing marked gives no scores.
    """
    if not marks:
        return []
    texts = {question.question_id: question.text for question in questions}
    by_key = defaultdict[str, list[float]](list)
    for mark in marks:
        by_key[mark.key].append(mark.value)
    marked = defaultdict[tuple[str, str], list[tuple[str, float]]](list)
    owners: dict[str, str] = {}
    for answer in answers:
        if answer.reply is None or answer.question_id not in texts:
            continue
        key = answer_key(texts[answer.question_id], answer.reply.text)
        owners[key] = answer.question_id
        if by_key.get(key):
            value = sum(by_key[key]) / len(by_key[key])
            marked[answer.rung, answer.variant].append((answer.question_id, value))
    scores = list[Score]()
    for (rung, variant), rows in marked.items():
        groups, values = zip(*rows, strict=True)
        mean = share_interval(values, [1.0] * len(rows), groups)
        scores.append(_score(Measure.HAND_MARK, mean, rung=rung, variant=variant, n=len(rows)))
    for rung in dict.fromkeys(rung for rung, _ in marked):
        scores += _contrast(marked, rung=rung)
    return [*scores, *_score_agreement({key: by_key[key] for key in owners}, owners, n_resamples=n_resamples)]


def _contrast(marked: Mapping[tuple[str, str], _Marks], *, rung: str) -> list[Score]:
    """Mean mark of one variant less another's, over the questions marked for both, each counting once."""
    scores = []
    for after, before in _CONTRASTS:
        then, now = (average_groups(marked.get((rung, variant), ())) for variant in (before, after))
        shared = [question_id for question_id in now if question_id in then]
        if shared:
            gains = [now[question_id] - then[question_id] for question_id in shared]
            found = jackknife_ratio(gains, [1.0] * len(gains), shared)
            name = name_difference(after, before)
            scores.append(_score(Measure.HAND_MARK, found, rung=rung, variant=name, n=len(shared)))
    return scores


def _score_agreement(
    by_key: Mapping[str, Sequence[float]], owners: Mapping[str, str], *, n_resamples: int
) -> list[Score]:
    units = [list(values) for values in by_key.values()]
    found = ordinal_alpha(units, [owners[key] for key in by_key], n_resamples=n_resamples)
    both = [values for values in units if len(values) > 1]
    if not both:
        return [_score(Measure.SCORER_AGREEMENT, "one scorer only", rung="", variant="all", n=0)]
    same = Interval(sum(len(set(values)) == 1 for values in both) / len(both))
    return [
        _score(measure, value, rung="", variant="all", n=len(both))
        for measure, value in ((Measure.SCORER_AGREEMENT, found), (Measure.SAME_MARK, same))
    ]


def ordinal_alpha(
    units: Sequence[Sequence[float]], groups: Sequence[Hashable], *, n_resamples: int = 2000, seed: int = 0
) -> Interval | str:
    """Krippendorff's alpha, 1 for full agreement and 0 for what chance gives; or why there is none.

    It takes any number of scorers, and units that not everybody marked; a unit with one mark says nothing about
    agreement and is left out.

    Args:
        units: Per thing marked, the marks it got.
        groups: Per thing marked, what it belongs to (its question): the interval resamples these.

    Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", with the ordinal difference.
    """
    paired = [(marks, group) for marks, group in zip(units, groups, strict=True) if len(marks) > 1]
    if not paired:
        return "no answer was marked by two people"
    values = sorted({value for marks, _ in paired for value in marks})
    if len(values) < 2:
        return "all marks are the same, so agreement beyond chance has no meaning"
    names = list(dict.fromkeys(group for _, group in paired))
    place = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(values), len(values)))
    for marks, group in paired:
        counts[place[group]] += _coincidences(Counter(marks), values)
    value = float(_alpha(counts.sum(axis=0)))
    if len(names) < 2:
        return Interval(value)
    draws = np.random.default_rng(seed).integers(0, len(names), size=(n_resamples, len(names)))
    drawn = [found for draw in draws if not np.isnan(found := _alpha(counts[draw].sum(axis=0)))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _coincidences(marks: Mapping[float, int], values: Sequence[float]) -> NDArray[np.float64]:
    """How often two marks of one thing meet, each pair weighed so that a thing counts as many times as it has marks."""
    n = np.array([marks.get(value, 0) for value in values], dtype=float)
    return np.asarray((np.outer(n, n) - np.diag(n)) / (n.sum() - 1))


def _alpha(coincidences: NDArray[np.float64]) -> float:
    """1 minus observed over expected disagreement; not a number where all marks are the same."""
    n = coincidences.sum(axis=1)
    # Between two marks lie all marks of the values between them, and half of the two values' own.
    below = np.cumsum(n) - n / 2
    difference = (below[:, None] - below[None, :]) ** 2
    expected = float((np.outer(n, n) * difference).sum())
    if not expected:
        return float("nan")
    return 1 - float((n.sum() - 1) * (coincidences * difference).sum() / expected)
