"""New episodes are held against those that were held out when the model was trained."""

from __future__ import annotations

import random

import pytest

from econchatr.score.statistics import Interval
from econchatr.tools.weigh_training import Weighing, Worth, predict_difference


def draw_episodes(gain: float, *, n: int, rng: random.Random) -> list[float]:
    """Gains of episodes that differ among themselves, each the mean of ten replies that differ, too."""
    return [gain + rng.gauss(0, 0.1) + rng.gauss(0, 0.2 / 10**0.5) for _ in range(n)]


def count_foreign(new: float, known: float, *, n_new: int, n_known: int) -> int:
    """Of 400 shows, in how many the new episodes seem to be others than the known ones."""
    rng = random.Random(n_known)
    drawn = [(draw_episodes(new, n=n_new, rng=rng), draw_episodes(known, n=n_known, rng=rng)) for _ in range(400)]
    return sum((predict_difference(*both).high or 0.0) < 0 for both in drawn)


@pytest.mark.parametrize("n_new", [1, 4])
@pytest.mark.parametrize("n_known", [3, 10])
def test_episodes_like_the_known_ones_rarely_seem_foreign(n_new: int, n_known: int) -> None:
    """Of 400, 10 are expected; 20 are more than chance gives."""
    assert count_foreign(0.4, 0.4, n_new=n_new, n_known=n_known) <= 20


def test_episodes_in_which_training_hardly_helped_mostly_do() -> None:
    assert count_foreign(0.0, 0.4, n_new=1, n_known=10) > 300


def test_the_difference_is_that_of_the_means() -> None:
    assert predict_difference([0.1, 0.3], [0.5, 0.4, 0.6]).value == pytest.approx(-0.3)
    assert predict_difference([0.5], [0.5, 0.5, 0.5]) == Interval(0.0, 0.0, 0.0)


def make_worth(*, n_new: int = 1, high: float = 0.1) -> Worth:
    return Worth("small", n_new, 40, 0.3, 0.4, Interval(-0.1, -0.3, high))


@pytest.mark.parametrize(
    ("n_new", "high", "told"), [(1, 0.1, "Nothing here says"), (1, -0.01, "Train again"), (2, 0.1, "may pay")]
)
def test_it_is_worth_it_where_training_helped_less_or_much_is_new(n_new: int, high: float, told: str) -> None:
    worth = make_worth(n_new=n_new, high=high)
    assert told in worth.tell()
    assert worth.is_worth_it == (told != "Nothing here says")


def test_a_run_stops_only_where_every_rung_was_weighed_and_none_is_worth_it() -> None:
    little, much = make_worth(), make_worth(n_new=20)
    assert Weighing((little, little), ()).advises_to_stop
    assert not Weighing((little, much), ()).advises_to_stop
    assert not Weighing((little,), ("large: not trained yet",)).advises_to_stop
    assert not Weighing((), ()).advises_to_stop
