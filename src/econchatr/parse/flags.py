"""Flags on what is doubtful in the turns of a whole show, each with its reason.

Nothing is deleted here: `pair` decides by the kind of flag what becomes a pair. In other languages than English only
the flags that come from counting are set.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from econchatr.parse.lines import list_words, split_sentences
from econchatr.parse.people import find_ad_voices
from econchatr.parse.repeats import EDGE_TURNS, Repeat, find_cold_open, find_near_repeats, find_repeats
from econchatr.records import Flag, Turn

_MIN_PASSAGE_WORDS: Final = 20
_MIN_QUOTE_WORDS: Final = 25
_MAX_QUOTE_CHARS: Final = 4000
_WORDS_PER_DOUBT: Final = 20
_MIN_LOOP: Final = 4

# What must stand in a turn before the patterns of advertisements are worth trying.
_AD_SEEDS: Final = (
    "sponsor", "brought to you", "supported by", " code", "% off", "percent off", "free trial", "free month", "sign up",
    "get started", "guarantee",
)  # fmt: skip
_SPONSOR: Final = re.compile(
    r"\b(?:brought to you by|sponsored by|(?:our|today['’]s|this week['’]s) sponsors?\b"
    r"|(?:episode|show|podcast) is supported by|sponsors? of (?:the|this|today['’]s) (?:show|episode|podcast))",
    re.IGNORECASE,
)
_READ: Final = re.compile(
    r"\b(?:this|today['’]s) (?:episode|show|podcast|segment) (?:is|was) (?:also )?"
    r"(?:brought to you|sponsored|supported) by",
    re.IGNORECASE,
)
_OFFER: Final = re.compile(
    r"\b(?:promo|discount|offer|coupon) code\b|\buse (?:the |my |our )?(?:promo )?code [\w\"“]"
    r"|\b\d{1,2}(?:%| percent) off\b|\bfree trial\b|\bfirst (?:month|order|purchase) (?:is )?free\b|\bfree month\b"
    r"|\bmoney[- ]back guarantee\b|\bsign up (?:today|now|for free)\b|\bget started (?:today|now|for free)\b",
    re.IGNORECASE,
)
_VISIT: Final = re.compile(
    r"\b(?:visit|go to|going to|head (?:over )?to|out at|more at|started at|up at) (?:https?://)?(?:www\.)?"
    r"[a-z0-9-]{2,40}\.(?:com|org|io|dev|co|net|ai|fm|app)\b|\bdot (?:com|io|org|dev|ai) slash\b",
    re.IGNORECASE,
)
_SIGNALS: Final = (
    ("sponsor read", _READ), ("names a sponsor", _SPONSOR), ("makes an offer", _OFFER), ("sends to a site", _VISIT),
)  # fmt: skip
_INTRO: Final = re.compile(
    r"\b(?:welcome (?:back )?to|my guest (?:today )?(?:is|are)|today['’]?s? (?:guest|episode)|i['’]m your host"
    r"|thanks for (?:tuning|joining) in|you['’]re listening to|on today['’]s show)\b",
    re.IGNORECASE,
)
_OUTRO: Final = re.compile(
    r"\b(?:thanks? (?:you )?(?:so much )?for (?:listening|tuning in|watching)"
    r"|my guest today has been|thanks for being part of|subscribe (?:to|on|at|in)"
    r"|leave (?:us )?a (?:review|rating)"
    r"|see you (?:next (?:time|week)|in the next)|until next time"
    r"|that['’]s (?:all|it) for (?:today|this (?:week|episode)))\b",
    re.IGNORECASE,
)
_CROSSTALK: Final = re.compile(
    r"\\?[\[(](?:cross-?talk|overlapping|talking over|simultaneous)[^\[\]()]{0,40}[\])]", re.IGNORECASE
)
_UNCLEAR: Final = re.compile(
    r"\\?[\[(](?:inaudible|unintelligible|indistinct|unclear|garbled|\?)[^\[\]()]{0,60}[\])]", re.IGNORECASE
)
# A quotation mark opens behind a space and closes before one; what stands between two quotations is speech.
_QUOTED: Final = re.compile(rf"(?<!\S)[“\"](?=\S)[^“”\"]{{100,{_MAX_QUOTE_CHARS}}}(?<=\S)[”\"](?!\w)")
_SPOKEN_QUOTE: Final = re.compile(r"\bquote[,:.]?\s", re.IGNORECASE)
_SPOKEN_END: Final = re.compile(r"\b(?:end (?:of )?quote|unquote|close quote)\b", re.IGNORECASE)


def flag_turns(turns: Sequence[Turn], *, hosts: Sequence[str] = ()) -> list[Turn]:
    """Get the turns of a whole show in the same order, each with its flags; flags it had are set anew.

    The turns of an episode must stand together. Kinds: `advertisement`, `repeated` (a passage), `phrase` and
    `stock-question` (one sentence of the host's manner), `cold-open`, `intro`, `outro`, `quotation`, `crosstalk`,
    `unclear`, `garbled` (so much of the two that little is left, or a recogniser's loop).
    """
    voices = find_ad_voices(turns, hosts=hosts)
    repeats, near = find_repeats(turns), find_near_repeats(turns)
    flagged, first = list[Turn](), 0
    for _, group in groupby(turns, key=_get_slug):
        episode = list(group)
        opens = find_cold_open(episode)
        for place, turn in enumerate(episode):
            is_start, is_end = place < EDGE_TURNS, place >= len(episode) - EDGE_TURNS
            flags = [
                *_flag_voice(turn, voices),
                *_flag_opening(place, opens),
                *_flag_repeats(turn, repeats.get(first + place, [])),
                *_flag_near(turn, near.get(first + place, []), repeats.get(first + place, [])),
                *_flag_text(turn.text, is_start=is_start, is_end=is_end),
            ]
            texts = tuple(dict.fromkeys(map(str, flags)))
            flagged.append(turn if texts == turn.flags else turn.model_copy(update={"flags": texts}))
        first += len(episode)
    return flagged


def _get_slug(turn: Turn) -> str:
    return turn.slug


def _flag_voice(turn: Turn, voices: Mapping[str, str]) -> Iterator[Flag]:
    if turn.speaker in voices and turn.role != "other":
        yield Flag("advertisement", voices[turn.speaker])


def _flag_opening(place: int, opens: Mapping[int, float]) -> Iterator[Flag]:
    if place in opens:
        yield Flag("cold-open", f"{opens[place]:.0%} of its runs of five words come again later in the file")


def _flag_repeats(turn: Turn, repeats: Sequence[Repeat]) -> Iterator[Flag]:
    """Flag sentences that stand word for word in other episodes: a run of them is a passage, one alone a phrase."""
    for run in _join_neighbours(turn.text, repeats):
        start, end, n_episodes = run[0].start, run[-1].end, min(one.n_episodes for one in run)
        said = turn.text[start:end]
        again = f"word for word in {n_episodes} episodes"
        if said.rstrip(" \"”’')").endswith("?"):
            yield Flag("stock-question", again, start, end)
        elif _list_signals(said):
            yield Flag("advertisement", again, start, end)
        elif run[0].edge:
            yield Flag("intro" if run[0].edge == "start" else "outro", again, start, end)
        elif len(run) > 1 and len(list_words(said)) >= _MIN_PASSAGE_WORDS:
            yield Flag("repeated", again, start, end)
        else:
            yield Flag("phrase", again, start, end)


def _join_neighbours(text: str, repeats: Sequence[Repeat]) -> list[list[Repeat]]:
    runs = list[list[Repeat]]()
    for one in repeats:
        is_question = text[: one.end].rstrip(" \"”’')").endswith("?") if runs else True
        if runs and not is_question and not text[runs[-1][-1].end : one.start].strip():
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _flag_near(turn: Turn, near: Sequence[Repeat], exact: Sequence[Repeat]) -> Iterator[Flag]:
    for one in near:
        said = turn.text[one.start : one.end]
        # What is word for word in it has its flag already; questions stay the host's.
        if said.rstrip(" \"”’')").endswith("?") or any(one.start <= same.start < one.end for same in exact):
            continue
        kind = "advertisement" if _list_signals(said) else "repeated"
        yield Flag(kind, f"nearly the same in {one.n_episodes} episodes", one.start, one.end)


def _flag_text(text: str, *, is_start: bool, is_end: bool) -> Iterator[Flag]:
    lowered = text.lower()
    if any(seed in lowered for seed in _AD_SEEDS):
        yield from _flag_advertisement(text)
    if is_start:
        yield from _flag_sentences(text, _INTRO, "intro", "greets or introduces")
    if is_end:
        yield from _flag_sentences(text, _OUTRO, "outro", "takes leave of the listeners")
    if '"' in text or "“" in text or "quote" in lowered:
        yield from _flag_quotations(text)
    if "[" in text or "(" in text:
        yield from _flag_doubts(text)
    if len(text) > 40:
        yield from _flag_loop(text)


def _flag_advertisement(text: str) -> Iterator[Flag]:
    """Flag, line by line, the sentences from the first sign of an advertisement to the last; one weak sign is talk."""
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        signed = [
            (span, signals)
            for span in split_sentences(text, start, end)
            if (signals := _list_signals(text[slice(*span)]))
        ]
        kinds = sorted({kind for _, signals in signed for kind in signals})
        if len(kinds) > 1 or "sponsor read" in kinds:
            yield Flag("advertisement", " and ".join(kinds), signed[0][0][0], signed[-1][0][1])
        start = end + 1


def _list_signals(text: str) -> list[str]:
    return [name for name, pattern in _SIGNALS if pattern.search(text)]


def _flag_sentences(text: str, pattern: re.Pattern[str], kind: str, reason: str) -> Iterator[Flag]:
    if not pattern.search(text):
        return
    for start, end in split_sentences(text):
        if pattern.search(text, start, end):
            yield Flag(kind, reason, start, end)


def _flag_quotations(text: str) -> Iterator[Flag]:
    for quoted in _QUOTED.finditer(text):
        n_words = len(quoted[0].split())
        if n_words >= _MIN_QUOTE_WORDS:
            yield Flag("quotation", f"{n_words} words between quotation marks", *quoted.span())
    ends = [match.start() for match in _SPOKEN_END.finditer(text)]
    position = 0
    for begin in _SPOKEN_QUOTE.finditer(text) if ends else ():
        after = bisect_left(ends, begin.end())
        if begin.start() < position or after == len(ends) or ends[after] - begin.end() > _MAX_QUOTE_CHARS:
            continue
        n_words = len(text[begin.end() : ends[after]].split())
        position = ends[after]
        if n_words >= _MIN_QUOTE_WORDS:
            yield Flag("quotation", f"{n_words} words between `quote` and `end quote`", begin.end(), ends[after])


def _flag_doubts(text: str) -> Iterator[Flag]:
    n_unclear, n_crossed = len(_UNCLEAR.findall(text)), len(_CROSSTALK.findall(text))
    n_words = len(text.split())
    for kind, n, what in (("unclear", n_unclear, "unclear places"), ("crosstalk", n_crossed, "marks of cross-talk")):
        if n:
            yield Flag("garbled" if n * _WORDS_PER_DOUBT > n_words else kind, f"{n} {what} in {n_words} words")


def _flag_loop(text: str) -> Iterator[Flag]:
    """Flag a recogniser's loop: one sentence again and again, as it hears in silence."""
    sentences = [" ".join(list_words(text[start:end])) for start, end in split_sentences(text)]
    longest = max((sum(1 for _ in group) for sentence, group in groupby(sentences) if " " in sentence), default=0)
    if longest >= _MIN_LOOP:
        yield Flag("garbled", f"the same sentence {longest} times in a row")
