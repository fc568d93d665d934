"""The lines that messages give to install more: for a clone, a repository, a file and an index."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from econchatr import install_line
from econchatr.errors import MissingExtraError
from econchatr.install_line import tell_install, tell_update

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("src/**/*.py"), *ROOT.glob("benchmarks/*.py")]


def install_from(url: dict[str, object] | None, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation in `place`, as pip leaves it: the module runs from there, and this is noted of its origin."""
    noted = place / "econchatr-9.dist-info"
    noted.mkdir()
    (noted / "METADATA").write_text("Metadata-Version: 2.1\nName: econchatr\nVersion: 9\n")
    if url is not None:
        (noted / "direct_url.json").write_text(json.dumps(url))
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(install_line, "_CLONE", place)


def test_a_clone_is_installed_from_its_folder_wherever_one_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert shlex.split(tell_install("hosted")) == ["pip", "install", "-e", f"{ROOT}[hosted]"]
    monkeypatch.chdir(ROOT)
    assert tell_install("hosted") == "pip install -e '.[hosted]'"
    assert tell_update() == f"`git pull` in {ROOT}"


def test_a_clone_without_torch_is_led_to_the_small_build_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install_line, "list_missing", lambda: ["torch"])
    monkeypatch.chdir(ROOT)
    script, line = tell_install("local").split(" && ")
    assert (ROOT / script.removeprefix("python ")).is_file()
    assert line == "pip install -e '.[local]'"


def test_what_came_from_git_comes_from_there_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = {"url": "https://example.org/e.git", "vcs_info": {"vcs": "git", "commit_id": "0" * 40}}
    install_from(origin, tmp_path, monkeypatch)
    assert tell_install("web") == "pip install 'econchatr[web] @ git+https://example.org/e.git'"
    assert tell_update() == "pip install --upgrade 'econchatr @ git+https://example.org/e.git'"


@pytest.mark.parametrize("noted", ["not JSON", "[]", "{}"])
def test_a_damaged_note_is_none(noted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_from(None, tmp_path, monkeypatch)
    (tmp_path / "econchatr-9.dist-info" / "direct_url.json").write_text(noted)
    assert tell_install("web") == "pip install 'econchatr[web]'"


def test_a_file_is_taken_again_and_an_index_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_from({"url": "file:///w/e-9-py3-none-any.whl", "archive_info": {}}, tmp_path, monkeypatch)
    assert tell_install("web") == "pip install 'econchatr[web] @ file:///w/e-9-py3-none-any.whl'"
    (tmp_path / "econchatr-9.dist-info" / "direct_url.json").unlink()
    assert tell_install("web") == "pip install 'econchatr[web]'"


def test_every_missing_extra_gets_its_line_from_here() -> None:
    assert MissingExtraError("x needs y.", extra="web").hint == tell_install("web")


def test_nothing_promises_a_package_that_is_on_no_index() -> None:
    assert [str(one) for one in DOCUMENTS if "install 'econchatr[" in one.read_text(encoding="utf-8")] == []
