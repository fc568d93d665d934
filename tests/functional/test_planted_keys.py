"""Keys in nothing that is written, told or listed: the whole life of hosted trainings, every process looked at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from tests.functional.conftest import Done, Run, edit_show, write_tiny_show
from tests.functional.test_hosted import PRICE, PROFILE
from tests.functional.test_money import TODAY
from tests.helpers.stand_in_trainer import BASE as ELSEWHERE
from tests.helpers.stand_in_trainer import KEY, Fault, Trainer, serve_trainer
from tests.helpers.training_server_process import BASE, CALLERS, KEYS, run_server, write_server

pytestmark = pytest.mark.slow

WRONG = "sk-mistyped-6a0e1d9b7c5f"
PLANTED = {*KEYS.values(), KEY, WRONG}
LADDER = """
[[ladder]]
name = "ours"
where = "hosted"
tokenizer = {base}
price = "econchatr/tiny"
n_epochs = 1

[[ladder]]
name = "theirs"
where = "hosted"
tokenizer = "gpt2"
price = "stand-in/open-model-1b"
n_epochs = 1
"""
OURS = '[[profile]]\nname = "econchatr"\nbase_url = "{url}"\nhyperparameters = {{ batch_size = 2 }}\n'


class Life(NamedTuple):
    """What came of it."""

    told: list[Done]
    """Every command's words."""
    written: list[Path]
    """Every file of the show and of our server, its console among them."""
    listed: set[bytes]
    """Command lines of all processes that ran meanwhile."""
    handed_on: set[bytes]
    """Environments of the processes that trained."""


@contextmanager
def watch_processes(listed: set[bytes], handed_on: set[bytes]) -> Iterator[None]:
    """Note every process of this machine until the block ends."""
    has_ended = threading.Event()

    def watch() -> None:
        while not has_ended.wait(0.1):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    line = (process / "cmdline").read_bytes()
                    listed.add(line)
                    if b"job_worker" in line:
                        handed_on.add((process / "environ").read_bytes())
                except OSError:
                    continue  # it has ended, or is somebody else's

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        has_ended.set()
        watcher.join()


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, cache: Path, econchatr_process: Run) -> Life:
    """Two rungs, ours and one of a service that repeats keys in its refusals: refused, broken off, bought, asked."""
    top = tmp_path_factory.mktemp("keys")
    folder, trainer = write_server(top / "server", cache, CALLERS), Trainer(n_tokens=1000)
    show, life = write_tiny_show(top / "show"), Life([], [], set(), set())
    base = (folder / "server.toml").read_text(encoding="utf-8").partition(f"{BASE} = ")[2].strip()
    edit_show(show, '\n[[ladder]]\nname = "tiny"\nmax_tokens = 1200\nn_epochs = 1\n', LADDER.format(base=base))
    edit_show(show, "\n[show]", "budget_usd = 5\n[show]")
    own_price = PRICE.format(model=BASE, today=TODAY).replace('"stand-in"', '"econchatr"')
    (show / "prices.toml").write_text(own_price + PRICE.format(model=ELSEWHERE, today=TODAY))
    with (
        pytest.MonkeyPatch.context() as patched, watch_processes(life.listed, life.handed_on),
        run_server(folder, KEYS) as server, serve_trainer(trainer) as url,
    ):  # fmt: skip
        patched.setenv("OPENAI_LOG", "debug")  # the most that a user's own settings can make the openai package tell
        patched.setenv("STAND_IN_KEY", KEY)
        (show / "profiles.toml").write_text(OURS.format(url=server.address) + PROFILE.format(url=url, more=""))
        rounds: list[tuple[str, dict[str, list[Fault]]]] = [
            (WRONG, {}),
            (KEYS["ALICE_KEY"], {"POST /fine_tuning/jobs": [401], "GET /models": [500, "cut"]}),
            (KEYS["ALICE_KEY"], {"GET /fine_tuning/jobs/*": [403], "POST /chat/completions": [401]}),
            (KEYS["ALICE_KEY"], {"DELETE /files/*": [401]}),
        ]
        for key, faults in rounds:
            patched.setenv("ECONCHATR_TRAIN_KEY", key)
            trainer.faults = faults
            life.told.append(econchatr_process("run", show, "--yes", check=None))
        last = life.told[-1]
        life.told.extend(econchatr_process(*words, check=None) for words in (("status", show), ("run", show, "--plan")))
        assert last.returncode == 0, last.stderr
    life.written.extend(path for path in top.rglob("*") if path.is_file())
    return life


def test_both_trainings_were_refused_at_first_and_then_bought_and_reported(life: Life) -> None:
    """Else the others would look at a life without faults, or at none."""
    told = "".join(done.stdout + done.stderr for done in life.told)
    assert told.count("***") >= 2
    assert {path.name for path in life.written} >= {"ledger.sqlite", "jobs.sqlite", "report.md", "console.txt"}
    assert any(b"job_worker" in line for line in life.listed)


def test_no_command_tells_a_key(life: Life) -> None:
    told = [line for done in life.told for line in (done.stdout + done.stderr).splitlines()]
    assert [line for line in told if any(key[:14] in line for key in PLANTED)] == []
    assert [line for line in told if "Traceback" in line] == []


def test_no_file_holds_a_key(life: Life) -> None:
    """Half of a key is as good as a key to whoever guesses: texts are cut, and a cut must not come first."""
    assert len(life.written) > 30
    found = {path for path in life.written if any(key[:14].encode() in path.read_bytes() for key in PLANTED)}
    assert found == set()


def test_no_process_shows_a_key_and_the_one_that_trains_is_handed_none_of_the_callers(life: Life) -> None:
    assert [line for line in life.listed if any(key.encode() in line for key in PLANTED)] == []
    assert [one for one in life.handed_on if any(key.encode() in one for key in KEYS.values())] == []
