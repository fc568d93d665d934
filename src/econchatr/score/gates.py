"""The tricks that a style measure cannot see, and whether a row uses one. Any that fails greys its Voice out.

Each limit is set by the held-out host. A row fails only if it is past the limit by more than its interval: at twelve
answers the real host would otherwise fail one time in four. One verbatim run of fifty words fails by itself. A gate
that the real host himself does not pass on this show is void: it says nothing there, of any row.

Source: shared reference `evaluation.md`, 9.2, "Gates"; how often the host passes: docs/experiments.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, NamedTuple

from econchatr.score.dodging import Dodging, HostAsked
from econchatr.score.length_and_repetition import Length, Repetition
from econchatr.score.quoting.copying import Copying
from econchatr.score.statistics import Interval
from econchatr.score.topic import OnTopic

_MAX_COPYING: Final = 2.0
"""Times the held-out host's own copy rate."""
MAX_RUN_WORDS: Final = 50
_MAX_REPETITION: Final = 3.0
"""Times the host's own, at as many words."""
_MIN_TOPIC: Final = 0.8
"""Times the host's own rate of replies that match their cue."""
_LENGTH_RATIO: Final = (0.5, 2.0)
"""Of the host's median words. Source of all: shared reference `evaluation.md`, 9.2."""
_MAX_DODGING: Final = 2.0
"""Times the host's own share when really asked, but at most halfway from his share to all. Source: a choice."""

_GateName = Literal["copying", "repetition", "on the question", "length", "answers", "sense"]


class Ruling(NamedTuple):
    """One gate's outcome before it is put down under a rung and variant."""

    gate: _GateName
    outcome: Literal["passes", "in doubt", "fails", "unscored"]
    value: float | None
    limit: float | None
    n: int
    reason: str
    is_void: bool = False
    """Unscored because the real host himself does not pass on this show: the Voice is not greyed out by it."""


def judge_copying(row: Copying, host: Copying) -> Ruling:
    """G1: no more copied words than twice the held-out host's own share, and no run of fifty words."""
    n = len(row.replies)
    if row.share is None or host.share is None:
        return _leave_open("copying", n, row.reason or _no_host(host.reason))
    limit = _MAX_COPYING * host.share.value
    told = f"{row.share.value:.1%} of the words stand in runs of eight or more that the host said in training episodes"
    if row.longest is not None and row.longest.n_words >= MAX_RUN_WORDS:
        run, source = row.longest, row.longest.source
        where = f"{source.slug}, {source.published}" if source.published else source.slug
        reason = f"{run.n_words} words in a row are the host's own ({where}); {MAX_RUN_WORDS} fail. {told}."
        return Ruling("copying", "fails", row.share.value, limit, n, reason)
    told += f"; {host.share.value:.1%} of the host's held-out words do, and twice that is the limit"
    return _rule("copying", row.share, lambda value: value <= limit, limit, n, told)


def judge_repetition(row: Repetition, host: float | None, *, n: int) -> Ruling:
    """G2: no more four-word sequences said again than three times the host's, at as many words."""
    if row.share is None or host is None:
        reason = row.reason or f"the host's held-out speech is shorter than the {row.n_words} words to compare at"
        return _leave_open("repetition", n, reason)
    limit = _MAX_REPETITION * host
    told = f"{row.share.value:.1%} of the four-word sequences were said before, in {row.n_words} words"
    own = f"of the host's {host:.1%}, and three times that is the limit"
    return _rule("repetition", row.share, lambda value: value <= limit, limit, n, f"{told}; {own}")


def judge_topic(row: OnTopic, host: OnTopic) -> Ruling:
    """G3: answers match their own question at least four fifths as often as the host's replies match their cue."""
    if row.share is None or host.share is None:
        return _leave_open("on the question", row.n, row.reason or _no_host(host.reason))
    if row.n_ways != host.n_ways:
        reason = f"{row.n_ways} questions can be told apart, but {host.n_ways} cues of the host"
        return _leave_open("on the question", row.n, reason)
    limit = _MIN_TOPIC * host.share.value
    told = f"{row.share.value:.0%} of the answers match their own question best among {row.n_ways}"
    own = f"the held-out host's replies {host.share.value:.0%}, and four fifths of that is the limit"
    return _rule("on the question", row.share, lambda value: value >= limit, limit, row.n, f"{told}; {own}")


