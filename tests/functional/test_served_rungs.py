"""A rung that is only asked, at an address that speaks OpenAI's API: in the same exam, and paid for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from econchatr.pipeline.quotes import read_bill
from econchatr.pipeline.show import open_show
from tests.functional.conftest import Run, edit_show
from tests.helpers.stand_in_judge import StandInJudge, serve

PRICES = """
[[price]]
profile = "test"
model = "m"
input = "$1.00 per 1M tokens"
output = "$2.00 per 1M tokens"
read_on = 2026-11-01
source = "https://example.org/prices"
"""


def say(body: dict[str, Any], n: int) -> object:
    return 400 if n == 3 else f"<think>Hm.</think>\nThat was answer {n}."


@pytest.fixture
def show(finished_show: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAT_KEY", "secret-1")
    root = Path(shutil.copytree(finished_show, tmp_path / "show"))
    (root / "prices.toml").write_text(PRICES)
    edit_show(root, "[show]", "budget_usd = 1.0\n[show]")
    return root


def add_served(root: Path, server: StandInJudge, more: str = 'price = "test/m"') -> None:
    table = f'where = "served"\nbase_url = "{server.base_url}"\nmodel = "m"\nkey_env = "CHAT_KEY"\n{more}'
    edit_show(root, "[train]", f'[[ladder]]\nname = "chat"\n{table}\n\n[train]')


def ask(show: Path, econchatr: Run, speak: Callable[[dict[str, Any], int], object] = say) -> StandInJudge:
    with serve(speak) as server:
        add_served(show, server)
        econchatr("ask", show, text="y\n")
    return server


def test_it_gets_the_exam_as_messages_and_its_thoughts_are_no_speech(show: Path, econchatr: Run) -> None:
    server = ask(show, econchatr)
    body, headers = server.requests[0]
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert headers["authorization"] == "Bearer secret-1"
    answers = open_show(show).rung("chat").answers()
    assert {answer.variant for answer in answers} == {"base", "persona", "retrieval"}
    assert all(answer.reply.text.startswith("That was") for answer in answers if answer.reply)
    (failed,) = [answer for answer in answers if answer.error]
    assert failed.reply is None
    assert "secret-1" not in "".join(path.read_text() for path in (show / "ask" / "chat").glob("*.jsonl"))


def test_every_answer_is_paid_once(show: Path, econchatr: Run) -> None:
    server = ask(show, econchatr)
    (row,) = read_bill(open_show(show))
    assert (row.rung, row.what) == ("chat", "exam")
    # The stand-in counts 7 tokens in and 1 out for each; the one that failed costs nothing.
    assert float(row.charged_usd) == pytest.approx((len(server.requests) - 1) * 9e-6)
    assert row.reserved_usd == 0
    assert "Nothing to do" in econchatr("ask", show, text="y\n").stdout


def test_nothing_is_asked_before_a_yes_or_over_the_budget(show: Path, econchatr: Run) -> None:
    with serve(say) as server:
        add_served(show, server)
        assert "nobody said yes" in econchatr("ask", show, text="n\n", check=6).stderr
        edit_show(show, "budget_usd = 1.0", "budget_usd = 0.0001")
        assert "over the budget" in econchatr("ask", show, "--rung", "chat", text="y\n", check=6).stderr
        assert server.requests == []


def test_a_served_rung_is_never_trained(show: Path, econchatr: Run) -> None:
    with serve(say) as server:
        add_served(show, server)
        edit_show(show, 'name = "tiny"', 'name = "tiny"\nform = "chat"')
        told = econchatr("select", show).stderr
        assert "chat: only asked, so nothing is selected or trained for it" in told
        assert "only asked, never trained" in econchatr("chat", show, "--rung", "chat", check=2).stderr


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('where = "served"\nmodel = "m"', "needs base_url and model"),
        ('where = "served"\nbase_url = "https://a/v1"\nmodel = "m"\nmax_tokens = 5', "only asked"),
        ('base_url = "https://a/v1"', "are of a rung with where"),
    ],
)
def test_what_a_served_rung_cannot_have_is_refused(show: Path, econchatr: Run, wrong: str, message: str) -> None:
    edit_show(show, "[train]", f'[[ladder]]\nname = "chat"\n{wrong}\n\n[train]')
    assert message in econchatr("status", show, check=2).stderr


@pytest.mark.slow
def test_it_stands_in_the_same_table_gates_and_report(show: Path, econchatr: Run) -> None:
    with serve(
        lambda body, n: f"I count everything twice before I believe it, number {n}, and then once more."
    ) as server:
        add_served(show, server)
        econchatr("run", show, text="y\n")
    rung = open_show(show).rung("chat")
    assert {gate.gate for gate in rung.gates() if gate.variant == "persona"} >= {"copying", "length", "answers"}
    assert "not measured: served" in {score.reason for score in rung.scores()}
    assert "chat" in (show / "report" / "report.md").read_text()
