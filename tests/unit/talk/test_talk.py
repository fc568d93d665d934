from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from econchatr.ask.best_of import BestOf, Chooser
from econchatr.errors import InputError, ModelError
from econchatr.models.base_model import Base
from econchatr.models.engines.llama_server import N_CTX
from econchatr.prompts import CHATML, Voice
from econchatr.records import Pair
from econchatr.tables import read_lines
from econchatr.talk.session import ChatSession, TalkSettings
from econchatr.talk.terminal import hold_chat
from tests.helpers.language_samples import TALKS
from tests.helpers.make_records import make_pair
from tests.unit.ask.test_ask import Scripted
from tests.unit.ask.test_best_of import Deck

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


def test_of_several_draws_a_copy_of_an_earlier_answer_does_not_win() -> None:
    def weigh(prompt: str, replies: Sequence[str]) -> list[float]:
        return [100.0 * (reply in prompt) + sum(word in prompt for word in reply.split()) for reply in replies]

    deck = Deck("Few trust surveys.", "Well.", "Few trust surveys.", "We plant hens.")
    session = ChatSession(BestOf(deck, Chooser(2, "", weigh)), CHATML, VOICE, seed=0)
    assert session.say("Do you trust surveys?").text == "Few trust surveys."
    assert session.say("Why plant trees?").text == "We plant hens."


@pytest.mark.parametrize("language", list(TALKS))
def test_a_long_conversation_leaves_room_for_an_answer_in_any_language(language: str, cache: Path) -> None:
    said = TALKS[language]
    speaker = Scripted((said * 9)[:430])
    session = ChatSession(speaker, CHATML, VOICE, seed=0)
    for _ in range(14):
        session.say(said[:120])
    encode = Base("embedded", cache, may_ask_hub=False).tokenizer().encode
    n_tokens = [len(encode(str(call["prompt"]))) for call in speaker.calls]
    assert n_tokens[-1] > n_tokens[0]
    assert max(n_tokens) < N_CTX - 200


@pytest.mark.parametrize("text", ["", "   ", "x" * 5000])
def test_nothing_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        ChatSession(Scripted("Hm."), CHATML, VOICE, seed=0).say(text)


def test_real_turns_stand_before_what_was_said_and_are_cited() -> None:
    speaker, real = Scripted("Hm."), (make_pair(1, cue="Hens?", reply="Fine."),)
    session = ChatSession(speaker, CHATML, VOICE, seed=0, find=lambda text: real)
    session.say("It is 94%.")
    session.say("Again.")
    prompt = str(speaker.calls[1]["prompt"])
    assert prompt.index("Hens?") < prompt.index("It is 94%.") < prompt.index("Again.")
    assert prompt.count("Hens?") == 1  # what was found for the first question is not in the history
    assert session.cited == real


def test_real_turns_take_room_from_the_history_and_not_from_the_question() -> None:
    speaker, real = Scripted("x" * 40), (make_pair(1, cue="y" * 60, reply="z" * 60),)
    settings = TalkSettings(max_history_chars=150)
    session = ChatSession(speaker, CHATML, VOICE, seed=0, settings=settings, find=lambda text: real)
    session.say("question 0")
    session.say("question 1")
    assert "question 0" not in str(speaker.calls[1]["prompt"])
    assert "question 1" in str(speaker.calls[1]["prompt"])


def test_a_failed_answer_cites_nothing_new() -> None:
    session = ChatSession(Scripted(None), CHATML, VOICE, seed=0, find=lambda text: (make_pair(1),))
    with pytest.raises(ModelError):
        session.say("Hens?")
    assert session.cited == ()


def chat(
    typed: str | io.TextIOWrapper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | None = "Who counted?",
    found: tuple[Pair, ...] = (),
    *,
    ground: bool = False,
) -> Scripted:
    speaker = Scripted(text)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed) if isinstance(typed, str) else typed)
    hold_chat(
        speaker,
        CHATML,
        VOICE,
        seed=0,
        identify=lambda variant: f"the {variant} hash",
        log_path=tmp_path / "log.jsonl",
        open_find=lambda: lambda question: found,
        ground=ground,
    )
    return speaker


def test_a_grounded_chat_prints_and_logs_what_the_model_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = make_pair(4, cue="Hens?", reply="Fine.\x1b[2J")
    chat("one\n/ground\ntwo\n", tmp_path, monkeypatch, found=(given,), ground=True)
    out = capsys.readouterr().out
    assert out.count("[given: episode-4, 2022-01-01, turn 1] Hal Host: Fine.") == 1
    assert "\x1b" not in out
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines() if line]
    assert [(row["variant"], row.get("excerpts")) for row in rows] == [("grounded", ["episode-4#1"]), ("tuned", None)]


