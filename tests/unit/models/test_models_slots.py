"""One llama.cpp server for many: what the server's tests do not reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.errors import ModelError
from econchatr.models.engines.llama_server import open_slots
from econchatr.models.files.weights import locate_embedded_gguf


def test_a_base_cut_in_half_is_an_error_of_ours(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    with locate_embedded_gguf().open("rb") as whole:
        cut.write_bytes(whole.read(locate_embedded_gguf().stat().st_size // 2))
    with pytest.raises(ModelError, match="cut short"), open_slots(cut, adapters=[], n_slots=1):
        pass


def test_an_adapter_that_is_none_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "adapter.gguf").write_bytes(b"GGUF")
    with (
        pytest.raises(ModelError, match="damaged"),
        open_slots(locate_embedded_gguf(), adapters=[tmp_path / "adapter.gguf"], n_slots=1),
    ):
        pass
