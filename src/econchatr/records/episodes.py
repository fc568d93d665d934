"""What is fetched, parsed and paired: files, turns, episodes, and what the guest said with what the host replied."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from econchatr.records.base import DatePrecision, EpisodeKind, PairOrigin, Record, Role, Split

# --- fetch ------------------------------------------------------------------------------------------------------------


class SourceFile(Record):
    """One file as it was received; its bytes are kept under `fetch/raw/<sha256>`."""

    location: str
    """Path below the source folder, with forward slashes, or the address it was found at."""
    sha256: str
    n_bytes: int
    title: str = ""
    """What the feed calls the episode; empty: there is no feed, or it does not say."""
    published: date | None = None
    """By the feed."""
    hosts: tuple[str, ...] = ()
    """By the feed's `podcast:person`."""
    guests: tuple[str, ...] = ()
    media_type: str = ""
    """As the server declared it, which is often wrong."""
    etag: str = ""
    last_modified: str = ""
    """Both as the server sent them, to ask later whether the page has changed."""


# --- parse ------------------------------------------------------------------------------------------------------------


class Flag(NamedTuple):
    """One doubt about a turn, or about a stretch of its text."""

    kind: str
    reason: str
    start: int | None = None
    """Where in the turn's text the stretch begins; `None` means the whole turn."""
    end: int | None = None

    def __str__(self) -> str:
        stretch = "" if self.start is None else f"@{self.start}-{self.end}"
        return f"{self.kind}{stretch}: {self.reason}"


def read_flag(text: str) -> Flag:
    """Get a flag back from what `str` made of it."""
    head, _, reason = text.partition(": ")
    kind, _, stretch = head.partition("@")
    start, _, end = stretch.partition("-")
    return Flag(kind, reason, int(start), int(end)) if start.isdecimal() and end.isdecimal() else Flag(kind, reason)


class Turn(Record):
    """What one speaker says before another speaks."""

    slug: str
    position: int
    """0 for the first turn of the episode."""
    speaker: str
    role: Role
    text: str
    start_seconds: int | None = None
    """Known only as well as the transcript says: often the start of a block that holds several turns."""
    flags: tuple[str, ...] = ()
    """What is doubtful about it and why, each as `Flag` writes it: `intro: reason`, `advertisement@120-340: reason`.
    Nothing is deleted; `pair` decides by the kind."""

    def list_flags(self) -> list[Flag]:
        """Get the flags as records."""
        return [read_flag(flag) for flag in self.flags]


class Episode(Record):
    """One item of a show, with the account of what its reader could and could not place."""

    slug: str
    title: str
    published: date | None
    rank: int
    """Place in the show's order, oldest first: by date where known, else by the numbers in the file's name."""
    kind: EpisodeKind
    reader: str
    location: str
    sha256: str
    n_turns: int
    n_words: int
    n_chars: int
    """Characters of the file, after decoding; of a Word document, those of its text."""
    n_placed_chars: int
    """Characters that ended in a turn's text outside its flags, or in a label or time stamp that was understood."""
    n_unplaced_chars: int
    """Characters of text that no rule could place."""
    unplaced: tuple[str, ...]
    """The unplaced lines themselves, each cut at 200 characters, at most 50 of them."""
    n_unplaced_lines: int
    language: str = ""
    """Code of the language it is spoken in (ISO 639-1); empty: not told."""
    doubt: str = ""
    """What is doubtful about the whole file, and what to do; empty: nothing."""
    precision: DatePrecision = "none"
    """How exactly `published` is known; `none`: not at all."""
    n_flagged_chars: int = 0
    """Characters of turns' texts that stand under a flag; 0 before flags are set."""
    n_markup_chars: int = 0
    """Characters that are neither speech nor lost: tags, cue numbers, keys."""
    n_white_chars: int = 0
    """Spaces and line ends. Placed, flagged, unplaced, markup and white add up to `n_chars`."""


class Failure(Record):
    """One item a stage could not do; the run went on without it."""

    stage: str
    item: str
    error: str
    """Name of the error's class."""
    message: str
    hint: str = ""
    """One thing to do about it; empty: nothing is known that helps."""


# --- pair -------------------------------------------------------------------------------------------------------------


class WrittenQuestion(Record):
    """A question that a model wrote for a passage; nothing says yet whether it may be used."""

    passage_id: str
    """Of the answer pair that is to be made."""
    seed: int
    text: str
    """Empty: the model wrote none."""
    error: str = ""
    """Why there is none, where the model failed."""


class Pair(Record):
    """A cue (what was said to the host) and the reply (what the host said)."""

    pair_id: str
    """`<slug>#<position of the reply's first turn>`."""
    slug: str
    published: date | None
    rank: int
    split: Split
    cue_speaker: str
    """Speaker of the last turn of the cue."""
    reply_speaker: str
    cue: str
    reply: str
    first_turn: int
    """Position of the cue's first turn."""
    last_turn: int
    """Position of the reply's last turn."""
    n_cue_tokens: int
    """By the tokenizer of the pair profile (`gpt2` in both), as the filters count."""
    n_reply_tokens: int
    is_kept: bool
    reason: str
    """Why it was dropped; empty when kept."""
    cue_act: str = ""
    """What the cue does, as `speech_acts.Act` names it; empty in tables of earlier versions."""
    reply_act: str = ""
    """What the reply does, in the same words."""
    reply_turns_at: int | None = None
    """Of a reply that states and asks: position of the character where it goes over from one to the other."""
    origin: PairOrigin = "said"
    made_by: str = ""
    """Where the cue was made: by which rule or which model. Empty: somebody said it."""

    @property
    def is_answer(self) -> bool:
        """Whether it is an answer pair: a statement of the host behind a question."""
        return self.origin != "said"

    def split_reply(self) -> tuple[str, str]:
        """What the reply states, and what it asks; either may be empty. A reply of no known act states."""
        if self.reply_act == "asks":
            return "", self.reply
        if self.reply_turns_at is None:
            return self.reply, ""
        first, rest = self.reply[: self.reply_turns_at], self.reply[self.reply_turns_at :]
        return (rest, first) if first.rstrip(" \"'”’)").endswith("?") else (first, rest)
