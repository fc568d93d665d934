"""A service that speaks Tinker's protocol on a real socket, and really trains: a low-rank next-token model in numpy.

It keeps its own books of the tokens it was sent, once for each request of a training run, as the package numbers them.
It fails where it is told to. Written against what the package tinker 0.38.0 sends.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from tinker.proto import tinker_public_pb2 as pb

KEY = "tml-test-of-the-stand-in-0123456789"
MODEL = "Maker/Tiny-Chat"
_WIDTH = 16
_JSON, _PROTO = "application/json", "application/x-protobuf"


class Adapter:
    """What is trained: the output half of a bigram model, on fixed random inputs, moved by Adam."""

    def __init__(self, n_words: int, seed: int) -> None:
        self.inputs = np.random.default_rng(1).normal(size=(n_words, _WIDTH)).astype(np.float32)
        self.weights = (np.random.default_rng(seed).normal(size=(_WIDTH, n_words)) * 0.01).astype(np.float32)
        self.gradient = np.zeros_like(self.weights)
        self.first, self.second, self.n_moves = np.zeros_like(self.weights), np.zeros_like(self.weights), 0

    def copy(self) -> Adapter:
        other = object.__new__(Adapter)
        other.__dict__ = {
            name: value.copy() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()
        }
        return other

    def log_chances(self, words: np.ndarray) -> np.ndarray:
        scores = self.inputs[words] @ self.weights
        scores -= scores.max(axis=1, keepdims=True)
        return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))

    def learn(self, words: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Add up the gradient of the weighted loss; gives each target's log chance, 0 for one that does not count."""
        counts, told = np.flatnonzero(weights), np.zeros(len(words))
        chances = self.log_chances(words[counts])
        told[counts] = chances[np.arange(len(counts)), targets[counts]]
        slope = np.exp(chances)
        slope[np.arange(len(counts)), targets[counts]] -= 1
        self.gradient += self.inputs[words[counts]].T @ (slope * weights[counts, None])
        return told

    def move(self, adam: dict[str, float]) -> None:
        self.n_moves += 1
        self.first = adam["beta1"] * self.first + (1 - adam["beta1"]) * self.gradient
        self.second = adam["beta2"] * self.second + (1 - adam["beta2"]) * self.gradient**2
        first = self.first / (1 - adam["beta1"] ** self.n_moves)
        second = self.second / (1 - adam["beta2"] ** self.n_moves)
        self.weights -= adam["learning_rate"] * first / (np.sqrt(second) + adam["eps"])
        self.gradient = np.zeros_like(self.weights)


