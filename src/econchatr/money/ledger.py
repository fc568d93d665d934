"""The ledger of one show: quotes, paid jobs, charges with their sources, and refunds, in one SQLite file.

Money is reserved before a job is sent. The reservation stays within the budget across processes (`BEGIN IMMEDIATE`).
A charge is written once, under the id that the service gave it, and is never changed or deleted. Amounts are whole
picodollars (10^-12), because SQLite has no decimals and a price per token must be exact.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from econchatr.errors import BudgetError, ShowFolderError
from econchatr.money.billing import round_charge
from econchatr.money.quote import Cost, Quote
from econchatr.records import BillRow

LEDGER_NAME = "ledger.sqlite"

_VERSION = 1
_BUSY_SECONDS = 30.0
_PICO = 10**12

_SCHEMA = (
    """CREATE TABLE quotes (
      quote_id TEXT PRIMARY KEY NOT NULL,
      made_at TEXT NOT NULL,
      accepted_at TEXT,
      body TEXT NOT NULL
    )""",
    """CREATE TABLE jobs (
      job_id TEXT PRIMARY KEY NOT NULL,
      quote_id TEXT REFERENCES quotes (quote_id),
      rung TEXT NOT NULL,
      what TEXT NOT NULL,
      reserved_picousd INTEGER NOT NULL CHECK (typeof(reserved_picousd) = 'integer' AND reserved_picousd >= 0),
      state TEXT NOT NULL CHECK (state IN ('open', 'done', 'failed', 'released')),
      outside_id TEXT UNIQUE,
      made_at TEXT NOT NULL,
      closed_at TEXT
    )""",
    """CREATE TABLE charges (
      outside_id TEXT PRIMARY KEY NOT NULL,
      job_id TEXT NOT NULL REFERENCES jobs (job_id),
      picousd INTEGER NOT NULL CHECK (typeof(picousd) = 'integer' AND picousd >= 0),
      source TEXT NOT NULL,
      made_at TEXT NOT NULL
    )""",
    """CREATE TABLE refunds (
      outside_id TEXT PRIMARY KEY NOT NULL,
      charge_id TEXT NOT NULL REFERENCES charges (outside_id),
      picousd INTEGER NOT NULL CHECK (typeof(picousd) = 'integer' AND picousd > 0),
      source TEXT NOT NULL,
      made_at TEXT NOT NULL
    )""",
    *(
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{table} stay'); END"
        for table in ("charges", "refunds")
        for verb in ("UPDATE", "DELETE")
    ),
    """CREATE VIEW sums AS
      SELECT job_id, rung, what, state, reserved_picousd,
        (SELECT COALESCE(SUM(picousd), 0) FROM charges WHERE charges.job_id = jobs.job_id) AS charged_picousd,
        (SELECT COALESCE(SUM(refunds.picousd), 0) FROM refunds JOIN charges ON charge_id = charges.outside_id
          WHERE charges.job_id = jobs.job_id) AS refunded_picousd
      FROM jobs""",
)

_COMMITTED = """
SELECT COALESCE(SUM(
  CASE WHEN state = 'open' THEN MAX(reserved_picousd, charged_picousd - refunded_picousd)
  ELSE charged_picousd - refunded_picousd END), 0)
FROM sums
"""


class Order(NamedTuple):
    """A job about to be paid for."""

    job_id: str
    """Ours, the same each time the same thing is ordered: that is how nothing is paid for twice."""
    rung: str
    what: Cost
    usd: Decimal
    """What it may cost at worst; set aside until the job is closed."""
    quote_id: str | None = None


class Job(NamedTuple):
    """A job as the ledger has it."""

    job_id: str
    rung: str
    what: str
    reserved_usd: Decimal
    state: Literal["open", "done", "failed", "released"]
    outside_id: str | None
    """The service's own id; `None`: not sent, or not known to have been."""


class KeptQuote(NamedTuple):
    """A quote the user has seen."""

    quote: Quote
    made_at: str
    accepted_at: str | None
    """`None`: the user did not say yes to it."""


