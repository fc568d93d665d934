"""H3, the true reply among twenty: can a model tell what the host answered from what the host answered elsewhere?

The nineteen others are the host's too, from other held-out episodes and about as long, so manner and length say
nothing; only answering what was said does. A reply's likelihood after the cue is compared with its likelihood after no
cue: else short and common replies would win everywhere. This module opens no model: log-likelihoods come in as numbers.

Source: shared reference `evaluation.md`, section 3 and 9.2, H3; twenty candidates: ConvAI2 (arXiv 1902.00098).
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from econchatr.records import Pair, Score
from econchatr.records.measures import HOST_REPLIES, Measure
from econchatr.score.measured import make_score
from econchatr.score.speech import split_words
from econchatr.score.statistics import Interval, share_interval

N_CANDIDATES: Final = 20
LENGTH_TOLERANCE: Final = 0.2
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
        first = bisect_left(lengths, length * (1 - LENGTH_TOLERANCE))
        last = bisect_right(lengths, length * (1 + LENGTH_TOLERANCE))
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
    likelihoods: Sequence[ChoiceLikelihood],
    *,
    rung: str,
    variant: str,
    reason: str = "too few held-out replies to choose from",
) -> Score:
    """How often a model finds the true reply, with its interval over episodes; chance is 1 in 20.

    A choice with a likelihood that is no finite number is left out, never counted as wrong.

    Args:
        likelihoods: Of one model.
        rung: As in `Score`.
        variant: As in `Score`.
        reason: Why there is no choice, where there is none.
    """
    known = [one for one in likelihoods if all(map(math.isfinite, (*one.with_cue, *one.without_cue)))]
    share: Interval | None = None
    if known:
        hits = [choose_reply(one) for one in known]
        share = share_interval(hits, [1.0] * len(hits), [one.slug for one in known])
    return make_score(
        Measure.TRUE_REPLY,
        share,
        rung=rung,
        variant=variant,
        subject=HOST_REPLIES,
        n=len(known),
        reason="no likelihood is a finite number" if likelihoods else reason,
    )
