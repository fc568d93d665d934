"""Hosted rungs of a real show, trained by a stand-in service: whole program, real ledger, no network but loopback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from econchatr.errors import BudgetError, EconChatRError, InputError, ModelError
from econchatr.money.ledger import Ledger
from econchatr.pipeline import RunResult, Silent, hosted_training, open_show, run_show, status_of
from econchatr.pipeline.hosted_training import cancel_hosted, tell_open_jobs
from econchatr.records import HostedTuning
from econchatr.tables import read_table
from tests.functional.conftest import Run, edit_show, write_tiny_show
from tests.functional.test_money import LADDER, TODAY
from tests.helpers.stand_in_trainer import KEY, Trainer, serve_trainer

PRICE = """
[[price]]
profile = "stand-in"
model = "{model}"
provider = "Stand-in"
training = "$100 per 1M tokens"
validation = "free"
use = "free"
storage = "free"
read_on = {today}
source = "https://prices.example"
"""
PROFILE = """
[[profile]]
name = "stand-in"
provider = "Stand-in"
base_url = "{url}"
key_env = "STAND_IN_KEY"
hyperparameters = {{ batch_size = 8 }}
source = "s"
read_on = 2026-11-29
{more}
"""
MODELS = ("open-model-1b", "open-model-3b")


class Notes(Silent):
    """Keeps what the user is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A show with two hosted rungs and $5, its pairs made."""
    show = write_tiny_show(tmp_path_factory.mktemp("hosted") / "show")
    ladder = LADDER.replace("own/cheap", f"stand-in/{MODELS[0]}").replace("own/dear", f"stand-in/{MODELS[1]}")
    edit_show(show, '\n[[ladder]]\nname = "tiny"\nmax_tokens = 1200\nn_epochs = 1\n', ladder)
    edit_show(show, "\n[show]", "budget_usd = 5\n[show]")
    (show / "prices.toml").write_text("".join(PRICE.format(model=model, today=TODAY) for model in MODELS))
    run_show(open_show(show, cache=cache), Silent(), until="select")
    return show


@pytest.fixture
def trainer() -> Trainer:
    return Trainer(models=MODELS, words=("queued", "running", "succeeded"), n_tokens=1000)


@pytest.fixture
def show(prepared: Path, tmp_path: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    copied = Path(shutil.copytree(prepared, tmp_path / "show"))
    monkeypatch.setenv("STAND_IN_KEY", KEY)
    monkeypatch.setattr(hosted_training, "POLL_SECONDS", 0)
    with serve_trainer(trainer) as url:
        (copied / "profiles.toml").write_text(PROFILE.format(url=url, more=""))
        yield copied


def train(show: Path, notes: Notes | None = None) -> RunResult:
    return run_show(open_show(show), notes or Silent(), until="train", approve=lambda quote: True)


def test_a_ladder_is_bought_side_by_side_recorded_and_not_bought_again(show: Path, trainer: Trainer) -> None:
    """1,000 tokens at $100 per million: ten cents a rung."""
    assert train(show).done == ("train/small/hosted", "train/large/hosted")
    (tuning,) = read_table(show / "train" / "small" / "hosted" / "hosted.parquet", HostedTuning)
    assert tuning.tuned_model.startswith("ft:open-model-1b")
    assert json.loads(tuning.asked)["hyperparameters"] == {"n_epochs": 4, "batch_size": 8}
    assert json.loads(tuning.resolved) == {"n_epochs": 4, "batch_size": 8}
    assert (tuning.n_billed_tokens, tuning.charged_usd) == (1000, "0.10")
    assert train(show).done == ()
    assert len(trainer.jobs) == 2
    assert trainer.files == {}
    with Ledger(show / "ledger.sqlite") as ledger:
        assert ledger.committed_usd() == Decimal("0.20")


def test_without_a_yes_nothing_is_sent(show: Path, trainer: Trainer) -> None:
    with pytest.raises(BudgetError, match="nobody said yes"):
        run_show(open_show(show), Silent(), until="train")
    assert trainer.requests == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [("key", "STAND_IN_KEY is not set"), ("model", "has no model 'open-model-3b'"), ("lines", "takes 10,000")],
)
def test_what_is_wrong_is_told_before_anything_is_sent(
    show: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    if fault == "key":
        monkeypatch.delenv("STAND_IN_KEY")
    if fault == "model":
        trainer.models = MODELS[:1]
    if fault == "lines":
        profile = show / "profiles.toml"
        profile.write_text(profile.read_text() + "min_examples = 10_000\n")
    with pytest.raises(InputError, match=message) as caught:
        train(show)
    assert "Nothing was uploaded" in caught.value.message
    assert not any(call.startswith("POST") for call in trainer.requests)


def test_one_rung_that_fails_is_told_and_the_others_are_trained(show: Path, trainer: Trainer) -> None:
    trainer.faults = {"POST /fine_tuning/jobs": [403]}
    notes = Notes()
    with pytest.raises(ModelError, match="status 403"):
        train(show, notes)
    states = {state.name: state.why for state in status_of(open_show(show))}
    assert states["train/large/hosted"] == ""
    assert states["train/small/hosted"] != ""
    train(show)
    assert len(trainer.jobs) == 2


def test_a_stop_leaves_the_jobs_and_the_next_run_picks_them_up(
    show: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.words, notes = ("running",), Notes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("time.sleep", stop)
        patched.setattr(hosted_training.TrainingDesk, "_ask", stop)
        with pytest.raises(KeyboardInterrupt):
            train(show, notes)
    assert any("runs on at the service" in note for note in notes.notes)
    assert "is open" in tell_open_jobs(open_show(show))[0]
    trainer.words = ("succeeded",)
    assert len(train(show).done) == 2
    assert len(trainer.jobs) == 2
    assert tell_open_jobs(open_show(show)) == []


def test_what_runs_can_be_cancelled_and_what_it_set_aside_is_free_again(
    show: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.words = ("paused",)
    profile = show / "profiles.toml"
    profile.write_text(profile.read_text() + "max_hours = 1e-9\n")
    with pytest.raises(EconChatRError, match="is still 'paused'"):
        train(show)
    assert [job.state for job in cancel_hosted(open_show(show), Notes())] == ["cancelled"] * 2
    with Ledger(show / "ledger.sqlite") as ledger:
        assert ledger.committed_usd() == 0


def test_a_planted_key_stands_in_nothing_that_was_written_or_told(
    show: Path, trainer: Trainer, econchatr: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.faults = {"POST /fine_tuning/jobs": [401], "GET /files": [500]}
    notes = Notes()
    with pytest.raises(EconChatRError) as caught:
        train(show, notes)
    told = [*notes.notes, caught.value.message, caught.value.hint, *tell_open_jobs(open_show(show))]
    assert not any(KEY in line for line in told)
    written = [path for path in show.rglob("*") if path.is_file()]
    assert len(written) > 10
    assert not any(KEY.encode() in path.read_bytes() for path in written)
