"""The back end for Together: its `fine-tunes`, which estimate a price before a job is made.

Source: the package `together` 3.1.1, read, not installed: it holds other versions of what this program needs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from econchatr.errors import InputError, ModelError, RefusedError
from econchatr.hosted.ordering import NO_ID, order_once, shorten_mark
from econchatr.hosted.protocol import HostedJob, HostedState, JobEvent, TrainingRequest
from econchatr.hosted.service_calls import CallFault, ServiceCalls, plain_request, read_time
from econchatr.models.engines.openai_client import ServedAddress
from econchatr.tables import hash_file

_N_FILE_POLLS: Final = 60
_UPLOAD_SECONDS: Final = 600.0
_STATES: Final[dict[str, HostedState]] = {
    **dict.fromkeys(("pending", "queued"), "waiting"),
    **dict.fromkeys(("running", "compressing", "uploading", "cancel_requested"), "running"),
    "completed": "succeeded",
    **dict.fromkeys(("error", "user_error"), "failed"),
    "cancelled": "cancelled",
}
_LORA: Final = ("lora_r", "lora_alpha", "lora_dropout")
_METHOD: Final = {"method": "sft", "train_on_inputs": False}


class TogetherTraining:
    """Together, by its profile."""

    def __init__(self, calls: ServiceCalls, key: str) -> None:
        self._calls, self._key = calls, key

    def probe(self, model: str) -> Sequence[str]:
        """Ask for key, rights and the model's limits; see `TrainingService`."""
        self._calls.check_open()
        try:
            self._calls.read("its jobs", plain_request("GET", "/fine-tunes"))
            limits = self._calls.read(
                f"limits of {model}", plain_request("GET", "/fine-tunes/models/limits", params={"model_name": model})
            )
        except RefusedError as exc:
            raise InputError(f"{exc.message} Nothing was uploaded.", hint=exc.hint) from exc
        rate, bounds = self._calls.profile.hyperparameters.get("learning_rate"), []
        for name, is_beyond in (("min_learning_rate", float.__lt__), ("max_learning_rate", float.__gt__)):
            bound = limits.get(name)
            if isinstance(rate, float) and isinstance(bound, int | float) and is_beyond(rate, float(bound)):
                bounds.append(f"{name} {bound}")
        if bounds:
            raise InputError(
                f"{model} cannot be trained at Together with learning_rate {rate}: {', '.join(bounds)}. "
                "Nothing was uploaded.",
                hint="Change hyperparameters of the profile together in profiles.toml.",
            )
        return []

    def estimate(self, request: TrainingRequest) -> Decimal | None:
        """What Together says the job will cost; the files are uploaded for it, no job is made.

        Raises:
            RefusedError: The account may not pay that much, or Together finds the files wrong.
        """
        body: dict[str, Any] = {
            "model": request.model,
            "training_file": self.upload(request.train),
            "n_epochs": request.hyperparameters["n_epochs"],
            "training_method": _METHOD,
            "training_type": _lora(request),
        }
        if request.validation:
            body |= {"validation_file": self.upload(request.validation), "n_evals": body["n_epochs"]}
        told = self._calls.read("its estimate", plain_request("POST", "/fine-tunes/estimate-price", body=body))
        if told.get("estimation_available") is False:
            return None
        price = told.get("estimated_total_price")
        if told.get("allowed_to_proceed") is False:
            raise RefusedError(
                f"Together estimates ${price}, more than the account may spend (${told.get('user_limit')}). "
                "No job was made.",
                hint="Add credit there, or give the rung a smaller max_usd, and run again.",
            )
        return Decimal(str(price)) if isinstance(price, int | float) and not isinstance(price, bool) else None

    # --- files

    def upload(self, path: Path) -> str:
        """Send a file; Together knows one that it has by its checksum."""
        form = {
            "purpose": "fine-tune",
            "file_name": f"econchatr-{hash_file(path)[:32]}.jsonl",
            "file_type": "jsonl",
            "checksum": hash_file(path),
        }
        sent = self._calls.send(plain_request("POST", "/files", body=form, is_form=True))
        if isinstance(sent, CallFault) and sent.status == 409:
            return self._wait_for_file(_known_file(sent) or self._find_file(form["file_name"]))
        if isinstance(sent, CallFault):
            raise self._calls.error(f"upload of {path.name}", sent)
        place, file_id = sent.headers.get("location", ""), sent.headers.get("x-together-file-id", "")
        if not file_id.replace("-", "").isalnum() or not self._may_upload_to(place):
            told = f"names no place to upload to: {place[:80]!r}"
            raise self._calls.error("an upload", CallFault(None, told, is_passing=True, may_have_arrived=True))
        self._put(path, place)
        self._calls.read("an upload", plain_request("POST", f"/files/{file_id}/preprocess", body={}))
        return self._wait_for_file(file_id)

    def _may_upload_to(self, place: str) -> bool:
        """Whether the file may go there: a web address, and as well protected as the service's own."""
        schemes = {"https", urlsplit(self._calls.profile.base_url).scheme}
        return urlsplit(place).scheme in schemes and bool(urlsplit(place).hostname)

    def _put(self, path: Path, place: str) -> None:
        """Send the bytes to the storage that was named; it gets no key."""
        try:
            with path.open("rb") as file:
                answer = httpx2.put(
                    place,
                    content=file,
                    headers={"Content-Length": str(path.stat().st_size)},
                    timeout=_UPLOAD_SECONDS,
                    trust_env=False,
                    follow_redirects=False,
                )
            answer.raise_for_status()
        except httpx2.HTTPError as exc:
            raise ModelError(
                f"{path.name} could not be uploaded: {type(exc).__name__}.", hint="Run again; nothing was ordered."
            ) from exc

    def _find_file(self, name: str) -> str:
        rows = self._calls.read("its files", plain_request("GET", "/files")).get("data")
        found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        for row in found:
            if row.get("filename") == name and isinstance(row.get("id"), str):
                return str(row["id"])
        raise ModelError("Together says that it has the file, and does not list it.", hint="Run again later.")

    def _wait_for_file(self, file_id: str) -> str:
        """The id once Together has looked at every line."""
        for _ in range(_N_FILE_POLLS):
            row = self._calls.read("a file", plain_request("GET", f"/files/{file_id}"))
            status, report = row.get("processing_status"), row.get("validation_report")
            if status in ("FAILED", "INVALID_FORMAT"):
                told = report.get("error") if isinstance(report, dict) else None
                told = self._calls.clean(str(told or "it does not say why"))
                raise RefusedError(f"Together refuses the file {file_id}: {told}.", hint="Mend the training file.")
            if status not in ("PENDING", "QUEUED", "RUNNING"):
                return file_id
            self._calls.sleep(5)
        raise ModelError(f"Together is not done with the file {file_id}.", hint="Run again later.")

    # --- jobs

    def create(self, request: TrainingRequest, train_id: str, validation_id: str | None) -> str:
        """Start a job once. A lost answer is looked for by our mark, never sent again."""
        body = _write_order(request, train_id, validation_id)

        def send() -> str | CallFault:
            answer = self._calls.attempt(plain_request("POST", "/fine-tunes", body=body))
            if isinstance(answer, CallFault):
                return answer
            return str(answer["id"]) if isinstance(answer.get("id"), str) else NO_ID

        return order_once(self._calls, send, lambda: self.find(request.mark))

    def find(self, mark: str) -> str | None:
        """The job whose suffix, or whose model's name, holds our mark."""
        rows = self._calls.read("its jobs", plain_request("GET", "/fine-tunes")).get("data")
        short = shorten_mark(mark)
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and isinstance(row.get("id"), str):
                name = row.get("model_output_name") or row.get("output_name")
                if row.get("suffix") == short or (isinstance(name, str) and short in name):
                    return str(row["id"])
        return None

    def poll(self, outside_id: str) -> HostedJob:
        """The job as it stands."""
        return self._parse(self._calls.read("a job", plain_request("GET", f"/fine-tunes/{outside_id}")), outside_id)

    def events(self, outside_id: str) -> Sequence[JobEvent]:
        """What Together tells of it, oldest first."""
        rows = self._calls.read("events", plain_request("GET", f"/fine-tunes/{outside_id}/events")).get("data")
        told = [
            JobEvent(
                read_time(row.get("created_at")) or 0,
                self._calls.words(row.get("level")),
                self._calls.words(row.get("message")),
            )
            for row in (rows if isinstance(rows, list) else ())
            if isinstance(row, dict)
        ]
        return sorted(told, key=lambda event: event.at)

    def cancel(self, outside_id: str) -> HostedJob:
        """Ask Together to stop a job."""
        answer = self._calls.read("a cancellation", plain_request("POST", f"/fine-tunes/{outside_id}/cancel", body={}))
        return self._parse(answer, outside_id)

    def _parse(self, row: dict[str, Any], outside_id: str) -> HostedJob:
        word = self._calls.words(row.get("status"))
        if row.get("id") != outside_id or not word:
            raise self._calls.odd_job(outside_id, row)
        state = _STATES.get(word.casefold(), "unknown")
        name = row.get("model_output_name") or row.get("output_name")
        return HostedJob(
            outside_id=outside_id,
            state=state,
            word=word,
            tuned_model=self._calls.words(name) or None if state == "succeeded" else None,
            # `token_count` is told without saying whether it counts all epochs, `total_price` without its unit: both
            # are recorded, and the bill is by our own count.
            n_trained_tokens=None,
            hyperparameters=json.dumps(
                {key: row[key] for key in _RESOLVED if row.get(key) is not None}, sort_keys=True
            ),
            error=self._read_error(row) if state == "failed" else "",
            result_files=(outside_id,) if state == "succeeded" else (),
            uploaded_files=tuple(one for one in (row.get("training_file"), row.get("validation_file")) if one),
            created_at=read_time(row.get("created_at")),
        )

    def _read_error(self, row: dict[str, Any]) -> str:
        """The last thing that was told of a failed job: its row has no reason of its own."""
        events = row.get("events")
        told = [one.get("message") for one in events if isinstance(one, dict)] if isinstance(events, list) else []
        return self._calls.words(told[-1]) if told else ""

    # --- afterwards

    def address(self, model: str) -> ServedAddress:
        """Where a base or tuned model is asked."""
        return ServedAddress(self._calls.profile.base_url, model, self._key)

    def download(self, job: HostedJob, folder: Path) -> Sequence[Path]:
        """Fetch the adapter of a finished job, whole or not at all."""
        if not self._calls.profile.downloads:
            return []
        path = folder / "adapter.tar.zst"
        if not path.is_file():
            self._calls.fetch("/finetune/download", path, params={"ft_id": job.outside_id, "checkpoint": "adapter"})
        return [path]

    def tear_down(self, job: HostedJob) -> None:
        """Delete the uploaded files; whatever is gone already is no fault."""
        for file_id in job.uploaded_files:
            self._calls.attempt(plain_request("DELETE", f"/files/{file_id}"))


