"""One episode's turns -> its pairs: what was said to the host, and what the host answered.

It joins the turns of one side, cleans them, counts them and applies a profile. It does not compare episodes
(`duplicates`), nor decide which episode is held out (`split`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Final

from econchatr.pair.cleaning import PairProfile, clean_speech
from econchatr.pair.private import hide_private
from econchatr.records import Episode, Flag, Pair, Split, Turn
from econchatr.speech_acts import read_act

CUT_KINDS: Final = frozenset({"advertisement", "repeated", "cold-open", "intro", "outro", "garbled"})
"""Flags whose stretch is no speech to learn from. A stock question or a phrase is the host's style, and stays."""

WEIGHED_KINDS: Final = frozenset({"quotation"})
"""Flags that cost a reply only where they are half of it: a quotation inside an answer belongs to the answer."""


@dataclass(frozen=True)
class _Block:
    """Consecutive turns of one side, with what they said."""

    is_reply: bool
    turns: tuple[Turn, ...]
    text: str
    doubt: str = ""
    """Why it is not learned from: flags on half of its words or more; empty if it may be."""


def pair_episode(
    episode: Episode,
    turns: Sequence[Turn],
    *,
    split: Split,
    profile: PairProfile,
    count_tokens: Callable[[Sequence[str]], list[int]],
    persona: str | None = None,
    hide: Callable[[str], str] = hide_private,
) -> list[Pair]:
    """Get the episode's pairs in order, kept and dropped; an episode that is not `verbatim` has none.

    Every host's turns are replies, unless `persona` names the one host who is learned: then the others are cues.
    Turns without a word (`[laughs]`) are passed over. A reply before anybody else has spoken makes no pair.
    Flagged stretches (an advertisement, a greeting) are cut out; where half of a cue or of a reply is flagged, the pair
    is whole, dropped, and says why. `count_tokens` gives the tokens of each of many texts, by the profile's tokenizer;
    `hide` gives a text with what is private replaced.
    """
    if episode.kind != "verbatim":
        return []
    blocks = _join_blocks(turns, persona, hide)
    n_tokens = count_tokens([block.text for block in blocks])
    pairs = list[Pair]()
    for (cue, n_cue), (reply, n_reply) in pairwise(zip(blocks, n_tokens, strict=True)):
        if not reply.is_reply:
            continue
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
                cue_act=read_act(cue.text).act,
                reply_act=(turning := read_act(reply.text)).act,
                reply_turns_at=turning.turns_at,
            )
        )
    return pairs


def list_statements(
    episode: Episode, turns: Sequence[Turn], *, split: Split, hide: Callable[[str], str] = hide_private
) -> list[Pair]:
    """Get what the host says of an episode in which nobody asks: pairs without a cue, for `find_passages` to cut up.

    Flagged stretches are cut out, and speech that is flagged by half is left out.
    """
    blocks = _join_blocks(turns, None, hide) if episode.kind == "verbatim" else []
    return [
        Pair(
            pair_id=f"{episode.slug}#{block.turns[0].position}",
            slug=episode.slug,
            published=episode.published,
            rank=episode.rank,
            split=split,
            cue_speaker="",
            reply_speaker=block.turns[-1].speaker,
            cue="",
            reply=block.text,
            first_turn=block.turns[0].position,
            last_turn=block.turns[-1].position,
            n_cue_tokens=0,
            n_reply_tokens=0,
            is_kept=True,
            reason="",
        )
        for block in blocks
        if block.is_reply and not block.doubt
    ]


def _clean(text: str, hide: Callable[[str], str]) -> str:
    """Get what was said, cleaned and without private data; empty where there is no word in it."""
    said = hide(clean_speech(text))
    return said if any(map(str.isalnum, said)) else ""


def _join(texts: Iterable[str]) -> str:
    return " ".join(filter(None, texts))