def judge_length(row: Length, host: Length) -> Ruling:
    """G4: the median reply is between half and twice as long as the host's."""
    n = len(row.by_reply)
    if row.words is None or host.words is None or not host.words.value:
        return _leave_open("length", n, row.reason or _no_host(host.reason))
    low, high = _LENGTH_RATIO
    ratio = Interval(*(None if end is None else end / host.words.value for end in row.words))  # type: ignore[arg-type]
    limit = high if ratio.value > 1 else low
    told = f"half of the answers have {row.words.value:.0f} words or more, of the host's replies {host.words.value:.0f}"
    told += "; half to twice as many pass"
    return _rule("length", ratio, lambda value: low <= value <= high, limit, n, told)


def judge_answers(row: Dodging, host: HostAsked) -> Ruling:
    """At most twice as many answers ask back, hand over or thank as replies of the host who is really asked."""
    if row.share is None:
        return _leave_open("answers", row.n, row.reason)
    limit = min(_MAX_DODGING * host.share, (1 + host.share) / 2)
    told = (
        f"{row.share.value:.0%} of the answers ask back, hand over or thank; {host.told}, and {limit:.0%} is the limit"
    )
    return _rule("answers", row.share, lambda value: value <= limit, limit, row.n, told)


def list_void(host: Iterable[Ruling]) -> dict[str, Ruling]:
    """Find the gates that the real host's own replies do not pass, by name."""
    return {ruling.gate: ruling for ruling in host if ruling.outcome not in ("passes", "unscored")}


def apply_void(rulings: Iterable[Ruling], void: dict[str, Ruling]) -> tuple[Ruling, ...]:
    """Give the rulings with those of void gates unscored, and the reason."""
    return tuple(
        ruling._replace(outcome="unscored", is_void=True, reason=_tell_void(void[ruling.gate]))
        if ruling.gate in void
        else ruling
        for ruling in rulings
    )


def _tell_void(host: Ruling) -> str:
    outcome = "are in doubt by" if host.outcome == "in doubt" else "fail"
    return f"Not scored on this show: the real host's own replies {outcome} this gate. Of them: {host.reason}"


def _rule(
    gate: _GateName, measured: Interval, is_within: Callable[[float], bool], limit: float, n: int, told: str
) -> Ruling:
    if is_within(measured.value):
        return Ruling(gate, "passes", measured.value, limit, n, f"{told}.")
    if any(end is not None and is_within(end) for end in (measured.low, measured.high)):
        told += "; it is past the limit by less than its interval, so more answers must decide"
        return Ruling(gate, "in doubt", measured.value, limit, n, f"{told}.")
    return Ruling(gate, "fails", measured.value, limit, n, f"{told}.")


def _leave_open(gate: _GateName, n: int, reason: str) -> Ruling:
    return Ruling(gate, "unscored", None, None, n, f"Not checked: {reason}.")


def _no_host(reason: str) -> str:
    return f"nothing of the held-out host to compare with ({reason})"


# --- whether a round of preferences is kept ---------------------------------------------------------------------------

_NO_COST_SHARE: Final = 0.01
_MAX_COST_SHARE: Final = 0.05
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
    if change <= _NO_COST_SHARE * saved:
        return True, f"{told}, less than a hundredth of the {saved:.4f} that training had saved; no gate was lost."
    if change > _MAX_COST_SHARE * saved:
        return False, f"{told}, more than a twentieth of the {saved:.4f} that training had saved."
    if bits.low is None or bits.low > 0:
        return False, f"{told}: more than before, beyond chance."
    return True, f"{told}, which cannot be told from none, and no gate was lost."


def share_agreeing(margins: Sequence[float]) -> float | None:
    """Share of the margins that are above zero; `None` without any."""
    return sum(margin > 0 for margin in margins) / len(margins) if margins else None
