"""Trainings at services, paid for once: all of a ladder side by side, each in the ledger before it is sent.

A job outlives the program. Whoever starts again finds the job by its mark and waits on; nothing is ordered twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from econchatr.errors import BudgetError, EconChatRError, ModelError, RefusedError
from econchatr.hosted.own_loop import OwnLoop
from econchatr.hosted.profiles import Profile
from econchatr.hosted.protocol import HostedJob, TrainingRequest, TrainingService
from econchatr.money.billing import apply_minimum, round_charge
from econchatr.money.ledger import Job, Ledger, Order
from econchatr.money.spending import OutsideCharge, collect_charges, pay_job
from econchatr.records import PriceRow

_N_UNREACHED: Final = 20
"""Polls in a row that may fail before a job is left to itself."""


class TrainingPrice(NamedTuple):
    """How a finished job is billed."""

    row: PriceRow
    untold_usd: Decimal
    """What is booked where the service does not tell the trained tokens: by our own count."""
    validation_usd: Decimal = Decimal(0)


class PaidTraining:
    """One training as the ledger pays for it: the `Service` of `econchatr.money.spending`."""

    def __init__(
        self, service: TrainingService, request: TrainingRequest | None, profile: Profile, price: TrainingPrice
    ) -> None:
        """Take a request to send, or `None` for a job that an earlier run sent."""
        self.service, self.profile = service, profile
        self._request, self._price = request, price
        if request is not None and isinstance(service, OwnLoop):
            service.know(request)
        self.last: HostedJob | None = None
        """The job as it was told last."""

    def estimate(self, order: Order) -> Decimal | None:
        """What the service itself says the job will cost."""
        return self.service.estimate(self._need_request(order.job_id))

    def find(self, job_id: str) -> str | None:
        """The service's id of the job that carries our id, with the service's name before it."""
        known = self.service.find(job_id)
        return None if known is None else self._outside(known)

    def send(self, order: Order) -> str:
        """Upload and start the job."""
        request = self._need_request(order.job_id)
        train_id = self.service.upload(request.train)
        validation_id = self.service.upload(request.validation) if request.validation else None
        return self._outside(self.service.create(request, train_id, validation_id))

    def state(self, outside_id: str) -> Literal["open", "done", "failed"]:
        """Whether the job may still be charged; asks the service."""
        job = self.look(outside_id)
        return "open" if not job.is_ended else "done" if job.state == "succeeded" else "failed"

    def list_charges(self, outside_id: str) -> Sequence[OutsideCharge]:
        """What an ended job costs, by the tokens the service says it trained on."""
        job = self.last or self.look(outside_id)
        if not job.is_ended or (job.state != "succeeded" and not job.n_trained_tokens):
            return ()
        row, n_tokens = self._price.row, job.n_trained_tokens
        if n_tokens is None or row.training is None:
            usd, source = self._price.untold_usd, f"job {outside_id}; tokens not told, by our own count"
        else:
            exact = row.training.usd_per_unit * n_tokens + self._price.validation_usd
            usd, source = apply_minimum(row, exact), f"job {outside_id}, {n_tokens:,} trained tokens"
        return (OutsideCharge(f"{outside_id}/training", round_charge(usd, row.rounding_usd), source),)

    def look(self, outside_id: str) -> HostedJob:
        """The job as it stands at the service."""
        self.last = self.service.poll(self.inside(outside_id))
        return self.last

    def inside(self, outside_id: str) -> str:
        """The service's id of a job without the service's name before it."""
        return outside_id.removeprefix(f"{self.profile.name}:")

    def price_whole(self, outside_id: str) -> Decimal | None:
        """What a job of our own loop will have cost when it is done, repeats too; `None`: it is no such job."""
        row = self._price.row
        if not isinstance(self.service, OwnLoop) or row.training is None:
            return None
        exact = row.training.usd_per_unit * self.service.count_to_pay(self.inside(outside_id))
        return round_charge(apply_minimum(row, exact), row.rounding_usd)

    def _outside(self, outside_id: str) -> str:
        return f"{self.profile.name}:{outside_id}"

    def _need_request(self, job_id: str) -> TrainingRequest:
        if self._request is None:
            raise BudgetError(f"job {job_id!r} is of an earlier order, which is not sent again.", hint="Order anew.")
        return self._request


class PlannedTraining(NamedTuple):
    """One rung's training, to be ordered and waited for."""

    order: Order
    paid: PaidTraining
    rung_usd: Decimal | None
    """What the rung's jobs may cost together; `None`: no such limit."""

    @property
    def rung(self) -> str:
        """Whose training it is."""
        return self.order.rung


class TrainingEnd(NamedTuple):
    """How a training came out."""

    rung: str
    job: HostedJob | None
    """`None`: it was not sent, or the service could not be asked."""
    error: EconChatRError | None
    """`None`: the model is tuned."""


