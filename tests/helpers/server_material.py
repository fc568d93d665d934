"""What the tests of the server share: the embedded base with two made-up adapters, served in a thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from econchatr.ask.asker import GenerationLog
from econchatr.models.engines.llama_server import ServedModel, SlotServer, open_slots
from econchatr.models.files.adapters import write_gguf_adapter
from econchatr.models.files.weights import locate_embedded_gguf, read_chat_template
from econchatr.prompts import Voice
from econchatr.records import Variant

VOICE = Voice(host="Hal Høst", show="The Show")
LABEL = "AI imitation of Hal Høst, not Hal Høst"
END_TOKEN = "2"
"""The embedded model's, as a key of logit_bias."""
_SHAPES = {"q_proj": (576, 576), "k_proj": (192, 576), "v_proj": (192, 576)}
_RANK = 4


class Server(NamedTuple):
    """A running server."""

    address: str
    slots: SlotServer
    log_path: Path


def write_adapter(folder: Path, *, seed: int) -> Path:
    """A LoRA of random numbers for the embedded base: as peft saves it, and as GGUF. It changes what is said."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(seed)
    tensors = {}
    for layer in range(30):
        for name, (n_out, n_in) in _SHAPES.items():
            prefix = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            for side, shape in (("lora_A", (_RANK, n_in)), ("lora_B", (n_out, _RANK))):
                tensors[f"{prefix}.{side}.weight"] = rng.normal(0, 0.06, shape).astype(np.float32)
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": _RANK, "lora_alpha": 2 * _RANK, "bias": "none",
              "base_model_name_or_path": None, "target_modules": list(_SHAPES), "lora_dropout": 0.0}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    write_gguf_adapter(folder, base_gguf=locate_embedded_gguf(), out=folder / "adapter.gguf")
    return folder / "adapter.gguf"


def _identify(name: str, own: Variant, asked: Variant) -> str:
    """Another hash for every variant, as the real one gives."""
    return f"{name} hash" if asked == own else f"{name} {asked} hash"


def list_models(slots: Any, *, is_grounded: bool = False) -> list[ServedModel]:
    """Two rungs and a base under three names; where grounded, two more that are given real turns."""
    template = read_chat_template(locate_embedded_gguf())
    kinds: dict[str, tuple[int | None, Variant]] = {
        "first": (0, "tuned"), "second": (1, "tuned"), "first:base": (None, "base"),
    }  # fmt: skip
    if is_grounded:
        kinds |= {"first:grounded": (0, "grounded"), "first:retrieval": (None, "retrieval")}
    return [
        ServedModel(name=name, rung=name.partition(":")[0], variant=variant, slots=slots, adapter=place,
                    template=template, identify=partial(_identify, name, variant), weights="embedded")
        for name, (place, variant) in kinds.items()
    ]  # fmt: skip


@contextmanager
def open_two_adapters(folder: Path, *, n_slots: int) -> Iterator[SlotServer]:
    """llama.cpp with the embedded base and both adapters."""
    adapters = [write_adapter(folder / f"adapter-{seed}", seed=seed) for seed in (1, 2)]
    with open_slots(locate_embedded_gguf(), adapters=adapters, n_slots=n_slots) as slots:
        yield slots


@contextmanager
def serve(slots: Any, folder: Path, **options: Any) -> Iterator[Server]:
    """The application over a real socket, until the block ends."""
    from econchatr.talk.server.listen import make_server, take_place
    from econchatr.talk.server.routes import create_app

    log_path = folder / "generations.jsonl"
    models = list_models(slots, is_grounded="open_find" in options)
    app = create_app(models, VOICE, log=GenerationLog(log_path), **options)
    with ExitStack() as stack:
        place = stack.enter_context(take_place("127.0.0.1", 0, key=""))
        server = make_server(app)
        thread = threading.Thread(target=lambda: server.run(sockets=[place.socket]))
        thread.start()
        try:
            yield Server(place.address, slots, log_path)
        finally:
            server.should_exit = True
            thread.join(timeout=120)


def open_client(server: Server) -> Any:
    """The `openai` package's own client of a running server, which asks once and no more; a context manager."""
    openai = pytest.importorskip("openai", reason="needs the extra `hosted`")
    return openai.OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0)
