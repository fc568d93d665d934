"""An adapter whose two forms answer differently is refused, whatever made it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from econchatr.config import ShowConfig
from econchatr.errors import ModelError
from econchatr.models.files.weights import BaseWeights
from econchatr.pipeline.show import Show
from econchatr.pipeline.train import check_engines_agree
from tests.helpers.model_material import open_embedded
from tests.helpers.server_material import write_adapter

QUESTION = '[[question]]\nquestion_id = "{n}"\nkind = "belief"\ntext = "{text}"\nexpected = "bees"\n'
TEXTS = ("Is ninety-four per cent good?", "Why mend things?")


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Show:
    root = tmp_path_factory.mktemp("parity")
    (root / "questions.toml").write_text("".join(QUESTION.format(n=f"q{n}", text=text) for n, text in enumerate(TEXTS)))
    fields = {"show": {"name": "s", "hosts": ["Hal Host"]}, "ladder": [{"name": "r"}]}
    return Show(root, ShowConfig.model_validate(fields), root)


@pytest.fixture(scope="module")
def base(cache: Path) -> BaseWeights:
    return open_embedded(cache)


def test_an_adapter_that_was_exported_as_it_was_trained_passes(show: Show, base: BaseWeights, tmp_path: Path) -> None:
    write_adapter(tmp_path / "made", seed=1)
    result = check_engines_agree(show.rung(), base=base, folder=tmp_path / "made")
    assert result is not None
    assert result.n_checked == len(TEXTS)


def test_one_that_says_something_else_as_gguf_is_refused(show: Show, base: BaseWeights, tmp_path: Path) -> None:
    write_adapter(tmp_path / "made", seed=1)
    shutil.copyfile(write_adapter(tmp_path / "other", seed=2), tmp_path / "made" / "adapter.gguf")
    with pytest.raises(ModelError, match=r"r: transformers and llama\.cpp agree on [01] of 2 questions"):
        check_engines_agree(show.rung(), base=base, folder=tmp_path / "made")


def test_a_base_for_one_engine_is_not_compared(show: Show, base: BaseWeights, tmp_path: Path) -> None:
    plain = base.model_copy(update={"gguf_path": None})
    assert check_engines_agree(show.rung(), base=plain, folder=tmp_path) is None
