"""Trainings that are bought: every hosted rung whose service this program can train at, all of them side by side."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from econchatr.errors import BudgetError, EconChatRError, InputError, ModelError
from econchatr.hosted.own_loop import LoopWork
from econchatr.hosted.paid_training import (
    PaidTraining,
    PlannedTraining,
    TrainingDesk,
    TrainingEnd,
    TrainingPrice,
    cancel_training,
    number_order,
)
from econchatr.hosted.profiles import PROFILES_NAME, Profile, find_profile
from econchatr.hosted.protocol import HostedJob, TrainingRequest, TrainingService
from econchatr.hosted.service_calls import ServiceCalls, need_key
from econchatr.hosted.services import open_service
from econchatr.hosted.training_files import check_training_file
from econchatr.money.billing import TokenUsage, bill_dearest_usage, bill_training, bill_validation
from econchatr.money.ledger import LEDGER_NAME, Job, Ledger, Order
from econchatr.money.spending import settle_job
from econchatr.pipeline.served import HOSTED_PART
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Made, Narrator, Stage
from econchatr.records import HostedTuning
from econchatr.tables import MANIFEST_NAME, hash_file, hash_settings, write_bytes

_FILES: Final = ("train", "dev")
_MAX_METADATA_CHARS: Final = 512
_LOOP: Final = "loop"
"""Folder, inside a trained rung's, of the journals of loops that run in this program."""
_JOB_NAME: Final = "job.txt"
"""Whose downloads lie beside it, by the service's id of the job."""
POLL_SECONDS = 15.0
"""Between two questions after a job."""


def list_bought(show: Show, rung: str = "") -> list[Rung]:
    """The hosted rungs that can be trained: of one rung, or of the ladder.

    Raises:
        InputError: A profiles.toml is wrong.
    """
    return [one for one in show.hosted_rungs if rung in ("", one.name) and one.profile is not None]


def tell_unbought(show: Show, rung: str = "") -> Iterator[str]:
    """Why each other hosted rung is priced only."""
    for one in show.hosted_rungs:
        if rung in ("", one.name) and one.profile is None:
            why = "nothing can be bought at a historical price" if one.price().is_historical else (
                f"no profile {one.config.price.partition('/')[0]!r} in {PROFILES_NAME} says how to train there"
            )  # fmt: skip
            yield f"{one.name}: {why}; the run uploads nothing and is charged nothing for it"


def _profile(rung: Rung) -> Profile:
    """The rung's service, with an address.

    Raises:
        InputError: The user has to write the address first.
    """
    return find_profile(rung.config.price.partition("/")[0], [rung.profile] if rung.profile else [])


def _model(rung: Rung) -> str:
    """The base as the service calls it: the rung's `base`, or the second part of its price."""
    base = rung.config.base
    return rung.price().model if base == "embedded" or Path(base).expanduser().exists() else base


# --- ordering ---------------------------------------------------------------------------------------------------------


def order_trainings(show: Show, rungs: Sequence[Rung], narrator: Narrator) -> dict[str, EconChatRError]:
    """Train all these rungs at their services, side by side; gives the errors of those that failed.

    Raises:
        InputError: A key, a right, a model or a line of a training file is wrong; before anything is sent.
        BudgetError: No accepted quote holds one of them.
    """
    if not rungs:
        return {}
    with Ledger(show.root / LEDGER_NAME) as ledger:
        plans = [_plan(rung, ledger, narrator) for rung in rungs]
        for rung, plan in zip(rungs, plans, strict=True):
            known = ledger.find_job(plan.order.job_id)
            if known is None or known.outside_id is None:
                _check_before_sending(rung, plan, narrator)
        _settle_earlier(show, ledger, {plan.order.job_id for plan in plans}, narrator)
        ends = _open_desk(show, ledger, narrator).run(plans)
    failed = {end.rung: end.error for end in ends if end.error is not None}
    for error in failed.values():
        narrator.note(f"{error.message} {error.hint}")
    return failed


