"""The back end for Fireworks: datasets and jobs under names of our own, so that nothing is made twice.

The profile's address ends with the account: `https://api.fireworks.ai/v1/accounts/NAME`.

Source: the package `fireworks-ai` 1.2.30, read, not installed: it holds other versions of what this program needs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from econchatr.errors import InputError, ModelError, RefusedError
from econchatr.hosted.ordering import NO_ID, order_once
from econchatr.hosted.protocol import HostedJob, HostedState, JobEvent, TrainingRequest
from econchatr.hosted.service_calls import CallFault, ServiceCalls, plain_request, read_time
from econchatr.models.engines.openai_client import ServedAddress
from econchatr.tables import hash_file

_JOBS: Final = "/supervisedFineTuningJobs"
_MAX_UPLOAD_BYTES: Final = 150_000_000
"""Of one request; larger files would go another way, which no rung of ours comes near."""
_N_FILE_POLLS: Final = 60
_STATES: Final[dict[str, HostedState]] = {
    **dict.fromkeys(("CREATING", "CREATING_INPUT_DATASET", "VALIDATING", "PENDING", "RE_QUEUEING", "IDLE"), "waiting"),
    **dict.fromkeys(("RUNNING", "WRITING_RESULTS", "CANCELLING"), "running"),
    "PAUSED": "paused",
    **dict.fromkeys(("COMPLETED", "EARLY_STOPPED"), "succeeded"),
    **dict.fromkeys(("FAILED", "EXPIRED", "DELETING", "DELETING_CLEANING_UP"), "failed"),
    "CANCELLED": "cancelled",
}
_NAMES: Final = {
    "n_epochs": "epochs",
    "learning_rate": "learningRate",
    "lora_rank": "loraRank",
    "batch_size": "batchSizeSamples",
    "max_context_length": "maxContextLength",
}
"""Our names of hyperparameters and the service's; others are sent as they are."""


