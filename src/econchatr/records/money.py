"""What is chosen and what it costs: examples, selections and why, prices, bills.

This module computes no price.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import Field

from econchatr.records.base import Record, Split


class Message(Record):
    """One message as a chat model gets it."""

    role: Literal["system", "user", "assistant"]
    content: str


class Example(Record):
    """A pair as one rung's model sees it."""

    pair_id: str
    rung: str
    split: Split
    messages: tuple[Message, ...]
    n_billed_tokens: int
    """All tokens of the example in one epoch, template included, by the rung's own tokenizer."""
    n_learned_tokens: int
    """Tokens that carry loss: the reply and the token that ends it."""
    n_cut_cue_tokens: int = 0
    """Tokens cut from the beginning of the cue to fit the rung's example length."""
    n_cut_reply_tokens: int = 0
    """Tokens cut from the end of the reply; such an example does not teach where to stop."""


class Selection(Record):
    """The examples chosen for one rung within its budget."""

    rung: str
    strategy: str
    seed: int
    n_epochs: int
    pair_ids: tuple[str, ...]
    """In the order in which they were taken: a smaller budget keeps a beginning of this list."""
    n_pool_pairs: int
    n_pool_tokens: int
    """Billed tokens of one epoch over every kept training pair."""
    n_tokens: int
    """Billed tokens of one epoch over the selection."""
    limit_tokens: int
    """What the budget allows for one epoch."""
    budget: str
    """The budget in words, as the user gave it: `$10.00`, `100000 tokens`, `20 minutes`."""
    cost_usd: str | None
    """Decimal dollars of all epochs; `None` for a rung trained at home."""
    sha256: str
    """Of the ordered pair ids and their texts: the hash a tuned model is tied to."""
    n_learned_tokens: int | None = None
    """Of the selection, in one epoch: what is left of `n_tokens` when cues and template are taken away."""
    n_pool_learned_tokens: int | None = None
    n_pinned: int = 0
    n_banned: int = 0
    """Pairs that the user took out of the pool."""
    certificate: float | None = None
    """At least this share of the best possible cover within the budget is reached, 0 to 1, rounded down; `None`: the
    strategy covers nothing on purpose."""
    random_share: float | None = None
    """What random choices of the same cost cover, as a share of what this one does: the mean of five."""

    def tell_cover(self) -> str:
        """How good the cover is, in words; empty where there is no certificate."""
        if self.certificate is None:
            return ""
        told = f"at least {int(self.certificate * 100 + 1e-6)}% of the best possible cover at this cost"
        if self.random_share is None:
            return told
        return f"{told}; random choices cover {self.random_share:.0%} of what this one does"

    def tell_lengths(self) -> str:
        """Mean lengths of the selection and of all pairs, in words; empty where they were not counted."""
        if self.n_learned_tokens is None or self.n_pool_learned_tokens is None or not self.pair_ids:
            return ""
        n_rest, n_pool_rest = self.n_tokens - self.n_learned_tokens, self.n_pool_tokens - self.n_pool_learned_tokens
        return (
            f"tokens on average, all pairs in brackets: a reply {self.n_learned_tokens / len(self.pair_ids):.0f} "
            f"({self.n_pool_learned_tokens / self.n_pool_pairs:.0f}), what stands before it "
            f"{n_rest / len(self.pair_ids):.0f} ({n_pool_rest / self.n_pool_pairs:.0f})"
        )


class Reason(Record):
    """Why one pair of the pool was taken or left."""

    pair_id: str
    rung: str
    """The rung with the smallest budget that has it; those with more have it too. Empty: none has."""
    position: int | None
    """0 for the pair taken first; `None`: not taken."""
    reason: str
    stratum: str = ""
    """Which pairs it was weighed against, in words; empty: all, or none."""
    cost: int | None
    """For that rung, or for the largest budget where none has it; `None`: banned, and never counted."""
    gain: float | None = None
    """What it added to the cover; for one left, what it would add in the end. `None`: the strategy does not weigh."""
    firsts: tuple[str, ...] = ()
    """Words and pairs of words that it was the first to bring, the commonest of them."""