def test_a_grounded_chat_says_when_nothing_is_like_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chat("/ground\n/base\none\n", tmp_path, monkeypatch)
    assert "AI imitation (retrieval)>" in (out := capsys.readouterr().out)
    assert "nothing the host said is like it" in out


def test_base_and_tuned_switch_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speaker = chat("one\n/base\ntwo\n/tuned\nthree\n/quit\nfour\n", tmp_path, monkeypatch)
    assert [call["tuned"] for call in speaker.calls] == [True, False, True]
    assert "AI imitation of Hal Host, not Hal Host" in capsys.readouterr().out


def test_every_answer_is_logged_with_model_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chat("one\n", tmp_path, monkeypatch)
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert (row["model_sha256"], row["cue"], row["reply"]["text"]) == ("the tuned hash", "one", "Who counted?")


def test_every_answer_is_logged_with_the_seed_it_was_drawn_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker = chat("one\ntwo\n/base\nthree\n/new\nfour\n", tmp_path, monkeypatch)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines() if line]
    assert [row["seed"] for row in rows] == [call["seed"] for call in speaker.calls] == [0, 2, 0, 0]


def test_every_answer_is_logged_with_the_hash_of_the_model_that_gave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat("one\n/base\ntwo\n/ground\nthree\n/tuned\nfour\n", tmp_path, monkeypatch)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines() if line]
    variants = ["tuned", "base", "retrieval", "grounded"]
    assert [(row["variant"], row["model_sha256"]) for row in rows] == [(one, f"the {one} hash") for one in variants]


def test_a_failed_answer_is_an_error_and_the_chat_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speaker = chat("one\ntwo\n", tmp_path, monkeypatch, text=None)
    assert len(speaker.calls) == 2
    assert capsys.readouterr().err.count("Error: out of memory") == 2
    assert not (tmp_path / "log.jsonl").exists()


def test_switching_the_model_begins_a_new_conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = chat("It is 94%.\n/base\nAgain.\n", tmp_path, monkeypatch)
    assert "94%" not in str(speaker.calls[1]["prompt"])


def test_retry_asks_the_same_with_another_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, again = chat("one\n/retry\n", tmp_path, monkeypatch).calls
    assert first["prompt"] == again["prompt"]
    assert first["seed"] != again["seed"]


def test_a_retry_that_fails_leaves_the_conversation_and_the_seed_as_they_were() -> None:
    speaker = Scripted("Who counted?")
    session = ChatSession(speaker, CHATML, VOICE, seed=3)
    session.say("one")
    session.say("two")
    before, speaker.text = session.messages, None
    with pytest.raises(ModelError):
        session.say_again()
    assert (session.messages, session.seed) == (before, 3)


def test_a_seed_set_in_the_middle_of_a_chat_is_that_of_the_next_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chat("one\n/seed 7\ntwo\n", tmp_path, monkeypatch).calls[1]["seed"] == 7
    assert [json.loads(line)["seed"] for line in read_lines(tmp_path / "log.jsonl") if line.strip()] == [0, 7]


def test_a_byte_that_is_no_utf_8_does_not_end_the_chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = io.TextIOWrapper(io.BytesIO(b"caf\xe9?\ntwo\n"), encoding="utf-8")
    first, _ = chat(typed, tmp_path, monkeypatch).calls
    assert "caf\N{REPLACEMENT CHARACTER}?" in str(first["prompt"])


def test_text_between_triple_quotes_is_one_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (call,) = chat('"""one\ntwo\nthree"""\n', tmp_path, monkeypatch).calls
    assert "one\ntwo\nthree" in str(call["prompt"])


def test_set_seed_show_save_and_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "talk.md"
    chat(f"/set temperature 0.9\n/seed 7\none\n/show\n/save {saved}\n/help\n/nonsense\n", tmp_path, monkeypatch)
    out = capsys.readouterr().out
    assert "temperature 0.9, max_tokens 250" in out
    assert "system line: " in out
    assert "no command /nonsense" in out
    assert (
        saved.read_text()
        == "# AI imitation of Hal Host, not Hal Host\n\n**You:** one\n\n**AI imitation of Hal Host:** Who counted?\n"
    )
    assert json.loads((tmp_path / "log.jsonl").read_text())["seed"] == 7


@pytest.mark.parametrize(
    "line",
    [
        "/set temperature hot", "/set top_k 3", "/seed -1", "/retry", "/save", "/save /no/such/a.md",
        "/save ~nobody-here/a.md",
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_done_is_one_line_and_the_chat_goes_on(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(chat(f"{line}\none\n", tmp_path, monkeypatch).calls) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
