from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from econchatr.errors import InputError, ModelError
from econchatr.prompts import CHATML, Voice
from econchatr.talk.session import ChatSession, TalkSettings
from econchatr.talk.terminal import hold_chat
from tests.unit.test_ask import Scripted

VOICE = Voice(host="Hal Host", show="The Show")


def test_what_was_said_before_is_in_the_next_prompt() -> None:
    speaker = Scripted("Who counted?")
    session = ChatSession(speaker, CHATML, VOICE, seed=0)
    session.say("It is 94%.")
    session.say("The board did.")
    assert "It is 94%.<|im_end|>\n<|im_start|>assistant\nWho counted?" in str(speaker.calls[1]["prompt"])


def test_a_failure_leaves_the_conversation_as_it_was() -> None:
    speaker = Scripted(None)
    session = ChatSession(speaker, CHATML, VOICE, seed=0)
    with pytest.raises(ModelError):
        session.say("It is 94%.")
    speaker.text = "Hm."
    session.say("Again.")
    assert "94%" not in str(speaker.calls[1]["prompt"])


def test_old_exchanges_make_room_for_new_ones() -> None:
    speaker = Scripted("x" * 40)
    session = ChatSession(speaker, CHATML, VOICE, seed=0, settings=TalkSettings(max_history_chars=120))
    for n in range(5):
        session.say(f"question {n}")
    prompt = str(speaker.calls[-1]["prompt"])
    assert "question 4" in prompt
    assert "question 0" not in prompt


@pytest.mark.parametrize("text", ["", "   ", "x" * 5000])
def test_nothing_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        ChatSession(Scripted("Hm."), CHATML, VOICE, seed=0).say(text)


def chat(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None = "Who counted?") -> Scripted:
    speaker = Scripted(text)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    hold_chat(speaker, CHATML, VOICE, seed=0, model_sha256="m", log_path=tmp_path / "log.jsonl")
    return speaker


def test_base_and_tuned_switch_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speaker = chat("one\n/base\ntwo\n/tuned\nthree\n/quit\nfour\n", tmp_path, monkeypatch)
    assert [call["tuned"] for call in speaker.calls] == [True, False, True]
    assert "AI imitation of Hal Host, not Hal Host" in capsys.readouterr().out


def test_every_answer_is_logged_with_model_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chat("one\n", tmp_path, monkeypatch)
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert (row["model_sha256"], row["cue"], row["reply"]["text"]) == ("m", "one", "Who counted?")


def test_a_failed_answer_is_an_error_and_the_chat_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speaker = chat("one\ntwo\n", tmp_path, monkeypatch, text=None)
    assert len(speaker.calls) == 2
    assert capsys.readouterr().err.count("Error: out of memory") == 2
    assert not (tmp_path / "log.jsonl").exists()
