"""Pay for a job so that a kill at any moment neither loses a charge nor pays twice.

The steps: reserve the money; ask the service whether it knows the job already; send the job; write down its id; collect
its charges until no more can come. After a kill, the next process finds the job in the ledger and asks the service
again. The service is an argument (`Service`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from filelock import FileLock, Timeout

from econchatr.errors import BudgetError, RefusedError, ShowFolderError
from econchatr.money.ledger import Job, Ledger, Order

_SEND_SECONDS = 600


class OutsideCharge(NamedTuple):
    """A charge or a refund as the service tells it."""

    outside_id: str
    """The service's own, never used again for another: `openai:ftjob-1`."""
    usd: Decimal
    source: str
    """Where it was read, for people: `job ftjob-1, trained_tokens`."""
    refund_of: str = ""
    """The charge that is given back; empty: this is a charge."""


class Service(Protocol):
    """What paying asks of a hosted service; `openai_compat` and others give it for real ones."""

    def estimate(self, order: Order) -> Decimal | None:
        """What the service itself says the job will cost; `None`: it does not say.

        Raises:
            RefusedError: The service would not take it.
        """

    def find(self, job_id: str) -> str | None:
        """The service's id of the job that carries our id; `None`: it never got it. Must not be guessed."""

    def send(self, order: Order) -> str:
        """Upload and start the job, marked with our id; gives the service's id.

        Raises:
            RefusedError: The service did not take it, and nothing was made.
        """

    def list_charges(self, outside_id: str) -> Sequence[OutsideCharge]:
        """Every charge and refund of a job so far."""

    def state(self, outside_id: str) -> Literal["open", "done", "failed"]:
        """Whether more charges may come, and if not, how it ended."""


def pay_job(
    ledger: Ledger, order: Order, service: Service, *, budget_usd: Decimal | None, rung_usd: Decimal | None = None
) -> Job:
    """Order a job once, however often this is called for it, and write down what it cost so far.

    Returns:
        The job; while it is open, `collect_charges` asks again.

    Raises:
        BudgetError: It does not fit the budget, or the service now asks for more than was quoted; nothing is ordered.
        RefusedError: The service did not take it; what was set aside is free again.
    """
    job = ledger.reserve(order, budget_usd=budget_usd, rung_usd=rung_usd)
    if job.state != "open":
        return job
    if job.outside_id is None:
        with _sending(ledger):
            # Anew: another run may have sent it, or given it up, while this one waited.
            job = ledger.reserve(order, budget_usd=budget_usd, rung_usd=rung_usd)
            if job.outside_id is None:
                ledger.attach(job.job_id, _send_once(ledger, order, service))
    return collect_charges(ledger, order.job_id, service)


def settle_job(ledger: Ledger, job: Job, service: Service) -> Job:
    """Find out what became of a job that an earlier run left open: collect its charges, or give it up if never sent."""
    if job.outside_id is None:
        with _sending(ledger):
            known = service.find(job.job_id)
            if known is None:
                ledger.close_job(job.job_id, "released")
                return job._replace(state="released")
            ledger.attach(job.job_id, known)
    return collect_charges(ledger, job.job_id, service)


def collect_charges(ledger: Ledger, job_id: str, service: Service) -> Job:
    """Write down every charge and refund of a sent job, and close it when no more can come."""
    job = ledger.find_job(job_id)
    if job is None or job.outside_id is None:
        raise BudgetError(f"job {job_id!r} was not sent.", hint="Order it again.")
    # The state first: a charge that comes after the list was read would otherwise be missed for good.
    state = service.state(job.outside_id)
    told = service.list_charges(job.outside_id)
    for charge in told:
        if not charge.refund_of:
            ledger.charge(job_id, charge.outside_id, charge.usd, source=charge.source)
    for refund in told:
        if refund.refund_of:
            ledger.refund(refund.refund_of, refund.outside_id, refund.usd, source=refund.source)
    if state != "open":
        ledger.close_job(job_id, state)
    return job._replace(state=state)


def _send_once(ledger: Ledger, order: Order, service: Service) -> str:
    """Send a job unless the service has it already."""
    known = service.find(order.job_id)
    if known is not None:
        return known
    try:
        told = service.estimate(order)
    except RefusedError:
        ledger.close_job(order.job_id, "released")
        raise
    if told is not None and told > order.usd:
        ledger.close_job(order.job_id, "released")
        raise BudgetError(
            f"{order.rung}, {order.what}: the service now asks ${told}, the quote said ${order.usd} at most. "
            "Nothing was ordered.",
            hint="Look at `econchatr quote`; put the new price into prices.toml in the show's folder, or raise "
            "budget_usd or the rung's max_usd in show.toml.",
        )
    try:
        return service.send(order)
    except RefusedError:
        ledger.close_job(order.job_id, "released")
        raise


@contextmanager
def _sending(ledger: Ledger) -> Iterator[None]:
    """Only one run at a time finds that a job was not sent, and sends it."""
    try:
        with FileLock(f"{ledger.path}.lock", timeout=_SEND_SECONDS):
            yield
    except Timeout as exc:
        raise ShowFolderError(
            f"another run has been sending a job of {ledger.path} for {_SEND_SECONDS} s.",
            hint="Wait for it, or stop it.",
        ) from exc