def _join_blocks(turns: Sequence[Turn], persona: str | None, hide: Callable[[str], str]) -> list[_Block]:
    sides = list[tuple[bool, list[tuple[Turn, str]]]]()
    for turn in turns:
        if not (said := _clean(turn.text, hide)):
            continue
        is_reply = turn.role == "host" and persona in (None, turn.speaker)
        if not sides or sides[-1][0] != is_reply:
            sides.append((is_reply, []))
        sides[-1][1].append((turn, said))
    return [_make_block(is_reply, said, hide) for is_reply, said in sides]


def _make_block(is_reply: bool, said: Sequence[tuple[Turn, str]], hide: Callable[[str], str]) -> _Block:
    """Make a side's block; `said` has each turn with its clean text."""
    turns = tuple(turn for turn, _ in said)
    if not any(turn.flags for turn in turns):
        return _Block(is_reply, turns, _join(text for _, text in said))
    kept, n_doubted, doubts = list[str](), 0, list[Flag]()
    for turn, text in said:
        flags = [
            flag for flag in turn.list_flags() if flag.kind in CUT_KINDS or (is_reply and flag.kind in WEIGHED_KINDS)
        ]
        doubts += flags
        n_doubted += len(turn.text.split()) - len(_cut(turn.text, flags).split())
        cut = [flag for flag in flags if flag.kind in CUT_KINDS]
        kept.append(_clean(_cut(turn.text, cut), hide) if cut else text)
    if 2 * n_doubted >= sum(len(turn.text.split()) for turn in turns):
        doubt = "; ".join(dict.fromkeys(f"{one.kind}, {one.reason}" for one in doubts[:3]))
        return _Block(is_reply, turns, _join(text for _, text in said), doubt)
    return _Block(is_reply, turns, _join(kept))


def _cut(text: str, flags: Sequence[Flag]) -> str:
    """Get the text without the flagged stretches; they may overlap. A flag on the whole turn leaves nothing."""
    if any(flag.start is None for flag in flags):
        return ""
    pieces, position = list[str](), 0
    for start, end in sorted((flag.start or 0, flag.end or 0) for flag in flags):
        pieces.append(text[position : max(position, start)])
        position = max(position, end)
    return " ".join([*pieces, text[position:]]) if flags else text


def _find_reason(cue: _Block, reply: _Block, n_cue: int, n_reply: int, profile: PairProfile) -> str:
    """Get why the profile drops the pair; empty if it keeps it."""
    name = profile.name
    for part, block in (("reply", reply), ("cue", cue)):
        if block.doubt:
            return f"{part} is flagged: {block.doubt}"
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


_HOLDS: Final = {"test": 0, "dev": 1, "train": 2}
_NOT_WORDS: Final = re.compile(r"[\W_]+")


def drop_duplicates(pairs: Sequence[Pair]) -> list[Pair]:
    """Get the pairs in the same order; of several kept ones that say the same, all but one are dropped."""
    keys = [make_twin_key(pair) if pair.is_kept else "" for pair in pairs]
    rows = zip(pairs, keys, strict=True)
    originals = find_originals(
        (key, pair.pair_id, pair.split, pair.rank, pair.slug, pair.last_turn) for pair, key in rows if key
    )
    return [
        pair.model_copy(update={"is_kept": False, "reason": f"duplicate of {originals[key]}"})
        if key and originals[key] != pair.pair_id
        else pair
        for pair, key in zip(pairs, keys, strict=True)
    ]


def find_originals(kept: Iterable[tuple[str, str, Split, int, str, int]]) -> dict[str, str]:
    """Get key -> the id of the one pair that stays of those which say the same.

    It is a held-out pair if there is one (test before dev), else the earliest: so the copies dropped are those in
    training, and no model is tested on a pair it has learned.

    Args:
        kept: Of every kept pair its key, id, split, rank, slug and last turn.
    """
    originals = dict[str, str]()
    for key, pair_id, *_ in sorted(kept, key=lambda row: (_HOLDS[row[2]], *row[3:])):
        originals.setdefault(key, pair_id)
    return originals


def make_twin_key(pair: Pair) -> str:
    """Get what two pairs share that say the same; capitals and punctuation aside."""
    words = (_NOT_WORDS.sub(" ", text.casefold()).strip() for text in (pair.cue, pair.reply))
    return sha256("\n".join(words).encode()).hexdigest()
