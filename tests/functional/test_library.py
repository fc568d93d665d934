"""`from econchatr import open_show, open_model`, and the notebook that shows how."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import econchatr
from econchatr import open_model, open_show
from econchatr.errors import InputError, ShowFolderError
from econchatr.library import ModelReply
from econchatr.records import Reply
from tests.functional.conftest import write_tiny_show

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def test_importing_it_imports_nothing_heavy() -> None:
    program = (
        "import sys, econchatr\nassert set(dir(econchatr)) >= {'__version__'}\n"
        "print([name for name in ('torch', 'polars', 'pydantic', 'econchatr.pipeline') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_these() -> None:
    assert econchatr.__all__ == ["__version__", "open_model", "open_show"]
    with pytest.raises(AttributeError, match="no attribute 'open_shw'"):
        _ = econchatr.open_shw  # type: ignore[attr-defined]


def test_a_show_that_is_not_run_says_what_is_missing(tmp_path: Path) -> None:
    show = open_show(write_tiny_show(tmp_path / "show"))
    assert show.host == "Hester Pellow"
    assert show.status()["fetch"] == "not done yet"
    with pytest.raises(ShowFolderError, match="pair is not done"):
        show.pairs()
    with pytest.raises(ShowFolderError, match="select is not done"):
        show.reasons()
    with pytest.raises(ShowFolderError, match="not trained yet"):
        open_model(show)


def test_what_is_said_never_goes_without_its_label() -> None:
    reply = Reply(text="<b>Hm.</b>", stop="end", n_prompt_tokens=1, n_reply_tokens=1)
    said = ModelReply(reply.text, "AI imitation of <i>X</i>, not <i>X</i>", "tuned", 0, reply)
    assert str(said) == repr(said) == "AI imitation of <i>X</i>, not <i>X</i> (tuned): <b>Hm.</b>"
    assert "AI imitation of &lt;i&gt;X" in said._repr_html_()
    assert "<b>" not in said._repr_html_()


def run_notebook(path: Path) -> dict[str, Any]:
    """What is left when every cell was run in order, as a kernel would."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    for n, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), f"cell {n}", "exec"), names)
    return names


def test_the_notebook_runs(
    finished_show: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished_show, tmp_path / "econchatr-demo")
    monkeypatch.chdir(tmp_path)
    names = run_notebook(NOTEBOOK)
    assert capsys.readouterr().out.count("AI imitation of Hester Pellow, not Hester Pellow") == 4
    assert {said.variant for said in names["said"].values()} == {"base", "persona", "tuned"}
    assert repr(names["show"]) == "Show('The Slow Answer', host 'Hester Pellow', 10 of 10 steps done)"
    log = (tmp_path / "econchatr-demo" / "talk" / "generations.jsonl").read_text().split("\n")
    assert len([line for line in log if line]) == 4
    with pytest.raises(InputError, match="closed"):
        names["model"].ask("Again?")