def number_order(ledger: Ledger, key: str) -> str:
    """Our id of the next job for an order: the same until it failed, then one that was never sent.

    Args:
        key: Hash of everything that decides the result.
    """
    for number in range(1, 1000):
        job_id = f"{key}-{number}"
        known = ledger.find_job(job_id)
        if known is None or known.state != "failed":
            return job_id
    raise BudgetError(f"order {key} failed 999 times.", hint="Look at the service's own list of jobs.")


class TrainingDesk:
    """Orders trainings and waits for them."""

    def __init__(
        self,
        ledger: Ledger,
        tell: Callable[[str], None],
        *,
        show: Callable[[Sequence[Mapping[str, str]]], None] = lambda rows: None,
        budget_usd: Decimal | None,
        poll_seconds: float = 15.0,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger, self._tell, self._show, self._budget_usd = ledger, tell, show, budget_usd
        self._poll_seconds, self._sleep, self._now = poll_seconds, sleep, now
        self._told: dict[str, str] = {}
        self._began: dict[str, float] = {}
        self._n_unreached: dict[str, int] = {}

    def run(self, trainings: Sequence[PlannedTraining]) -> list[TrainingEnd]:
        """Send every training as soon as its service takes one more, and wait until each has ended.

        A training that fails does not stop the others. A stop by the user leaves the jobs running where they are.

        Raises:
            ShowFolderError: The ledger cannot be used.
        """
        waiting, running, ends = list(trainings), list[PlannedTraining](), list[TrainingEnd]()
        try:
            while waiting or running:
                for training in [one for one in waiting if self._has_place(one, running)]:
                    if self._has_place(training, running):
                        waiting.remove(training)
                        running.append(training)
                        self._keep(training, self._send(training), running, ends)
                self._show([self._draw(one) for one in (*running, *waiting)])
                if running:
                    self._sleep(self._poll_seconds)
                for training in list(running):
                    self._keep(training, self._ask(training), running, ends)
        except BaseException:
            self._tell_left(running)
            raise
        finally:
            self._show(())
        return ends

    def _draw(self, training: PlannedTraining) -> dict[str, str]:
        """How a training stands, for the table of all."""
        told, profile = training.paid.last, training.paid.profile
        began = told.created_at if told and told.created_at else self._began.get(training.order.job_id)
        minutes = "" if began is None else f"{max(0.0, self._now().timestamp() - began) / 60:,.0f}"
        return {
            "rung": training.rung,
            "service": profile.provider or profile.name,
            "state": told.word if told else "not sent yet",
            "minutes": minutes,
            "job": told.outside_id if told else "",
            "at most": f"${training.order.usd}",
        }

    def _has_place(self, training: PlannedTraining, running: Sequence[PlannedTraining]) -> bool:
        profile = training.paid.profile
        return sum(one.paid.profile.name == profile.name for one in running) < profile.max_jobs

    def _keep(
        self,
        training: PlannedTraining,
        end: TrainingEnd | None,
        running: list[PlannedTraining],
        ends: list[TrainingEnd],
    ) -> None:
        if end is None:
            return
        if isinstance(training.paid.service, OwnLoop) and (end.job is None or not end.job.is_ended):
            self._leave(training)
        running.remove(training)
        ends.append(end)

    def _send(self, training: PlannedTraining) -> TrainingEnd | None:
        """Order a training, or find it ordered; `None`: it runs."""
        try:
            self._cover(training)
            job = pay_job(
                self._ledger, training.order, training.paid, budget_usd=self._budget_usd, rung_usd=training.rung_usd
            )
        except (BudgetError, ModelError) as exc:
            return self._end_unsent(training, exc)
        return self._judge(training, job)

    def _end_unsent(self, training: PlannedTraining, error: EconChatRError) -> TrainingEnd | None:
        job = self._ledger.find_job(training.order.job_id)
        if job is not None and job.outside_id is not None and not isinstance(error, RefusedError):
            return None  # it was sent; only its state could not be read yet
        return TrainingEnd(training.rung, None, error)

    def _ask(self, training: PlannedTraining) -> TrainingEnd | None:
        """Ask after a job that was sent; `None`: it still runs."""
        key = training.order.job_id
        try:
            self._cover(training)
            job = collect_charges(self._ledger, key, training.paid)
        except BudgetError as exc:
            return TrainingEnd(training.rung, None, exc)
        except ModelError as exc:
            self._n_unreached[key] = self._n_unreached.get(key, 0) + 1
            if isinstance(exc, RefusedError) or self._n_unreached[key] >= _N_UNREACHED:
                hint = "The job may still run. Run again to ask after it; nothing is ordered twice."
                if isinstance(training.paid.service, OwnLoop):
                    hint = exc.hint
                return TrainingEnd(training.rung, None, ModelError(exc.message, hint=hint))
            return None
        self._n_unreached[key] = 0
        return self._judge(training, job)

    def _cover(self, training: PlannedTraining) -> None:
        """Set aside what a loop of our own sends again after a stop, beside what it was ordered for.

        Raises:
            BudgetError: The budget does not hold it; the job is kept, and stands still.
        """
        job = self._ledger.find_job(training.order.job_id)
        if job is None or job.outside_id is None or job.state != "open":
            return
        usd = training.paid.price_whole(job.outside_id)
        if usd is None or usd <= job.reserved_usd:
            return
        try:
            self._ledger.set_aside_more(job.job_id, usd, budget_usd=self._budget_usd, rung_usd=training.rung_usd)
        except BudgetError as exc:
            raise BudgetError(
                f"{training.rung}: with what is trained again after a stop it costs ${usd}, and ${job.reserved_usd} is "
                "set aside. The budget does not hold the difference, so it stands still. What was saved is kept.",
                hint=f"{exc.hint} Or give it up with `econchatr train --cancel`.",
            ) from exc
        self._tell(f"{training.rung}: ${usd} is set aside instead of ${job.reserved_usd}: some is trained again")

    def _leave(self, training: PlannedTraining) -> str:
        """Leave a job to itself; gives how it stands."""
        job, service = self._ledger.find_job(training.order.job_id), training.paid.service
        if job is None or job.outside_id is None:
            return "nothing is known to be sent yet"
        if isinstance(service, OwnLoop):
            return service.leave(training.paid.inside(job.outside_id))
        return f"job {job.outside_id} runs on at the service"

    def _judge(self, training: PlannedTraining, job: Job) -> TrainingEnd | None:
        """How a job stands by what the service said last."""
        told = training.paid.last
        if told is None and job.outside_id is not None:
            try:
                told = training.paid.look(job.outside_id)
            except ModelError as exc:
                return TrainingEnd(training.rung, None, exc)
        if told is None:
            return None
        self._tell_change(training, told)
        if not told.is_ended:
            return self._check_deadline(training, told)
        error = None if told.state == "succeeded" else _explain(training, told)
        if error is None and told.tuned_model is None:
            error = ModelError(
                f"{training.rung}: job {told.outside_id} is done, but the service names no model.",
                hint="Look at the job in the service's console.",
            )
        return TrainingEnd(training.rung, told, error)

    def _check_deadline(self, training: PlannedTraining, told: HostedJob) -> TrainingEnd | None:
        now = self._now().timestamp()
        began = told.created_at or self._began.setdefault(training.order.job_id, now)
        hours = (now - began) / 3600
        if hours <= training.paid.profile.max_hours:
            return None
        return TrainingEnd(
            training.rung,
            told,
            ModelError(
                f"{training.rung}: job {told.outside_id} is still {told.word!r} after {hours:,.0f} hours.",
                hint="Look at it in the service's console. Cancel it with `econchatr train --cancel`, or raise "
                "max_hours in profiles.toml and run again. What it may cost stays set aside.",
            ),
        )

    def _tell_change(self, training: PlannedTraining, told: HostedJob) -> None:
        where = training.paid.profile.provider or training.paid.profile.name
        line = f"{training.rung}: {told.word} at {where} (job {told.outside_id})"
        if told.state == "unknown":
            line += "; a word this program does not know, taken as running"
        # Of a loop of our own each save is told; its progress stands in the table.
        known = told.state if isinstance(training.paid.service, OwnLoop) else line
        if self._told.get(training.rung) != known:
            self._told[training.rung] = known
            self._tell(line)

    def _tell_left(self, running: Sequence[PlannedTraining]) -> None:
        for training in running:
            self._tell(f"{training.rung}: {self._leave(training)}")
        if running:
            self._tell("run again to go on with them; `econchatr train --cancel` gives them up")


def _explain(training: PlannedTraining, told: HostedJob) -> ModelError:
    cost = f"{told.n_trained_tokens:,} tokens were trained and are charged" if told.n_trained_tokens else (
        "no trained token is told, so nothing is booked: look at the service's own bill"
    )  # fmt: skip
    why = f": {told.error}" if told.error else ""
    return ModelError(
        f"{training.rung}: job {told.outside_id} {told.word}{why.rstrip('.')}; {cost}.",
        hint="Mend what it names and run again: that orders a new job, within what is left of the budget.",
    )


def cancel_training(job: Job, paid: PaidTraining, ledger: Ledger) -> HostedJob | None:
    """Ask the service to stop an open job, and write down what the job costs so far.

    Returns:
        The job as it stands; `None`: it was never sent, and what was set aside is free again.

    Raises:
        ModelError: The service fails, or refuses.
    """
    outside_id = job.outside_id or paid.find(job.job_id)
    if outside_id is None:
        ledger.close_job(job.job_id, "released")
        return None
    if job.outside_id is None:
        ledger.attach(job.job_id, outside_id)
    # Services refuse to cancel what has ended. A loop of our own does not, and would begin if it were asked after.
    if isinstance(paid.service, OwnLoop) or not paid.look(outside_id).is_ended:
        paid.service.cancel(paid.inside(outside_id))
    collect_charges(ledger, job.job_id, paid)
    return paid.last
