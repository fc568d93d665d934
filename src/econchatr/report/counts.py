"""Condense the turns of a whole show to counts: who says how much, and what was flagged in which kind and episode."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Literal, NamedTuple, TypeVar

from econchatr.records import Failure, Flag, Record, Role, Turn

T = TypeVar("T")

ROLES: tuple[Role, ...] = ("host", "guest", "other")
Effect = Literal["cut", "weighed", "kept"]
"""What `pair` does with a flagged stretch: cuts it out, drops the reply it is half of, or nothing."""
NOBODY = "nobody named"
"""Who speaks where the transcript names nobody."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


# --- speakers ---------------------------------------------------------------------------------------------------------


class SpeakerCount(Record):
    """How much one person says in the show."""

    speaker: str
    """Empty: all voices without a name together."""
    role: Role
    n_episodes: int
    n_turns: int
    n_words: int


class RoleCount(Record):
    """How much one role says in the show."""

    role: Role
    n_turns: int
    n_words: int


class UnnamedSpeaker(Record):
    """A voice of one episode that only a recogniser's label stands for."""

    alias: str
    """The key under `[show.aliases]` that names it."""
    n_turns: int
    n_words: int
    sample: str


@dataclass
class _Tally:
    slugs: set[str] = field(default_factory=set)
    n_turns: int = 0
    n_words: int = 0


def count_speakers(turns: Iterable[Turn], *, unnamed: Collection[str] = ()) -> tuple[SpeakerCount, ...]:
    """Count episodes, turns and words of each person, most words first.

    Args:
        turns: The whole show's.
        unnamed: Labels that name nobody (`Speaker 1` is somebody else in each episode); they are counted together.
    """
    tallies = defaultdict[tuple[str, Role], _Tally](_Tally)
    for turn in turns:
        tally = tallies["" if turn.speaker in unnamed else turn.speaker, turn.role]
        tally.slugs.add(turn.slug)
        tally.n_turns += 1
        tally.n_words += len(turn.text.split())
    counts = (
        SpeakerCount(
            speaker=speaker, role=role, n_episodes=len(tally.slugs), n_turns=tally.n_turns, n_words=tally.n_words
        )
        for (speaker, role), tally in tallies.items()
    )
    return tuple(sorted(counts, key=lambda count: (-count.n_words, count.speaker, count.role)))


def count_by_role(speakers: Sequence[SpeakerCount]) -> tuple[RoleCount, ...]:
    """Add the people of each role up; a role that never speaks is left out."""
    counts = []
    for role in ROLES:
        people = [count for count in speakers if count.role == role]
        if people:
            n_turns, n_words = sum(one.n_turns for one in people), sum(one.n_words for one in people)
            counts.append(RoleCount(role=role, n_turns=n_turns, n_words=n_words))
    return tuple(counts)


# --- flags ------------------------------------------------------------------------------------------------------------


class ReasonCount(Record):
    """How often one reason was given, whatever numbers stood in it."""

    reason: str
    n_flags: int


class FlagCount(Record):
    """What was flagged as one kind."""

    kind: str
    effect: Effect
    """What becomes of it in `pair`."""
    n_flags: int
    n_turns: int
    n_episodes: int
    n_words: int
    """Under such a flag; a flag without a stretch is on its whole turn. Words under two kinds count for both."""
    reasons: tuple[ReasonCount, ...]
    excerpts: tuple[Excerpt, ...]
    """Some of the stretches, evenly spread over the show; all of them where they are few."""


class EpisodeFlags(Record):
    """How much of one episode was flagged."""

    slug: str
    n_turns: int
    n_words: int
    """Under one flag or more, each word once."""
    kinds: tuple[tuple[str, int], ...]
    """Kind and number of flags, most first."""


class FlaggedSpeech(Record):
    """Everything that was flagged in a show."""

    kinds: tuple[FlagCount, ...] = ()
    """Most flags first."""
    episodes: tuple[EpisodeFlags, ...] = ()
    """Those with a flag, in the show's order."""

    @property
    def n_flags(self) -> int:
        """Flags of all kinds together."""
        return sum(count.n_flags for count in self.kinds)

    @property
    def n_words(self) -> int:
        """Words under one flag or more."""
        return sum(count.n_words for count in self.episodes)

    @property
    def n_turns(self) -> int:
        """Turns with a flag."""
        return sum(count.n_turns for count in self.episodes)


class _Found(NamedTuple):
    """A flag and the turn it is on: `turns[place]` of one episode."""

    flag: Flag
    turns: Sequence[Turn]
    place: int

    @property
    def turn(self) -> Turn:
        return self.turns[self.place]

    @property
    def turn_id(self) -> tuple[str, int]:
        return self.turn.slug, self.turn.position


