"""Flags on what is doubtful in the turns of a whole show, each with its reason.

Nothing is deleted here: `pair` decides by the kind of flag what becomes a pair. In other languages than English only
the flags that come from counting are set.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from econchatr.parse.lines import TurnWords, list_words, read_said, split_sentences
from econchatr.parse.people import find_ad_voices
from econchatr.parse.repeats import (
    EDGE_TURNS,
    Repeat,
    Stretches,
    find_cold_open,
    find_near_repeats,
    find_repeats,
    measure_speech,
)
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


@dataclass(frozen=True)
class EpisodeMarks:
    """What is doubtful about the turns of one episode by itself, and what it adds to the search for repeats."""

    own: Mapping[int, tuple[tuple[str, ...], tuple[str, ...]]]
    """Place -> flags by the opening and by the text; only places that have one."""
    speech: Stretches


def mark_episode(turns: Sequence[Turn]) -> EpisodeMarks:
    """Get what can be told of one episode without the others."""
    spoken = [read_said(turn.text) for turn in turns]
    own, opens = dict[int, tuple[tuple[str, ...], tuple[str, ...]]](), find_cold_open(spoken)
    for place, said in enumerate(spoken):
        is_start, is_end = place < EDGE_TURNS, place >= len(turns) - EDGE_TURNS
        opening = tuple(map(str, _flag_opening(place, opens)))
        text = tuple(map(str, _flag_text(said, is_start=is_start, is_end=is_end)))
        if opening or text:
            own[place] = opening, text
    return EpisodeMarks(own, measure_speech(spoken))


def flag_turns(turns: Sequence[Turn], *, hosts: Sequence[str] = ()) -> list[Turn]:
    """Get the turns of a whole show in the same order, each with its flags; flags it had are set anew.

    The turns of an episode must stand together. Kinds: `advertisement`, `repeated` (a passage), `phrase` and
    `stock-question` (one sentence of the host's manner), `cold-open`, `intro`, `outro`, `quotation`, `crosstalk`,
    `unclear`, `garbled` (so much of the two that little is left, or a recogniser's loop).
    """
    voices = find_ad_voices(turns, hosts=hosts)
    read = {
        place: voices[turn.speaker]
        for place, turn in enumerate(turns)
        if turn.speaker in voices and turn.role != "other"
    }
    marks = [mark_episode(list(group)) for _, group in groupby(turns, key=_get_slug)]
    flags = join_flags(marks, lambda place: turns[place].text, read)
    return [
        turn if (texts := flags.get(place, ())) == turn.flags else turn.model_copy(update={"flags": texts})
        for place, turn in enumerate(turns)
    ]


def join_flags(
    episodes: Sequence[EpisodeMarks], get_text: Callable[[int], str], read: Mapping[int, str]
) -> dict[int, tuple[str, ...]]:
    """Get place in the show's turns -> its flags, of those that have one.

    Args:
        episodes: The marks of every episode, in the order of the turns.
        get_text: What was said in the turn at a place.
        read: Place -> why the turn is by a voice that reads advertisements.
    """
    own, first = dict[int, tuple[tuple[str, ...], tuple[str, ...]]](), 0
    for one in episodes:
        own |= {first + place: flags for place, flags in one.own.items()}
        first += one.speech.n_turns
    speech = [one.speech for one in episodes]
    repeats, near = find_repeats(speech), find_near_repeats(speech)
    flagged = dict[int, tuple[str, ...]]()
    for place in sorted({*own, *repeats, *near, *read}):
        opening, text = own.get(place, ((), ()))
        shared = list[Flag]()
        if place in repeats or place in near:
            said, exact = get_text(place), repeats.get(place, [])
            shared = [*_flag_repeats(said, exact), *_flag_near(said, near.get(place, []), exact)]
        voice = [Flag("advertisement", read[place])] if place in read else []
        if texts := tuple(dict.fromkeys((*map(str, voice), *opening, *map(str, shared), *text))):
            flagged[place] = texts
    return flagged


def _get_slug(turn: Turn) -> str:
    return turn.slug


def _flag_opening(place: int, opens: Mapping[int, float]) -> Iterator[Flag]:
    if place in opens:
        yield Flag("cold-open", f"{opens[place]:.0%} of its runs of five words come again later in the file")


def _flag_repeats(text: str, repeats: Sequence[Repeat]) -> Iterator[Flag]:
    """Flag sentences that stand word for word in other episodes: a run of them is a passage, one alone a phrase."""
    for run in _join_neighbours(text, repeats):
        start, end, n_episodes = run[0].start, run[-1].end, min(one.n_episodes for one in run)
        said = text[start:end]
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


def _flag_near(text: str, near: Sequence[Repeat], exact: Sequence[Repeat]) -> Iterator[Flag]:
    for one in near:
        said = text[one.start : one.end]
        # What is word for word in it has its flag already; questions stay the host's.
        if said.rstrip(" \"”’')").endswith("?") or any(one.start <= same.start < one.end for same in exact):
            continue
        kind = "advertisement" if _list_signals(said) else "repeated"
        yield Flag(kind, f"nearly the same in {one.n_episodes} episodes", one.start, one.end)


def _flag_text(said: TurnWords, *, is_start: bool, is_end: bool) -> Iterator[Flag]:
    text, lowered = said.text, said.text.lower()
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
    if len(text) > 40 and len(said.spans) >= _MIN_LOOP:
        yield from _flag_loop(said)


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


def _flag_loop(said: TurnWords) -> Iterator[Flag]:
    """Flag a recogniser's loop: one sentence again and again, as it hears in silence."""
    sentences = [" ".join(words) for words in said.words]
    longest = max((sum(1 for _ in group) for sentence, group in groupby(sentences) if " " in sentence), default=0)
    if longest >= _MIN_LOOP:
        yield Flag("garbled", f"the same sentence {longest} times in a row")
