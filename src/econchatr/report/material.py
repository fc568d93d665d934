"""What a report is made from: one frozen record, and the pure functions that condense long tables for it.

Knows no file, no configuration and no page: whoever builds a `ReportMaterial` decides what is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from econchatr.records import (
    Answer,
    CurvePoint,
    Episode,
    Failure,
    Mark,
    Pair,
    PriceRow,
    Question,
    Record,
    Role,
    Score,
    Selection,
    TunedModel,
    Turn,
)

ROLES: tuple[Role, ...] = ("host", "guest", "other")


class RightsNote(Record):
    """The `[rights]` table of a show, as it is printed."""

    voice: str
    """Whose voice is imitated, and who said so."""
    ground: str
    """On what ground: consent, licence, test use."""
    licence: str
    """Licence of the transcripts."""


class RoleCount(Record):
    """How much one role says in the show."""

    role: Role
    n_turns: int
    n_words: int


class CorpusStatistics(Record):
    """Size of all kept texts; a cue and a reply are one text each, as in the 2023 table."""

    tokenizer: str
    n_texts: int
    n_tokens: int
    n_words: int
    n_chars: int
    first_date: date | None
    """Oldest dated episode with a kept pair; `None`: no such episode is dated."""
    last_date: date | None


class SubsetRow(Record):
    """What one hosted model's price lets a budget buy of this show."""

    model: str
    limit_tokens: int
    """Tokens of one epoch that the budget pays for, never more than the pool holds."""
    n_pairs: int
    n_tokens: int
    share: float
    """Of the pool's pairs, 0 to 1."""


class SubsetTable(Record):
    """The subsets of one price profile, one row per model."""

    profile: str
    budget: str
    """Per model, in words: `$10.00`."""
    n_epochs: int
    strategy: str
    rows: tuple[SubsetRow, ...]


class ReportMaterial(Record):
    """Everything the page needs; an empty tuple means that the stage has not run, and the page says so."""

    show_name: str
    hosts: tuple[str, ...]
    rights: RightsNote | None
    """`None`: the show has no `[rights]` table."""
    episodes: tuple[Episode, ...] = ()
    failures: tuple[Failure, ...] = ()
    roles: tuple[RoleCount, ...] = ()
    pairs: tuple[Pair, ...] = ()
    corpus: CorpusStatistics | None = None
    """`None`: no pair was kept."""
    prices: tuple[PriceRow, ...] = ()
    subsets: tuple[SubsetTable, ...] = ()
    selections: tuple[Selection, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    tuned_models: tuple[TunedModel, ...] = ()
    questions: tuple[Question, ...] = ()
    answers: tuple[Answer, ...] = ()
    marks: tuple[Mark, ...] = ()
    scores: tuple[Score, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    """Name and value of what else a repeat needs: temperature, tokens per answer, seeds."""
    commands: tuple[str, ...] = ("econchatr run --plan", "econchatr run", "econchatr chat")
    """Typed in the show's folder, these make this page again."""
    version: str
    made_on: date | None
    """Given by the caller, never read from a clock, so that the same material gives the same bytes."""


def count_by_role(turns: Sequence[Turn]) -> tuple[RoleCount, ...]:
    """Count turns and words of each role; a role that never speaks is left out."""
    counts = []
    for role in ROLES:
        texts = [turn.text for turn in turns if turn.role == role]
        if texts:
            n_words = sum(len(text.split()) for text in texts)
            counts.append(RoleCount(role=role, n_turns=len(texts), n_words=n_words))
    return tuple(counts)


def describe_corpus(pairs: Sequence[Pair], *, tokenizer: str) -> CorpusStatistics | None:
    """Sum up every kept cue and reply; `None` when no pair was kept.

    Args:
        pairs: All pairs; the dropped ones are passed over.
        tokenizer: Name of the tokenizer that counted the pairs' tokens (`gpt2` in both pair profiles).
    """
    kept = [pair for pair in pairs if pair.is_kept]
    if not kept:
        return None
    dates = [pair.published for pair in kept if pair.published is not None]
    return CorpusStatistics(
        tokenizer=tokenizer,
        n_texts=2 * len(kept),
        n_tokens=sum(pair.n_cue_tokens + pair.n_reply_tokens for pair in kept),
        n_words=sum(len(pair.cue.split()) + len(pair.reply.split()) for pair in kept),
        n_chars=sum(len(pair.cue) + len(pair.reply) for pair in kept),
        first_date=min(dates, default=None),
        last_date=max(dates, default=None),
    )


def name_hosts(hosts: Sequence[str]) -> str:
    """Join the hosts' names as one reads them aloud: `A`, `A and B`, `A, B and C`; `the host` for none."""
    if len(hosts) < 2:
        return "".join(hosts) or "the host"
    return f"{', '.join(hosts[:-1])} and {hosts[-1]}"


def label_imitation(hosts: Sequence[str]) -> str:
    """Give the label that stands on every page and under every generated answer; nothing switches it off."""
    name = name_hosts(hosts)
    return f"AI imitation of {name}, not {name}"
