"""Say in plain words what the scores show, and no more than they show.

Each sentence is made from scores alone; a value that is not there is named with its reason, and a difference whose
interval holds zero is called no clear difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from econchatr.records import Score
from econchatr.report.formats import MISSING, count_noun, format_decimal, format_interval, format_share
from econchatr.report.material import ReportMaterial, name_hosts
from econchatr.report.scorebook import (
    CHANGE,
    EXPECTED_WORDS,
    GUEST_REPLIES,
    HOST_REPLIES,
    HOST_SHARE,
    MEDIAN_WORDS,
    REPETITION,
    Fall,
    compute_fall,
    find_score,
    list_rungs,
)

_RATHER = " rather than the show"


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One figure of the first screen: what it is, what it came to, and what to hold it against."""

    title: str
    value: str
    context: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rung's scores show."""

    rung: str
    sentence: str
    remarks: tuple[str, ...]
    figures: tuple[KeyFigure, ...]


def give_verdicts(material: ReportMaterial) -> tuple[Verdict, ...]:
    """Judge each scored rung, in the order of its scores; empty when nothing was scored."""
    return tuple(_judge(material, rung) for rung in list_rungs(material.scores))


def _judge(material: ReportMaterial, rung: str) -> Verdict:
    host = compute_fall(material.scores, rung=rung, subject=HOST_REPLIES)
    guest = compute_fall(material.scores, rung=rung, subject=GUEST_REPLIES)
    name = name_hosts(material.hosts)
    figures = (
        _show_fall(host, guest),
        _show_words(material.scores, rung, name),
        _show_repetition(material.scores, rung, name),
        _show_expected(material.scores, rung),
    )
    remarks: tuple[str, ...] = ()
    if isinstance(host, Fall) and host.percent > 0:
        share = find_score(material.scores, HOST_SHARE, rung=rung, variant=CHANGE)
        remarks = (_weigh(host, guest, name) if share is None or share.value is None else _weigh_share(share, name),)
    return Verdict(rung, _tell_fall(rung, name, host, guest), remarks, figures)


def _tell_fall(rung: str, name: str, host: Fall | str, guest: Fall | str) -> str:
    if isinstance(host, str):
        unknown = f"Whether training taught {rung} anything of {name} is not known"
        return f"{unknown}: the held-out replies are not scored ({host})."
    size = f"{format_decimal(abs(host.percent), 1)}%"
    span = f"95% interval {format_interval(host.low, host.high, 1)}%"
    told = f"what {name} really said in episodes it had never seen"
    if host.low is None:
        direction = "less" if host.percent >= 0 else "more"
        sentence = (
            f"Training left {rung} {size} {direction} surprised by {told}, without an interval to say how sure that is"
        )
    elif not host.is_clear:
        sentence = f"Training made no clear difference to how well {rung} foresees {told} ({span})"
    elif host.percent > 0:
        sentence = f"Training left {rung} {size} less surprised by {told} ({span})"
    else:
        sentence = f"Training made {rung} worse: {size} more surprised by {told} (95% interval {_span_of_rise(host)}%)"
    return f"{sentence}; {_tell_guests(guest)}."


def _span_of_rise(fall: Fall) -> str:
    if fall.low is None or fall.high is None:
        return MISSING
    return format_interval(-fall.high, -fall.low, 1)


def _tell_guests(guest: Fall | str) -> str:
    if isinstance(guest, str):
        return f"for the guests there is no score to compare ({guest})"
    size = f"{format_decimal(abs(guest.percent), 1)}%"
    if guest.low is None or guest.high is None:
        return f"by the guests, {size} {'less' if guest.percent >= 0 else 'more'}"
    if not guest.is_clear:
        return f"for the guests there is no clear difference ({format_interval(guest.low, guest.high, 1)}% less)"
    if guest.percent > 0:
        return f"by the guests, {size} less ({format_interval(guest.low, guest.high, 1)}%)"
    return f"by the guests, {size} more ({_span_of_rise(guest)}%)"