class Overlap(Record):
    """How far a selection leans towards the exam's own subjects."""

    rung: str
    n_exam_words: int
    """Uncommon words of the questions and their expected answers."""
    words: tuple[str, ...]
    """Those of them that the chosen replies hold, the most favoured first."""
    share: float
    """Of the chosen replies, those with such a word; 0 to 1."""
    pool_share: float
    """The same of all replies that could be chosen."""
    subjects: tuple[str, ...] = ()
    """Subjects the strategy looks for that stand in the exam."""

    def tell(self, *, n_words: int = 8) -> str:
        """The overlap in words, with the first of the exam's words."""
        held = ": " + ", ".join(self.words[:n_words]) if self.words else ""
        told = (
            f"{self.share:.1%} of its replies hold a subject word of the exam, of all replies {self.pool_share:.1%}; "
            f"it has {len(self.words)} of the exam's {self.n_exam_words}{held}{' ...' * (len(self.words) > n_words)}"
        )
        return told + (f"; the strategy looks for {', '.join(self.subjects)}" if self.subjects else "")


PriceUnit = Literal["token", "second", "minute", "hour", "GB-month", "job"]


class Price(Record):
    """What one unit of something costs: dollars, never a float."""

    usd: Decimal = Field(ge=0)
    n_units: int = Field(default=1, ge=1)
    """For how many units: 1,000,000 tokens, 1 hour."""
    unit: PriceUnit

    @property
    def usd_per_unit(self) -> Decimal:
        """Dollars for a single token, hour, gigabyte and month, or job."""
        return self.usd / self.n_units

    @property
    def usd_per_mtok(self) -> Decimal:
        """Dollars for a million tokens; only for a price per token."""
        return self.usd * 1_000_000 / self.n_units

    def __str__(self) -> str:
        plural = f"{self.n_units:,} {self.unit}s" if self.n_units > 1 else self.unit
        return "free" if not self.usd else f"${self.usd} per {plural}"


class PriceRow(Record):
    """What one hosted model is billed for, and where that was read; `None`: not known."""

    profile: str
    model: str
    provider: str = ""
    """Who sells it, for people."""
    training: Price | None = None
    validation: Price | None = None
    """Of the tokens of the validation file, each time it is evaluated."""
    evaluations_per_epoch: int = Field(default=1, ge=1)
    input: Price | None = None
    cached: Price | None = None
    """Of prompt tokens that the service has seen before."""
    output: Price | None = None
    base_input: Price | None = None
    base_output: Price | None = None
    """Use of the base model, where it costs something else than use of the tuned one."""
    endpoint: Price | None = None
    """Of a machine of one's own that serves the tuned model, used or not."""
    endpoint_step: Literal["second", "minute", "hour"] = "hour"
    """Time on it is billed in whole ones of these."""
    storage: Price | None = None
    checkpoint_gb: Decimal | None = Field(default=None, ge=0)
    """Size of a tuned model; `None`: not known, and assumed by the quote."""
    minimum: Price | None = None
    """What a training job costs at least."""
    padding: Literal["none", "longest"] = "none"
    """`longest`: each example is billed as if it were as long as the longest one."""
    rounding_usd: Decimal = Field(default=Decimal("0.01"), gt=0)
    """Each charge is rounded up to a whole number of these."""
    n_epochs: int | None = Field(default=None, ge=1, le=50)
    """The profile's own number of passes; `None`: as the show says."""
    min_examples: int = Field(default=0, ge=0)
    open_to: str = ""
    """Who may still buy, in words; empty: anybody."""
    jobs_until: date | None = None
    """From this day on no new training is taken."""
    shutdown_on: date | None = None
    """From this day on the tuned model answers no more."""
    is_historical: bool = False
    """Nothing can be bought at this price any more; it can only be calculated with."""
    note: str = ""
    source: str
    read_on: date
    """Where only the month is known, its first day."""
    file: str = ""
    """Of the user, in which the row or a part of it stands; empty: as shipped."""

    @property
    def name(self) -> str:
        """`profile/model`, as a rung names it."""
        return f"{self.profile}/{self.model}"


class BillRow(Record):
    """What one paid job of a rung was quoted at, and what it did cost so far."""

    rung: str
    what: str
    """`training`, `validation`, `exam`, `storage`."""
    quoted_usd: Decimal | None
    """As the user said yes to it; `None`: it was in no quote."""
    charged_usd: Decimal
    refunded_usd: Decimal
    reserved_usd: Decimal
    """Set aside for charges that may still come."""
    sources: tuple[str, ...]
    """Where the charges were read: `job ftjob-1`."""
