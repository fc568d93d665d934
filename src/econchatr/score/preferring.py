"""Whether a round of preference training may be kept: what it must not cost.

Two things are asked. The host's held-out replies must not become less likely: a change that costs at most a hundredth
of what training had saved counts as none, and one that costs at most a twentieth only if its interval reaches zero. And
none of `GATES` that the tuned model passed may fail. Whether people are better served is not asked here: that is what
they ranked for.

This module opens no model: likelihoods and rulings come in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from econchatr.score.gates import Ruling

NO_COST_SHARE: Final = 0.01
MAX_COST_SHARE: Final = 0.05
"""Of the bits per byte that training had saved on held-out replies. Source: a choice, `docs/preferences.md`."""
GATES: Final = ("copying", "repetition", "length")
"""The gates that a round must not lose; the gate on the question is told, and decides nothing."""


class BitsChange(NamedTuple):
    """Bits per byte of the host's held-out replies under three models, and the last change's interval."""

    base: float
    before: float
    after: float
    low: float | None
    high: float | None
    """Of after less before, over episodes; `None`: there is one episode."""


def list_lost_gates(before: Sequence[Ruling], after: Sequence[Ruling]) -> tuple[str, ...]:
    """Name the gates of `GATES` that fail now, or can no longer be checked, and did not before."""
    return tuple(
        now.gate
        for then, now in zip(before, after, strict=True)
        if now.gate in GATES and then.outcome in ("passes", "in doubt") and now.outcome in ("fails", "unscored")
    )


def decide_keeping(bits: BitsChange | None, lost: Sequence[str]) -> tuple[bool, str]:
    """Whether the round is kept, and why, in a sentence."""
    if lost:
        return False, f"Answers fail a gate that they passed before: {', '.join(lost)}."
    if bits is None:
        return False, "No development replies of the host to check it on."
    change, saved = bits.after - bits.before, max(0.0, bits.base - bits.before)
    told = f"The host's development replies take {bits.after:.4f} bits per byte, {change:+.4f}"
    if change <= 0:
        return True, f"{told}, and no gate was lost."
    if change <= NO_COST_SHARE * saved:
        return True, f"{told}, less than a hundredth of the {saved:.4f} that training had saved; no gate was lost."
    if change > MAX_COST_SHARE * saved:
        return False, f"{told}, more than a twentieth of the {saved:.4f} that training had saved."
    if bits.low is None or bits.low > 0:
        return False, f"{told}: more than before, beyond chance."
    return True, f"{told}, which cannot be told from none, and no gate was lost."


def share_agreeing(margins: Sequence[float]) -> float | None:
    """Share of the margins that are above zero; `None` without any."""
    return sum(margin > 0 for margin in margins) / len(margins) if margins else None
