"""One episode's turns -> its pairs: what was said to the host, and what the host answered.

It joins the turns of one side, cleans them, counts them and applies a profile. It does not compare episodes
(`duplicates`), nor decide which episode is held out (`split`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from econchatr.pair.clean import clean_speech
from econchatr.pair.private import hide_private
from econchatr.pair.profiles import PairProfile
from econchatr.records import Episode, Pair, Split, Turn

# The tokenizer refuses strings of megabytes; a pair this long is dropped for its length anyway.
_MAX_COUNTED_CHARS: Final = 200_000


@dataclass(frozen=True)
class _Block:
    """Consecutive turns of one side, with what they said."""

    is_reply: bool
    turns: tuple[Turn, ...]
    text: str


def pair_episode(
    episode: Episode,
    turns: Sequence[Turn],
    *,
    split: Split,
    profile: PairProfile,
    count_tokens: Callable[[str], int],
    persona: str | None = None,
) -> list[Pair]:
    """Get the episode's pairs in order, kept and dropped; an episode that is not `verbatim` has none.

    Every host's turns are replies, unless `persona` names the one host who is learned: then the others are cues. Turns
    without a word (`[laughs]`) are passed over. A reply before anybody else has spoken makes no pair. `count_tokens` is
    that of the profile's tokenizer.
    """
    if episode.kind != "verbatim":
        return []
    blocks = _join_blocks(turns, persona)
    pairs = list[Pair]()
    for cue, reply in pairwise(blocks):
        if not reply.is_reply:
            continue
        n_cue, n_reply = _count(cue.text, count_tokens), _count(reply.text, count_tokens)
        reason = _find_reason(cue, reply, n_cue, n_reply, profile)
        pairs.append(
            Pair(
                pair_id=f"{episode.slug}#{reply.turns[0].position}",
                slug=episode.slug,
                published=episode.published,
                rank=episode.rank,
                split=split,
                cue_speaker=cue.turns[-1].speaker,
                reply_speaker=reply.turns[-1].speaker,
                cue=cue.text,
                reply=reply.text,
                first_turn=cue.turns[0].position,
                last_turn=reply.turns[-1].position,
                n_cue_tokens=n_cue,
                n_reply_tokens=n_reply,
                is_kept=not reason,
                reason=reason,
            )
        )
    return pairs


def join_speech(turns: Sequence[Turn]) -> str:
    """Get what the turns said, one after another, cleaned and without private data; a turn without a word adds none."""
    texts = (hide_private(clean_speech(turn.text)) for turn in turns)
    return " ".join(text for text in texts if any(map(str.isalnum, text)))


def _join_blocks(turns: Sequence[Turn], persona: str | None) -> list[_Block]:
    sides = list[tuple[bool, list[Turn], list[str]]]()
    for turn in turns:
        text = join_speech([turn])
        if not text:
            continue
        is_reply = turn.role == "host" and persona in (None, turn.speaker)
        if not sides or sides[-1][0] != is_reply:
            sides.append((is_reply, [], []))
        sides[-1][1].append(turn)
        sides[-1][2].append(text)
    return [_Block(is_reply, tuple(said), " ".join(texts)) for is_reply, said, texts in sides]


def _find_reason(cue: _Block, reply: _Block, n_cue: int, n_reply: int, profile: PairProfile) -> str:
    """Get why the profile drops the pair; empty if it keeps it."""
    name = profile.name
    if all(turn.role == "other" for turn in cue.turns):
        return f"cue is spoken by {cue.turns[-1].speaker or 'nobody named'}, not by a guest"
    for part, block, n_tokens, min_tokens, min_words in (
        ("reply", reply, n_reply, profile.min_reply_tokens, profile.min_reply_words),
        ("cue", cue, n_cue, profile.min_cue_tokens, profile.min_cue_words),
    ):
        n_words = len(block.text.split())
        if n_tokens < min_tokens:
            return f"{part} has {n_tokens} tokens, {name} keeps more than {min_tokens - 1}"
        if n_words < min_words:
            return f"{part} has {n_words} words, {name} keeps {min_words} or more"
    if n_cue + n_reply > profile.max_pair_tokens:
        return f"pair has {n_cue + n_reply} tokens, {name} keeps at most {profile.max_pair_tokens}"
    return ""


def _count(text: str, count_tokens: Callable[[str], int]) -> int:
    starts = range(0, len(text), _MAX_COUNTED_CHARS)
    return sum(count_tokens(text[start : start + _MAX_COUNTED_CHARS]) for start in starts)
