"""A rung of a real show at a service of Tinker's protocol: whole program, real package, real numbers, loopback only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("tinker", reason="needs the extra `tinker`")

from econchatr.errors import InputError
from econchatr.money.ledger import Ledger
from econchatr.pipeline import Silent, hosted_training, open_show, run_show
from econchatr.pipeline.served import read_hosted
from econchatr.pipeline.show import Show
from tests.functional.conftest import edit_show, write_tiny_show
from tests.functional.test_money import TODAY
from tests.helpers.stand_in_tinker import KEY, Tinker, serve_tinker

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
LADDER = """
[[ladder]]
name = "away"
where = "hosted"
price = "tinker/smollm2-135m-instruct"
max_usd = 1
n_epochs = 2
"""
PRICE = f"""
[[price]]
profile = "tinker"
model = "smollm2-135m-instruct"
provider = "Stand-in"
training = "$100 per 1M tokens"
use = "$1 per 1M tokens"
storage = "free"
read_on = {TODAY}
source = "https://prices.example"
"""
PROFILE = """
[[profile]]
name = "tinker"
base_url = "{url}"
hyperparameters = {{ batch_size = 4, learning_rate = 0.05, lora_rank = 8 }}
save_every = 5
"""


class Finished(NamedTuple):
    show: Show
    tinker: Tinker


def write_show(root: Path) -> Path:
    show = write_tiny_show(root)
    edit_show(show, '\n[[ladder]]\nname = "tiny"\nmax_tokens = 1200\nn_epochs = 1\n', LADDER)
    edit_show(show, "\n[show]", "budget_usd = 5\n[show]")
    (show / "prices.toml").write_text(PRICE)
    return show


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Finished]:
    """The show after one run."""
    show, tinker = write_show(tmp_path_factory.mktemp("tinker") / "show"), Tinker(n_words=49_152, models=(MODEL,))
    with serve_tinker(tinker) as url, pytest.MonkeyPatch.context() as patched:
        patched.setenv("TINKER_API_KEY", KEY)
        patched.setenv("ECONCHATR_CACHE", str(cache))
        patched.setattr(hosted_training, "POLL_SECONDS", 0.1)
        (show / "profiles.toml").write_text(PROFILE.format(url=url))
        run_show(open_show(show), Silent(), approve=lambda quote: True)
        yield Finished(open_show(show), tinker)


def test_the_rung_is_trained_recorded_and_paid_by_the_services_books(finished: Finished) -> None:
    rung = finished.show.rung("away")
    tuning = read_hosted(rung)
    losses = [loss for _, loss in json.loads(tuning.resolved)["losses"]]
    assert losses[-1] < losses[0] - 1
    assert tuning.n_billed_tokens == finished.tinker.n_booked
    assert (rung.folder("train") / "hosted" / "adapter_model.safetensors").is_file()
    with Ledger(finished.show.root / "ledger.sqlite") as ledger:
        (bill,) = [row for row in ledger.bill() if row.what == "training"]
    exact = Decimal(finished.tinker.n_booked) / 10_000
    assert exact <= bill.charged_usd < exact + Decimal("0.01")


def test_base_and_tuned_model_are_asked_in_the_tokens_they_are_trained_in(finished: Finished) -> None:
    rung = finished.show.rung("away")
    asked = [body for name, body in finished.tinker.bodies if name == "asample"]
    answers = rung.answers()
    assert {answer.variant for answer in answers} >= {"base", "tuned"}
    assert all(answer.reply for answer in answers)
    prompt = rung.base.tokenizer().decode(asked[0]["prompt"]["chunks"][0]["tokens"])
    assert prompt.startswith("<|im_start|>system\n")
    assert prompt.endswith("<|im_start|>assistant\n")
    assert asked[0]["sampling_params"]["stop"] == rung.base.tokenizer().encode("<|im_end|>")


def test_nothing_is_left_but_the_tuned_model_and_every_session_is_closed(finished: Finished) -> None:
    assert list(finished.tinker.saved) == [read_hosted(finished.show.rung("away")).tuned_model]
    assert set(finished.tinker.sessions.values()) == {"success"}


def test_the_key_is_written_nowhere(finished: Finished) -> None:
    files = [path for path in finished.show.root.rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_a_base_whose_tokenizer_is_not_here_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show, tinker = write_show(tmp_path / "show"), Tinker()
    edit_show(show, 'name = "away"\n', 'name = "away"\nbase = "Maker/Tiny-Chat"\ntokenizer = "gpt2"\n')
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    with serve_tinker(tinker) as url:
        (show / "profiles.toml").write_text(PROFILE.format(url=url))
        with pytest.raises(InputError, match="tokenizer of Maker/Tiny-Chat is not on this machine") as caught:
            run_show(open_show(show), Silent(), until="train", approve=lambda quote: True)
    assert "Take `tokenizer` away" in caught.value.hint
    assert tinker.calls == []
