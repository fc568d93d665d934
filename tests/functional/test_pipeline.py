"""The whole program on a tiny show, with the real embedded model."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from econchatr.ask.exam import TUNED_VARIANTS
from econchatr.pipeline.show import open_show
from econchatr.records import Answer, Pair, Score, Selection, TunedModel
from econchatr.tables import hash_file, read_table
from tests.functional.conftest import Run, write_tiny_show

ALL_STEPS = [
    "fetch",
    "parse",
    "pair",
    "pair/guests",
    "pair/answers",
    "select",
    "train/tiny",
    "ask/tiny",
    "score/tiny",
    "report",
]


@pytest.fixture
def show(finished_show: Path, tmp_path: Path) -> Path:
    """A copy of the finished show that a test may change."""
    return Path(shutil.copytree(finished_show, tmp_path / "show"))


def redone(show: Path, econchatr: Run) -> list[str]:
    return list(json.loads(econchatr("run", show, "--json").stdout)["done"])


def test_one_run_does_every_step(finished_show: Path, econchatr: Run) -> None:
    states = json.loads(econchatr("status", finished_show, "--json").stdout)["steps"]
    assert [state["name"] for state in states] == ALL_STEPS
    assert {state["why"] for state in states} == {""}


def test_a_second_run_does_nothing_and_says_so(finished_show: Path, econchatr: Run) -> None:
    assert "Nothing to do" in econchatr("run", finished_show).stdout


def test_no_episode_is_in_two_splits(finished_show: Path) -> None:
    pairs = read_table(finished_show / "pair" / "pairs.parquet", Pair)
    assert all(len({pair.split for pair in pairs if pair.slug == slug}) == 1 for slug in {pair.slug for pair in pairs})
    assert {pair.split for pair in pairs} == {"train", "dev", "test"}


def test_only_training_pairs_are_selected(finished_show: Path) -> None:
    splits = {pair.pair_id: pair.split for pair in open_show(finished_show).learnable()}
    (selection,) = read_table(finished_show / "select" / "selections.parquet", Selection)
    assert {splits[pair_id] for pair_id in selection.pair_ids} == {"train"}


def test_the_tuned_model_is_tied_to_its_selection_by_hash(finished_show: Path) -> None:
    (selection,) = read_table(finished_show / "select" / "selections.parquet", Selection)
    (tuned,) = read_table(finished_show / "train" / "tiny" / "tuned.parquet", TunedModel)
    assert tuned.selection_sha256 == selection.sha256
    assert tuned.adapter_sha256 == hash_file(finished_show / tuned.adapter_path)
    assert tuned.gguf_path is not None
    assert tuned.gguf_sha256 == hash_file(finished_show / tuned.gguf_path)


def test_transformers_and_llama_cpp_agree_after_training(finished_show: Path) -> None:
    (tuned,) = read_table(finished_show / "train" / "tiny" / "tuned.parquet", TunedModel)
    assert tuned.n_agreeing_questions is not None
    assert tuned.n_agreeing_questions >= 0.75 * tuned.n_checked_questions == 3


def test_every_question_is_answered_before_and_after(finished_show: Path) -> None:
    answers = read_table(finished_show / "ask" / "tiny" / "answers.parquet", Answer)
    assert len(answers) == 4 * 5
    assert {answer.variant for answer in answers} == {"base", "persona", "tuned", "retrieval", "grounded"}
    assert all(answer.reply is not None for answer in answers)


def test_grounded_answers_name_the_turns_they_were_given_and_none_is_held_out(finished_show: Path) -> None:
    answers = read_table(finished_show / "ask" / "tiny" / "answers.parquet", Answer)
    splits = {pair.pair_id: pair.split for pair in read_table(finished_show / "pair" / "pairs.parquet", Pair)}
    given = {answer.variant: answer.excerpts for answer in answers}
    assert {splits[pair_id] for answer in answers for pair_id in answer.excerpts} == {"train"}
    assert {variant for variant, excerpts in given.items() if excerpts} == {"retrieval", "grounded"}


def test_a_grounded_chat_names_the_episode_of_the_turns_it_was_given(show: Path, econchatr: Run) -> None:
    said = econchatr("chat", show, "--ground", text="How much do you trust surveys?\n").stdout
    assert "AI imitation (grounded)>" in said
    assert re.search(r"\[given: \d{4}-\d\d-\d\d-[a-z-]+, \d{4}-\d\d-\d\d, turn \d+\] Hester Pellow: ", said)


def test_held_out_replies_are_scored_for_host_and_guests(finished_show: Path) -> None:
    scores = read_table(finished_show / "score" / "tiny" / "scores.parquet", Score)
    found = {(score.subject, score.variant) for score in scores if score.measure == "bits per byte" and score.value}
    assert {(f"{side} replies (test)", variant) for side in ("host", "guest") for variant in ("base", "tuned")} <= found


def test_the_terminal_shows_the_scores_in_20_lines_and_all_of_them_on_demand(show: Path, econchatr: Run) -> None:
    few = econchatr("score", show).stdout.splitlines()
    assert len(few) <= 20
    assert max(map(len, few)) <= 80
    assert "`--all` gives everything" in few[-1]
    every = econchatr("score", show, "--all").stdout.splitlines()
    n_scored = sum(row.value is not None for row in read_table(show / "score" / "tiny" / "scores.parquet", Score))
    assert sum(" n=" in line for line in every) == n_scored


def test_the_report_stands_alone_and_carries_the_label(finished_show: Path) -> None:
    html = (finished_show / "report" / "index.html").read_text(encoding="utf-8")
    assert "AI imitation of Hester Pellow, not Hester Pellow" in html
    assert "<script" not in html
    assert "Is ninety-four per cent good?" in html


def test_the_post_is_written_beside_the_report(finished_show: Path, econchatr: Run) -> None:
    done = econchatr("report", finished_show, "--post")
    folder = finished_show / "report"
    assert f"Post: {folder / 'post.html'}" in done.stdout
    page, text = ((folder / name).read_text(encoding="utf-8") for name in ("post.html", "post.md"))
    assert "AI imitation of Hester Pellow" in page
    assert re.search(r"at home in \d+ minutes?\b", text)
    assert "Hester Pellow, really" in text
    assert (folder / "playground.svg").is_file()


def test_beside_the_report_lie_its_tables_and_a_card_of_the_tuned_model(finished_show: Path) -> None:
    folder = finished_show / "report"
    answers = read_table(finished_show / "ask" / "tiny" / "answers.parquet", Answer)
    with (folder / "answers.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) >= len(answers)
    assert {"report.md", "scores.csv", "gates.csv", "model-card-tiny.md"} <= {path.name for path in folder.iterdir()}
    assert "AI imitation of Hester Pellow" in (folder / "model-card-tiny.md").read_text(encoding="utf-8")


def test_a_changed_question_asks_again_and_trains_nothing(show: Path, econchatr: Run) -> None:
    path = show / "questions.toml"
    path.write_text(path.read_text().replace("Why mend things?", "Why mend anything?"))
    assert redone(show, econchatr) == ["pair/answers", "ask/tiny", "score/tiny", "report"]


def test_a_changed_file_that_changes_no_turn_redoes_only_the_parsing(show: Path, econchatr: Run) -> None:
    path = min((show / "transcripts").iterdir())
    path.write_text(path.read_text(encoding="utf-8") + "\n\n", encoding="utf-8")
    assert redone(show, econchatr)[:2] == ["fetch", "parse"]
    assert "train/tiny" not in redone(show, econchatr)


def test_what_a_selection_did_not_take_retrains_nothing(show: Path, econchatr: Run) -> None:
    (selection,) = read_table(show / "select" / "selections.parquet", Selection)
    pairs = read_table(show / "pair" / "pairs.parquet", Pair)
    unused = next(
        pair for pair in pairs if pair.is_kept and pair.split == "train" and pair.pair_id not in selection.pair_ids
        and "kettle" in pair.reply
    )  # fmt: skip
    path = next(path for path in (show / "transcripts").iterdir() if path.stem == unused.slug)
    path.write_text(path.read_text(encoding="utf-8").replace(unused.reply, unused.reply + " Indeed."), encoding="utf-8")
    done = redone(show, econchatr)
    assert "pair" in done
    assert "train/tiny" not in done


def test_a_deleted_output_is_made_again_with_the_same_bytes(show: Path, econchatr: Run) -> None:
    before = hash_file(show / "pair" / "pairs.parquet")
    (show / "pair" / "pairs.parquet").unlink()
    assert redone(show, econchatr) == ["pair"]
    assert hash_file(show / "pair" / "pairs.parquet") == before


def test_the_log_knows_every_generation(finished_show: Path) -> None:
    lines = (finished_show / "ask" / "tiny" / "generations.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    assert len(rows) == 4 * 5 + 3 * 2, "the exam, and the closed questions"
    assert all(row["model_sha256"] and row["seed"] and row["at"] for row in rows)


def test_a_chat_streams_an_answer_of_each_model(show: Path, econchatr: Run) -> None:
    shutil.rmtree(show / "talk", ignore_errors=True)  # other files' tests talk to the show it is copied from
    done = econchatr("chat", show, text="Who counted?\n/base\nWho counted?\n/quit\n")
    assert done.stdout.count("AI imitation (tuned)> ") == 1
    assert done.stdout.count("AI imitation (base)> ") == 1
    lines = (show / "talk" / "generations.jsonl").read_text(encoding="utf-8").strip().splitlines()
    logged = {row["variant"]: row["model_sha256"] for row in map(json.loads, lines)}
    exam = {row.variant: row.model_sha256 for row in read_table(show / "ask" / "tiny" / "answers.parquet", Answer)}
    assert len(lines) == len(logged) == 2
    assert logged.items() <= exam.items()


TABLES = [
    "fetch/files.parquet", "parse/episodes.parquet", "parse/turns.parquet", "pair/pairs.parquet",
    "select/selections.parquet", "select/examples.parquet", "select/tiny/train.chat.jsonl",
]  # fmt: skip


@pytest.mark.slow
def test_killed_at_ten_random_moments_it_ends_with_the_same_tables(
    finished_show: Path, tmp_path: Path, econchatr_process: Run
) -> None:
    root, rng = write_tiny_show(tmp_path / "show"), random.Random(10)
    start = time.monotonic()
    econchatr_process("run", write_tiny_show(tmp_path / "timed" / "show"))
    seconds = time.monotonic() - start
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-m", "econchatr", "run", str(root)], stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.2, seconds))
        process.send_signal(signal.SIGKILL)
        process.wait()
    econchatr_process("run", root)
    assert [hash_file(root / name) for name in TABLES] == [hash_file(finished_show / name) for name in TABLES]
    (mine,), (theirs,) = (
        read_table(folder / "train" / "tiny" / "tuned.parquet", TunedModel) for folder in (root, finished_show)
    )
    assert (mine.selection_sha256, mine.n_steps) == (theirs.selection_sha256, theirs.n_steps)
    base = [
        [
            answer
            for answer in read_table(folder / "ask" / "tiny" / "answers.parquet", Answer)
            if answer.variant not in TUNED_VARIANTS
        ]
        for folder in (root, finished_show)
    ]
    assert base[0] == base[1]
