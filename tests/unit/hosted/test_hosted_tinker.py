"""Training by our own loop at a service of Tinker's protocol: its real package, and a stand-in that really trains."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tinker", reason="needs the extra `tinker`")

from econchatr.errors import BudgetError, InputError, ModelError
from econchatr.hosted.paid_training import TrainingEnd, cancel_training
from econchatr.money.ledger import Ledger
from tests.helpers.hosted_material import ROW, make_desk
from tests.helpers.stand_in_tinker import KEY, MODEL, Tinker, serve_tinker
from tests.helpers.tinker_material import (
    N_STEPS,
    count_planned,
    make_tinker,
    make_tinker_profile,
    make_tinker_request,
    plan_tinker,
)

JOB = "key-r-1"


class Market:
    """A buyer with a ledger, at an open stand-in."""

    def __init__(self, folder: Path, tinker: Tinker, address: str) -> None:
        self.folder, self.tinker, self.address = folder, tinker, address
        self.told: list[str] = []

    def buy(self, *, budget: str = "1", sleep: Any = None, work_seconds: float = 30.0, **more: Any) -> TrainingEnd:
        """One run of the program."""
        with Ledger(self.folder / "ledger.sqlite") as ledger:
            service = make_tinker(self.folder, self.address, tell=self.told.append, work_seconds=work_seconds, **more)
            plan = plan_tinker(ledger, self.folder, service, make_tinker_profile(self.address, **more))
            desk = make_desk(ledger, self.told, budget_usd=Decimal(budget), sleep=sleep or (lambda _: time.sleep(0.02)))
            (end,) = desk.run([plan])
        return end

    def charged(self) -> Decimal:
        with Ledger(self.folder / "ledger.sqlite") as ledger:
            return ledger.committed_usd()

    def journal(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "loop" / f"{JOB}.json").read_text())
        return found

    def edit_journal(self, **changes: object) -> None:
        path = self.folder / "loop" / f"{JOB}.json"
        path.write_text(json.dumps(self.journal() | changes))

    def states(self) -> list[str]:
        return [path for path in self.tinker.saved if "/weights/" in path]


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    tinker = Tinker()
    with serve_tinker(tinker) as address:
        yield Market(tmp_path, tinker, address)


def price(n_tokens: int) -> Decimal:
    """At $10 a million, up to the cent."""
    assert ROW.training is not None
    return (ROW.training.usd_per_unit * n_tokens).quantize(Decimal("0.01"), "ROUND_UP")


def interrupt_after(n_saves: int, market: Market) -> Any:
    """What stops the program, as Ctrl-C does, once so many states were saved."""

    def stop(_: float) -> None:
        time.sleep(0.01)
        if market.tinker.calls.count("POST save_weights") >= n_saves:
            raise KeyboardInterrupt

    return stop


# --- a training -------------------------------------------------------------------------------------------------------


def test_the_model_learns_and_is_paid_by_the_tokens_that_were_sent(market: Market) -> None:
    end = market.buy()
    assert end.job is not None
    losses = dict(json.loads(end.job.hyperparameters)["losses"])
    assert losses[1] > 4
    assert losses[N_STEPS] < 1.5
    assert end.job.n_trained_tokens == market.tinker.n_booked == count_planned()
    assert market.charged() == price(count_planned())


def test_only_the_reply_carries_loss_and_every_hyperparameter_sent_is_recorded(market: Market) -> None:
    end = market.buy()
    assert end.job is not None
    recorded, bodies = json.loads(end.job.hyperparameters), dict(reversed(market.tinker.bodies))
    lora, adam = bodies["create_model"]["lora_config"], bodies["optim_step"]["adam_params"]
    assert lora == {
        "rank": recorded["lora_rank"],
        "seed": recorded["seed"],
        **{name: recorded[name] for name in ("train_mlp", "train_attn", "train_unembed")},
    }
    assert adam == {name: recorded[name] for name in adam}
    assert recorded["schedule"] == "linear"
    assert recorded["package"].startswith("tinker 0.")
    first = market.tinker.first_datum
    assert first is not None
    assert first["targets"][-5:] == [1, 2, 3, 4, 5]
    assert first["weights"][:-5] == [0] * (len(first["weights"]) - 5)
    assert first["weights"][-5:] == [first["weights"][-1]] * 5


def test_the_order_is_in_the_ledger_before_the_service_hears_of_it(market: Market) -> None:
    seen, create = list[str](), market.tinker.post_create_session

    def look(body: dict[str, Any]) -> dict[str, Any]:
        with Ledger(market.folder / "ledger.sqlite") as ledger:
            seen.extend(job.job_id for job in ledger.list_open_jobs())
        return create(body)

    market.tinker.post_create_session = look  # type: ignore[method-assign]
    market.buy()
    assert seen == [JOB]


def test_afterwards_the_tuned_model_is_all_that_stands_and_the_session_is_closed(market: Market) -> None:
    end = market.buy()
    service = make_tinker(market.folder, market.address)
    assert end.job is not None
    paths = service.download(end.job, market.folder / "fetched")
    assert {path.name for path in paths} == {"adapter_config.json", "adapter_model.safetensors"}
    assert paths[0].read_bytes() == b"of adapter_config.json"
    service.tear_down(end.job)
    assert list(market.tinker.saved) == [end.job.tuned_model]
    assert list(market.tinker.sessions.values()) == ["success"]
    assert not any("telemetry" in call for call in market.tinker.calls)


def test_what_is_done_is_not_bought_again(market: Market) -> None:
    first = market.buy()
    n_calls = len(market.tinker.calls)
    again = market.buy()
    assert first.job is not None
    assert again.job is not None
    assert again.job.tuned_model == first.job.tuned_model
    assert len(market.tinker.calls) == n_calls


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("forward_backward", 429),
        ("optim_step", 500),
        ("retrieve_future", 500),
        ("save_weights", 429),
        ("checkpoints", 500),
    ],
)
def test_a_passing_fault_is_waited_out_and_nothing_is_paid_twice(market: Market, call: str, status: int) -> None:
    market.tinker.faults = {call: [status]}
    assert market.buy().error is None
    assert market.tinker.n_booked == count_planned()


def test_a_lost_session_is_gone_on_with_from_the_newest_state(market: Market) -> None:
    market.tinker.faults = {"forward_backward": [0, 0, 0, "lost"]}
    end = market.buy()
    assert end.error is None
    assert end.job is not None
    # The step that met the loss is counted as sent too: never less than the service's books.
    n_sent = end.job.n_trained_tokens
    assert n_sent is not None
    assert count_planned() < market.tinker.n_booked <= n_sent
    assert json.loads(end.job.hyperparameters)["n_repeated_tokens"] == n_sent - count_planned()
    assert any("goes on from step 2 of 12; 8" in line for line in market.told)
    assert market.charged() == price(n_sent)


def test_a_service_that_never_gets_on_is_left_after_three_starts(market: Market) -> None:
    market.tinker.faults = {"forward_backward": [402] * 10_000}
    end = market.buy(work_seconds=0.5)
    assert isinstance(end.error, ModelError)
    assert "gave no answer in time" in end.error.message
    assert "3 starts in a row" in end.error.message
    assert "Run again" in end.error.hint
    market.tinker.faults = {}
    assert market.buy().error is None


def test_data_that_the_service_calls_wrong_ends_the_job_and_is_charged_by_what_was_sent(market: Market) -> None:
    market.tinker.faults = {"optim_step": [0, 0, 422]}
    end = market.buy()
    assert end.error is not None
    assert "are charged" in end.error.message
    assert market.charged() == price(market.journal()["n_sent_tokens"])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("key", "status 401"),
        ("bad key", "must start with"),
        ("model", "trains no model"),
        ("long", "the longest example has"),
        ("hyperparameter", "learning_rate = 0"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_ordered(market: Market, fault: str, message: str) -> None:
    more: dict[str, Any] = {"hyperparameters": {"learning_rate": 0.0}} if fault == "hyperparameter" else {}
    market.tinker.models = ("Maker/Other",) if fault == "model" else (MODEL,)
    market.tinker.max_tokens = 5 if fault == "long" else 4096
    key = {"key": "tml-wrong-key-0123456789", "bad key": "sk-no-key-of-theirs-01"}.get(fault, KEY)
    service = make_tinker(market.folder, market.address, key=key, **more)
    with pytest.raises(InputError, match=message) as caught:
        service.probe(MODEL)
    assert "Nothing was sent" in caught.value.message
    assert key not in caught.value.message
    assert market.tinker.sessions == {}


def test_a_model_may_be_named_by_the_last_part_of_its_name(market: Market) -> None:
    assert make_tinker(market.folder, market.address).probe("tiny-chat") == []


def test_the_estimate_is_the_price_of_the_tokens_that_will_be_sent(market: Market) -> None:
    service = make_tinker(market.folder, market.address)
    assert ROW.training is not None
    assert service.estimate(make_tinker_request(market.folder)) == ROW.training.usd_per_unit * count_planned()
    assert market.tinker.calls == []


# --- stops ------------------------------------------------------------------------------------------------------------


def test_ctrl_c_saves_first_and_the_next_run_repeats_nothing(market: Market) -> None:
    market.tinker.step_seconds = 0.05
    with pytest.raises(KeyboardInterrupt):
        market.buy(sleep=interrupt_after(2, market))
    assert any("is stopped; step" in line for line in market.told)
    assert any("run again to go on" in line for line in market.told)
    reached = market.journal()["saved_step"]
    assert market.buy().error is None
    assert 4 <= reached < N_STEPS
    assert market.tinker.n_booked == count_planned()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_whatever_fails_and_whenever_it_is_stopped_the_model_is_the_same(
    market: Market, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Faults, lost sessions and stops at random: the weights are those of an undisturbed training, paid as sent."""
    rng, undisturbed = random.Random(seed), Tinker()
    with serve_tinker(undisturbed) as address:
        expected = Market(tmp_path_factory.mktemp("calm"), undisturbed, address).buy()
    calls = ("forward_backward", "optim_step", "retrieve_future", "save_weights", "checkpoints", "create_session")
    kinds: tuple[int | str, ...] = (429, 500, 503, "lost", 0, 0, 0)
    market.tinker.faults = {call: [rng.choice(kinds) for _ in range(rng.randrange(8))] for call in calls}
    for n_saves in sorted(rng.sample(range(1, N_STEPS // 2), 2)):
        with contextlib.suppress(KeyboardInterrupt):
            market.buy(sleep=interrupt_after(n_saves, market))
    end = market.buy(budget="5")
    while isinstance(end.error, ModelError):
        end = market.buy(budget="5")
    assert expected.job is not None
    assert end.job is not None
    assert end.job.tuned_model is not None
    weights = market.tinker.saved[end.job.tuned_model].weights
    np.testing.assert_allclose(weights, undisturbed.saved[expected.job.tuned_model or ""].weights, atol=1e-5)
    n_sent = end.job.n_trained_tokens
    assert n_sent is not None
    assert count_planned() <= market.tinker.n_booked <= n_sent
    assert market.charged() == price(n_sent)
    assert "" not in market.tinker.sessions.values()


@pytest.mark.slow
def test_kill_9_repeats_only_what_came_after_the_newest_state(market: Market) -> None:
    market.tinker.step_seconds = 0.1
    command = [sys.executable, "-m", "tests.helpers.tinker_material", str(market.folder), market.address]
    buyer = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    while market.tinker.calls.count("POST forward_backward") < 6 and buyer.poll() is None:
        time.sleep(0.01)
    buyer.send_signal(signal.SIGKILL)
    assert buyer.wait() == -signal.SIGKILL
    kept = max(int(path[-6:]) for path in market.states())
    market.tinker.step_seconds = 0.0
    assert market.buy().error is None
    assert kept >= 4
    assert any(f"goes on from step {kept} of {N_STEPS}" in line for line in market.told)
    assert count_planned() <= market.tinker.n_booked <= count_planned() + 2 * 44
    # A step that was written down and killed before it was sent counts too: never less than the service's books.
    assert market.journal()["n_sent_tokens"] >= market.tinker.n_booked
    assert market.charged() == price(market.journal()["n_sent_tokens"])


def test_what_is_trained_again_must_fit_the_budget(market: Market) -> None:
    market.tinker.step_seconds = 0.05
    with pytest.raises(KeyboardInterrupt):
        market.buy(sleep=interrupt_after(2, market))
    market.edit_journal(n_sent_tokens=9_990)
    end = market.buy(budget="0.10")
    assert isinstance(end.error, BudgetError)
    assert "The budget does not hold the difference" in end.error.message
    assert market.buy(budget="0.20").error is None
    assert any("is set aside instead of $0.10" in line for line in market.told)


def test_a_lost_journal_is_written_anew_from_what_the_service_has(market: Market) -> None:
    market.tinker.step_seconds = 0.05
    with pytest.raises(KeyboardInterrupt):
        market.buy(sleep=interrupt_after(2, market))
    (market.folder / "loop" / f"{JOB}.json").unlink()
    assert market.buy().error is None
    assert market.tinker.n_booked == count_planned()


def test_a_state_that_expired_is_told_and_the_one_before_it_is_taken(market: Market) -> None:
    market.tinker.step_seconds = 0.05
    with pytest.raises(KeyboardInterrupt):
        market.buy(sleep=interrupt_after(2, market))
    for path in market.states():
        del market.tinker.saved[path]
    end = market.buy()
    assert end.error is None
    assert end.job is not None
    assert json.loads(end.job.hyperparameters)["n_repeated_tokens"] > 0
    assert end.job.n_trained_tokens == market.tinker.n_booked


def test_another_run_waits_for_the_one_that_trains(market: Market) -> None:
    market.tinker.step_seconds = 0.1
    first = make_tinker(market.folder, market.address)
    request = make_tinker_request(market.folder)
    first.create(request, "", None)
    first.poll(request.mark)
    second = make_tinker(market.folder, market.address)
    second.know(request)
    words = set()
    while not first.poll(request.mark).is_ended:
        words.add(second.poll(request.mark).word)
        time.sleep(0.05)
    assert "trained by another run of this program" in words
    assert market.tinker.n_booked == count_planned()


def test_a_cancelled_job_is_charged_by_what_was_sent_and_leaves_nothing(market: Market) -> None:
    market.tinker.step_seconds = 0.05
    with pytest.raises(KeyboardInterrupt):
        market.buy(sleep=interrupt_after(2, market))
    with Ledger(market.folder / "ledger.sqlite") as ledger:
        service, profile = make_tinker(market.folder, market.address), make_tinker_profile(market.address)
        plan = plan_tinker(ledger, market.folder, service, profile)
        told = cancel_training(ledger.list_open_jobs()[0], plan.paid, ledger)
    assert told is not None
    assert told.state == "cancelled"
    assert market.charged() == price(market.tinker.n_booked)
    assert market.states() == []
