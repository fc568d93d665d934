"""The back end for services that speak OpenAI's `files` and `fine_tuning/jobs`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from econchatr.errors import InputError, ModelError, RefusedError
from econchatr.hosted.ordering import NO_ID, order_once, shorten_mark
from econchatr.hosted.protocol import HostedJob, HostedState, JobEvent, TrainingRequest
from econchatr.hosted.service_calls import CallFault, ServiceCalls
from econchatr.models.engines.openai_client import ServedAddress
from econchatr.tables import hash_file

MARK: Final = "econchatr"
"""Key of the metadata that holds our id of a job."""

_N_UPLOADS: Final = 3
_N_FILE_POLLS: Final = 60
_N_EVENTS: Final = 200

_STATES: Final[dict[str, HostedState]] = {
    **dict.fromkeys(("validating_files", "queued", "pending", "created", "notrunning"), "waiting"),
    **dict.fromkeys(("running", "pausing", "resuming", "cancelling", "canceling"), "running"),
    "paused": "paused",
    **dict.fromkeys(("succeeded", "completed"), "succeeded"),
    **dict.fromkeys(("failed", "error", "expired"), "failed"),
    **dict.fromkeys(("cancelled", "canceled"), "cancelled"),
}


class OpenAITraining:
    """A service that trains through OpenAI's API, by its profile."""

    def __init__(self, calls: ServiceCalls, key: str) -> None:
        self._calls, self._key = calls, key

    def probe(self, model: str) -> Sequence[str]:
        """Ask for key, rights and model; see `TrainingService`."""
        self._calls.check_open()
        try:
            self._calls.read("its jobs", lambda client: client.fine_tuning.jobs.with_raw_response.list(limit=1))
            rows = list(self._calls.pages("its models", lambda client, _: client.models.with_raw_response.list()))
        except RefusedError as exc:
            raise InputError(f"{exc.message} Nothing was uploaded.", hint=exc.hint) from exc
        found = next((row for row in rows if row.get("id") == model), None)
        if rows and found is None:
            known = ", ".join(str(row.get("id")) for row in rows[:8])
            raise InputError(
                f"{self._calls.profile.provider} has no model {self._calls.clean(model)!r}. Nothing was uploaded.",
                hint=self._calls.clean(f"Change the rung's model. It lists: {known}"),
            )
        return self._warn(model, found or {})

    def _warn(self, model: str, row: dict[str, Any]) -> list[str]:
        """What to know of a model that is there; refused where it is shut down already."""
        told = row.get("shutdown_date")
        try:
            day = date.fromisoformat(told) if isinstance(told, str) else None
        except ValueError:
            day = None
        if day is not None and day <= self._calls.today:
            raise InputError(
                f"{self._calls.profile.provider} shut {model!r} down on {day}. Nothing was uploaded.",
                hint="Name another model.",
            )
        return [f"{model} is shut down on {day}"] if day else []

    def estimate(self, request: TrainingRequest) -> None:
        """These services have no estimate."""
        return

    # --- files

    def upload(self, path: Path) -> str:
        """Send a file under a name that holds its hash, or find it there; a half one is never used."""
        name, n_bytes, data = f"{MARK}-{hash_file(path)[:32]}.jsonl", path.stat().st_size, path.read_bytes()
        fault: CallFault | None = None
        for n_tried in range(1, _N_UPLOADS + 1):
            if known := self._find_file(name, n_bytes):
                return self._wait_for_file(known)
            answer = self._calls.attempt(
                lambda client: client.files.with_raw_response.create(file=(name, data), purpose="fine-tune")
            )
            if isinstance(answer, dict):
                continue  # found in the list on the next turn, with its size
            fault = answer
            if not answer.is_passing:
                break
            self._calls.wait(answer, n_tried)
        if known := self._find_file(name, n_bytes):
            return self._wait_for_file(known)
        gone = CallFault(None, "does not list the file it took", is_passing=True, may_have_arrived=True)
        raise self._calls.error(f"upload of {path.name}", fault or gone)

    def _find_file(self, name: str, n_bytes: int) -> str | None:
        rows = self._calls.pages(
            "its files", lambda client, after: client.files.with_raw_response.list(purpose="fine-tune", **after)
        )
        for row in rows:
            is_whole = row.get("bytes") == n_bytes and row.get("status") not in ("error", "failed", "deleted")
            if row.get("filename") == name and is_whole and isinstance(row.get("id"), str):
                return str(row["id"])
        return None

    def _wait_for_file(self, file_id: str) -> str:
        """The id once the service has looked at the file."""
        for _ in range(_N_FILE_POLLS):
            row = self._calls.read("a file", lambda client: client.files.with_raw_response.retrieve(file_id))
            if row.get("status") in ("error", "failed"):
                told = self._calls.clean(str(row.get("status_details") or "it does not say why"))
                raise RefusedError(f"the service refuses the file {file_id}: {told}.", hint="Mend the training file.")
            if row.get("status") not in ("pending", "running", "uploading"):
                return file_id
            self._calls.sleep(5)
        raise ModelError(f"the service is not done with the file {file_id}.", hint="Run again later.")

    # --- jobs

    def create(self, request: TrainingRequest, train_id: str, validation_id: str | None) -> str:
        """Start a job once. A lost answer is looked for by our mark, never sent again."""

        def send() -> str | CallFault:
            answer = self._calls.attempt(lambda client: self._create(client, request, train_id, validation_id))
            if isinstance(answer, CallFault):
                return answer
            return str(answer["id"]) if isinstance(answer.get("id"), str) else NO_ID

        return order_once(self._calls, send, lambda: self.find(request.mark))

    def _create(self, client: Any, request: TrainingRequest, train_id: str, validation_id: str | None) -> Any:
        profile = self._calls.profile
        more: dict[str, Any] = {"validation_file": validation_id} if validation_id else {}
        if profile.mark == "metadata":
            more["metadata"] = {**dict(request.metadata), MARK: request.mark}
        return client.fine_tuning.jobs.with_raw_response.create(
            model=request.model,
            training_file=train_id,
            method={"type": "supervised", "supervised": {"hyperparameters": dict(request.hyperparameters)}},
            suffix=shorten_mark(request.mark),
            seed=request.seed,
            extra_body=dict(profile.body) or None,
            **more,
        )

    def find(self, mark: str) -> str | None:
        """The job with our mark. Rows are looked at one by one, for a service may pass over the filter."""
        rows = self._calls.pages(
            "its jobs", lambda client, after: client.fine_tuning.jobs.with_raw_response.list(limit=100, **after)
        )
        for row in rows:
            if self._is_marked(row, mark) and isinstance(row.get("id"), str):
                return str(row["id"])
        return None

    def _is_marked(self, row: dict[str, Any], mark: str) -> bool:
        if self._calls.profile.mark == "metadata":
            metadata = row.get("metadata")
            return isinstance(metadata, dict) and metadata.get(MARK) == mark
        short = shorten_mark(mark)
        tuned = row.get("fine_tuned_model")
        return row.get("suffix") == short or (isinstance(tuned, str) and short in tuned)

    def poll(self, outside_id: str) -> HostedJob:
        """The job as it stands."""
        return self._parse(
            self._calls.read("a job", lambda client: client.fine_tuning.jobs.with_raw_response.retrieve(outside_id)),
            outside_id,
        )

    def events(self, outside_id: str) -> Sequence[JobEvent]:
        """The newest two hundred events, oldest first."""
        page = self._calls.read(
            "events",
            lambda client: client.fine_tuning.jobs.with_raw_response.list_events(outside_id, limit=_N_EVENTS),
        )
        rows = [row for row in page.get("data") or () if isinstance(row, dict)]
        told = [
            JobEvent(
                _count(row.get("created_at")) or 0, str(row.get("level") or ""), self._calls.words(row.get("message"))
            )
            for row in rows
        ]
        return sorted(told, key=lambda event: event.at)

    def cancel(self, outside_id: str) -> HostedJob:
        """Ask the service to stop a job."""
        answer = self._calls.read(
            "a cancellation", lambda client: client.fine_tuning.jobs.with_raw_response.cancel(outside_id)
        )
        return self._parse(answer, outside_id)

    def _parse(self, row: dict[str, Any], outside_id: str) -> HostedJob:
        word = self._calls.words(row.get("status"))
        if row.get("id") != outside_id or not word:
            raise self._calls.odd_job(outside_id, row)
        fault, method = row.get("error"), row.get("method")
        kind = method.get(str(method.get("type"))) if isinstance(method, dict) else None
        resolved = (kind.get("hyperparameters") if isinstance(kind, dict) else None) or row.get("hyperparameters")
        files = (row.get("training_file"), row.get("validation_file"))
        results = row.get("result_files")
        return HostedJob(
            outside_id=outside_id,
            state=_STATES.get(word.casefold(), "unknown"),
            word=word,
            tuned_model=self._calls.words(row.get("fine_tuned_model")) or None,
            n_trained_tokens=_count(row.get("trained_tokens")),
            hyperparameters=json.dumps(resolved, sort_keys=True) if isinstance(resolved, dict) else "",
            error=self._calls.words(fault.get("message") if isinstance(fault, dict) else fault),
            result_files=tuple(one for one in results if isinstance(one, str)) if isinstance(results, list) else (),
            uploaded_files=tuple(one for one in files if isinstance(one, str)),
            created_at=_count(row.get("created_at")),
        )

    # --- afterwards

    def address(self, model: str) -> ServedAddress:
        """Where a base or tuned model is asked."""
        return ServedAddress(self._calls.profile.base_url, model, self._key)

    def download(self, job: HostedJob, folder: Path) -> Sequence[Path]:
        """Fetch a job's result files, each whole or not at all; what is there already is not fetched again."""
        if not self._calls.profile.downloads:
            return []
        paths = []
        for number, file_id in enumerate(job.result_files, start=1):
            path = folder / f"result-{number}"
            if not path.is_file():
                self._calls.fetch(f"/files/{quote(file_id, safe='')}/content", path)
            paths.append(path)
        return paths

    def tear_down(self, job: HostedJob) -> None:
        """Delete the uploaded files; whatever is gone already is no fault."""
        for file_id in job.uploaded_files:
            self._calls.attempt(lambda client, one=file_id: client.files.with_raw_response.delete(one))  # type: ignore[misc]


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
