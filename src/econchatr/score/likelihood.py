"""Bits per byte and nats per token on held-out replies, and the true reply among twenty, from log-likelihoods.

Bits per byte is a proper score: it rewards the true words of episodes no model was trained on. Guests' replies in the
same episodes are the control; what falls for them too is podcast English, not the host.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from econchatr.records import Pair, Score
from econchatr.records.measures import (
    GUEST_REPLIES,
    HELD_OUT_ANSWERS,
    HOST_LESS_GUEST,
    HOST_REPLIES,
    STATEMENTS_LESS_GUEST,
    TUNED_MINUS_BASE,
    Measure,
)
from econchatr.score.speech import split_words
from econchatr.score.statistics import jackknife_ratio, jackknife_sums, make_score, share_interval

_NOT_FINITE: Final = "the likelihood of a held-out reply is no finite number"


class ReplyLikelihood(NamedTuple):
    """How likely one model finds one true reply."""

    slug: str
    n_bytes: int
    """Of the reply's UTF-8 text, as the model saw it."""
    n_tokens: int
    base_nats: float
    tuned_nats: float


def score_answers(
    answers: Sequence[ReplyLikelihood], statements: Mapping[str, Sequence[ReplyLikelihood]], *, rung: str
) -> list[Score]:
    """The likelihood scores of the host's held-out answers, and host bits saved on what both sides state."""
    shared = score_host_share(statements["host"], statements["guest"], rung=rung)
    return [
        *score_likelihood(answers, rung=rung, subject=HELD_OUT_ANSWERS),
        shared.model_copy(update={"subject": STATEMENTS_LESS_GUEST}),
    ]


def score_sides(host: Sequence[ReplyLikelihood], guest: Sequence[ReplyLikelihood], *, rung: str) -> list[Score]:
    """The likelihood scores of the host's held-out replies and of the guests', and host bits saved."""
    return [
        *score_likelihood(host, rung=rung, subject=HOST_REPLIES),
        *score_likelihood(guest, rung=rung, subject=GUEST_REPLIES),
        score_host_share(host, guest, rung=rung),
    ]


def score_likelihood(rows: Sequence[ReplyLikelihood], *, rung: str, subject: str) -> list[Score]:
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
    scores = []
    for measure, size in sizes.items():
        for variant, tops in nats.items():
            value = jackknife_ratio(tops, size, groups) if all(map(math.isfinite, tops)) else _NOT_FINITE
            scores.append(make_score(measure, value, rung=rung, variant=variant, subject=subject, n=len(rows)))
    return scores


def score_host_share(host: Sequence[ReplyLikelihood], guest: Sequence[ReplyLikelihood], *, rung: str) -> Score:
    """Host bits saved: how many more bits per byte training saves on the host's replies than on the guests'.

    Only episodes with replies of both count: in the others nothing tells the host from the subject.

    Source: shared reference `evaluation.md`, 9.2, H2; the interval: docs/decisions/0009-intervals.md.
    """
    score = partial(make_score, Measure.HOST_BITS_SAVED, rung=rung, variant=TUNED_MINUS_BASE, subject=HOST_LESS_GUEST)
    if not host or not guest:
        return score(None, n=0, reason="no held-out replies of the host or of guests")
    names = sorted({row.slug for row in host} & {row.slug for row in guest})
    if not names:
        return score(None, n=0, reason="no held-out episode has replies of both the host and a guest")
    table = np.concatenate([_sum_episodes(rows, names) for rows in (host, guest)])
    if not np.isfinite(table).all():
        return score(_NOT_FINITE, n=0)
    found = jackknife_sums(table, save_bits)
    reason = "no interval: one held-out episode has replies of both" if len(names) == 1 else ""
    return score(found, n=sum(row.slug in names for row in host)).model_copy(update={"reason": reason})


