"""The scripts under examples/ run as their first lines say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_example(name: str, *arguments: object) -> list[str]:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_who_speaks_gives_every_speaker_once_and_all_the_words() -> None:
    rows = run_example("who_speaks.py")
    shares = [float(row.split("%")[0]) for row in rows]
    assert rows[0].endswith("host    Hester Pellow")
    assert len({row.split("episodes")[1] for row in rows}) == len(rows) > 20
    assert sum(shares) == pytest.approx(100, abs=0.05 * len(rows))
    assert shares == sorted(shares, reverse=True)


def test_who_speaks_reads_a_folder_of_ones_own(tmp_path: Path) -> None:
    text = "**Ada Guest:** One two three.\n\n**Hal Host:** Four.\n\n**Ada Guest:** Five six.\n\n**Hal Host:** Seven.\n"
    (tmp_path / "talk.md").write_text(text)
    rows = run_example("who_speaks.py", tmp_path, "Hal Host")
    assert [re.findall(r"(\d+) words", row)[0] for row in rows] == ["5", "2"]
    assert [path.name for path in tmp_path.iterdir()] == ["talk.md"]


def test_choose_pairs_keeps_to_the_budget_and_gives_each_pair_its_reason() -> None:
    rows = run_example("choose_pairs.py", 4000)
    taken = [row for row in rows if re.match(r"\d+\. ", row)]
    costs = [int(re.findall(r"(\d+) tokens", row)[0]) for row in taken]
    assert len(taken) > 5
    assert all("adds most for its cost" in row for row in taken)
    assert 0.8 * 4000 < 2 * sum(costs) <= 4000  # two epochs
    assert rows[-1].startswith(f"{len(taken)} pairs, {sum(costs):,} tokens")