class FireworksTraining:
    """Fireworks, by its profile."""

    def __init__(self, calls: ServiceCalls, key: str) -> None:
        self._calls, self._key = calls, key
        self._account = urlsplit(calls.profile.base_url).path.rstrip("/").removeprefix("/v1/")
        """`accounts/NAME`."""

    def probe(self, model: str) -> Sequence[str]:
        """Ask for key, rights and model; see `TrainingService`."""
        self._calls.check_open()
        if not self._account.startswith("accounts/") or not model.startswith("accounts/"):
            raise InputError(
                f"Fireworks needs an account in base_url and a base as accounts/fireworks/models/NAME, not {model!r}. "
                "Nothing was uploaded.",
                hint='Write base_url = "https://api.fireworks.ai/v1/accounts/NAME" into profiles.toml; change `base`.',
            )
        try:
            self._calls.read("its jobs", plain_request("GET", _JOBS, params={"pageSize": 1}))
            row = self._calls.read(f"the model {model}", plain_request("GET", self._top(model)))
        except RefusedError as exc:
            raise InputError(f"{exc.message} Nothing was uploaded.", hint=exc.hint) from exc
        if row.get("tunable") is False:
            raise InputError(f"Fireworks cannot train {model}. Nothing was uploaded.", hint="Name another base.")
        return []

    def _top(self, name: str) -> str:
        """The whole address of a resource that is not of this account."""
        return f"{self._calls.profile.base_url.rstrip('/').removesuffix(self._account)}{name}"

    def estimate(self, request: TrainingRequest) -> None:
        """Fireworks estimates a job only when it is made: `create` holds that estimate against the quote."""
        return

    # --- files

    def upload(self, path: Path) -> str:
        """Send a file as a dataset under a name that holds its hash, or find it there; a half one is deleted."""
        if path.stat().st_size > _MAX_UPLOAD_BYTES:
            raise InputError(
                f"{path} has more than {_MAX_UPLOAD_BYTES:,} bytes, which Fireworks takes in no single request.",
                hint="Give the rung a smaller budget.",
            )
        name = f"econchatr-{hash_file(path)[:32]}"
        known = self._calls.attempt(plain_request("GET", f"/datasets/{name}"))
        if isinstance(known, CallFault) and known.status != 404:
            raise self._calls.error("its datasets", known)
        if isinstance(known, dict) and known.get("state") != "READY":
            self._calls.attempt(plain_request("DELETE", f"/datasets/{name}"))
        if isinstance(known, CallFault) or known.get("state") != "READY":
            self._send_dataset(path, name)
        return f"{self._account}/datasets/{name}"

    def _send_dataset(self, path: Path, name: str) -> None:
        data = path.read_bytes()
        n_lines = sum(bool(line.strip()) for line in data.splitlines())
        dataset = {"exampleCount": str(n_lines), "format": "CHAT", "userUploaded": {}}
        made = self._calls.attempt(plain_request("POST", "/datasets", body={"datasetId": name, "dataset": dataset}))
        if isinstance(made, CallFault) and not made.may_have_arrived and made.status != 409:
            raise self._calls.error(f"upload of {path.name}", made)
        sent = self._calls.attempt(
            plain_request("POST", f"/datasets/{name}:upload", file=(f"{name}.jsonl", data), body={})
        )
        if isinstance(sent, CallFault) and not sent.may_have_arrived:
            raise self._calls.error(f"upload of {path.name}", sent)
        self._wait_for_dataset(name)

    def _wait_for_dataset(self, name: str) -> None:
        for _ in range(_N_FILE_POLLS):
            row = self._calls.read("a dataset", plain_request("GET", f"/datasets/{name}"))
            code, told = _read_status(row)
            if row.get("state") == "READY":
                return
            if code not in ("", "OK"):
                raise RefusedError(
                    f"Fireworks refuses the dataset {name}: {self._calls.clean(told or code)}.",
                    hint="Mend the training file.",
                )
            self._calls.sleep(5)
        raise ModelError(f"Fireworks is not done with the dataset {name}.", hint="Run again later.")

    # --- jobs

    def create(self, request: TrainingRequest, train_id: str, validation_id: str | None) -> str:
        """Start a job once, under our own id; one that would cost more than was quoted is cancelled at once."""
        job_id = _name_job(request.mark)
        order = {
            "dataset": train_id,
            "baseModel": request.model,
            "displayName": job_id,
            "outputModel": f"{self._account}/models/{job_id}",
            "earlyStop": False,
            "evalAutoCarveout": False,
            **{_NAMES.get(name, name): value for name, value in request.hyperparameters.items()},
            **({"evaluationDataset": validation_id} if validation_id else {}),
        }

        def send() -> str | CallFault:
            answer = self._calls.attempt(
                plain_request("POST", _JOBS, body=order, params={"supervisedFineTuningJobId": job_id})
            )
            if isinstance(answer, CallFault):
                return answer
            return job_id if isinstance(answer.get("name"), str) else NO_ID

        made = order_once(self._calls, send, lambda: self.find(request.mark))
        self._hold_to_quote(made, request.worst_usd)
        return made

    def _hold_to_quote(self, job_id: str, worst_usd: Decimal) -> None:
        told = _read_money(self._calls.read("a job", plain_request("GET", f"{_JOBS}/{job_id}")).get("estimatedCost"))
        if told is None or told <= worst_usd:
            return
        self.cancel(job_id)
        raise ModelError(
            f"Fireworks estimates ${told}, the quote said ${worst_usd} at most: the job {job_id} was cancelled.",
            hint="Put the new price into prices.toml in the show's folder, and look at `econchatr quote`.",
        )

    def find(self, mark: str) -> str | None:
        """The job under our id."""
        job_id = _name_job(mark)
        answer = self._calls.attempt(plain_request("GET", f"{_JOBS}/{job_id}"))
        if isinstance(answer, CallFault):
            if answer.status == 404:
                return None
            raise self._calls.error("a job", answer)
        return job_id if self._parse(answer, job_id).state != "failed" or not _is_deleted(answer) else None

    def poll(self, outside_id: str) -> HostedJob:
        """The job as it stands."""
        return self._parse(self._calls.read("a job", plain_request("GET", f"{_JOBS}/{outside_id}")), outside_id)

    def events(self, outside_id: str) -> Sequence[JobEvent]:
        """Fireworks tells no events."""
        return []

    def cancel(self, outside_id: str) -> HostedJob:
        """Ask Fireworks to stop a job."""
        self._calls.read("a cancellation", plain_request("POST", f"{_JOBS}/{outside_id}:cancel", body={}))
        return self.poll(outside_id)

    def _parse(self, row: dict[str, Any], outside_id: str) -> HostedJob:
        name, word = row.get("name"), self._calls.words(row.get("state"))
        if not isinstance(name, str) or not name.endswith(f"/{outside_id}") or not word:
            raise self._calls.odd_job(outside_id, row)
        state = _STATES.get(word.removeprefix("JOB_STATE_"), "unknown")
        code, told = _read_status(row)
        return HostedJob(
            outside_id=outside_id,
            state=state,
            word=word,
            tuned_model=self._calls.words(row.get("outputModel")) or None if state == "succeeded" else None,
            n_trained_tokens=None,  # Told nowhere: the bill is by our own count.
            hyperparameters=json.dumps(
                {key: row[key] for key in _RESOLVED if row.get(key) is not None}, sort_keys=True
            ),
            error=self._calls.words(told or code) if state == "failed" else "",
            result_files=(),
            uploaded_files=tuple(
                one for one in (row.get("dataset"), row.get("evaluationDataset")) if isinstance(one, str) and one
            ),
            created_at=read_time(row.get("createTime")),
        )

    # --- afterwards

    def address(self, model: str) -> ServedAddress:
        """Where a base or tuned model is asked."""
        return ServedAddress(self._top("inference/v1"), model, self._key)

    def download(self, job: HostedJob, folder: Path) -> Sequence[Path]:
        """Nothing: the weights are fetched file by file with Fireworks' own tools."""
        return []

    def tear_down(self, job: HostedJob) -> None:
        """Delete the datasets; whatever is gone already is no fault."""
        for name in job.uploaded_files:
            self._calls.attempt(plain_request("DELETE", f"/datasets/{name.rsplit('/', 1)[-1]}"))


_RESOLVED: Final = (
    "epochs", "learningRate", "learningRateWarmupSteps", "loraRank", "batchSize", "batchSizeSamples",
    "gradientAccumulationSteps", "maxContextLength", "optimizerWeightDecay", "earlyStop", "estimatedCost",
)  # fmt: skip


def _name_job(mark: str) -> str:
    return f"econchatr-{mark}"


def _is_deleted(row: dict[str, Any]) -> bool:
    return str(row.get("state")).startswith("JOB_STATE_DELETING")


def _read_status(row: dict[str, Any]) -> tuple[str, str]:
    """Code and message of what a resource says of itself; empty: nothing."""
    status = row.get("status")
    if not isinstance(status, dict):
        return "", ""
    return str(status.get("code") or ""), str(status.get("message") or "")


def _read_money(cost: object) -> Decimal | None:
    """US dollars of a price in whole units and billionths; `None`: not told, or in another currency."""
    if not isinstance(cost, dict) or cost.get("currencyCode") not in (None, "", "USD"):
        return None
    try:
        return Decimal(str(cost.get("units") or 0)) + Decimal(str(cost.get("nanos") or 0)) / 10**9
    except InvalidOperation:
        return None
