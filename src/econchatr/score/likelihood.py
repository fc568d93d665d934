"""Bits per byte and nats per token on held-out replies, before and after training.

A proper score: it rewards the true words of episodes no model was trained on. Guests' replies in the same episodes
are the control; what falls for them too is podcast English, not the host.

This module does not open models: the log-likelihoods come in as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from econchatr.records import Score
from econchatr.records.measures import HOST_LESS_GUEST, TUNED_MINUS_BASE, Measure
from econchatr.score.measured import make_score
from econchatr.score.statistics import Interval, bootstrap_ratio


class ReplyLikelihood(NamedTuple):
    """How likely one model finds one true reply."""

    slug: str
    n_bytes: int
    """Of the reply's UTF-8 text, as the model saw it."""
    n_tokens: int
    base_nats: float
    tuned_nats: float


def score_likelihood(rows: Sequence[ReplyLikelihood], *, rung: str, subject: str, n_resamples: int) -> list[Score]:
    """Bits per byte and nats per token of base and tuned model, and their difference, over `subject`'s replies.

    With no replies the scores are there, unscored, with the reason.
    """
    if not rows:
        return [
            make_score(measure, None, rung=rung, variant=variant, subject=subject, n=0, reason="no held-out replies")
            for measure in (Measure.BITS_PER_BYTE, Measure.NATS_PER_TOKEN)
            for variant in ("base", "tuned", TUNED_MINUS_BASE)
        ]
    nats = {
        "base": [row.base_nats for row in rows],
        "tuned": [row.tuned_nats for row in rows],
        TUNED_MINUS_BASE: [row.tuned_nats - row.base_nats for row in rows],
    }
    sizes = {
        Measure.BITS_PER_BYTE: [row.n_bytes * math.log(2) for row in rows],
        Measure.NATS_PER_TOKEN: [float(row.n_tokens) for row in rows],
    }
    groups = [row.slug for row in rows]
    return [
        make_score(
            measure,
            bootstrap_ratio(tops, size, groups, n_resamples=n_resamples),
            rung=rung,
            variant=variant,
            subject=subject,
            n=len(rows),
        )
        for measure, size in sizes.items()
        for variant, tops in nats.items()
    ]


def score_host_share(
    host: Sequence[ReplyLikelihood], guest: Sequence[ReplyLikelihood], *, rung: str, n_resamples: int
) -> Score:
    """Host bits saved: how many more bits per byte training saves on the host's replies than on the guests'.

    Source: shared reference `evaluation.md`, 9.2, H2 (episode bootstrap of each side, joined by normal theory).
    """
    score = partial(make_score, Measure.HOST_BITS_SAVED, rung=rung, variant=TUNED_MINUS_BASE, subject=HOST_LESS_GUEST)
    if not host or not guest:
        return score(None, n=0, reason="no held-out replies of the host or of guests")
    import numpy as np

    names = sorted({row.slug for row in host} | {row.slug for row in guest})
    sums = {side: _sums(rows, names) for side, rows in (("host", host), ("guest", guest))}

    def saved(picks: object) -> object:
        host_top, host_size = (column[picks].sum(axis=-1) for column in sums["host"])  # type: ignore[index]
        guest_top, guest_size = (column[picks].sum(axis=-1) for column in sums["guest"])  # type: ignore[index]
        return host_top / host_size - guest_top / guest_size

    value = float(saved(np.arange(len(names))))  # type: ignore[arg-type]
    low = high = None
    if len(names) > 1:
        draws = np.random.default_rng(0).integers(0, len(names), size=(n_resamples, len(names)))
        low, high = (float(end) for end in np.quantile(np.asarray(saved(draws)), [0.025, 0.975]))
    return score(Interval(value, low, high), n=len(host))


def _sums(rows: Sequence[ReplyLikelihood], names: Sequence[str]) -> tuple[object, object]:
    """Per episode: bits saved by training, and bytes."""
    import numpy as np

    place = {name: i for i, name in enumerate(names)}
    saved, size = np.zeros(len(names)), np.zeros(len(names))
    for row in rows:
        saved[place[row.slug]] += (row.base_nats - row.tuned_nats) / math.log(2)
        size[place[row.slug]] += row.n_bytes
    return saved, size
