"""In which order held-out replies are measured, and how time is shared."""

from __future__ import annotations

import doctest
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.pipeline import likelihoods
from econchatr.pipeline.likelihoods import _cut_chunks, _spread_order, _take_turns
from tests.helpers.make_records import make_pair


class Clock:
    """Time that passes only when work is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += seconds


def share(
    seconds: float, costs: tuple[list[float], list[float]], known: tuple[int, int] = (0, 0)
) -> tuple[tuple[int, int], float]:
    clock = Clock()
    streams = [[lambda cost=cost: clock.work(cost) for cost in stream] for stream in costs]
    return _take_turns(streams, known, seconds, clock, lambda spent: None), clock.now


@pytest.mark.parametrize(
    ("seconds", "costs", "counts"),
    [
        (100, ([10.0] * 3, [5.0] * 2), (3, 2)),  # time for everything
        (60, ([10.0] * 9, [5.0] * 9), (3, 6)),  # half of the time for each
        (60, ([10.0] * 9, []), (6, 0)),
        (1, ([10.0] * 9, [5.0] * 9), (1, 0)),  # at least one lot of replies
        (60, ([], []), (0, 0)),
    ],
)
def test_replies_and_choices_share_the_time(
    seconds: float, costs: tuple[list[float], list[float]], counts: tuple[int, int]
) -> None:
    assert share(seconds, costs)[0] == counts


def test_what_was_measured_before_costs_no_time() -> None:
    assert share(30, ([10.0] * 9, [5.0] * 9), known=(5, 2)) == ((7, 4), 30.0)


@given(st.floats(1, 500), st.lists(st.just(7.0)), st.lists(st.just(3.0)))
def test_the_time_given_is_kept_but_for_the_first_lot(seconds: float, one: list[float], two: list[float]) -> None:
    assert share(seconds, (one, two))[1] <= max(seconds, 10) + 3


@given(st.integers(1, 300))
def test_the_order_takes_each_once_and_any_beginning_is_spread(n: int) -> None:
    order = _spread_order(n)
    assert sorted(order) == list(range(n))
    for k in range(1, n + 1):
        taken = [-1, *sorted(order[:k]), n]
        assert max(after - before for before, after in pairwise(taken)) <= 2 * n / k + 1


def test_host_and_guests_are_measured_side_by_side() -> None:
    sides = {side: [make_pair(n, reply=side) for n in range(10)] for side in ("host", "guest")}
    first, *rest = _cut_chunks(sides)
    assert sum(side == "host" for side, _ in first) == len(first) / 2 == 8
    assert sum(len(chunk) for chunk in rest) == 4


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(likelihoods).failed == 0