def _settle_earlier(show: Show, ledger: Ledger, ordered: AbstractSet[str], narrator: Narrator) -> None:
    """Book what became of the jobs of earlier orders: what was changed since is ordered anew, and they are not."""
    for job, paid in _list_open(show, ledger, narrator):
        if job.job_id in ordered:
            continue
        name = f"{job.rung}: job {job.outside_id or 'not known to be sent'} of an earlier order"
        try:
            state = settle_job(ledger, job, paid).state
        except ModelError as exc:
            narrator.note(f"{name} could not be asked after: {exc.message}")
            continue
        told = {
            "open": "is still open; `econchatr train --cancel` gives it up",
            "released": "was never sent; what was set aside for it is free again",
        }
        narrator.note(f"{name} {told.get(state, 'has ended; what it cost is booked')}")


def _open_desk(show: Show, ledger: Ledger, narrator: Narrator) -> TrainingDesk:
    return TrainingDesk(
        ledger, narrator.note, show=narrator.table, budget_usd=show.config.budget_usd, poll_seconds=POLL_SECONDS
    )


def _check_before_sending(rung: Rung, plan: PlannedTraining, narrator: Narrator) -> None:
    """Hold key, rights, model, dates and every line against the service, before a cent is spent."""
    profile, folder = plan.paid.profile, rung.folder("select")
    if profile.api == "tinker" and not rung.base.path.exists():
        raise InputError(
            f"{rung.name}: what is sent to {profile.provider or profile.name} is token ids, and the tokenizer of "
            f"{rung.config.base} is not on this machine. Nothing was sent.",
            hint="Take `tokenizer` away from the rung: its base's own then counts, whose small files are read from the "
            'hub once (weights = "auto" under [train]). Or name a folder that holds them as its `base`.',
        )
    check_training_file(folder / "train.chat.jsonl", profile, rung.tokenizer.count)
    if _has_validation(rung, profile):
        check_training_file(folder / "dev.chat.jsonl", profile, rung.tokenizer.count, is_validation=True)
    for warning in plan.paid.service.probe(_model(rung)):
        narrator.note(f"{rung.name}: {warning}")
    if rung.is_asked and bill_dearest_usage(rung.price(), TokenUsage(1, 1), is_tuned=True) is None:
        narrator.note(
            f"{rung.name}: {rung.price().name} has no price of use, so it is trained, and asked only when input and "
            "output stand in prices.toml in the show's folder"
        )


def _has_validation(rung: Rung, profile: Profile) -> bool:
    return profile.has_validation and bool(rung.examples("dev"))


def _plan(rung: Rung, ledger: Ledger, narrator: Narrator) -> PlannedTraining:
    """The order of a rung's training: the same each time, until the service failed it."""
    profile, folder = _profile(rung), rung.folder("select")
    order_id = number_order(ledger, hash_settings([rung.show.config.show.name, rung.name, _describe(rung)])[:32])
    worst_usd, quote_id = _find_worst(rung, ledger)
    request = TrainingRequest(
        mark=order_id,
        model=_model(rung),
        train=folder / "train.chat.jsonl",
        validation=folder / "dev.chat.jsonl" if _has_validation(rung, profile) else None,
        hyperparameters=_hyperparameters(rung),
        seed=rung.show.config.train.seed,
        worst_usd=worst_usd,
        metadata=tuple(_tell_rights(rung)) if profile.tells_rights else (),
    )
    order = Order(order_id, rung.name, "training", worst_usd, quote_id)
    paid = PaidTraining(
        _open_service(profile, _work(rung, narrator)), request, profile, _price(rung, profile, worst_usd)
    )
    return PlannedTraining(order, paid, rung.config.max_usd)


def _tell_rights(rung: Rung) -> Iterator[tuple[str, str]]:
    """Whose voice a job trains and on what ground, as our own server reads it in the job's metadata."""
    if rights := rung.show.config.rights:
        yield "voice", rights.voice[:_MAX_METADATA_CHARS]
        yield "rights", rights.ground[:_MAX_METADATA_CHARS]


def _open_service(profile: Profile, work: LoopWork) -> TrainingService:
    key = need_key(profile, dict(os.environ))
    return open_service(ServiceCalls(profile, key, today=datetime.now(UTC).date()), key, work)


