"""Krippendorff's alpha, against a published example, another way of reckoning it, and what it should mean."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.score.raters.hand import ordinal_alpha

MARKS = st.sampled_from([0.0, 0.5, 1.0])


def alpha(units: list[list[float]]) -> float:
    found = ordinal_alpha(units, list(range(len(units))), n_resamples=10)
    assert not isinstance(found, str)
    return found.value


def reckon_by_pairs(units: list[list[float]]) -> Fraction:
    """The definition, in exact fractions: mean disagreement of pairs within units over that of all pairs."""
    paired = [unit for unit in units if len(unit) > 1]
    marks = [value for unit in paired for value in unit]

    def difference(one: float, two: float) -> Fraction:
        low, high = sorted((one, two))
        between = sum(low <= mark <= high for mark in marks)
        return (between - Fraction(marks.count(low) + marks.count(high), 2)) ** 2 if low != high else Fraction(0)

    observed = sum(
        (Fraction(1, len(unit) - 1) * difference(*pair) for unit in paired for pair in permutations(unit, 2)),
        Fraction(0),
    )
    expected = sum((2 * difference(*pair) for pair in combinations(marks, 2)), Fraction(0))
    return 1 - observed / len(marks) / (expected / (len(marks) * (len(marks) - 1)))


def test_the_published_example_is_met() -> None:
    """Krippendorff 2011, example C: four observers, twelve units, some missing; ordinal alpha = .815."""
    rows = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    units = [[float(value) for value in unit if value is not None] for unit in zip(*rows, strict=True)]
    assert alpha(units) == pytest.approx(0.815, abs=5e-4)


@given(st.lists(st.lists(MARKS, min_size=1, max_size=4), min_size=1, max_size=12))
def test_it_agrees_with_the_definition_to_1e_9(units: list[list[float]]) -> None:
    found = ordinal_alpha(units, list(range(len(units))), n_resamples=10)
    if isinstance(found, str):
        assert len({value for unit in units if len(unit) > 1 for value in unit}) < 2
    else:
        assert found.value == pytest.approx(float(reckon_by_pairs(units)), abs=1e-9)


def test_full_agreement_is_one_and_chance_is_about_zero() -> None:
    rng = random.Random(4)
    assert alpha([[value, value] for value in (0.0, 0.5, 1.0, 1.0)]) == pytest.approx(1)
    assert alpha([[rng.choice([0.0, 0.5, 1.0]) for _ in range(2)] for _ in range(2000)]) == pytest.approx(0, abs=0.06)


def test_a_half_is_nearer_than_a_whole() -> None:
    near = [[0.0, 0.5], [0.5, 0.5], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [0.5, 0.0]]
    far = [[0.0, 1.0], [0.5, 0.5], [1.0, 1.0], [0.0, 0.0], [0.5, 0.5], [1.0, 0.0]]
    assert alpha(near) > alpha(far)


@pytest.mark.parametrize(
    ("units", "reason"),
    [([[1.0], [0.5]], "marked by two"), ([[1.0, 1.0], [1.0, 1.0]], "all marks are the same"), ([], "marked by two")],
)
def test_where_agreement_has_no_meaning_the_reason_is_said(units: list[list[float]], reason: str) -> None:
    found = ordinal_alpha(units, list(range(len(units))))
    assert isinstance(found, str)
    assert reason in found
