"""Sheets for people, through the command line: written, filled in, read back, refused, and in the scores."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from econchatr.records import Answer, BlindCue, Pair
from econchatr.tables import finish_stage, read_table, write_table
from tests.functional.conftest import Run, write_tiny_show
from tests.helpers.make_records import make_answer


@pytest.fixture
def asked_show(tmp_path: Path) -> Path:
    """The tiny show with answers written by hand, as if its one rung had been asked."""
    root = write_tiny_show(tmp_path / "show")
    answers = [
        make_answer(f"{variant} {n}", question_id=f"q{n}", variant=variant).model_copy(update={"rung": "tiny"})
        for n in range(4)
        for variant in ("base", "persona", "tuned")
    ]
    folder = root / "ask" / "tiny"
    write_table(folder / "answers.parquet", answers, Answer)
    finish_stage(folder, stage="ask/tiny", version=1, settings_sha256="", inputs={}, outputs=["answers.parquet"],
                 counts={}, seconds=0)  # fmt: skip
    return root


def fill_in(page: Path, out: Path, *, scorer: str, tuned: float) -> Path:
    """Fill a hand sheet in as a person would who knows the tuned answers: `tuned` for them, 0 for the rest."""
    text = page.read_text(encoding="utf-8")
    facts = dict(re.findall(r'data-(form|show|sheet|seed)="([^"]*)"', text))
    items = re.findall(r'data-key="(\w+)">.*?<blockquote dir="auto">(.*?)</blockquote>', text, flags=re.DOTALL)
    file: dict[str, Any] = {
        "form": facts["form"], "show": facts["show"], "sheet_sha256": facts["sheet"], "seed": int(facts["seed"]),
        "n_answers": len(items), "scorer": scorer,
        "marks": {key: tuned if said.startswith("tuned") else 0 for key, said in items},
    }  # fmt: skip
    out.write_text(json.dumps(file))
    return out


def find(scores: list[dict[str, Any]], measure: str, variant: str) -> dict[str, Any]:
    (score,) = [score for score in scores if (score["measure"], score["variant"]) == (measure, variant)]
    return score


def test_hand_marks_of_two_people_go_out_and_come_back(asked_show: Path, tmp_path: Path, econchatr: Run) -> None:
    assert "hand.html" in econchatr("score", asked_show, "--sheet", "hand", "--seed", 5).stdout
    page = asked_show / "sheets" / "hand.html"
    assert 'data-seed="5"' in page.read_text(encoding="utf-8")
    files = [fill_in(page, tmp_path / f"{who}.json", scorer=who, tuned=tuned) for who, tuned in (("A", 1), ("B", 0.5))]
    scores = json.loads(econchatr("score", asked_show, "--hand", *files, "--json").stdout)
    assert find(scores, "hand mark", "tuned")["value"] == 0.75
    assert find(scores, "hand mark", "base")["value"] == 0
    assert find(scores, "agreement between scorers", "all")["n"] == 12


def test_a_persons_later_file_takes_the_place_of_the_earlier(asked_show: Path, tmp_path: Path, econchatr: Run) -> None:
    econchatr("score", asked_show, "--sheet", "hand")
    page = asked_show / "sheets" / "hand.html"
    for mark in (0, 1):
        file = fill_in(page, tmp_path / "a.json", scorer="Ada", tuned=mark)
        scores = json.loads(econchatr("score", asked_show, "--hand", file, "--json").stdout)
    assert find(scores, "hand mark", "tuned")["value"] == 1


def test_a_spoilt_file_is_refused_and_changes_nothing(asked_show: Path, tmp_path: Path, econchatr: Run) -> None:
    econchatr("score", asked_show, "--sheet", "hand")
    file = fill_in(asked_show / "sheets" / "hand.html", tmp_path / "a.json", scorer="Ada", tuned=1)
    file.write_text(file.read_text().replace('"n_answers": 12', '"n_answers": 13'))
    done = econchatr("score", asked_show, "--hand", file, check=2)
    assert "half filled: 1 of 13" in done.stderr
    assert "Hint: " in done.stderr
    assert not (asked_show / "sheets" / "marks.parquet").exists()
    assert "cannot read" in econchatr("score", asked_show, "--hand", tmp_path / "none.json", check=2).stderr


def test_a_sheet_needs_answers_and_a_known_kind(tiny_show: Path, econchatr: Run) -> None:
    assert "no question was asked yet" in econchatr("score", tiny_show, "--sheet", "hand", check=3).stderr
    assert "no sheet 'foot'" in econchatr("score", tiny_show, "--sheet", "foot", check=2).stderr
    assert "what is" in econchatr("score", tiny_show, tiny_show / "x.json", check=2).stderr


def test_a_blind_sheet_of_the_tuned_model_goes_out_and_comes_back(
    finished_show: Path, tmp_path: Path, econchatr: Run
) -> None:
    show = Path(shutil.copytree(finished_show, tmp_path / "show"))
    econchatr("score", show, "--sheet", "blind", "--cues", 2)
    page = (show / "sheets" / "blind-tiny.html").read_text(encoding="utf-8")
    cues = read_table(show / "sheets" / "blind-tiny.parquet", BlindCue)
    test = {pair.pair_id: pair for pair in read_table(show / "pair" / "pairs.parquet", Pair) if pair.split == "test"}
    assert len(cues) == 2
    for cue in cues:
        assert cue.replies[cue.real] == " ".join(test[cue.pair_id].reply.split())
        assert cue.key in page
    facts = dict(re.findall(r'data-(form|show|sheet|seed)="([^"]*)"', page))
    file = {
        "form": facts["form"], "show": facts["show"], "sheet_sha256": facts["sheet"], "seed": int(facts["seed"]),
        "n_cues": 2, "person": "Ada", "knows_host": "well", "picks": {cue.key: cue.real for cue in cues},
    }  # fmt: skip
    (tmp_path / "ada.json").write_text(json.dumps(file))
    (score,) = json.loads(econchatr("score", show, "--blind", tmp_path / "ada.json", "--json").stdout)
    assert (score["measure"], score["value"], score["n"]) == ("blind picks of the real host", 1.0, 2)
    n_lines = len((show / "ask" / "tiny" / "generations.jsonl").read_text(encoding="utf-8").splitlines())
    econchatr("score", show, "--sheet", "blind", "--cues", 2)
    again = (show / "ask" / "tiny" / "generations.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(again) == n_lines, "what was drawn is not drawn again"
    assert "picked Hester Pellow" in (report_again(show, econchatr) / "report.md").read_text(encoding="utf-8")


def report_again(show: Path, econchatr: Run) -> Path:
    assert json.loads(econchatr("report", show, "--json").stdout)["done"] == ["report"]
    return show / "report"