def _work(rung: Rung, narrator: Narrator) -> LoopWork:
    """What a loop of our own needs, where the service has no jobs."""
    price = rung.price().training
    return LoopWork(
        folder=rung.folder("train") / _LOOP,
        encode=lambda: rung.encode(rung.examples("train")),
        usd_per_token=price.usd_per_unit if price else None,
        tell=lambda message: narrator.note(f"{rung.name}: {message}"),
    )


def _find_worst(rung: Rung, ledger: Ledger) -> tuple[Decimal, str]:
    """What training and validation may cost at worst by the quote that the user accepted, and its id."""
    kept = ledger.last_quote(accepted=True)
    quoted = next((one for one in kept.quote.rungs if one.rung == rung.name), None) if kept else None
    lines = [line for line in quoted.lines if line.what in ("training", "validation")] if quoted else []
    if kept is None or not lines or any(line.worst_usd is None for line in lines):
        raise BudgetError(
            f"{rung.name}: no accepted quote says what its training may cost. Nothing was uploaded.",
            hint=f"Look at `econchatr quote {rung.show.root}`, then `econchatr run {rung.show.root}`.",
        )
    return sum((line.worst_usd for line in lines if line.worst_usd is not None), Decimal(0)), kept.quote.quote_id


def _price(rung: Rung, profile: Profile, worst_usd: Decimal) -> TrainingPrice:
    row, n_epochs = rung.price(), rung.n_epochs
    n_validated = sum(one.n_billed_tokens for one in rung.examples("dev")) if _has_validation(rung, profile) else 0
    validation = bill_validation(row, n_tokens=n_validated, n_epochs=n_epochs) or Decimal(0)
    own = bill_training(row, n_tokens=rung.selection().n_tokens, n_epochs=n_epochs)
    return TrainingPrice(row, worst_usd if own is None else min(own + validation, worst_usd), validation)


# --- what came of it --------------------------------------------------------------------------------------------------


def _train_hosted(rung: Rung, narrator: Narrator) -> Made:
    """Record a training that `order_trainings` bought; alone, order it and wait for it."""
    with Ledger(rung.show.root / LEDGER_NAME) as ledger:
        plan = _plan(rung, ledger, narrator)
        (end,) = _open_desk(rung.show, ledger, narrator).run([plan])
        job = _need_job(end)
        folder = rung.folder("train") / HOSTED_PART
        _keep_files_of(job, rung, folder)
        paths = plan.paid.service.download(job, folder)
        bill = next((row for row in ledger.bill() if (row.rung, row.what) == (rung.name, "training")), None)
        if not ledger.list_open_jobs():
            plan.paid.service.tear_down(job)
    tuning = HostedTuning(
        rung=rung.name,
        service=plan.paid.profile.name,
        base_model=_model(rung),
        tuned_model=job.tuned_model or "",
        outside_job=job.outside_id,
        our_job=plan.order.job_id,
        selection_sha256=rung.selection().sha256,
        asked=json.dumps(_describe(rung), sort_keys=True),
        resolved=job.hyperparameters,
        n_billed_tokens=job.n_trained_tokens,
        charged_usd=str(bill.charged_usd) if bill else None,
    )
    counts = {"billed tokens": job.n_trained_tokens or 0}
    return Made({"hosted": [tuning]}, tuple(path.name for path in paths), counts)


def _keep_files_of(job: HostedJob, rung: Rung, folder: Path) -> None:
    """Take away what was downloaded of another job: what is there is not downloaded again.

    The mark is written before anything comes. A service may delete its files once they are here, so files of this very
    job have to stay, whenever the program was killed.
    """
    mark, own = folder / _JOB_NAME, {"hosted.parquet", MANIFEST_NAME}
    known = mark.read_text(encoding="utf-8") if mark.is_file() else ""
    if not known and (folder / "hosted.parquet").is_file():  # downloaded before there were marks
        known = rung.show.table(folder / "hosted.parquet", HostedTuning)[0].outside_job
    for path in folder.iterdir() if folder.is_dir() and known != job.outside_id else ():
        if path.is_file() and path.name not in own and not path.name.startswith("."):
            path.unlink()
    write_bytes(mark, job.outside_id.encode())


