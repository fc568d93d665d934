"""Cut what a reader needs to see of a text: a stretch with the words around it, short enough to read.

Knows where a stretch lies, and not why: the reason comes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from econchatr.records import Failure, Flag, Record, Role, Turn

T = TypeVar("T")

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
    return Neighbour(speaker=turn.speaker, text=hide(keep(turn.text, _MOST_NEIGHBOUR_CHARS)))


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
