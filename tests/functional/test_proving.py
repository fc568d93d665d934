"""What the step `score` stores, with the real embedded model; and what it says where there is little to measure."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import polars
import pytest

from econchatr.pipeline import Silent, open_show
from econchatr.pipeline.pair import GUESTS
from econchatr.pipeline.run import make_tables
from econchatr.pipeline.score import SCORE
from econchatr.pipeline.stage import Step
from econchatr.records import (
    Answer,
    CopiedSpan,
    Gate,
    HeldOutReply,
    NearQuote,
    Pair,
    Probe,
    Record,
    Score,
)
from econchatr.records.measures import HOST_LESS_GUEST
from econchatr.tables import hash_file, read_table, write_table
from tests.functional.conftest import Run

OUTPUTS = [f"{name}.parquet" for name in SCORE.writes]
MODELS = ("base", "persona", "retrieval", "tuned", "grounded")
ROWS = (*MODELS, "host", "guest", "parrot")


@pytest.fixture
def show(finished_show: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_show, tmp_path / "show"))


def scored(show: Path, name: str, kind: type[Record]) -> list:  # type: ignore[type-arg]
    return read_table(show / "score" / "tiny" / name, kind)


def score_again(root: Path) -> list[Score]:
    """Do the step's own work on changed tables, after the guests' pairs that belong to them."""
    show = open_show(root)
    make_tables(Step(GUESTS, show), Silent())
    make_tables(Step(SCORE, show.rung()), Silent())
    scores = scored(root, "scores.parquet", Score)
    assert all(score.reason for score in scores if score.value is None)
    return scores


def values(scores: list[Score], measure: str) -> dict[str, float | None]:
    return {score.variant: score.value for score in scores if score.measure == measure}


def change_answers(root: Path, **changes: object) -> None:
    path = root / "ask" / "tiny" / "answers.parquet"
    write_table(path, [answer.model_copy(update=changes) for answer in read_table(path, Answer)], Answer)


def change_pairs(root: Path, **changes: object) -> None:
    for path in (root / "pair" / "pairs.parquet", root / "pair" / "answers" / "answer_pairs.parquet"):
        write_table(path, [pair.model_copy(update=changes) for pair in read_table(path, Pair)], Pair)


def test_every_row_has_its_measures_and_gates(finished_show: Path) -> None:
    scores = scored(finished_show, "scores.parquet", Score)
    assert set(values(scores, "copied words")) == set(ROWS)
    assert values(scores, "copied words")["parrot"] == 1
    gates = scored(finished_show, "gates.parquet", Gate)
    assert {(gate.variant, gate.gate) for gate in gates} == {
        (row, gate)
        for row in ROWS
        for gate in ("copying", "repetition", "on the question", "length", "answers", "sense")
    }
    assert {score.variant for score in scores if score.measure == "voice, closer to the host by"} == {
        "tuned minus base", "tuned minus persona", "tuned minus retrieval", "grounded minus retrieval",
    }  # fmt: skip
    spans = scored(finished_show, "spans.parquet", CopiedSpan)
    assert {span.slug for span in spans if span.variant == "parrot"}


def test_every_answer_has_the_nearest_thing_that_was_said(finished_show: Path) -> None:
    answers = read_table(finished_show / "ask" / "tiny" / "answers.parquet", Answer)
    near = scored(finished_show, "nearest.parquet", NearQuote)
    assert [(one.variant, one.question_id, one.sample) for one in near] == [
        (answer.variant, answer.question_id, answer.sample) for answer in answers
    ]
    said = {pair.pair_id: pair.reply for pair in read_table(finished_show / "pair" / "pairs.parquet", Pair)}
    assert all(one.text in said[f"{one.slug}#{one.position}"] for one in near if one.text)


def test_the_measured_replies_are_stored_and_make_up_the_score(finished_show: Path) -> None:
    replies = scored(finished_show, "replies.parquet", HeldOutReply)
    assert sorted(reply.side for reply in replies) == ["guest", "guest", "host", "host"]
    host = [reply for reply in replies if reply.side == "host"]
    by_hand = sum(reply.base_bits for reply in host) / sum(len(reply.reply.encode()) for reply in host)
    (score,) = [
        score
        for score in scored(finished_show, "scores.parquet", Score)
        if (score.measure, score.variant, score.subject) == ("bits per byte", "base", "host replies (test)")
    ]
    assert score.value == pytest.approx(by_hand, abs=1e-6)


def test_closed_questions_are_asked_of_base_and_tuned_and_scored(finished_show: Path) -> None:
    folder = finished_show / "ask" / "tiny"
    answers = read_table(folder / "probes.parquet", Answer)
    probes = read_table(folder / "probe_questions.parquet", Probe)
    assert len(probes) == 3
    assert [(one.variant, one.question_id) for one in answers] == [
        (variant, probe.probe_id) for variant in ("base", "tuned") for probe in probes
    ]
    scores = scored(finished_show, "scores.parquet", Score)
    assert {score.n for score in scores if score.measure == "F0.5u" and score.subject == "closed questions"} == {3}


@pytest.mark.slow
def test_minutes_add_replies_and_are_kept(show: Path, econchatr: Run) -> None:
    before = [row.value for row in scored(show, "scores.parquet", Score) if row.subject == HOST_LESS_GUEST]
    told = econchatr("score", show, "--minutes", "0.3").stderr
    assert "as many held-out replies as 0.3 minutes allow" in told
    replies = scored(show, "replies.parquet", HeldOutReply)
    assert len(replies) > 4
    assert len(replies) == len({(reply.side, reply.pair_id) for reply in replies})
    assert [row.value for row in scored(show, "scores.parquet", Score) if row.subject == HOST_LESS_GUEST] != before
    assert json.loads(econchatr("run", show, "--json").stdout)["done"] == ["report"]
    assert econchatr("score", show, "--minutes", "1", "--judge", check=2).stderr


def test_what_was_measured_is_not_measured_again_and_gives_the_same_tables(
    show: Path, econchatr: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: hash_file(show / "score" / "tiny" / name) for name in OUTPUTS}
    monkeypatch.setattr("econchatr.pipeline.likelihoods.open_meter", None)  # would fail if it were called
    score_again(show)
    assert {name: hash_file(show / "score" / "tiny" / name) for name in OUTPUTS} == before


def test_one_scoring_reads_each_table_of_the_show_once_and_pairs_nothing(
    show: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, read_parquet = Counter[str](), polars.read_parquet

    def count(path: Path) -> polars.DataFrame:
        reads[path.relative_to(show).as_posix()] += 1
        return read_parquet(path)

    monkeypatch.setattr(polars, "read_parquet", count)
    monkeypatch.setattr("econchatr.pair.blocks._join_blocks", None)  # would fail if an episode were paired
    make_tables(Step(SCORE, open_show(show).rung()), Silent())
    tables = ("parse/episodes", "parse/turns", "pair/pairs", "pair/guests/guest_pairs", "ask/tiny/answers")
    assert {name: reads[f"{name}.parquet"] for name in tables} == dict.fromkeys(tables, 1)


def test_a_line_cut_off_by_a_kill_is_measured_again_with_the_same_values(show: Path) -> None:
    log = show / "score" / "tiny" / "likelihoods.jsonl"
    before = hash_file(show / "score" / "tiny" / "scores.parquet")
    log.write_bytes(log.read_bytes()[:-20])
    score_again(show)
    assert hash_file(show / "score" / "tiny" / "scores.parquet") == before


def test_a_model_that_returns_nothing_is_unscored_everywhere(show: Path) -> None:
    change_answers(show, reply=None, error="the model returned no text")
    scores = score_again(show)
    models = [score for score in scores if score.variant in MODELS and score.subject == "answers"]
    assert models
    assert all(score.value is None for score in models)
    assert values(scores, "copied words")["parrot"] == 1
    assert scored(show, "nearest.parquet", NearQuote) == []
    gates = scored(show, "gates.parquet", Gate)
    assert {gate.outcome for gate in gates if gate.variant == "tuned"} == {"unscored"}


def test_a_show_of_one_episode_has_nothing_held_out_to_measure_by(show: Path) -> None:
    """As if all its pairs had to be learned from."""
    change_pairs(show, split="train")
    scores = score_again(show)
    assert scored(show, "replies.parquet", HeldOutReply) == []
    for measure in ("voice", "host bits saved", "true reply among twenty", "bits per byte"):
        assert set(values(scores, measure).values()) == {None}, measure
    gates = scored(show, "gates.parquet", Gate)
    # Whether answers answer can be told by itself: a stated default stands in for the host.
    assert {gate.outcome for gate in gates if gate.variant == "tuned" and gate.gate != "answers"} == {"unscored"}


def test_too_few_held_out_turns_are_no_choice_and_no_voice(show: Path) -> None:
    path = show / "pair" / "pairs.parquet"
    pairs = read_table(path, Pair)
    test = [pair for pair in pairs if pair.split == "test" and pair.is_kept]
    write_table(path, [pair for pair in pairs if pair.split != "test"] + test[:3], Pair)
    scores = score_again(show)
    (reason,) = {score.reason for score in scores if score.measure == "true reply among twenty"}
    assert "too few held-out replies" in reason
    assert values(scores, "voice")["tuned"] is None
    assert values(scores, "median reply words")["host"] is not None


@pytest.mark.slow
def test_a_host_who_asks_nothing_is_scored_like_any_other(show: Path) -> None:
    path = show / "pair" / "pairs.parquet"
    pairs = [
        pair.model_copy(update={"reply": pair.reply.replace("?", "."), "cue": pair.cue.replace("?", ".")})
        for pair in read_table(path, Pair)
    ]
    write_table(path, pairs, Pair)
    scores = score_again(show)
    assert values(scores, "copied words")["parrot"] == 1
    assert values(scores, "answers on their question")["host"] is not None


def test_answers_in_another_language_are_near_to_nothing_and_no_crash(show: Path) -> None:
    path = show / "ask" / "tiny" / "answers.parquet"
    text = "これは別の言語の答えです。 Das ist eine Antwort in einer anderen Sprache, und zwar auf Deutsch."
    answers = read_table(path, Answer)
    foreign = [
        answer.model_copy(update={"reply": answer.reply and answer.reply.model_copy(update={"text": text})})
        for answer in answers
    ]
    write_table(path, foreign, Answer)
    scores = score_again(show)
    assert {one.text for one in scored(show, "nearest.parquet", NearQuote)} == {""}
    assert values(scores, "copied words")["tuned"] == 0
