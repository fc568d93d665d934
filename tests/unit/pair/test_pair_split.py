"""Which episodes are learned from, and which are held out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.errors import InputError
from econchatr.pair import assign_splits
from tests.helpers.make_records import make_episode


@pytest.mark.parametrize(
    ("n_episodes", "expected"),
    [
        (0, []),
        (1, ["train"]),
        (2, ["train", "test"]),
        (3, ["train", "dev", "test"]),
        (4, ["train", "train", "dev", "test"]),
        (10, ["train"] * 7 + ["dev"] + ["test"] * 2),
        (20, ["train"] * 14 + ["dev"] * 2 + ["test"] * 4),
    ],
)
def test_newest_are_test_and_those_before_them_dev(n_episodes: int, expected: list[str]) -> None:
    assert list(assign_splits([make_episode(rank) for rank in range(n_episodes)]).values()) == expected


def test_only_verbatim_episodes_are_counted() -> None:
    episodes = [make_episode(0), make_episode(1, kind="notes"), make_episode(2, kind="unlabelled"), make_episode(3)]
    assert assign_splits(episodes) == {"episode-0": "train", "episode-3": "test"}


def test_share_of_nothing_holds_nothing_out() -> None:
    splits = assign_splits([make_episode(rank) for rank in range(5)], dev_share=0, test_share=0)
    assert set(splits.values()) == {"train"}


@pytest.mark.parametrize(("dev", "test"), [(0.5, 0.5), (-0.1, 0.2), (0.1, 1.0)])
def test_shares_that_leave_nothing_are_refused(dev: float, test: float) -> None:
    with pytest.raises(InputError, match="nothing to train on"):
        assign_splits([make_episode(0)], dev_share=dev, test_share=test)


@given(
    st.lists(st.integers(0, 200), unique=True, min_size=1),
    st.floats(0, 0.49, allow_subnormal=False),
    st.floats(0, 0.49, allow_subnormal=False),
)
def test_each_episode_is_in_one_split_and_time_runs_train_dev_test(ranks: list[int], dev: float, test: float) -> None:
    splits = assign_splits([make_episode(rank) for rank in ranks], dev_share=dev, test_share=test)
    in_order = [splits[f"episode-{rank}"] for rank in sorted(ranks)]
    assert in_order == sorted(in_order, key=["train", "dev", "test"].index)
    assert in_order[0] == "train"
