"""`econchatr export` on a trained show: every form is proven, or nothing is left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from econchatr.errors import InputError, ModelError
from econchatr.pipeline import Silent, open_show
from econchatr.records import Score
from econchatr.report.card import render_card
from econchatr.tables import read_table
from econchatr.tools import export
from tests.functional.conftest import Run, edit_show


def test_every_form_is_written_with_its_proof(finished_show: Path, econchatr: Run, tmp_path: Path) -> None:
    told = json.loads(econchatr("export", finished_show, "--out", tmp_path / "out", "--json").stdout)
    forms = {name.partition("/")[0] for name in told["files"]}
    assert forms == {"adapter", "checkpoint", "gguf", "ollama", "training"}
    assert all((tmp_path / "out" / name).stat().st_size for name in told["files"])
    gated = [proof for proof in told["proofs"] if proof["max_gap_nats"] is not None]
    assert [proof["form"] for proof in gated] == ["adapter", "checkpoint", "gguf F16", "gguf Q8_0"]
    assert all(proof["n_tokens"] and proof["worst_gap_nats"] <= proof["max_gap_nats"] for proof in gated)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(forms)
    again = econchatr("export", finished_show, "--to", "adapter", "--out", tmp_path / "out", check=2)
    assert "is there already" in again.stderr


def test_a_form_that_says_something_else_is_not_handed_out(
    finished_show: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(export.FORMS, "adapter", export.FORMS["adapter"]._replace(max_gap_nats={"adapter": -1.0}))
    with pytest.raises(ModelError, match="says something else"):
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
    with pytest.raises(InputError, match="no form 'mlx'"):
        export.export_rung(open_show(finished_show).rung(), Silent(), forms=["mlx"], out=tmp_path)