@dataclass
class Tinker:
    """Everything the service knows."""

    n_words: int = 64
    models: tuple[str, ...] = (MODEL,)
    faults: dict[str, list[int | str]] = field(default_factory=dict)
    """By a path's first part: a status for each of the next calls; 0: none; "lost": every run is gone."""
    max_tokens: int = 4096
    first_datum: dict[str, list[float]] | None = None
    """Targets and weights of the first example that was sent."""
    step_seconds: float = 0.0
    ends_with: int | None = None
    """The token after which a sample stops."""
    calls: list[str] = field(default_factory=list)
    bodies: list[tuple[str, Any]] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    """By id, how each ended; empty: it did not."""
    runs: dict[str, Adapter] = field(default_factory=dict)
    saved: dict[str, Adapter] = field(default_factory=dict)
    """By `tinker://` name."""
    bases: dict[str, Adapter] = field(default_factory=dict)
    booked: dict[tuple[str, int], int] = field(default_factory=dict)
    """Tokens that were trained, by run and number of the request."""
    results: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def n_booked(self) -> int:
        return sum(self.booked.values())

    def find_fault(self, call: str) -> int | str | None:
        with self.lock:
            waiting = self.faults.get(call)
            return waiting.pop(0) if waiting else None

    def promise(self, request_id: str, kind: str, body: bytes) -> dict[str, Any]:
        self.results[request_id] = (kind, body)
        return {"request_id": request_id}

    def promise_json(self, request_id: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.promise(request_id, _JSON, json.dumps(body).encode())

    # --- the calls

    def post_create_session(self, body: dict[str, Any]) -> dict[str, Any]:
        session = f"session-{len(self.sessions) + 1}"
        self.sessions[session] = ""
        return {"type": "create_session", "session_id": session}

    def post_create_model(self, body: dict[str, Any]) -> dict[str, Any]:
        run = f"{body['session_id']}:train:{body['model_seq_id']}"
        self.runs.setdefault(run, Adapter(self.n_words, body["lora_config"]["seed"]))
        return self.promise_json(f"{run}/0", {"type": "create_model", "model_id": run})

    def post_load_weights(self, body: dict[str, Any]) -> dict[str, Any] | int:
        run = f"{body['session_id']}:train:{body['model_seq_id']}"
        if body["path"] not in self.saved:
            return 404
        self.runs.setdefault(run, self.saved[body["path"]].copy())
        return self.promise_json(f"{run}/0", {"type": "load_weights", "path": body["path"], "model_id": run})

    def post_get_info(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"type": "get_info", "model_id": body["model_id"], "model_data": {"model_name": self.models[0]}}

    def post_forward_backward(self, body: pb.ForwardBackwardRequest) -> dict[str, Any] | int:
        key = f"{body.model_id}/{body.seq_id}"
        if key in self.results:
            return {"request_id": key}
        if body.model_id not in self.runs:
            return 410
        time.sleep(self.step_seconds)
        loss, rows = 0.0, []
        for datum in body.data:
            words = np.frombuffer(datum.model_input[0].encoded_text.tokens, dtype=np.int32)
            targets = np.frombuffer(datum.loss_fn_inputs["target_tokens"].dense, dtype=np.int64)
            weights = np.frombuffer(datum.loss_fn_inputs["weights"].dense, dtype=np.float32).astype(float)
            found = self.runs[body.model_id].learn(words, targets, weights)
            self.first_datum = self.first_datum or {"targets": targets.tolist(), "weights": weights.tolist()}
            loss -= float((found * weights).sum())
            rows.append(found.astype(np.float32))
            tokens = self.booked.get((body.model_id, body.seq_id), 0)
            self.booked[body.model_id, body.seq_id] = tokens + len(words) + 1
        return self.promise(key, _PROTO, _write_output(rows, loss))

    def post_optim_step(self, body: dict[str, Any]) -> dict[str, Any] | int:
        key = f"{body['model_id']}/{body['seq_id']}"
        if body["model_id"] not in self.runs:
            return 410
        if key not in self.results:
            self.runs[body["model_id"]].move(body["adam_params"])
        return self.promise_json(key, {"type": "optim_step"})

    def post_save_weights(self, body: dict[str, Any]) -> dict[str, Any] | int:
        return self._keep(body, "weights", "save_weights")

    def post_save_weights_for_sampler(self, body: dict[str, Any]) -> dict[str, Any] | int:
        return self._keep(body, "sampler_weights", "save_weights_for_sampler")

    def post_save_weights_external(self, body: dict[str, Any]) -> dict[str, Any] | int:
        return self._keep(body, "external_weights", "save_weights_external")

    def _keep(self, body: dict[str, Any], folder: str, kind: str) -> dict[str, Any] | int:
        if body["model_id"] not in self.runs:
            return 410
        path = f"tinker://{body['model_id']}/{folder}/{body['path']}"
        self.saved[path] = self.runs[body["model_id"]].copy()
        return self.promise_json(f"{body['model_id']}/{body['seq_id']}", {"type": kind, "path": path})

    def post_create_sampling_session(self, body: dict[str, Any]) -> dict[str, Any] | int:
        model = body.get("model_path") or body.get("base_model")
        if model not in self.saved and model not in self.models:
            return 404
        return {"type": "create_sampling_session", "sampling_session_id": f"{body['session_id']}|{model}"}

    def post_asample(self, body: dict[str, Any]) -> dict[str, Any]:
        model = body["sampling_session_id"].partition("|")[2]
        adapter = self.saved.get(model) or self.bases.setdefault(model, Adapter(self.n_words, 0))
        words, wanted = (
            [token for chunk in body["prompt"]["chunks"] for token in chunk["tokens"]],
            body["sampling_params"],
        )
        rng, said = np.random.default_rng(wanted.get("seed") or 0), list[int]()
        while len(said) < wanted["max_tokens"] and (not said or said[-1] != self.ends_with):
            chances = adapter.log_chances(np.array([(words + said)[-1]]))[0]
            heat = wanted["temperature"]
            noise = rng.gumbel(size=len(chances)) * heat if heat else 0.0
            said.append(int(np.argmax(chances + noise)))
        answer, sequence = pb.SampleResponse(), pb.SampledSequence(tokens=np.array(said, dtype=np.int32).tobytes())
        sequence.stop_reason = pb.STOP_REASON_STOP if said[-1] == self.ends_with else pb.STOP_REASON_LENGTH
        answer.sequences.append(sequence)
        key = f"{body['sampling_session_id']}/{body['seq_id']}"
        return {**self.promise(key, _PROTO, answer.SerializeToString()), "sample_sequence_ids": [key]}

    def get_samplers(self, path: str) -> dict[str, Any]:
        return {"sampler_id": path, "base_model": self.models[0]}

    def get_checkpoints(self, limit: int, offset: int) -> dict[str, Any]:
        kinds = {"weights": "training", "sampler_weights": "sampler", "external_weights": "external"}
        rows = [
            {
                "checkpoint_id": path.split("/", 3)[3],
                "checkpoint_type": kinds[path.split("/")[3]],
                "time": "2026-11-29T12:00:00Z",
                "tinker_path": path,
            }
            for path in reversed(self.saved)
        ]
        return {"checkpoints": rows[offset : offset + limit]}


def _write_output(rows: list[np.ndarray], loss: float) -> bytes:
    output = pb.ForwardBackwardOutput(loss_fn_output_type="ArrayRecord")
    output.metrics["loss:sum"] = loss
    record = output.loss_fn_outputs.add(type_tag="ArrayRecord", num_datums=len(rows))
    tensor = record.fields["logprobs"]
    tensor.data, tensor.dtype = b"".join(row.tobytes() for row in rows), pb.DTYPE_FLOAT32
    tensor.offsets = np.cumsum([0, *[row.nbytes for row in rows]], dtype=np.int64).tobytes()
    written: bytes = output.SerializeToString()
    return written


class TinkerHandler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.0"  # each connection ends with its answer: the package leaves one of its own open
    tinker: Tinker
    address: str

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._serve(parts.path, lambda: self._get(parts.path, {k: int(v[0]) for k, v in parse_qs(parts.query).items()}))

    def do_DELETE(self) -> None:
        self._serve(self.path, lambda: self._delete(self.path.split("/")))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        self._serve(self.path, lambda: self._post(self.path.rpartition("/")[2], raw))

    def _serve(self, path: str, act: Any) -> None:
        name = path.removeprefix("/api/v1/").split("/")[0]
        with self.tinker.lock:
            self.tinker.calls.append(f"{self.command} {name}")
        fault = self.tinker.find_fault(name)
        if not path.startswith("/files/") and self.headers.get("x-api-key") != KEY:
            return self._answer(401, _JSON, b'{"detail": "no such key"}')
        if fault == "lost":
            with self.tinker.lock:
                self.tinker.runs.clear()
        elif isinstance(fault, int) and fault:
            return self._answer(fault, _JSON, b'{"detail": "a fault on purpose"}')
        with self.tinker.lock:
            told = act()
        if isinstance(told, int):
            return self._answer(told, _JSON, b'{"detail": "not there"}')
        if isinstance(told, tuple):
            return self._answer(200, *told)
        return self._answer(200, _JSON, json.dumps(told).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _post(self, name: str, raw: bytes) -> Any:
        if name == "forward_backward":
            return self.tinker.post_forward_backward(pb.ForwardBackwardRequest.FromString(raw))
        body = json.loads(raw or b"{}")
        self.tinker.bodies.append((name, body))
        if name in ("config", "dynamic_config", "session_heartbeat"):
            return {"type": "session_heartbeat"} if name == "session_heartbeat" else {}
        if name == "finish":
            self.tinker.sessions[self.path.split("/")[-2]] = body["reason"]["type"]
            return {}
        if name == "retrieve_future":
            return self.tinker.results.get(body["request_id"], 410)
        return getattr(self.tinker, f"post_{name}")(body)

    def _get(self, path: str, query: dict[str, int]) -> Any:
        if path.endswith("/get_server_capabilities"):
            rows = [
                {"model_name": name, "max_context_length": self.tinker.max_tokens, "trainable": True}
                for name in self.tinker.models
            ]
            return {"supported_models": rows}
        if path.endswith("/external_weights_urls"):
            urls = {
                name: f"{self.address}/files/{name}" for name in ("adapter_config.json", "adapter_model.safetensors")
            }
            return {"urls": urls, "expires": "2027-01-01T00:00:00Z"}
        if path.startswith("/files/"):
            return ("application/octet-stream", b"of " + path.rpartition("/")[2].encode())
        if path.endswith("/checkpoints"):
            return self.tinker.get_checkpoints(query["limit"], query["offset"])
        return self.tinker.get_samplers(path.rpartition("/")[2]) if "/samplers/" in path else 404

    def _delete(self, parts: list[str]) -> Any:
        # /api/v1/training_runs/RUN/checkpoints/FOLDER/NAME
        path = f"tinker://{parts[4]}/{parts[6]}/{parts[7]}"
        return {} if self.tinker.saved.pop(path.replace("%3A", ":"), None) else 404


@contextmanager
def serve_tinker(tinker: Tinker, port: int = 0) -> Iterator[str]:
    """The service for the time of a block; gives its address."""
    handler = type("Handler", (TinkerHandler,), {"tinker": tinker})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    handler.address = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
