"""One ladder with two back ends: a rung trained at home, the same one at our own fine-tuning server, one report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from econchatr.money.ledger import Ledger
from econchatr.pipeline import Silent, hosted_training, open_show, run_show
from econchatr.pipeline.ask import open_grounding
from econchatr.pipeline.served import read_hosted
from econchatr.pipeline.show import Show
from econchatr.prompts import chat_messages, render_chat, system_line
from econchatr.records import REPEAT_PENALTY, Sampling
from econchatr.tables import hash_file
from tests.functional.conftest import edit_show, write_tiny_show
from tests.functional.test_money import TODAY
from tests.helpers.training_server_process import BASE, ServerProcess, run_server, write_server

pytestmark = pytest.mark.slow

LADDER = """
[[ladder]]
name = "home"
base = {base}
max_tokens = 1000000
n_epochs = 1

[[ladder]]
name = "away"
where = "hosted"
tokenizer = {base}
price = "econchatr/tiny"
max_usd = 4
n_epochs = 1
"""
PRICE = f"""
[[price]]
profile = "econchatr"
model = "{BASE}"
provider = "Ours"
training = "$1 per 1M tokens"
validation = "free"
use = "$1 per 1M tokens"
storage = "free"
read_on = {TODAY}
source = "https://prices.example"
"""
PROFILE = '[[profile]]\nname = "econchatr"\nbase_url = "{url}"\nhyperparameters = {{ batch_size = 2 }}\n'


class Finished(NamedTuple):
    show: Show
    server: ServerProcess


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Finished]:
    """The show after one run with both rungs."""
    folder = write_server(tmp_path_factory.mktemp("away") / "server", cache, "[train]\nmax_dev_tokens = 300\n")
    base = (folder / "server.toml").read_text(encoding="utf-8").partition(f"{BASE} = ")[2].strip()
    show = write_tiny_show(tmp_path_factory.mktemp("two") / "show")
    edit_show(show, '\n[[ladder]]\nname = "tiny"\nmax_tokens = 1200\nn_epochs = 1\n', LADDER.format(base=base))
    edit_show(show, "[ask]\n", "[ask]\ntemperature = 0\n")
    edit_show(show, "[train]\n", "[train]\nmax_example_tokens = 2000\n")
    edit_show(show, "\n[show]", "budget_usd = 5\n[show]")
    (show / "prices.toml").write_text(PRICE)
    with run_server(folder) as server, pytest.MonkeyPatch.context() as patched:
        patched.setenv("ECONCHATR_TRAIN_KEY", "sk-none-is-wanted-here")
        patched.setenv("ECONCHATR_CACHE", str(cache))
        patched.setenv("HF_HUB_OFFLINE", "1")
        patched.setattr(hosted_training, "POLL_SECONDS", 0.5)
        (show / "profiles.toml").write_text(PROFILE.format(url=server.address))
        run_show(open_show(show), Silent(), approve=lambda quote: True)
        yield Finished(open_show(show), server)


def test_both_back_ends_train_the_same_adapter_bit_for_bit(finished: Finished) -> None:
    """The same examples, recipe and seed; the hosted one is among the files that were downloaded."""
    home = hash_file(finished.show.rung("home").folder("train") / "adapter_model.safetensors")
    downloaded = (finished.show.rung("away").folder("train") / "hosted").glob("result-*")
    assert home in [hash_file(path) for path in downloaded]


@pytest.mark.parametrize("is_tuned", [True, False])
@pytest.mark.parametrize("has_turns", [True, False])
def test_at_temperature_0_both_give_the_same_answers(finished: Finished, is_tuned: bool, has_turns: bool) -> None:
    """The exam's questions, to the adapter and to its base, with real turns of the host and without.

    Both compute with all cores: how many threads share a sum decides its last bits, and the exam at home gives each of
    its servers a share of them. The half of a character that a model of random numbers may break off in is not told.
    """
    show, client = finished.show, finished.server.client()
    home, name = show.rung("home"), read_hosted(show.rung("away")).tuned_model if is_tuned else BASE
    find = open_grounding(home).find
    with home.open(n_at_once=1) as model:
        for question in show.questions():
            turns = find(question.text) if has_turns else ()
            messages = chat_messages(question.text, None, system=system_line(show.voice), earlier=turns)
            sampling = Sampling(seed=1, temperature=0, max_tokens=12, repeat_penalty=REPEAT_PENALTY)
            here = model.speaker.reply(render_chat(messages, model.template), sampling, tuned=is_tuned)
            there = client.chat.completions.create(
                model=name, messages=[one.model_dump() for one in messages], temperature=0, max_tokens=12, seed=1
            )  # fmt: skip
            assert (there.choices[0].message.content or "").rstrip("\ufffd") == here.text.rstrip("\ufffd")


def test_one_report_has_both(finished: Finished) -> None:
    told = (finished.show.folder("report") / "report.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in told for name in ("home", "away"))
    with Ledger(finished.show.root / "ledger.sqlite") as ledger:
        bill = {(row.rung, row.what) for row in ledger.bill()}
    assert bill >= {("away", "training"), ("away", "exam")}
    assert {rung for rung, _ in bill} == {"away"}
