"""The playground's parts without a browser: what is shown, found, drawn and kept."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from econchatr.ask.asker import GenerationLog
from econchatr.ask.best_of import Chooser
from econchatr.config import ShowConfig
from econchatr.errors import InputError, ModelError, ShowFolderError
from econchatr.models.engines.llama_server import ReplyPiece, Turns
from econchatr.pipeline.show import Show
from econchatr.records import BlindCue, Message
from econchatr.score.quoting.copying import find_copied, flag_copied, index_speech
from econchatr.score.speech import split_words
from econchatr.tables import read_lines
from econchatr.talk.playground.answering import (
    Answering,
    DrawSettings,
    Halt,
    Teller,
    check_question,
    plan_answer,
    read_drawing,
    stop_rows,
)
from econchatr.talk.playground.kept_talk import Talk, read_talk, save_talk
from econchatr.talk.playground.lookups import Evidence, Library, TurnSearch
from econchatr.talk.playground.speech_html import show_answer, show_copied, show_text
from econchatr.talk.server.replying import Answerer, Gauges
from econchatr.tools.serve import PlayKeeper
from tests.helpers.make_records import make_pair
from tests.helpers.playground_material import ATTACK, BEES, make_material, make_turn
from tests.helpers.server_material import VOICE, list_models


class ScriptedSlots:
    """Slots that say what they are told to, to see what the page makes of it."""

    def __init__(self, *pieces: str, fails: bool = False, waits: bool = False) -> None:
        self.turns = Turns(2, max_waiting=9)
        self.pieces, self.fails, self.waits, self.n_open = pieces, fails, waits, 0

    async def say(self, prompt: str, draw: Any, *, adapter: int | None) -> AsyncGenerator[ReplyPiece, None]:
        self.n_open += 1
        try:
            for text in self.pieces:
                yield ReplyPiece(text)
            if self.fails and adapter == 0:
                raise ModelError("it broke.", hint="Try again.")
            if self.waits:
                await asyncio.sleep(60)
            yield ReplyPiece("", stop="end", n_prompt_tokens=7, n_reply_tokens=len(self.pieces))
        finally:
            self.n_open -= 1

    async def say_often(
        self, prompt: str, draw: Any, n_replies: int, *, adapter: int | None
    ) -> AsyncGenerator[tuple[int, ReplyPiece], None]:
        for place in range(n_replies):
            yield place, ReplyPiece("Hm.", stop="end")
            await asyncio.sleep(60 * self.waits)


def make_teller(slots: Any, folder: Path) -> tuple[Teller, list[Any]]:
    models = list_models(slots)
    material = make_material(folder)
    answerer = Answerer(models, VOICE, log=GenerationLog(folder / "log.jsonl"), gauges=Gauges(models))
    return Teller(answerer, Library(material), dict(material.usd_per_hour)), models


def tell_all(teller: Teller, tellings: list[Any]) -> list[Any]:
    async def run() -> list[Any]:
        async with aclosing(teller.tell(tellings)) as updates:
            return [rows async for rows in updates][-1]

    return asyncio.run(run())


# --- shown ------------------------------------------------------------------------------------------------------------


@given(st.text())
def test_no_text_becomes_markup_or_a_template(text: str) -> None:
    shown = show_text(text).replace("<br>", "")
    assert not re.search(r"[<>${}@`\"']", shown)
    assert all(char.isprintable() or char == "\t" for char in shown)


@given(st.text(alphabet="ab c-'…—<&\n", max_size=60), st.lists(st.booleans(), max_size=20))
def test_marking_changes_no_character(text: str, flags: list[bool]) -> None:
    shown = re.sub(r"</?mark[^>]*>", "", show_copied(text, flags))
    assert shown == show_text(text)


def test_exactly_the_copied_words_are_marked() -> None:
    index = index_speech([make_pair(reply=BEES)])
    text = f"I <b>say</b>: {BEES[:70]} - and so on."
    flags = flag_copied(text, index)
    assert sum(flags) == find_copied(text, index).n_copied > 8
    assert len(flags) == len(split_words(text))
    marked = re.findall(r"<mark[^>]*>(.*?)</mark>", show_copied(text, flags))
    assert len(marked) == 1
    assert marked[0].startswith("The inspector counted")
    assert "say" not in marked[0]


# --- found ------------------------------------------------------------------------------------------------------------


def test_what_the_host_really_said_is_found_with_episode_date_and_likeness(tmp_path: Path) -> None:
    library = Library(make_material(tmp_path))
    near = library.look_up("The inspector counted hives of bees before the frost.", prompt="").near
    assert near is not None
    assert (near.text, near.episode, near.turn) == (BEES, f"Title 1 {ATTACK}", 1)
    assert near.published is not None
    assert 0.35 <= near.likeness <= 1
    far = library.look_up("Quantum chromodynamics.", prompt="")
    assert (far.near, far.copied_from) == (None, None)
    copied = library.look_up(BEES[:70], prompt="").copied_from
    assert copied is not None
    assert copied.episode == f"Title 1 {ATTACK}"


def test_turns_are_found_by_their_words_and_by_who_spoke() -> None:
    search = TurnSearch([make_turn(0, "Bees! Bees!"), make_turn(1, "I like bees.", role="host"), make_turn(2, "...")])
    assert [turn.position for turn in search.find("BEES?", only_host=False, n=5)] == [0, 1]
    assert [turn.position for turn in search.find("bees", only_host=True, n=5)] == [1]
    assert search.find("wasps", only_host=False, n=5) == []
    assert TurnSearch([]).find("bees", only_host=False, n=5) == []


# --- drawn ------------------------------------------------------------------------------------------------------------


def test_draws_are_compared_with_a_prompt_that_lacks_the_question_alone(tmp_path: Path) -> None:
    _, models = make_teller(ScriptedSlots("Who "), tmp_path)
    history = [Message(role="user", content="Trees?"), Message(role="assistant", content="I plant them.")]
    telling = plan_answer(models[0], VOICE, "Hens?", DrawSettings(), history=history).telling
    assert telling.bare == telling.prompt.replace("Hens?", "")
    assert "I plant them." in telling.bare


def test_a_draw_that_cannot_be_logged_fails_the_answer_and_leaves_no_other_draw_behind(tmp_path: Path) -> None:
    slots = ScriptedSlots(waits=True)
    models, chooser = list_models(slots), Chooser(2, "", lambda prompt, texts: [0.0] * len(texts))
    (tmp_path / "log.jsonl").mkdir()
    log = GenerationLog(tmp_path / "log.jsonl")
    answerer = Answerer(models, VOICE, log=log, gauges=Gauges(models), choosers={"first": chooser})

    async def run() -> int:
        telling = plan_answer(models[0], VOICE, "Why?", DrawSettings()).telling
        with pytest.raises(ShowFolderError):
            await answerer.tell_whole([telling])
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


def test_an_answer_that_came_whole_tells_no_speed(tmp_path: Path) -> None:
    row = Answering(model="first", rung="first", variant="tuned", model_sha256="m", seed=0, prompt="", text="Hm.",
                    state="done", seconds=2.0, first_seconds=2.0, n_reply_tokens=9)  # fmt: skip
    assert "2.0 s" in (shown := show_answer(row, VOICE))
    assert "tokens/s" not in shown
    assert "tokens/s" in show_answer(replace(row, first_seconds=0.5), VOICE)


def test_answers_carry_time_tokens_and_price(tmp_path: Path) -> None:
    teller, models = make_teller(ScriptedSlots("Who ", "counted?"), tmp_path)
    rows = tell_all(teller, [plan_answer(model, VOICE, "Why?", DrawSettings()) for model in models])
    assert [row.text for row in rows] == ["Who counted?"] * 3
    assert {row.state for row in rows} == {"done"}
    assert (rows[0].n_prompt_tokens, rows[0].n_reply_tokens) == (7, 2)
    assert rows[0].usd is not None
    assert float(rows[0].usd) == pytest.approx(rows[0].seconds / 1000, abs=1e-6)
    assert rows[1].usd is None


def test_real_turns_stand_before_the_question_and_are_cited_and_disarmed(tmp_path: Path) -> None:
    teller, models = make_teller(ScriptedSlots("Well."), tmp_path)
    planned = asyncio.run(teller.plan(models[0], VOICE, "Why?", DrawSettings(), grounds=True))
    prompt = planned.telling.prompt
    assert prompt.index(ATTACK) < prompt.index(BEES) < prompt.index("Why?")
    (row,) = tell_all(teller, [planned])
    shown = show_answer(row, VOICE)
    assert "Given to the model, really said:" in shown
    assert "The inspector counted" in shown
    assert "<script" not in shown


def test_the_log_names_the_real_turns_an_answer_was_given(tmp_path: Path) -> None:
    teller, models = make_teller(ScriptedSlots("Well."), tmp_path)
    for model, grounds in ((models[0], True), (models[2], True), (models[0], False)):
        tell_all(teller, [asyncio.run(teller.plan(model, VOICE, "Why?", DrawSettings(), grounds=grounds))])
    rows = [json.loads(line) for line in read_lines(tmp_path / "log.jsonl") if line]
    assert [(row["variant"], row.get("excerpts")) for row in rows] == [
        ("grounded", ["episode-0#1", "episode-1#1"]),
        ("retrieval", ["episode-0#1", "episode-1#1"]),
        ("tuned", None),
    ]
    hashes = [row["model_sha256"] for row in rows]
    assert hashes == ["first grounded hash", "first:base retrieval hash", "first hash"]


def test_one_models_failure_is_told_and_does_not_end_the_others(tmp_path: Path) -> None:
    teller, models = make_teller(ScriptedSlots("Well.", fails=True), tmp_path)
    rows = tell_all(teller, [plan_answer(model, VOICE, "Why?", DrawSettings()) for model in models])
    assert [row.state for row in rows] == ["failed", "done", "done"]
    assert rows[0].error == "it broke. Try again."


def test_whoever_stops_listening_ends_every_answer(tmp_path: Path) -> None:
    slots = ScriptedSlots("Well, ", waits=True)
    teller, models = make_teller(slots, tmp_path)

    async def run() -> list[Any]:
        async with aclosing(teller.tell([plan_answer(models[0], VOICE, "Why?", DrawSettings())])) as updates:
            async for rows in updates:
                if rows[0].text:
                    break
        return stop_rows(rows)

    (row,) = asyncio.run(run())
    assert (row.state, row.text, slots.n_open) == ("stopped", "Well, ", 0)
    assert json.loads((tmp_path / "log.jsonl").read_text())["error"] == "hung up"
    # Stopped between its last token and what is looked up for it.
    (whole,) = stop_rows([replace(row, state="writing", seconds=1.0)])
    assert whole.state == "done"


def test_what_is_stopped_is_shown_once_more_and_stop_waits_for_that(tmp_path: Path) -> None:
    slots, halt, seen = ScriptedSlots("Well, ", waits=True), Halt(), []
    teller, models = make_teller(slots, tmp_path)

    async def listen() -> None:
        async with aclosing(teller.tell([plan_answer(models[0], VOICE, "Why?", DrawSettings())], halt)) as updates:
            async for (row,) in updates:
                seen.append((row.state, row.text))

    async def run() -> None:
        await halt.stop()  # nothing is written yet
        listener = asyncio.create_task(listen())
        while ("writing", "Well, ") not in seen and not listener.done():
            await asyncio.sleep(0.01)
        await halt.stop()
        assert seen[-1] == ("stopped", "Well, ")
        await listener

    asyncio.run(run())
    assert slots.n_open == 0


def test_a_question_must_be_one_and_fields_are_brought_back_to_what_is_possible() -> None:
    for text in ("", " \n", "x" * 5000):
        with pytest.raises(InputError):
            check_question(text)
    assert check_question(" Why\ud800? ") == "Why??"
    assert read_drawing(None, None, None) == DrawSettings(0.6, 250, 0)
    assert read_drawing(99, 1e9, -1) == DrawSettings(2.0, 1000, 2**31 - 1)


# --- kept -------------------------------------------------------------------------------------------------------------


def test_a_second_question_is_refused_until_the_first_is_released() -> None:
    async def run() -> None:
        halt = Halt()
        assert await halt.claim()
        assert not await halt.claim()
        halt.release()
        assert await halt.claim()

    asyncio.run(run())


def test_a_question_sent_when_the_end_of_the_last_answer_is_shown_is_taken(tmp_path: Path) -> None:
    teller, models = make_teller(ScriptedSlots("Well, ", "yes."), tmp_path)
    halt, states = Halt(), list[str]()

    async def run() -> None:
        assert await halt.claim()
        async with aclosing(teller.tell([plan_answer(models[0], VOICE, "Why?", DrawSettings())], halt)) as updates:
            async for (row,) in updates:
                states.append(row.state)
                if row.state == "done":
                    two = [asyncio.create_task(halt.claim()) for _ in range(2)]
                    await asyncio.sleep(0)
        assert not any(task.done() for task in two)
        halt.release()
        assert sorted(await asyncio.gather(*two)) == [False, True]

    asyncio.run(run())
    assert states.count("done") == 1


def test_a_kept_talk_comes_back_without_what_the_browser_says_of_the_host() -> None:
    answer = Answering("m", "first", "tuned", "0" * 64, 3, "p", state="writing", text="Rust.", evidence=Evidence(None))
    talk = read_talk(save_talk(Talk().add("Why?", answer)))
    (one,) = talk.exchanges
    assert (one.said, one.answer.text, one.answer.seed, one.answer.state) == ("Why?", "Rust.", 3, "stopped")
    assert one.answer.evidence is None


@given(st.text(max_size=200))
def test_whatever_the_browser_kept_is_a_talk(saved: str) -> None:
    assert read_talk(saved).exchanges == ()


def test_guesses_are_kept_with_who_and_when(tmp_path: Path) -> None:
    show = Show(
        tmp_path,
        ShowConfig.model_validate({"show": {"name": "s", "hosts": ["h"]}, "ladder": [{"name": "r"}]}),
        tmp_path,
    )
    cue = BlindCue(key="k", rung="r", pair_id="e#1", cue=ATTACK, replies=("a", "b"), real=1)
    PlayKeeper(show).save_guess(cue, who="Ann\n", pick=0)
    PlayKeeper(show).save_guess(cue, who="Bo", pick=1)
    rows = [json.loads(line) for line in read_lines(tmp_path / "talk" / "guesses.jsonl") if line]
    assert [(row["who"], row["pick"], row["real"], row["cue"]) for row in rows] == [
        ("Ann\n", 0, 1, ATTACK),
        ("Bo", 1, 1, ATTACK),
    ]
    assert all(row["at"].endswith("+00:00") for row in rows)
    assert {row["adapter_sha256"] for row in rows} == {None}  # nothing is trained here