class Ledger:
    """One show's ledger, opened; a context manager that closes the file."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Open the ledger at a path, and make it if it is not there.

        Raises:
            ShowFolderError: It cannot be opened, is damaged, or of a newer version of the program.
        """
        self.path = path
        self._now = now
        with self._explain_errors():
            # Transactions are begun by hand: the module's own would begin too late to keep two writers apart.
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Ledger:
        """The ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._db.close()

    # --- quotes -------------------------------------------------------------------------------------------------------

    def keep_quote(self, quote: Quote) -> str:
        """Write down that the user saw a quote; the same one again only moves to the end. Returns its id."""
        with self._write():
            self._db.execute(
                "INSERT INTO quotes (quote_id, made_at, body) VALUES (?, ?, ?)"
                " ON CONFLICT (quote_id) DO UPDATE SET made_at = excluded.made_at",
                (quote.quote_id, self._stamp_last(), quote.model_dump_json()),
            )
        return quote.quote_id

    def accept_quote(self, quote_id: str) -> None:
        """Write down that the user said yes to a quote."""
        with self._write():
            self._db.execute("UPDATE quotes SET accepted_at = ? WHERE quote_id = ?", (self._stamp_last(), quote_id))

    def last_quote(self, *, accepted: bool = False) -> KeptQuote | None:
        """The quote seen last, or accepted last; `None`: none, or only by a version that wrote it otherwise."""
        order = "accepted_at IS NOT NULL ORDER BY accepted_at" if accepted else "1 ORDER BY made_at"
        row = self._read(f"SELECT body, made_at, accepted_at FROM quotes WHERE {order} DESC, rowid DESC LIMIT 1")
        try:
            return KeptQuote(Quote.model_validate_json(row[0][0]), *row[0][1:]) if row else None
        except ValidationError:
            return None

    def is_accepted(self, quote_id: str) -> bool:
        """Whether the user said yes to this very quote."""
        return bool(self._read("SELECT 1 FROM quotes WHERE quote_id = ? AND accepted_at IS NOT NULL", quote_id))

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def reserve(self, order: Order, *, budget_usd: Decimal | None, rung_usd: Decimal | None = None) -> Job:
        """Set money aside for a job, or find the job already there; never more than the budget, whoever else spends.

        A job that is not known to have been sent is ordered anew: at a higher price more is set aside, if the budget
        allows it. At a lower price the sum stays, for the job may have been sent at the old one.

        Args:
            budget_usd: For all jobs of the show together; `None`: no such limit.
            rung_usd: For the rung's jobs together; `None`: no such limit.

        Raises:
            BudgetError: It would exceed a limit, or there is none.
            ShowFolderError: The amount cannot be written: below zero, above $9,000,000, or no number.
        """
        if budget_usd is None and rung_usd is None:
            raise BudgetError(
                f"no budget for {order.rung!r}.", hint="Set budget_usd or the rung's max_usd in show.toml."
            )
        _to_pico(order.usd)  # what is no amount is refused before it is compared with a limit
        with self._write():
            known = self.find_job(order.job_id)
            is_open = known is not None and known.state == "open" and known.outside_id is None
            if known is not None and known.state != "released" and not is_open:
                return known
            more = order.usd - known.reserved_usd if known is not None and is_open else order.usd
            if known is not None and is_open and more <= 0:
                return known
            self._check_limit(more, budget_usd, "the show", "budget_usd")
            self._check_limit(more, rung_usd, f"rung {order.rung!r}", "its max_usd", rung=order.rung)
            self._db.execute(
                "INSERT INTO jobs (job_id, quote_id, rung, what, reserved_picousd, state, made_at)"
                " VALUES (?, ?, ?, ?, ?, 'open', ?)"
                # A job that was given up before it was sent, or is ordered at a higher price.
                " ON CONFLICT (job_id) DO UPDATE SET state = 'open', closed_at = NULL,"
                " reserved_picousd = excluded.reserved_picousd, quote_id = excluded.quote_id",
                (order.job_id, order.quote_id, order.rung, order.what, _to_pico(order.usd), self._stamp()),
            )
        return Job(order.job_id, order.rung, order.what, order.usd, "open", None)

    def set_aside_more(
        self, job_id: str, usd: Decimal, *, budget_usd: Decimal | None, rung_usd: Decimal | None = None
    ) -> None:
        """Raise what is set aside for an open job that was sent, if it is less than that; nothing is ever taken back.

        Raises:
            BudgetError: It would exceed a limit.
        """
        with self._write():
            known = self.find_job(job_id)
            if known is None or known.state != "open" or usd <= known.reserved_usd:
                return
            self._check_limit(usd - known.reserved_usd, budget_usd, "the show", "budget_usd")
            who = f"rung {known.rung!r}"
            self._check_limit(usd - known.reserved_usd, rung_usd, who, "its max_usd", rung=known.rung)
            self._db.execute("UPDATE jobs SET reserved_picousd = ? WHERE job_id = ?", (_to_pico(usd), job_id))

    def attach(self, job_id: str, outside_id: str) -> None:
        """Write down the service's id of a job that was sent."""
        with self._write():
            self._db.execute("UPDATE jobs SET outside_id = ? WHERE job_id = ?", (outside_id, job_id))

    def close_job(self, job_id: str, state: Literal["done", "failed", "released"]) -> None:
        """No more charges are expected: what is still set aside becomes free."""
        with self._write():
            self._db.execute(
                "UPDATE jobs SET state = ?, closed_at = ? WHERE job_id = ?", (state, self._stamp(), job_id)
            )

    def find_job(self, job_id: str) -> Job | None:
        """The job with our id."""
        return next(iter(self._jobs("job_id = ?", job_id)), None)

    def list_open_jobs(self) -> list[Job]:
        """Jobs that may still be charged, oldest first: what a run asks after before it sends anything."""
        return self._jobs("state = 'open' ORDER BY made_at, rowid")

    def _jobs(self, where: str, *values: object) -> list[Job]:
        rows = self._read(
            f"SELECT job_id, rung, what, reserved_picousd, state, outside_id FROM jobs WHERE {where}", *values
        )
        return [Job(row[0], row[1], row[2], _to_usd(row[3]), row[4], row[5]) for row in rows]

    # --- money --------------------------------------------------------------------------------------------------------

    def charge(self, job_id: str, outside_id: str, usd: Decimal, *, source: str) -> bool:
        """Write a charge down, once; false: it stood there already.

        A charge that was made is written even where it exceeds what was set aside: the ledger tells what happened.

        Raises:
            ShowFolderError: The same charge stands there with another amount.
        """
        with self._write():
            query = "SELECT picousd, job_id FROM charges WHERE outside_id = ?"
            if self._is_written(query, outside_id, (_to_pico(usd), job_id)):
                return False
            self._db.execute(
                "INSERT INTO charges VALUES (?, ?, ?, ?, ?)", (outside_id, job_id, _to_pico(usd), source, self._stamp())
            )
        return True

    def refund(self, charge_id: str, outside_id: str, usd: Decimal, *, source: str) -> bool:
        """Write a refund of a charge down, once; false: it stood there already.

        Raises:
            ShowFolderError: No such charge, more than was charged, or the same refund with another amount.
        """
        with self._write():
            query = "SELECT picousd, charge_id FROM refunds WHERE outside_id = ?"
            if self._is_written(query, outside_id, (_to_pico(usd), charge_id)):
                return False
            (left,) = self._db.execute(
                "SELECT (SELECT COALESCE(SUM(picousd), -1) FROM charges WHERE outside_id = :id)"
                " - (SELECT COALESCE(SUM(picousd), 0) FROM refunds WHERE charge_id = :id)",
                {"id": charge_id},
            ).fetchone()
            if _to_pico(usd) > left:
                raise ShowFolderError(
                    f"{self.path}: a refund of ${usd} for {charge_id!r}, of which ${_to_usd(max(left, 0))} are left.",
                    hint="Compare the ledger with the service's own bill.",
                )
            self._db.execute(
                "INSERT INTO refunds VALUES (?, ?, ?, ?, ?)",
                (outside_id, charge_id, _to_pico(usd), source, self._stamp()),
            )
        return True

    def _is_written(self, query: str, outside_id: str, told: tuple[int, str]) -> bool:
        """Whether a charge or a refund stands there already; refused where it stands with another amount."""
        known: tuple[int, str] | None = self._db.execute(query, (outside_id,)).fetchone()
        if known is not None and known != told:
            raise ShowFolderError(
                f"{self.path}: {outside_id!r} stands there as ${_to_usd(known[0])} for {known[1]!r}, "
                f"and is now told as ${_to_usd(told[0])} for {told[1]!r}.",
                hint="Compare the ledger with the service's own bill.",
            )
        return known is not None

    def committed_usd(self, rung: str = "") -> Decimal:
        """What is spent or set aside, refunds taken off: of the whole show, or of one rung."""
        return _to_usd(self._read(f"{_COMMITTED} WHERE rung = ?1 OR ?1 = ''", rung)[0][0])

    def bill(self) -> tuple[BillRow, ...]:
        """What each rung was quoted, is charged so far and may still be, per kind of cost; empty: nothing to tell."""
        kept = self.last_quote(accepted=True)
        quoted: dict[tuple[str, str], Decimal | None] = {
            (rung.rung, line.what): line.usd
            for rung in (kept.quote.rungs if kept else ())
            if rung.is_charged
            for line in rung.lines
        }
        rows = self._read(
            "SELECT rung, what, SUM(charged_picousd), SUM(refunded_picousd), SUM(CASE WHEN state = 'open' THEN"
            " MAX(reserved_picousd - charged_picousd + refunded_picousd, 0) ELSE 0 END) FROM sums GROUP BY rung, what"
        )
        sums: dict[tuple[str, str], tuple[int, int, int]] = {(row[0], row[1]): row[2:] for row in rows}
        sources: dict[tuple[str, str], list[str]] = {}
        for rung, what, source in self._read(
            "SELECT DISTINCT rung, what, source FROM charges JOIN jobs USING (job_id) ORDER BY charges.rowid"
        ):
            sources.setdefault((rung, what), []).append(source)
        return tuple(
            BillRow(
                rung=key[0],
                what=key[1],
                quoted_usd=quoted.get(key),
                charged_usd=_to_usd(charged),
                refunded_usd=_to_usd(refunded),
                reserved_usd=_to_usd(reserved),
                sources=tuple(sources.get(key, ())),
            )
            for key in dict.fromkeys([*quoted, *sums])
            for charged, refunded, reserved in [sums.get(key, (0, 0, 0))]
        )

    # --- inside -------------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        self._use_wal()
        # In WAL mode only FULL flushes at every commit: a power cut must not take a charge back.
        self._db.execute("PRAGMA synchronous = FULL")
        if self._version() == 0:
            with self._write():
                if self._version() == 0:  # nobody else was quicker
                    for statement in _SCHEMA:
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {_VERSION}")
        if self._version() != _VERSION:
            raise ShowFolderError(
                f"{self.path} is a ledger of version {self._version()}; this program writes version {_VERSION}.",
                hint="Update econchatr.",
            )

    def _use_wal(self) -> None:
        # Changing the mode does not wait for others as everything else does.
        end = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc) or time.monotonic() > end:
                    raise
                time.sleep(0.01)
            else:
                return

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _write(self) -> Iterator[None]:
        """One transaction that no other writer can come between; undone as a whole if the block fails."""
        with self._explain_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _read(self, query: str, *values: object) -> list[Any]:
        with self._explain_errors():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise ShowFolderError(
                f"the ledger {self.path} cannot be used: {exc}.",
                hint="It says what was paid: do not delete it. Free some space, or put back a copy that is whole.",
            ) from exc

    def _check_limit(self, usd: Decimal, limit: Decimal | None, who: str, key: str, *, rung: str = "") -> None:
        if limit is None:
            return
        committed = self.committed_usd(rung)
        if committed + usd > limit:
            raise BudgetError(
                f"{who} has spent or set aside ${committed} of ${limit}; ${usd} more would exceed it. "
                "Nothing was uploaded.",
                hint=f"Raise {key} in show.toml, or ask for less.",
            )

    def _stamp(self) -> str:
        return self._now().isoformat(timespec="microseconds")

    def _stamp_last(self) -> str:
        """A time behind that of every quote, though the clock was set back since: quotes are ordered by these times."""
        last = self._read("SELECT MAX(MAX(made_at, COALESCE(accepted_at, ''))) FROM quotes")[0][0] or ""
        now = self._stamp()
        if now > last:
            return now
        return (datetime.fromisoformat(last) + timedelta(microseconds=1)).isoformat(timespec="microseconds")


def _to_pico(usd: Decimal) -> int:
    """Whole picodollars, rounded up: the ledger is never short, not by a millionth of a cent."""
    amount = int((usd * _PICO).to_integral_value(ROUND_CEILING)) if usd.is_finite() else -1
    if not 0 <= amount < 2**63:
        raise ShowFolderError(f"${usd} cannot be written into a ledger.", hint="Amounts are from $0 to $9,000,000.")
    return amount


def _to_usd(picousd: int) -> Decimal:
    # Rounding by a picodollar rounds nothing; it gives the amount at least its cents.
    return round_charge(Decimal(picousd) / _PICO, Decimal(1) / _PICO)
