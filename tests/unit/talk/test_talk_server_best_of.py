"""Served answers that are the best of several draws, asked by a real client of a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import openai
import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")
pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from econchatr.ask.best_of import Chooser
from econchatr.tables import read_lines
from tests.helpers.server_material import Server, open_client, open_two_adapters, serve
from tests.helpers.waiting import wait_until

CHOSEN, PLAIN = "first", "second"
"""Both are tuned; only the first rung's answers are chosen."""


WEIGHED: list[str] = []
"""Every prompt that draws were weighed after."""


def weigh(prompt: str, replies: Sequence[str]) -> list[float]:
    """The reply with the most letters e gains most by a question: whose it is, the draws alone decide."""
    WEIGHED.append(prompt)
    return [float(text.count("e")) if "hens?" in prompt else 0.0 for text in replies]


CHOOSER = Chooser(3, "", weigh)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("chosen")
    with open_two_adapters(folder, n_slots=2) as slots, serve(slots, folder, choosers={CHOSEN: CHOOSER}) as running:
        yield running


@pytest.fixture(scope="module")
def unchosen(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same models, each of whose answers is one draw."""
    with serve(server.slots, tmp_path_factory.mktemp("unchosen")) as running:
        yield running


def order(**wanted: Any) -> dict[str, Any]:
    """A request of a dozen tokens."""
    question = [{"role": "user", "content": "Do you like hens?"}]
    return {"model": CHOSEN, "messages": question, "seed": 3, "max_tokens": 12, "temperature": 0.9, **wanted}


def ask(server: Server, **wanted: Any) -> Any:
    with open_client(server) as client:
        return client.chat.completions.create(**order(**wanted))


def read_log(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read_lines(server.log_path) if line.strip()]


def say(server: Server, **wanted: Any) -> str:
    return str(ask(server, **wanted).choices[0].message.content)


def test_the_draw_that_gains_most_is_the_answer_and_every_draw_is_logged(server: Server) -> None:
    n_before = len(read_log(server))
    said = say(server)
    rows = {row["seed"]: row["reply"]["text"] for row in read_log(server)[n_before:]}
    assert sorted(rows) == CHOOSER.list_seeds(3)
    assert len(set(rows.values())) > 1
    assert said == max((rows[seed] for seed in sorted(rows)), key=lambda text: text.count("e"))


def test_the_same_seed_gives_the_same_answer_whatever_was_asked_between(server: Server) -> None:
    first = say(server)
    for wanted in ({"seed": 8}, {"model": PLAIN}, {"model": f"{CHOSEN}:base", "temperature": 0}):
        say(server, **wanted)
        assert say(server) == first


def test_what_was_said_before_stands_in_both_prompts_that_draws_are_weighed_after(server: Server) -> None:
    turns = [("user", "Do you like trees?"), ("assistant", "I plant them."), ("user", "Do you like hens?")]
    say(server, messages=[{"role": role, "content": content} for role, content in turns])
    asked, bare = WEIGHED[-2:]
    assert "I plant them." in bare
    assert asked.replace("Do you like hens?", "") == bare


@pytest.mark.parametrize(
    "wanted",
    [{"model": f"{CHOSEN}:base"}, {"model": PLAIN}, {"temperature": 0}, {"logprobs": True}],
    ids=["the base", "a rung of one draw", "temperature 0", "likelihoods of tokens"],
)
def test_these_answers_are_drawn_once(wanted: dict[str, Any], server: Server, unchosen: Server) -> None:
    n_before = len(read_log(server))
    assert say(server, **wanted) == say(unchosen, **wanted)
    assert len(read_log(server)) == n_before + 1


def test_a_stream_holds_the_answer_in_one_piece(server: Server) -> None:
    with open_client(server) as client:
        events = [event for event in client.chat.completions.create(**order(stream=True)) if event.choices]
    assert [said for event in events if (said := event.choices[0].delta.content)] == [say(server)]


def test_each_of_several_choices_is_the_best_of_its_own_draws(server: Server) -> None:
    found = [choice.message.content for choice in ask(server, n=2).choices]
    assert found == [say(server, seed=3), say(server, seed=4)]


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_caller_who_hangs_up_ends_the_draws(is_stream: bool, server: Server) -> None:
    n_before = len(read_log(server))
    with open_client(server) as client, pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=1, max_retries=0).chat.completions.create(
            **order(stream=is_stream, max_tokens=1500)
        )
    assert wait_until(lambda: len(read_log(server)) > n_before, seconds=10)  # all draws together take half a minute
    assert {one["error"] for one in read_log(server)[n_before:]} == {"hung up"}
    assert wait_until(lambda: server.slots.turns.n_busy == 0, seconds=10)


@pytest.mark.parametrize(("prompt", "n_draws"), [("Do you like hens? Hal Høst responds:", 3), ("Once upon a time", 1)])
def test_a_completion_is_chosen_where_it_is_an_answer(prompt: str, n_draws: int, server: Server) -> None:
    n_before = len(read_log(server))
    with open_client(server) as client:
        client.completions.create(model=CHOSEN, prompt=prompt, seed=3, max_tokens=8)
    assert len(read_log(server)) == n_before + n_draws
