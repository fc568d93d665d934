"""Prices and bills. No price is computed here."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import Field

from econchatr.records.base import Record

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