def count_flags(
    turns: Iterable[Turn],
    *,
    ranks: Mapping[str, int],
    effects: Mapping[str, Effect],
    n_excerpts: int,
    hide: Callable[[str], str] = str,
) -> FlaggedSpeech:
    """Count the flags of a whole show, and cut at most `n_excerpts` of each kind.

    Args:
        turns: The turns of an episode stand together, in order.
        ranks: Episode -> its place in the show's order.
        effects: Kind -> what `pair` does with it; a kind that is not named stays.
        n_excerpts: Per kind.
        hide: Takes private data out of an excerpt.
    """
    found = list[_Found]()
    for _, group in groupby(turns, key=attrgetter("slug")):
        episode = list(group)
        flagged = ((place, turn) for place, turn in enumerate(episode) if turn.flags)
        found += (_Found(flag, episode, place) for place, turn in flagged for flag in turn.list_flags())
    found.sort(key=lambda one: (ranks.get(one.turn.slug, 0), one.turn_id))
    by_kind = defaultdict[str, list[_Found]](list)
    for one in found:
        by_kind[one.flag.kind].append(one)
    kinds = (
        _count_kind(kind, some, effects.get(kind, "kept"), n_excerpts=n_excerpts, hide=hide)
        for kind, some in by_kind.items()
    )
    return FlaggedSpeech(
        kinds=tuple(sorted(kinds, key=lambda count: (-count.n_flags, count.kind))),
        episodes=tuple(_count_episode(slug, some) for slug, some in groupby(found, key=lambda one: one.turn.slug)),
    )


def _count_kind(
    kind: str, found: Sequence[_Found], effect: Effect, *, n_excerpts: int, hide: Callable[[str], str]
) -> FlagCount:
    reasons = _rank(classify_flag(one.flag.reason) for one in found)
    return FlagCount(
        kind=kind,
        effect=effect,
        n_flags=len(found),
        n_turns=len({one.turn_id for one in found}),
        n_episodes=len({one.turn.slug for one in found}),
        n_words=_count_words(found),
        reasons=tuple(ReasonCount(reason=reason, n_flags=n) for reason, n in reasons),
        excerpts=tuple(cut_excerpt(one.turns, one.place, one.flag, hide=hide) for one in spread(found, n_excerpts)),
    )


def _count_episode(slug: str, found: Iterable[_Found]) -> EpisodeFlags:
    flags = list(found)
    kinds, n_turns = _rank(one.flag.kind for one in flags), len({one.turn_id for one in flags})
    return EpisodeFlags(slug=slug, n_turns=n_turns, n_words=_count_words(flags), kinds=tuple(kinds))


def _count_words(found: Iterable[_Found]) -> int:
    n_words = 0
    for _, group in groupby(found, key=attrgetter("turn_id")):
        some = list(group)
        text = some[0].turn.text
        n_words += sum(len(text[start:end].split()) for start, end in merge_spans(text, [one.flag for one in some]))
    return n_words


def merge_spans(text: str, flags: Iterable[Flag]) -> list[tuple[int, int]]:
    """Get the stretches of a text under one flag or more, in order, none twice."""
    spans, position = list[tuple[int, int]](), 0
    for start, end in sorted((flag.start or 0, len(text) if flag.end is None else flag.end) for flag in flags):
        start = max(start, position)
        if end > start:
            # Two that touch are one: a word must not count twice because a flag ends inside it.
            if spans and spans[-1][1] == start:
                start = spans.pop()[0]
            spans.append((start, end))
            position = end
    return spans


def _rank(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))


def classify_flag(reason: str) -> str:
    """Give a reason without its numbers, so that the same reason counts together.

    >>> classify_flag("26 words between quotation marks")
    'N words between quotation marks'
    """
    return _NUMBER.sub("N", reason) or "no reason recorded"


# --- excerpts ---------------------------------------------------------------------------------------------------------

MOST_SAID_CHARS = 1200
"""A stretch longer than this loses its middle: nine flagged turns of ten of a talk show are shorter."""
_MOST_CONTEXT_CHARS = 240
_MOST_NEIGHBOUR_CHARS = 160
MOST_OPENING_CHARS = 400
_WORD_CHARS = 30
"""A cut moves by so much to the next space; a longer word is cut."""
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


class Neighbour(Record):
    """What was said right before or after a stretch, by whom."""

    speaker: str
    """`NOBODY`: the transcript does not say."""
    text: str