_RESOLVED: Final = (
    "n_epochs", "batch_size", "learning_rate", "lr_scheduler", "warmup_ratio", "weight_decay", "max_grad_norm",
    "training_type", "training_method", "packing", "n_checkpoints", "n_evals", "random_seed", "token_count",
    "total_price",
)  # fmt: skip


def _lora(request: TrainingRequest) -> dict[str, Any]:
    given = {name: request.hyperparameters[name] for name in _LORA if name in request.hyperparameters}
    return {"type": "Lora", "lora_trainable_modules": "all-linear", "lora_dropout": 0.0, **given}


def _write_order(request: TrainingRequest, train_id: str, validation_id: str | None) -> dict[str, Any]:
    """The order as Together takes it, with everything written out that it would choose itself."""
    plain = {name: value for name, value in request.hyperparameters.items() if name not in _LORA}
    order: dict[str, Any] = {
        "model": request.model,
        "training_file": train_id,
        "training_type": _lora(request),
        "training_method": _METHOD,
        "lr_scheduler": {"lr_scheduler_type": "cosine", "lr_scheduler_args": {"min_lr_ratio": 0.0, "num_cycles": 0.5}},
        "n_checkpoints": 1,
        "n_evals": plain["n_epochs"] if validation_id else 0,
        "random_seed": request.seed,
        "suffix": shorten_mark(request.mark),
        **plain,
    }
    return order | {"validation_file": validation_id} if validation_id else order


def _known_file(fault: CallFault) -> str:
    """The id of the file that Together has already, as its refusal tells it; empty: it does not."""
    try:
        told = json.loads(fault.body).get("file_id")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return told if isinstance(told, str) and told.replace("-", "").isalnum() else ""
