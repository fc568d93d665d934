"""Say what training did to how surprised the model is by true replies it never saw, and no more than the scores show.

Each sentence is made from scores alone; a value that is not there is named with its reason, and a difference whose
interval holds zero is called no clear difference.
"""

from __future__ import annotations

from econchatr.display import name_hosts
from econchatr.records import Score
from econchatr.report.formats import MISSING, format_decimal, format_interval
from econchatr.report.material import ReportMaterial
from econchatr.report.scorebook import CHANGE, GUEST_REPLIES, HOST_REPLIES, HOST_SHARE, Fall, compute_fall, find_score

_RATHER = " rather than the show"


def tell_surprise(material: ReportMaterial, rung: str) -> str:
    """Say by how much training left a rung less surprised by the host, and whether by the host more than by guests."""
    host = compute_fall(material.scores, rung=rung, subject=HOST_REPLIES)
    guest = compute_fall(material.scores, rung=rung, subject=GUEST_REPLIES)
    name = name_hosts(material.hosts)
    sentence = _tell_fall(rung, name, host, guest)
    if isinstance(host, str) or host.percent <= 0:
        return sentence
    share = find_score(material.scores, HOST_SHARE, rung=rung, variant=CHANGE)
    weighed = _weigh(host, guest, name) if share is None or share.value is None else _weigh_share(share, name)
    return f"{sentence} {weighed}"


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
