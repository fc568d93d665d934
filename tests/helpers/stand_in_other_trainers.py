"""Stand-ins for Together and Fireworks: their calls on this machine, in the shapes their own packages read and send."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.helpers.stand_in_trainer import KEY, TrainerHandler

TOGETHER_MODEL = "open/Model-1B"
ACCOUNT = "accounts/pellow"
FIREWORKS_MODEL = "accounts/fireworks/models/open-model-1b"


class TogetherHandler(TrainerHandler):
    """Together's files and fine-tunes. `trainer.row` is laid over the estimate, with the key `estimate`."""

    def do_PUT(self) -> None:  # noqa: N802
        self.more_headers = {}
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        file_id = self.path.rsplit("/", 1)[-1]
        has_key = "Authorization" in self.headers
        self.trainer.files[file_id] |= {"bytes": len(data), "had_key": has_key, "text": data.decode()}
        self._send(200, b"", None)

    def name_path(self, path: str) -> str:
        return re.sub(r"/(file|ft)-[0-9]+", "/*", path)

    def do_call(self, call: str, path: str, data: bytes) -> tuple[int, Any]:
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            return 401, {"error": {"message": "no such key"}}
        one = next((part for part in path.split("/") if re.fullmatch(r"(file|ft)-[0-9]+", part)), "")
        if one and one not in (self.trainer.files | self.trainer.jobs):
            return 404, {"error": {"message": "no such thing"}}
        return getattr(self, _TOGETHER.get(call, "_refuse"))(one, data)  # type: ignore[no-any-return]

    def _refuse(self, one: str, data: bytes) -> tuple[int, Any]:
        return 404, {"error": {"message": "no such call"}}

    def _tell_file(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, self.trainer.files[one]

    def _delete_file(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, self.trainer.files.pop(one)

    def _list_files(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, {"data": list(self.trainer.files.values())}

    def _list_jobs(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, {"data": [self.tell(job) for job in self.trainer.jobs]}

    def _estimate(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, self.trainer.row.get("estimate", {"estimation_available": False})

    def _tell_job(self, one: str, data: bytes) -> tuple[int, Any]:
        self.trainer.jobs[one]["n_polls"] += 1
        return 200, self.tell(one)

    def _tell_events(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, {"data": [{"created_at": "2026-11-29T10:00:00Z", "message": "begun", "level": "info"}]}

    def _cancel(self, one: str, data: bytes) -> tuple[int, Any]:
        self.trainer.jobs[one]["cancelled"] = True
        return 200, self.tell(one)

    def _download(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, {"adapter": parse_qs(urlsplit(self.path).query)}

    def _name_place(self, one: str, data: bytes) -> tuple[int, Any]:
        form = dict(re.findall(r'name="(\w+)"\r\n\r\n(.*?)\r\n', data.decode()))
        for file_id, row in self.trainer.files.items():
            if row["checksum"] == form["checksum"]:
                return 409, {"file_id": file_id, "error": {"message": "is there already"}}
        file_id = f"file-{len(self.trainer.files) + 1}"
        self.trainer.files[file_id] = {
            "id": file_id, "filename": form["file_name"], "checksum": form["checksum"], "purpose": form["purpose"],
            "object": "file", "created_at": 1, "FileType": form["file_type"], "bytes": 0,
            "processing_status": "COMPLETED", **self.trainer.row.get("file", {}),
        }  # fmt: skip
        host, port = self.server.server_address[:2]
        self.more_headers = {"Location": f"http://{host!s}:{port}/put/{file_id}", "X-Together-File-Id": file_id}
        return 302, {}

    def _tell_limits(self, one: str, data: bytes) -> tuple[int, Any]:
        asked = parse_qs(urlsplit(self.path).query).get("model_name")
        if asked != [TOGETHER_MODEL]:
            return 404, {"error": {"message": f"{asked} cannot be trained"}}
        return 200, {"model_name": TOGETHER_MODEL, "min_learning_rate": 1e-6, "max_learning_rate": 1e-2}

    def _make_job(self, one: str, data: bytes) -> tuple[int, Any]:
        job_id = f"ft-{len(self.trainer.jobs) + 1}"
        self.trainer.jobs[job_id] = {**json.loads(data), "id": job_id, "n_polls": 0, "cancelled": False}
        return 200, self.tell(job_id)

    def tell(self, job_id: str) -> dict[str, Any]:
        """A job's row."""
        job = self.trainer.jobs[job_id]
        word = "cancelled" if job["cancelled"] else self.trainer.words[min(job["n_polls"], len(self.trainer.words) - 1)]
        told = {name: value for name, value in job.items() if name not in ("n_polls", "cancelled")}
        name = f"pellow/Model-1B-{job['suffix']}"
        events = [{"message": self.trainer.error}] if self.trainer.error else []
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return told | {"status": word, "model_output_name": name, "token_count": 1000, "total_price": 3,
                       "user_id": "u", "updated_at": now, "created_at": now,
                       "events": events}  # fmt: skip


_TOGETHER = {
    "POST /files": "_name_place", "POST /files/*/preprocess": "_tell_file", "GET /files/*": "_tell_file",
    "DELETE /files/*": "_delete_file", "GET /files": "_list_files", "GET /fine-tunes": "_list_jobs",
    "GET /fine-tunes/models/limits": "_tell_limits", "POST /fine-tunes/estimate-price": "_estimate",
    "POST /fine-tunes": "_make_job", "GET /fine-tunes/*": "_tell_job", "GET /fine-tunes/*/events": "_tell_events",
    "POST /fine-tunes/*/cancel": "_cancel", "GET /finetune/download": "_download",
}  # fmt: skip


class FireworksHandler(TrainerHandler):
    """Fireworks' datasets and supervised jobs, whose ids the caller chooses."""

    def name_path(self, path: str) -> str:
        return re.sub(r"/(datasets|supervisedFineTuningJobs|models)/[^:/]+", r"/\1/*", path.removeprefix(f"/{ACCOUNT}"))

    def do_call(self, call: str, path: str, data: bytes) -> tuple[int, Any]:
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            return 401, {"error": {"message": "no such key"}}
        one = path.rsplit("/", 1)[-1].partition(":")[0]
        if "/*" in call and one not in (self.trainer.files | self.trainer.jobs) and not path.endswith(FIREWORKS_MODEL):
            return 404, {"error": {"message": "no such thing", "code": "NOT_FOUND"}}
        return getattr(self, _FIREWORKS.get(call, "_refuse"))(one, data)  # type: ignore[no-any-return]

    def _refuse(self, one: str, data: bytes) -> tuple[int, Any]:
        return 404, {"error": {"message": "no such call"}}

    def _tell_model(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, {"name": one, "tunable": self.trainer.row.get("tunable", True)}

    def _upload_dataset(self, one: str, data: bytes) -> tuple[int, Any]:
        self.trainer.files[one] |= {"state": "READY", "text": data.decode()} | self.trainer.row.get("dataset", {})
        return 200, {}

    def _tell_dataset(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, self.trainer.files[one]

    def _delete_dataset(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, self.trainer.files.pop(one)

    def _list_jobs(self, one: str, data: bytes) -> tuple[int, Any]:
        return 200, {"supervisedFineTuningJobs": [self.tell(job) for job in self.trainer.jobs]}

    def _tell_job(self, one: str, data: bytes) -> tuple[int, Any]:
        self.trainer.jobs[one]["n_polls"] += 1
        return 200, self.tell(one)

    def _cancel(self, one: str, data: bytes) -> tuple[int, Any]:
        self.trainer.jobs[one]["cancelled"] = True
        return 200, {}

    def _make_dataset(self, one: str, data: bytes) -> tuple[int, Any]:
        body = json.loads(data)
        name = body["datasetId"]
        if name in self.trainer.files:
            return 409, {"error": {"message": "is there already", "code": "ALREADY_EXISTS"}}
        self.trainer.files[name] = {**body["dataset"], "name": f"{ACCOUNT}/datasets/{name}", "state": "UPLOADING"}
        return 200, self.trainer.files[name]

    def _make_job(self, one: str, data: bytes) -> tuple[int, Any]:
        (job_id,) = parse_qs(urlsplit(self.path).query)["supervisedFineTuningJobId"]
        if job_id in self.trainer.jobs:
            return 409, {"error": {"message": "is there already", "code": "ALREADY_EXISTS"}}
        made_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.trainer.jobs[job_id] = {**json.loads(data), "createTime": made_at, "n_polls": 0, "cancelled": False}
        return 200, self.tell(job_id)

    def tell(self, job_id: str) -> dict[str, Any]:
        """A job's row."""
        job = self.trainer.jobs[job_id]
        word = "CANCELLED" if job["cancelled"] else self.trainer.words[min(job["n_polls"], len(self.trainer.words) - 1)]
        told = {name: value for name, value in job.items() if name not in ("n_polls", "cancelled")}
        return told | {
            "name": f"{ACCOUNT}/supervisedFineTuningJobs/{job_id}",
            "state": f"JOB_STATE_{word}",
            "estimatedCost": self.trainer.row.get("cost", {"currencyCode": "USD", "units": "0", "nanos": 20_000_000}),
            "status": {"code": "INTERNAL", "message": self.trainer.error} if self.trainer.error else {"code": "OK"},
        }


_FIREWORKS = {
    "GET /accounts/fireworks/models/*": "_tell_model", "POST /datasets": "_make_dataset",
    "POST /datasets/*:upload": "_upload_dataset", "GET /datasets/*": "_tell_dataset",
    "DELETE /datasets/*": "_delete_dataset", "GET /supervisedFineTuningJobs": "_list_jobs",
    "POST /supervisedFineTuningJobs": "_make_job", "GET /supervisedFineTuningJobs/*": "_tell_job",
    "POST /supervisedFineTuningJobs/*:cancel": "_cancel",
}  # fmt: skip
