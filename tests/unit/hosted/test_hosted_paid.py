"""Trainings that are paid for once, whatever fails and whoever is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from econchatr.errors import EconChatRError, ModelError, RefusedError
from econchatr.hosted.paid_training import TrainingEnd, cancel_training
from econchatr.money.ledger import Ledger
from tests.helpers.hosted_material import make_desk, make_profile, make_service, plan_training
from tests.helpers.stand_in_trainer import Trainer, random_faults, random_words, serve_trainer

CREATE = "POST /fine_tuning/jobs"
HELPERS = Path(__file__).parents[2] / "helpers"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def train(
    trainer: Trainer, ledger: Ledger, *rungs: str, told: list[str] | None = None, **more: object
) -> list[TrainingEnd]:
    with serve_trainer(trainer) as url:
        profile = make_profile(url, **more)
        service = make_service(profile)
        plans = [plan_training(ledger, ledger.path.parent, service, profile, rung) for rung in rungs or ("r",)]
        return make_desk(ledger, [] if told is None else told).run(plans)


def test_a_training_is_ordered_waited_for_and_billed_by_the_tokens_it_took(ledger: Ledger) -> None:
    """1,000 tokens at $10 per million are one cent."""
    told: list[str] = []
    (end,) = train(Trainer(), ledger, told=told)
    assert end.error is None
    assert end.job is not None
    assert end.job.tuned_model is not None
    assert [line.split(" at ")[0] for line in told] == ["r: queued", "r: running", "r: succeeded"]
    assert ledger.committed_usd() == Decimal("0.01")
    assert ledger.bill()[0].sources == ("job own:ftjob-1, 1,000 trained tokens",)


def test_tokens_that_are_not_told_are_billed_by_our_own_count(ledger: Ledger) -> None:
    train(Trainer(n_tokens=None), ledger)
    assert ledger.committed_usd() == Decimal("0.02")
    assert "by our own count" in ledger.bill()[0].sources[0]


def test_a_finished_training_is_not_ordered_again_but_read_again(ledger: Ledger) -> None:
    trainer = Trainer()
    first, second = train(trainer, ledger), train(trainer, ledger)
    assert first == second
    assert len(trainer.jobs) == 1


def test_no_more_jobs_run_side_by_side_than_the_service_takes(ledger: Ledger) -> None:
    told: list[str] = []
    ends = train(Trainer(), ledger, "a", "b", "c", told=told, max_jobs=2)
    assert [end.error for end in ends] == [None] * 3
    first_ended = next(place for place, line in enumerate(told) if "succeeded" in line)
    assert not any(line.startswith("c") for line in told[:first_ended])


def test_a_training_that_fails_says_why_costs_nothing_and_stops_no_other(ledger: Ledger) -> None:
    trainer = Trainer(words=("validating_files", "failed"), error="line 7 is too long")
    ends = train(trainer, ledger, "a", "b")
    assert "line 7 is too long" in str(ends[0].error)
    assert "nothing is booked" in str(ends[0].error)
    assert len(ends) == 2
    assert ledger.committed_usd() == 0


def test_what_failed_is_ordered_anew_the_next_time(ledger: Ledger) -> None:
    trainer = Trainer(words=("failed",))
    train(trainer, ledger)
    trainer.words = ("running", "succeeded")
    assert train(trainer, ledger)[0].error is None
    assert len(trainer.jobs) == 2


def test_a_refused_order_sets_nothing_aside(ledger: Ledger) -> None:
    (end,) = train(Trainer(faults={CREATE: [403]}), ledger)
    assert isinstance(end.error, RefusedError)
    assert ledger.committed_usd() == 0


@pytest.mark.parametrize("word", ["paused", "queued", "hibernating"])
def test_a_job_that_never_ends_has_a_deadline_and_its_money_stays_set_aside(ledger: Ledger, word: str) -> None:
    trainer, told = Trainer(words=(word,)), list[str]()
    with serve_trainer(trainer) as url:
        profile = make_profile(url, max_hours=24)
        plan = plan_training(ledger, ledger.path.parent, make_service(profile), profile)
        late = make_desk(ledger, told, now=lambda: datetime.now(UTC) + timedelta(hours=25))
        (end,) = late.run([plan])
    assert f"is still '{word}' after 25 hours" in str(end.error)
    assert ledger.committed_usd() == Decimal("0.05")


def test_a_stop_by_the_user_leaves_the_job_and_the_next_run_picks_it_up(ledger: Ledger) -> None:
    trainer, told = Trainer(words=("running",)), list[str]()

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    with serve_trainer(trainer) as url:
        profile = make_profile(url)
        plan = plan_training(ledger, ledger.path.parent, make_service(profile), profile)
        with pytest.raises(KeyboardInterrupt):
            make_desk(ledger, told, sleep=stop).run([plan])
    assert "job own:ftjob-1 runs on at the service" in told[-2]
    assert "run again" in told[-1]
    trainer.words = ("succeeded",)
    assert train(trainer, ledger)[0].error is None
    assert len(trainer.jobs) == 1


def test_a_job_can_be_cancelled_and_one_that_was_never_sent_is_given_up(ledger: Ledger) -> None:
    trainer = Trainer(words=("running",))
    with serve_trainer(trainer) as url:
        profile = make_profile(url)
        service = make_service(profile)
        sent, unsent = (plan_training(ledger, ledger.path.parent, service, profile, rung) for rung in "ab")
        make_desk(ledger, [])._send(sent)
        ledger.reserve(unsent.order, budget_usd=Decimal(40))
        jobs = {job.rung: job for job in ledger.list_open_jobs()}
        told = [cancel_training(jobs[plan.rung], plan.paid, ledger) for plan in (sent, unsent)]
    assert [job and job.state for job in told] == ["cancelled", None]
    assert ledger.list_open_jobs() == []
    assert ledger.committed_usd() == 0


# --- faults and kills -------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """What stands for kill -9 where the test wants to choose the moment."""


def run_with_faults(seed: int, folder: Path) -> None:
    """Run a ladder of three again and again under random faults and kills, until every rung is trained."""
    rng = random.Random(seed)
    trainer = Trainer(words=random_words(rng))
    left = {"n": rng.randrange(40)}

    def tick(*_: object) -> None:
        left["n"] -= 1
        if left["n"] < 0:
            left["n"] = rng.randrange(60)
            raise Killed

    with serve_trainer(trainer) as url:
        profile = make_profile(url, max_jobs=2)
        for _ in range(40):
            trainer.faults = random_faults(rng)
            service = make_service(profile, sleep=tick)
            with Ledger(folder / "ledger.sqlite") as ledger:
                real = service._calls.attempt
                service._calls.attempt = lambda request, real=real: (tick(), real(request), tick())[1]  # type: ignore[method-assign, misc]
                try:
                    plans = [plan_training(ledger, folder, service, profile, rung) for rung in "abc"]
                    ends = make_desk(ledger, [], sleep=tick).run(plans)
                except (Killed, EconChatRError):
                    continue
                finally:
                    made = [str(job["metadata"]) for job in trainer.jobs.values()]
                    assert len(set(made)) == len(made), f"seed {seed}: a job was made twice"
                    booked = ledger.committed_usd()
                    assert booked >= Decimal("0.01") * len(made), f"seed {seed}: a charge is missing"
                assert all(isinstance(end.error, ModelError | None) for end in ends)
                if all(end.error is None for end in ends):
                    assert booked == Decimal("0.03")
                    return
    raise AssertionError(f"seed {seed}: never came to an end")


@pytest.mark.parametrize("first", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_under_random_faults_and_kills_no_job_is_made_twice_and_no_charge_is_lost(tmp_path: Path, first: int) -> None:
    for seed in range(200)[6 * first : 200 if first else 6]:
        folder = tmp_path / str(seed)
        folder.mkdir()
        run_with_faults(seed, folder)


class Processes:
    """The service and a buyer as processes of their own, to be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def start_service(self, seed: str) -> subprocess.Popen[str]:
        command = [HELPERS / "stand_in_trainer.py", self.folder / "state.json", seed, str(self.port)]
        service = self._start(command)
        self.port = int(service.stdout.readline())  # type: ignore[union-attr]
        return service

    def start_buyer(self) -> subprocess.Popen[str]:
        buyer = self._start([HELPERS / "hosted_buyer.py", self.folder, str(self.port)])
        assert buyer.stdout.readline() == "ready\n"  # type: ignore[union-attr]
        return buyer

    def _start(self, command: list[object]) -> subprocess.Popen[str]:
        with (self.folder / "console.txt").open("a") as errors:
            return subprocess.Popen(
                [sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=errors, text=True,
                env=self.environment,
            )  # fmt: skip


def run_with_kills(seed: int, folder: Path) -> None:
    """Buy three trainings while buyer and service are killed at random, under random faults, until all are trained."""
    rng, processes = random.Random(seed), Processes(folder)
    n_kills, service = rng.randint(1, 4), processes.start_service(f"{seed}.0")
    try:
        for number in range(1, 60):
            buyer = processes.start_buyer()
            if number <= n_kills:
                time.sleep(rng.uniform(0, 0.6))
                for killed in rng.choice([(buyer,), (service,), (buyer, service)]):
                    killed.kill()
            told, _ = buyer.communicate(timeout=120)
            assert buyer.returncode in (0, -signal.SIGKILL) or told, "an error that says nothing"
            if service.poll() is not None:
                service.communicate()
                service = processes.start_service(f"{seed}.{number}")
            if buyer.returncode == 0:
                break
    finally:
        service.kill()
        service.communicate()
    assert "Traceback" not in (folder / "console.txt").read_text()
    check_bought_once(folder)


def check_bought_once(folder: Path) -> None:
    """Three jobs with whole files, each ended, booked once and no longer open."""
    state, n_bytes = json.loads((folder / "state.json").read_text()), (folder / "train.jsonl").stat().st_size
    jobs = list(state["jobs"].values())
    assert sorted(job["metadata"]["econchatr"] for job in jobs) == ["key-a-1", "key-b-1", "key-c-1"]
    assert [state["files"][job["training_file"]]["bytes"] for job in jobs] == [n_bytes] * 3
    with Ledger(folder / "ledger.sqlite") as ledger:
        assert ledger.list_open_jobs() == []
        assert {row.rung: row.charged_usd for row in ledger.bill()} == dict.fromkeys("abc", Decimal("0.01"))


N_RUNS, FIRST_SEED = int(os.environ.get("FAULT_RUNS", "20")), int(os.environ.get("FAULT_SEED", "2026"))
"""How many runs the slow test makes, and the seed of the first."""


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, N_RUNS), marks=pytest.mark.slow)], ids=str)
def test_when_buyer_and_service_are_killed_no_job_is_made_twice_and_each_is_booked(
    tmp_path: Path, seeds: range
) -> None:
    for seed in seeds:
        print(f"FAULT_SEED={FIRST_SEED + seed}")  # pytest shows this where the test fails
        folder = tmp_path / str(seed)
        folder.mkdir()
        run_with_kills(FIRST_SEED + seed, folder)


def test_a_table_shows_all_trainings_side_by_side_and_ends_with_them(ledger: Ledger) -> None:
    shown: list[list[dict[str, str]]] = []
    with serve_trainer(Trainer(words=("queued", "running", "succeeded"))) as url:
        profile = make_profile(url, max_jobs=1)
        service = make_service(profile)
        plans = [plan_training(ledger, ledger.path.parent, service, profile, rung) for rung in ("a", "b")]
        desk = make_desk(ledger, [], show=lambda rows: shown.append([dict(row) for row in rows]))
        desk.run(plans)
    assert [(row["rung"], row["state"], row["at most"]) for row in shown[0]] == [
        ("a", "running", "$0.05"),
        ("b", "not sent yet", "$0.05"),
    ]
    assert shown[-1] == []
