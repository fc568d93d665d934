"""The best of several draws through the whole program: exam, chat and library, with the real model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from econchatr.ask.exam import OftenSpeaker, render_question
from econchatr.library import open_model
from econchatr.models.llama.meter import reply_nats
from econchatr.pipeline.show import Rung, open_show
from econchatr.prompts import EncodedExample
from econchatr.records import REPEAT_PENALTY, Sampling
from tests.functional.conftest import Run, edit_show

pytestmark = pytest.mark.slow

N_DRAWS = 3
QUESTION = "What is a pilot study?"


@pytest.fixture(scope="module")
def show(finished_show: Path, tmp_path_factory: pytest.TempPathFactory, econchatr: Run) -> Path:
    """The finished show, asked anew with the best of three draws."""
    root = Path(shutil.copytree(finished_show, tmp_path_factory.mktemp("best") / "show"))
    edit_show(root, "best_of = 1", f"best_of = {N_DRAWS}")
    econchatr("ask", root)
    return root


def gain(rung: Rung, question: str, reply: str) -> float:
    """How much likelier the untuned model finds a reply after the question than after none, in nats."""
    encode, checkpoint = rung.base.tokenizer().encode, rung.base.weights().checkpoint_path
    prompts = [encode(render_question(text, "tuned", rung.show.voice, rung.template)) for text in (question, "")]
    examples = [EncodedExample((*prompt, *encode(reply)), len(prompt)) for prompt in prompts]
    after, alone = reply_nats(examples, checkpoint=checkpoint, adapter=None)
    return alone - after


def test_the_base_is_drawn_once_and_the_tuned_model_says_how_often_it_was_drawn(
    show: Path, finished_show: Path
) -> None:
    now, before = (open_show(root).rung().answers() for root in (show, finished_show))
    base = ("base", "persona", "retrieval")
    asked = [[(one.question_id, one.variant, one.seed) for one in answers] for answers in (now, before)]
    assert asked[0] == asked[1]
    assert {one.best_of for one in now if one.variant in base} == {1}
    assert {one.best_of for one in now if one.variant not in base} == {N_DRAWS}


def test_the_answer_is_the_draw_that_the_question_explains_best(show: Path) -> None:
    rung = open_show(show).rung()
    prompt, sampling = (
        render_question(QUESTION, "tuned", rung.show.voice, rung.template),
        Sampling(5 * N_DRAWS, 0.6, 40, REPEAT_PENALTY),
    )
    with rung.open(n_at_once=1) as opened:
        assert isinstance(opened.speaker, OftenSpeaker)
        drawn = [reply.text for reply in opened.speaker.reply_often(prompt, sampling, N_DRAWS, tuned=True)]
    with open_model(show) as model:
        assert model.ask(QUESTION, seed=5, max_tokens=40).text == max(
            drawn, key=lambda text: gain(rung, QUESTION, text)
        )


def test_a_chat_answers_as_the_library_does(show: Path, econchatr: Run) -> None:
    with open_model(show) as model:
        said = model.ask(QUESTION, seed=5).text
    assert " ".join(said.split()) in " ".join(econchatr("chat", show, QUESTION, "--seed", 5).stdout.split())


def test_a_second_run_draws_nothing(show: Path, econchatr: Run) -> None:
    log = next((show / "ask").glob("*/generations.jsonl"))
    before = log.read_bytes()
    (show / "ask" / "tiny" / "manifest.json").unlink()
    econchatr("ask", show)
    assert log.read_bytes() == before
