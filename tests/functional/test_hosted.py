"""Hosted rungs of a real show, trained by a stand-in service: whole program, real ledger, no network but loopback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from econchatr.errors import BudgetError, EconChatRError, InputError, ModelError
from econchatr.hosted.protocol import HostedJob
from econchatr.money.ledger import Ledger
from econchatr.pipeline import RunResult, Silent, hosted_training, open_show, run_show, status_of
from econchatr.pipeline.hosted_training import cancel_hosted, tell_open_jobs
from econchatr.pipeline.served import read_hosted
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
use = "$1 per 1M tokens"
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


def test_a_model_whose_use_has_no_price_is_told_before_it_is_trained(show: Path) -> None:
    prices, notes = show / "prices.toml", Notes()
    prices.write_text(prices.read_text().replace('use = "$1 per 1M tokens"\n', "", 1))
    train(show, notes)
    told = [line for line in notes.notes if "has no price of use" in line]
    assert [line.partition(":")[0] for line in told] == ["small"]


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


def interrupt_once_sent(show: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order the ladder, and stop the program while the jobs run."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(hosted_training.TrainingDesk, "_ask", stop)
        with pytest.raises(KeyboardInterrupt):
            train(show)


def test_a_job_that_cannot_be_cancelled_keeps_no_other_from_it(
    show: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.words, notes = ("running",), Notes()
    interrupt_once_sent(show, monkeypatch)
    trainer.faults = {"POST /fine_tuning/jobs/*/cancel": [403]}
    with pytest.raises(ModelError, match="403"):
        cancel_hosted(open_show(show), notes)
    assert [job["cancelled"] for job in trainer.jobs.values()] == [False, True]
    assert [note.partition(":")[2].strip()[:9] for note in notes.notes[-1:]] == ["cancelled"]


def test_what_has_ended_meanwhile_is_booked_by_a_cancellation(
    show: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.words = ("running",)
    interrupt_once_sent(show, monkeypatch)
    trainer.words = ("succeeded",)
    assert [job.state for job in cancel_hosted(open_show(show), Notes())] == ["succeeded"] * 2
    with Ledger(show / "ledger.sqlite") as ledger:
        assert ledger.committed_usd() == Decimal("0.20")


def test_jobs_of_an_earlier_order_are_booked_when_something_else_is_ordered(
    show: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.words, notes = ("running",), Notes()
    interrupt_once_sent(show, monkeypatch)
    profile = show / "profiles.toml"
    profile.write_text(profile.read_text().replace("batch_size = 8", "batch_size = 4"))
    trainer.words = ("succeeded",)
    train(show, notes)
    assert len(trainer.jobs) == 4
    assert sum("of an earlier order has ended; what it cost is booked" in note for note in notes.notes) == 2
    assert tell_open_jobs(open_show(show)) == []
    with Ledger(show / "ledger.sqlite") as ledger:
        assert ledger.committed_usd() == Decimal("0.40")


def test_the_epochs_that_were_quoted_are_ordered_whatever_a_profile_says(show: Path, trainer: Trainer) -> None:
    profile = show / "profiles.toml"
    profile.write_text(profile.read_text().replace("batch_size = 8", "batch_size = 8, n_epochs = 40"))
    train(show)
    (tuning,) = read_table(show / "train" / "small" / "hosted" / "hosted.parquet", HostedTuning)
    assert json.loads(tuning.asked)["hyperparameters"] == {"n_epochs": 4, "batch_size": 8}


def test_the_files_of_another_job_do_not_stand_for_those_of_this_one(show: Path) -> None:
    train(show)
    rung = open_show(show).rung("small")
    folder = rung.folder("train") / "hosted"
    (made,) = read_table(folder / "hosted.parquet", HostedTuning)
    (folder / "result-1").write_text("the adapter")
    told = HostedJob(made.outside_job, "succeeded", "", None, None, "", "", (), (), None)
    hosted_training._keep_files_of(told, rung, folder)
    assert (folder / "result-1").is_file()
    hosted_training._keep_files_of(told._replace(outside_id="another"), rung, folder)
    assert not (folder / "result-1").exists()
    assert (folder / "hosted.parquet").is_file()


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


# --- the exam ---------------------------------------------------------------------------------------------------------


def test_base_and_tuned_model_are_asked_there_and_every_answer_is_paid(show: Path, trainer: Trainer) -> None:
    """The stand-in counts 7 tokens in and 4 out at $1 per million; training is ten cents a rung."""
    run_show(open_show(show), Silent(), until="ask", approve=lambda quote: True)
    rung = open_show(show).rung("small")
    answers = [*rung.answers(), *rung.answers("probes")]
    assert {answer.variant for answer in answers} >= {"base", "persona", "tuned", "grounded"}
    says = {answer.variant: answer.reply.text for answer in rung.answers() if answer.reply}
    assert says["base"] == "open-model-1b says so."
    assert says["tuned"] == f"{read_hosted(rung).tuned_model} says so."
    assert [message["role"] for message in trainer.asked[0]["messages"]] == ["system", "user"]
    with Ledger(show / "ledger.sqlite") as ledger:
        bill = {(row.rung, row.what): row.charged_usd for row in ledger.bill()}
    assert bill["small", "training"] == Decimal("0.10")
    assert bill["small", "exam"] == Decimal("0.000011") * len(answers)


def test_a_budget_that_is_used_up_to_the_cent_still_pays_for_the_exam(show: Path, trainer: Trainer) -> None:
    """The service tells no tokens, so training is booked as quoted; what is left of the budget is the exam's."""
    edit_show(show, "budget_usd = 5", "budget_usd = 1.5")
    trainer.n_tokens = None
    run_show(open_show(show), Silent(), until="ask", approve=lambda quote: True)
    with Ledger(show / "ledger.sqlite") as ledger:
        assert Decimal("1.2") < ledger.committed_usd() <= Decimal("1.5")


def test_a_model_that_answers_only_behind_an_endpoint_is_trained_and_not_asked(show: Path, trainer: Trainer) -> None:
    profile = show / "profiles.toml"
    profile.write_text(profile.read_text() + 'serving = "endpoint"\n')
    done = run_show(open_show(show), Silent(), until="ask", approve=lambda quote: True).done
    assert done[-2:] == ("train/small/hosted", "train/large/hosted")
    assert trainer.asked == []


def test_hosted_rungs_stand_in_the_report_and_say_what_is_not_measured(show: Path) -> None:
    run_show(open_show(show), Silent(), approve=lambda quote: True)
    reasons = {score.reason for score in open_show(show).rung("small").scores()}
    assert any(reason and reason.startswith("not measured") for reason in reasons)
    told = (show / "report" / "report.md").read_text(encoding="utf-8")
    assert "open-model-1b says so." in told