def _need_job(end: TrainingEnd) -> HostedJob:
    if end.error is not None:
        raise end.error
    if end.job is None:
        raise ModelError(f"{end.rung}: the service tells nothing of its job.", hint="Run again later.")
    return end.job


def _hyperparameters(rung: Rung) -> dict[str, bool | int | float | str]:
    """What every job is sent: the profile's, with the epochs that were quoted."""
    return {**_profile(rung).hyperparameters, "n_epochs": rung.n_epochs}


def _describe(rung: Rung) -> dict[str, object]:
    """Everything that decides what a service trains."""
    profile, folder = _profile(rung), rung.folder("select")
    files = {name: folder / f"{name}.chat.jsonl" for name in ("train", "dev")}
    return {
        "service": profile.name,
        "model": _model(rung),
        "hyperparameters": _hyperparameters(rung),
        "body": profile.body,
        "seed": rung.show.config.train.seed,
        **{name: hash_file(path) if path.is_file() else "" for name, path in files.items()},
    }


HOSTED_TRAIN = Stage[Rung](
    "train",
    part=HOSTED_PART,
    version=1,
    settings={"service": lambda rung: {key: value for key, value in _describe(rung).items() if key not in _FILES}},
    inputs=lambda rung: {f"{name} examples": str(_describe(rung)[name]) for name in _FILES},
    reads=("select", "profiles.toml"),
    writes={"hosted": HostedTuning},
    do=_train_hosted,
)


# --- jobs that run on -------------------------------------------------------------------------------------------------


def tell_open_jobs(show: Show) -> list[str]:
    """What still runs at a service by the ledger, without asking anybody.

    Raises:
        ShowFolderError: The ledger cannot be used.
    """
    path = show.root / LEDGER_NAME
    if not path.is_file():
        return []
    with Ledger(path) as ledger:
        return [
            f"{job.rung}: {job.what} job {job.outside_id or 'not known to be sent'} is open, "
            f"${job.reserved_usd} set aside; `econchatr run {show.root}` picks it up"
            for job in ledger.list_open_jobs()
        ]


def cancel_hosted(show: Show, narrator: Narrator) -> list[HostedJob]:
    """Ask every service to stop what it still trains for the show, and book what that costs.

    Raises:
        InputError: A key is missing.
        ModelError: A service fails; all others were asked.
    """
    told, faults = list[HostedJob](), list[ModelError]()
    with Ledger(show.root / LEDGER_NAME) as ledger:
        for job, paid in _list_open(show, ledger, narrator):
            try:
                ended = cancel_training(job, paid, ledger)
            except ModelError as exc:  # the others are to be stopped all the same
                narrator.note(f"{job.rung}: job {job.outside_id or 'not known to be sent'}: {exc.message}")
                faults.append(exc)
                continue
            if ended is not None:
                narrator.note(f"job {ended.outside_id}: {ended.word}")
                told.append(ended)
    if faults:
        raise faults[0]
    return told


def _list_open(show: Show, ledger: Ledger, narrator: Narrator) -> list[tuple[Job, PaidTraining]]:
    """The open trainings of the show's rungs, each with what asks after it at the rung's service."""
    rungs, found = {rung.name: rung for rung in list_bought(show)}, []
    for job in ledger.list_open_jobs():
        if job.what != "training" or job.rung not in rungs:
            continue
        service = _profile(rungs[job.rung]).name
        if job.outside_id is None or job.outside_id.startswith(f"{service}:"):
            found.append((job, _ask_after(rungs[job.rung], job, narrator)))
    return found


def _ask_after(rung: Rung, job: Job, narrator: Narrator) -> PaidTraining:
    profile = _profile(rung)
    return PaidTraining(
        _open_service(profile, _work(rung, narrator)), None, profile, TrainingPrice(rung.price(), job.reserved_usd)
    )
