"""What the documents say can be done is done."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.conftest import Run

ROOT = Path(__file__).parents[2]
DOCS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "README.md"]


def commands(text: str) -> set[str]:
    """Every `econchatr ...` in code, up to its first comment or pipe."""
    blocks = re.findall(r"```(?:console|sh|bash)?\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.removeprefix("$ ").strip() for block in blocks for line in block.splitlines()]
    found = [line for line in lines if line.startswith("econchatr ")] + re.findall(r"`(econchatr [^`]*)`", text)
    return {re.split(r"\s+#|\s+\||;", command)[0].strip() for command in found}


def test_every_command_and_option_in_the_documents_exists(econchatr: Run) -> None:
    known: dict[str, str] = {}
    for document in DOCS:
        for command in commands(document.read_text(encoding="utf-8")):
            _, name, *rest = shlex.split(command)
            if name not in known:
                known[name] = (
                    econchatr(name, "--help").stdout if not name.startswith("-") else econchatr("--help").stdout
                )
            for option in (word.split("=")[0] for word in rest if word.startswith("--")):
                assert option in known[name], f"{document.name}: {command}"
    assert {"demo", "run", "chat"} <= set(known)


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_every_page_stands_on_the_site() -> None:
    listed = set(re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")}


def test_the_site_is_built_without_a_broken_link_and_asks_nobody(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs the extra `docs`")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = [page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html")]
    loaded = {
        one for page in pages for one in re.findall(r"<(?:script|img|link)[^>]+(?:src|href)=.?(https?:[^\s>]+)", page)
    }
    assert {one for one in loaded if "github.com/econchatr" not in one} == set()


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    used = set(re.findall(r"(?m)(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert used
    assert used <= targets


PATHS = re.compile(r"(?:src/econchatr|tests|benchmarks|scripts|examples)/[\w./-]+\.(?:py|toml|j2)")


TODAY = [page for page in DOCS if "decisions" not in page.parts and page.name != "CHANGELOG.md"]


@pytest.mark.parametrize("page", TODAY, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    """A name in capitals stands for one to be chosen; decisions and the changelog tell of their own day."""
    named = set(PATHS.findall(page.read_text(encoding="utf-8")))
    assert [path for path in named if not (ROOT / path).exists() and not re.search(r"NAME|FORMAT", path)] == []
