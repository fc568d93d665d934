"""Does an answer answer? How many ask back, hand the word over or thank instead.

A host's work is to ask. A model of all that the host says therefore asks as well where it is asked itself, and no
measure of manner sees that. The real host's replies to real questions show how much of it is his own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from econchatr.records import Pair
from econchatr.score.speech import Said, read_pairs, split_words
from econchatr.score.statistics import Interval, share_interval
from econchatr.speech_acts import Act, asks_back, gives_the_word_back, read_sentences

MIN_ASKED: Final = 20
"""Real questions to the host from which his own share is taken; below, `DEFAULT_SHARE` stands in."""
DEFAULT_SHARE: Final = 0.2
"""Of a host who is hardly ever asked. Source: shared reference `answers.md`, 1: 18% to 25% where it was measured; our
own figures for two shows: docs/experiments.md."""
_MIN_STATED_WORDS: Final = 8


class Dodging(NamedTuple):
    """How many of a row's answers ask back or give the word back, or why that is not known."""

    share: Interval | None
    """Of both together."""
    asking: Interval | None = None
    """Of those that ask back."""
    handing: Interval | None = None
    """Of those that only hand over or thank."""
    n: int = 0
    reason: str = ""


class HostAsked(NamedTuple):
    """What the host does when really asked: the bar for the answers of a model."""

    dodging: Dodging
    """Of his replies to real questions; unscored where too few were put to him."""
    share: float
    """The bar: his own share, or `DEFAULT_SHARE`."""
    told: str
    """Where the bar comes from, in words."""


def measure_dodging(said: Sequence[Said]) -> Dodging:
    """Measure how many answers ask back, hand over or thank, with intervals over questions."""
    said = [one for one in said if split_words(one.text)]
    if not said:
        return Dodging(None, reason="no answers")
    asking = [float(asks_back(one.text) or _asks_mostly(one.text)) for one in said]
    handing = [float(gives_the_word_back(one.text)) for one in said]
    either = [max(both) for both in zip(asking, handing, strict=True)]
    groups, ones = [one.group for one in said], [1.0] * len(said)
    share, asks, hands = (share_interval(hits, ones, groups) for hits in (either, asking, handing))
    return Dodging(share, asks, hands, n=len(said))


def _asks_mostly(text: str) -> bool:
    """Whether more words ask than state: a remark behind a question does not make it an answer."""
    sentences = read_sentences(text)
    asked, stated = (sum(one.n_words for one in sentences if one.act == act) for act in (Act.ASKS, Act.STATES))
    return asked > stated


def measure_asked(host: Sequence[Pair]) -> HostAsked:
    """Measure what the host does when really asked: in held-out episodes, or in all where those have too few questions.

    Args:
        host: Kept pairs whose reply is the host's, of all splits.
    """
    asked = list[Pair]()
    for is_fresh, where in ((True, "held-out episodes"), (False, "all episodes")):
        asked += [pair for pair in host if (pair.split != "train") == is_fresh and asks_back(pair.cue)]
        dodging = measure_dodging(read_pairs(asked))
        if dodging.share is not None and len(asked) >= MIN_ASKED:
            told = f"the host does so in {dodging.share.value:.0%} of {len(asked)} replies to real questions ({where})"
            return HostAsked(dodging, dodging.share.value, told)
    reason = f"{len(asked)} real questions were put to the host; {MIN_ASKED} are needed"
    told = f"the host was really asked {len(asked)} times only, so {DEFAULT_SHARE:.0%} stands in for his own share"
    return HostAsked(Dodging(None, n=len(asked), reason=reason), DEFAULT_SHARE, told)


def cut_to_statement(text: str) -> str:
    """Give what a reply states, without its questions, thanks, hand-overs and summaries; empty under eight words.

    >>> cut_to_statement("Thank you for that. I count the hens every morning before the train comes. And you?")
    'I count the hens every morning before the train comes.'
    """
    kept = [one for one in read_sentences(text) if one.act in (Act.STATES, Act.NODS)]
    if sum(one.n_words for one in kept if one.act == Act.STATES) < _MIN_STATED_WORDS:
        return ""
    return " ".join(text[one.start : one.end] for one in kept)


def keep_statements(pairs: Sequence[Pair]) -> list[Pair]:
    """Give the pairs with their reply cut to what it states; those that state nothing are left out."""
    cut = ((pair, cut_to_statement(pair.reply)) for pair in pairs)
    return [pair.model_copy(update={"reply": text}) for pair, text in cut if text]