def _weigh_share(share: Score, name: str) -> str:
    """Judge by the measured difference of the two savings, whose interval is narrower than the two set side by side."""
    size = f"{format_decimal(share.value, 3)} bits per byte"
    if share.low is None or share.high is None:
        return f"Training saves {size} more on {name} than on the guests, but no interval says how sure that is."
    span = f"{size}, 95% interval {format_interval(share.low, share.high, 3)}"
    if share.low > 0:
        return f"Training saves more on {name} than on the guests ({span}): shared subjects do not explain it all."
    if share.high < 0:
        return f"Training saves less on {name} than on the guests ({span}), so it did not learn {name}{_RATHER}."
    return (
        f"What training saves on {name} beyond the guests cannot be told from nothing ({span}), so this does not "
        f"show that the model learned {name}{_RATHER}."
    )


def _weigh(host: Fall, guest: Fall | str, name: str) -> str:
    if isinstance(guest, str) or host.low is None or host.high is None or guest.low is None or guest.high is None:
        return f"Without an interval for host and guests, this does not show that the model learned {name}{_RATHER}."
    if host.low > guest.high:
        return (
            f"The gain on {name} is larger than on the guests by more than both intervals, so subjects that both "
            "share do not explain all of it."
        )
    if host.high < guest.low:
        return f"The guests gained more than {name}, so this does not show that the model learned {name}{_RATHER}."
    return f"The two intervals overlap, so this alone does not show that the model learned {name}{_RATHER}."


def _show_fall(host: Fall | str, guest: Fall | str) -> KeyFigure:
    title = "Bits per byte of held-out replies by the host"
    if isinstance(host, str):
        return KeyFigure(title, "not scored", host)
    value = f"{format_decimal(host.before.value, 3)} → {format_decimal(host.after.value, 3)}"
    if isinstance(guest, str):
        return KeyFigure(title, value, f"guests: not scored, {guest}")
    before, after = format_decimal(guest.before.value, 3), format_decimal(guest.after.value, 3)
    return KeyFigure(title, value, f"guests {before} → {after}; lower is better")


def _show_words(scores: Sequence[Score], rung: str, name: str) -> KeyFigure:
    title = "Words in a typical (median) tuned answer"
    tuned = find_score(scores, MEDIAN_WORDS, rung=rung, variant="tuned")
    return _show_beside(title, tuned, _tell_references(scores, rung, name, MEDIAN_WORDS), _format_words)


def _show_repetition(scores: Sequence[Score], rung: str, name: str) -> KeyFigure:
    title = "Four-word runs that a tuned answer repeats"
    tuned = find_score(scores, REPETITION, rung=rung, variant="tuned")
    # Repetition grows with length: the host's own figure counts only at the length of the answers.
    context = _tell_references(scores, rung, name, REPETITION, host=f"{REPETITION} of the host at the length of tuned")
    return _show_beside(title, tuned, context, _format_repeats)


def _show_expected(scores: Sequence[Score], rung: str) -> KeyFigure:
    title = "Tuned answers with the expected words"
    tuned = find_score(scores, EXPECTED_WORDS, rung=rung, variant="tuned")
    base = find_score(scores, EXPECTED_WORDS, rung=rung, variant="base")
    context = (
        []
        if base is None
        else [f"before training {format_share(base.value) if base.value is not None else 'not scored'}"]
    )
    if tuned is not None:
        context.append(f"{count_noun(tuned.n, 'answer')} to questions that expect some")
    return _show_beside(title, tuned, "; ".join(context), format_share)


def _show_beside(title: str, tuned: Score | None, context: str, form: Callable[[float | None], str]) -> KeyFigure:
    if tuned is None:
        return KeyFigure(title, "not scored", "no such score was made")
    if tuned.value is None:
        return KeyFigure(title, "not scored", tuned.reason or "no reason was given")
    return KeyFigure(title, form(tuned.value), context)


def _tell_references(scores: Sequence[Score], rung: str, name: str, measure: str, *, host: str = "") -> str:
    form = _format_words if measure == MEDIAN_WORDS else _format_repeats
    parts = []
    for variant, who, asked in (("host", name, host or measure), ("base", "before training", measure)):
        score = find_score(scores, asked, rung=rung, variant=variant)
        if score is not None:
            parts.append(f"{who} {form(score.value) if score.value is not None else 'not scored'}")
    return "; ".join(parts)


def _format_words(value: float | None) -> str:
    return format_decimal(value, 0)


def _format_repeats(value: float | None) -> str:
    return format_share(value, 1)
