"""The whole loop of preferences: a rule ranks what the model says, one round is trained, what it cost decides."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from econchatr.demo import write_demo_show
from econchatr.pipeline import Silent, open_show, run_show
from econchatr.pipeline.results import round_measures
from econchatr.pipeline.show import Show
from econchatr.prompts import chat_messages, render_chat, system_line
from econchatr.records import Answer, JudgedSample, Pair, PreferenceOutcome, Ranking, Sampling
from econchatr.tables import hash_file, read_table
from econchatr.tools.preference_round import prefer_rungs
from econchatr.tools.rankings import save_judgement
from tests.functional.conftest import Run, edit_show

N_QUESTIONS = 24
MAX_TOKENS = 120
SHORT_WORDS, SHOWN_WORDS = 45, 55
"""Of the answer that is liked, at most; of the one that is not, which is cut there: so a round stays short."""


def ask(show: Show, questions: list[str]) -> dict[str, list[JudgedSample]]:
    """Three answers of the tuned model to each question."""
    with show.rung().open(n_at_once=2) as model, ThreadPoolExecutor(2) as pool:

        def draw(place: tuple[str, int]) -> tuple[str, JudgedSample]:
            question, seed = place
            messages = chat_messages(question, None, system=system_line(show.voice))
            sampling = Sampling(seed, temperature=0.8, max_tokens=MAX_TOKENS)
            reply = model.speaker.reply(render_chat(messages, model.template), sampling, tuned=True)
            sample = JudgedSample(
                text=reply.text.strip() or "-", rung=model.tuned.rung, variant="tuned",
                model_sha256=model.tuned.adapter_sha256, seed=seed, is_whole=reply.stop == "end",
            )  # fmt: skip
            return question, sample

        answers: dict[str, list[JudgedSample]] = {}
        for question, sample in pool.map(draw, [(question, seed) for question in questions for seed in range(3)]):
            answers.setdefault(question, []).append(sample)
        return answers


def rank_shortest_first(show: Show) -> int:
    """Rank as somebody would who likes nothing but short answers: the shortest above the longest of three."""
    pairs = read_table(show.folder("pair") / "pairs.parquet", Pair)
    cues = [" ".join(pair.cue.split()[-40:]) for pair in pairs if pair.is_kept and pair.split == "train"]
    n = 0
    for question, samples in ask(show, cues[:: len(cues) // N_QUESTIONS][:N_QUESTIONS]).items():
        ordered = sorted(samples, key=lambda sample: len(sample.text.split()))
        short = [sample for sample in ordered if sample.is_whole and len(sample.text.split()) <= SHORT_WORDS]
        words = ordered[-1].text.split()
        if short and len(words) >= len(short[0].text.split()) + 10:
            fields = {"text": " ".join(words[:SHOWN_WORDS]), "is_whole": False}
            long = JudgedSample.model_validate(ordered[-1].model_dump(exclude={"text_sha256"}) | fields)
            n += save_judgement(show, Ranking(
                scorer="a rule", judged_at=datetime.now(UTC), question=question, seed=n, samples=(short[0], long),
            ))  # fmt: skip
    return n


@pytest.mark.slow
def test_a_rule_that_likes_short_answers_gets_shorter_ones_and_the_host_pays_nothing(
    tmp_path: Path, cache: Path
) -> None:
    root = tmp_path / "show"
    write_demo_show(root)
    show = open_show(root, cache=cache)
    run_show(show, Silent(), until="train")
    rung = show.rung("")
    tuned = hash_file(root / "train" / rung.name / "adapter_model.safetensors")
    assert rank_shortest_first(show) >= 10
    (outcome,) = prefer_rungs(show, Silent())
    assert outcome.words_before is not None
    assert outcome.words_after is not None
    assert outcome.words_after < 0.9 * outcome.words_before
    assert outcome.is_kept, outcome.reason
    assert (outcome.method, outcome.source, outcome.tuned_sha256) == ("dpo", "rankings", tuned)
    folder = rung.preferred_folder
    assert read_table(folder / "outcome.parquet", PreferenceOutcome) == [outcome]
    assert len(read_table(folder / "answers.parquet", Answer)) == 12
    assert hash_file(root / "train" / rung.name / "adapter_model.safetensors") == tuned
    scores, gates = round_measures(rung)
    assert {score.variant for score in scores} == {"tuned before preferences", "preferred", "preferred minus tuned"}
    assert len(gates) == 10
    assert outcome.n_agreeing_questions is not None
    stamp = (folder / "manifest.json").stat().st_mtime_ns
    assert prefer_rungs(show, Silent()) == [outcome]
    assert (folder / "manifest.json").stat().st_mtime_ns == stamp


@pytest.mark.slow
def test_a_round_is_checked_in_both_engines_and_told_by_the_next_report(
    finished_show: Path, econchatr: Run, tmp_path: Path
) -> None:
    """Nobody ranked anything, so it learns from the host's own replies; the report measures nothing for it."""
    root = Path(shutil.copytree(finished_show, tmp_path / "show"))
    edit_show(root, "max_tokens = 1200", "max_tokens = 2400")
    (told,) = json.loads(econchatr("train", root, "--preferences", "--host-replies", "--json").stdout)
    assert told["n_checked_questions"] == 4
    assert told["n_agreeing_questions"] >= 3
    econchatr("report", root)
    text = (root / "report" / "report.md").read_text()
    assert "## A round on preferences" in text
    assert "pairs of the host\N{RIGHT SINGLE QUOTATION MARK}s own reply" in text
    assert "tuned model after a round on preferences" in text
    assert "bits per byte of the host" in text


def test_a_round_without_a_ranking_is_refused_before_anything_is_trained(tiny_show: Path, econchatr: Run) -> None:
    told = econchatr("train", tiny_show, "--preferences", check=2).stderr
    assert "nobody has ranked or judged" in told
    assert "econchatr play" in told
    assert not (tiny_show / "train").exists()


def test_two_rankings_are_refused_and_nothing_is_left_half_done(
    finished_show: Path, econchatr: Run, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(finished_show, tmp_path / "show"))
    samples = [JudgedSample(text=text, rung="tiny", variant="tuned", model_sha256="", seed=0) for text in ("a", "b")]
    for question in ("Why?", "How?"):
        save_judgement(
            open_show(root),
            Ranking(scorer="ada", judged_at=datetime.now(UTC), question=question, samples=samples),  # type: ignore[arg-type]
        )
    assert "2 preferences are too few" in econchatr("train", root, "--preferences", check=2).stderr
    assert "had no round" in econchatr("chat", root, "--preferred", check=3).stderr
    states = json.loads(econchatr("status", root, "--json").stdout)["steps"]
    assert {state["why"] for state in states} == {""}