def save_bits(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Host bits saved, of the host's saved bits and bytes and the guests' (first axis)."""
    host_bits, host_bytes, guest_bits, guest_bytes = sums
    return np.asarray(host_bits / host_bytes - guest_bits / guest_bytes)


def _sum_episodes(rows: Sequence[ReplyLikelihood], names: Sequence[str]) -> NDArray[np.float64]:
    """Bits saved by training, and bytes; a column for each episode."""
    place = {name: i for i, name in enumerate(names)}
    sums = np.zeros((2, len(names)))
    for row in rows:
        if row.slug in place:
            sums[:, place[row.slug]] += (row.base_nats - row.tuned_nats) / math.log(2), row.n_bytes
    return sums


N_CANDIDATES: Final = 20
_LENGTH_TOLERANCE: Final = 0.2
"""How much longer or shorter than the true reply the others may be."""


class Choice(NamedTuple):
    """One cue with twenty replies to choose from."""

    pair: Pair
    """The cue, and the true reply."""
    others: tuple[Pair, ...]
    """Nineteen pairs whose replies are the wrong ones."""


class ChoiceLikelihood(NamedTuple):
    """What a model makes of one choice: log-likelihoods in nats, the true reply first."""

    slug: str
    """Episode of the cue."""
    with_cue: tuple[float, ...]
    """log p(reply | cue) of each candidate."""
    without_cue: tuple[float, ...]
    """log p(reply) of each candidate, after the same prompt with an empty cue."""


def draw_choices(
    pairs: Sequence[Pair], *, n: int | None = None, n_candidates: int = N_CANDIDATES, seed: int = 0
) -> tuple[Choice, ...]:
    """Draw the others for held-out pairs of the host, the same for the same seed.

    Pairs for which other episodes have too few replies of that length are left out.

    Args:
        pairs: Pairs of held-out episodes.
        n: How many choices at most, spread over the episodes by lot; `None`: one for every pair.
        n_candidates: Replies to choose from, the true one among them.
        seed: Of the draw.
    """
    rng = random.Random(seed)
    by_length = sorted(((len(split_words(pair.reply)), pair) for pair in pairs), key=lambda one: one[0])
    lengths = [length for length, _ in by_length]
    choices = list[Choice]()
    for length, pair in rng.sample(by_length, len(by_length)):
        if n is not None and len(choices) == n:
            break
        first = bisect_left(lengths, length * (1 - _LENGTH_TOLERANCE))
        last = bisect_right(lengths, length * (1 + _LENGTH_TOLERANCE))
        near = [other for _, other in by_length[first:last] if other.slug != pair.slug]
        others = list({other.reply: other for other in near if other.reply != pair.reply}.values())
        if len(others) >= n_candidates - 1:
            choices.append(Choice(pair, tuple(rng.sample(others, n_candidates - 1))))
    return tuple(choices)


def choose_reply(choice: ChoiceLikelihood) -> float:
    """Whether the true reply gains most by the cue: 1 or 0, or its part where others gain as much.

    >>> choose_reply(ChoiceLikelihood("e", (-10.0, -4.0, -9.0), (-20.0, -5.0, -9.0)))
    1.0
    """
    gains = [given - bare for given, bare in zip(choice.with_cue, choice.without_cue, strict=True)]
    best = max(gains)
    return 1 / gains.count(best) if gains[0] == best else 0.0


def score_choices(
    by_model: Mapping[str, Sequence[ChoiceLikelihood]],
    *,
    rung: str,
    measure: Measure = Measure.TRUE_REPLY,
    subject: str = HOST_REPLIES,
    reason: str = "too few held-out replies to choose from",
) -> list[Score]:
    """How often each model finds the true reply, and how much more often the tuned one; chance is 1 in 20.

    A choice with a likelihood that is no finite number, under either model, is left out, never counted as wrong.

    Args:
        by_model: The same choices under `base` and `tuned`.
        reason: Why there is no choice, where there is none.
    """
    score = partial(make_score, measure, rung=rung, subject=subject)
    choices = [both for both in zip(*by_model.values(), strict=True) if all(map(_is_finite, both))]
    if not choices:
        why = "no likelihood is a finite number" if any(by_model.values()) else reason
        return [score(None, variant=variant, n=0, reason=why) for variant in (*by_model, TUNED_MINUS_BASE)]
    hits = {model: [choose_reply(both[n]) for both in choices] for n, model in enumerate(by_model)}
    groups, ones = [both[0].slug for both in choices], [1.0] * len(choices)
    more = [tuned - base for base, tuned in zip(hits["base"], hits["tuned"], strict=True)]
    return [
        *(score(share_interval(found, ones, groups), variant=model, n=len(ones)) for model, found in hits.items()),
        score(jackknife_ratio(more, ones, groups), variant=TUNED_MINUS_BASE, n=len(ones)),
    ]


def _is_finite(one: ChoiceLikelihood) -> bool:
    return all(map(math.isfinite, (*one.with_cue, *one.without_cue)))
