"""`econchatr export` on a trained show: a form is proven, or it is not handed out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from econchatr.errors import InputError, ModelError
from econchatr.models import parity
from econchatr.models.parity import Limit
from econchatr.pipeline import Silent, open_show
from econchatr.records import Score
from econchatr.report.card import render_card
from econchatr.tables import read_table
from econchatr.tools import export
from tests.functional.conftest import Run, edit_show


@pytest.mark.slow
def test_every_form_is_written_with_its_proof(finished_show: Path, econchatr: Run, tmp_path: Path) -> None:
    told = json.loads(econchatr("export", finished_show, "--out", tmp_path / "out", "--json").stdout)
    forms = {name.partition("/")[0] for name in told["files"]}
    assert forms == {"adapter", "checkpoint", "gguf", "ollama", "training"}
    assert all((tmp_path / "out" / name).stat().st_size for name in told["files"])
    gated = [proof for proof in told["proofs"] if proof["limit"]]
    assert [proof["form"] for proof in gated] == ["adapter", "checkpoint", "gguf F16", "gguf Q8_0"]
    assert all(proof["n_tokens"] and proof["mean_nats"] <= proof["limit"]["mean_nats"] for proof in gated)
    assert told["failures"] == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(forms)
    again = econchatr("export", finished_show, "--to", "adapter", "--out", tmp_path / "out", check=2)
    assert "is there already" in again.stderr


NEVER = Limit(-1.0, 0.0, 1.0)


@pytest.mark.slow
def test_a_form_that_says_something_else_is_named_and_takes_no_other_with_it(
    finished_show: Path, econchatr: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(parity.LIMITS, "gguf Q8_0", NEVER)
    told = econchatr("export", finished_show, "--to", "gguf", "--to", "adapter", "--out", tmp_path / "out", check=7)
    assert "not handed out: gguf Q8_0: the exported gguf Q8_0 answers otherwise" in told.stderr
    assert "nats on average, and -1 are allowed" in told.stderr
    kept = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.gguf"))
    assert kept == ["adapter/adapter.gguf", "gguf/tiny.F16.gguf"]


def test_where_nothing_passes_nothing_is_left(
    finished_show: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(parity.LIMITS, "adapter", NEVER)
    with pytest.raises(ModelError, match="nothing was exported: the exported adapter answers otherwise"):
        export.export_rung(open_show(finished_show).rung(), Silent(), forms=["adapter"], out=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_card_has_the_figures_of_this_very_model_or_says_why_not(finished_show: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(finished_show, tmp_path / "show"))

    def card() -> str:
        rung = open_show(root).rung()
        return render_card(export.make_card(rung, rung.tuned(), base_id="org/base", proofs=()))

    text = card()
    scores = read_table(root / "score" / "tiny" / "scores.parquet", Score)
    changes = {s.subject: s for s in scores if (s.measure, s.variant) == ("host bits saved", "tuned minus base")}
    change = changes.pop("host minus guest (test)")
    assert set(changes) == {"host minus guest, statements (test)"}
    assert "How near it comes, what it copies, what it makes up" in text
    assert f"{change.value:.3f}" in text
    assert 'base_model: "org/base"' in text
    shutil.rmtree(root / "report")
    assert card() == text
    edit_show(root, "n_resamples = 100", "n_resamples = 200")
    assert "out of date (score/tiny: settings changed), so no figure" in card()
    assert f"{change.value:.3f}" not in card()
    shutil.rmtree(root / "score")
    assert "It was not measured." in card()


def test_an_unknown_form_is_told(finished_show: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no form 'floppy'"):
        export.export_rung(open_show(finished_show).rung(), Silent(), forms=["floppy"], out=tmp_path)