class Excerpt(Record):
    """A stretch of one turn, with the words around it."""

    slug: str
    position: int
    """Of the turn in its episode, from 0."""
    speaker: str
    role: Role
    start_seconds: int | None
    """Of the turn; `None`: the transcript does not say."""
    reason: str
    said: str
    """The stretch; the middle of a long one is left out, and the text says how much."""
    before: str = ""
    """What stands before it in the turn."""
    after: str = ""
    previous: Neighbour | None = None
    """Who spoke before, where the stretch begins its turn."""
    following: Neighbour | None = None


class LostLine(Record):
    """A line no rule could place, and what stands around it in the file."""

    slug: str
    line: str
    before: str = ""
    """Empty, as `after`, where the line was not found in the file again."""
    after: str = ""


class SetAside(Record):
    """An item a stage could not do, and how its file begins."""

    failure: Failure
    opening: str = ""
    """Empty: nothing of it was kept."""


def cut_excerpt(turns: Sequence[Turn], place: int, flag: Flag, *, hide: Callable[[str], str] = str) -> Excerpt:
    """Get the stretch a flag names in `turns[place]`, with its context.

    Args:
        turns: One episode's, in order.
        hide: Takes private data out of each piece of text.
    """
    turn, n_chars = turns[place], len(turns[place].text)
    start = min(flag.start or 0, n_chars)
    end = n_chars if flag.end is None else min(max(start, flag.end), n_chars)
    before, after = turn.text[:start], turn.text[end:]
    is_first, is_last = not before.strip(), not after.strip()
    return Excerpt(
        slug=turn.slug,
        position=turn.position,
        speaker=turn.speaker,
        role=turn.role,
        start_seconds=turn.start_seconds,
        reason=flag.reason,
        said=hide(drop_middle(turn.text[start:end], MOST_SAID_CHARS)),
        before=hide(keep_end(before, _MOST_CONTEXT_CHARS)),
        after=hide(keep_start(after, _MOST_CONTEXT_CHARS)),
        previous=_quote(turns[place - 1], keep_end, hide) if is_first and place else None,
        following=_quote(turns[place + 1], keep_start, hide) if is_last and place + 1 < len(turns) else None,
    )


def _quote(turn: Turn, keep: Callable[[str, int], str], hide: Callable[[str], str]) -> Neighbour:
    return Neighbour(speaker=turn.speaker or NOBODY, text=hide(keep(turn.text, _MOST_NEIGHBOUR_CHARS)))


def find_lines(
    slug: str, lines: Sequence[str], text: str, *, n: int, hide: Callable[[str], str] = str
) -> list[LostLine]:
    """Get the first `n` of an episode's unplaced lines, each with what stands around it in the file's text."""
    found, position = [], 0
    for line in lines[:n]:
        start = text.find(line, position)
        if start < 0:
            found.append(LostLine(slug=slug, line=hide(line)))
            continue
        position = start + len(line)
        before = keep_end(text[max(0, start - 2 * _MOST_CONTEXT_CHARS) : start], _MOST_CONTEXT_CHARS)
        after = keep_start(text[position : position + 2 * _MOST_CONTEXT_CHARS], _MOST_CONTEXT_CHARS)
        found.append(LostLine(slug=slug, line=hide(line), before=hide(before), after=hide(after)))
    return found


def spread(items: Sequence[T], n: int) -> list[T]:
    """Get `n` of the items, evenly spread and in their order; all of them if they are no more.

    >>> spread("abcdefgh", 4)
    ['a', 'c', 'e', 'g']
    """
    if len(items) <= n:
        return list(items)
    return [items[index * len(items) // n] for index in range(n)]


def keep_start(text: str, n_chars: int) -> str:
    """Get the beginning of a text, cut behind a word.

    >>> keep_start("Who counted the bees?", 14)
    'Who counted …'
    """
    if len(text) <= n_chars:
        return text
    cut = text[:n_chars]
    space = max(cut.rfind(" "), cut.rfind("\n"))
    return f"{cut[:space] if space > n_chars - _WORD_CHARS else cut} {_ELLIPSIS}"


def keep_end(text: str, n_chars: int) -> str:
    """Get the end of a text, cut before a word.

    >>> keep_end("Who counted the bees?", 14)
    '… the bees?'
    """
    if len(text) <= n_chars:
        return text
    cut = text[-n_chars:]
    spaces = [place for place in (cut.find(" "), cut.find("\n")) if 0 <= place < _WORD_CHARS]
    return f"{_ELLIPSIS} {cut[min(spaces) + 1 :] if spaces else cut}"


def drop_middle(text: str, n_chars: int) -> str:
    """Get beginning and end of a long text, with the number of characters left out between them."""
    if len(text) <= n_chars:
        return text
    start, end = keep_start(text, 2 * n_chars // 3), keep_end(text, n_chars // 3)
    n_left_out = len(text) - len(start) - len(end) + 4
    return f"{start} [{n_left_out:,} characters left out] {end}"
