"""Episodes -> which of them are learned from, which steer the training, and which are held out to the end.

Whole episodes only, so that no talk is in two splits; it does not look at any text.
"""

from __future__ import annotations

from collections.abc import Sequence

from econchatr.errors import InputError
from econchatr.records import Episode, Split


def assign_splits(episodes: Sequence[Episode], *, dev_share: float = 0.1, test_share: float = 0.2) -> dict[str, Split]:
    """Get slug -> split for the `verbatim` episodes: the newest by rank are test, those before dev, the rest train.

    Shares are of episodes, rounded, but at least one where a share is over 0 and there are enough: one episode is
    train; two are train and test; from three on there is a dev episode too. Other kinds are not in the answer.

    Raises:
        InputError: a share is negative, or nothing is left to train on.
    """
    if min(dev_share, test_share) < 0 or dev_share + test_share >= 1:
        raise InputError(
            f"dev share {dev_share} and test share {test_share} leave nothing to train on",
            hint="Choose two shares from 0 up that add up to less than 1.",
        )
    ordered = sorted((one for one in episodes if one.kind == "verbatim"), key=lambda one: (one.rank, one.slug))
    n_all = len(ordered)
    n_test = min(_count_share(n_all, test_share), max(0, n_all - 1))
    n_dev = min(_count_share(n_all, dev_share), max(0, n_all - n_test - 1))
    first_dev, first_test = n_all - n_test - n_dev, n_all - n_test
    splits = dict[str, Split]()
    for place, episode in enumerate(ordered):
        splits[episode.slug] = "test" if place >= first_test else "dev" if place >= first_dev else "train"
    return splits


def _count_share(n_all: int, share: float) -> int:
    return max(1, round(n_all * share)) if share > 0 else 0
