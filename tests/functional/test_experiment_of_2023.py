"""The experiment of 2023 in one command: four rungs, two of them at our own server as if it were a service, $40."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from econchatr.money.ledger import Ledger
from econchatr.pipeline import open_show
from econchatr.pipeline.served import read_hosted
from econchatr.pipeline.show import Show
from tests.functional.conftest import Done, Run, edit_show
from tests.helpers.aired_episodes import air_episode
from tests.helpers.training_server_process import BASE, run_server, write_server

RUNGS = ("ada", "babbage", "curie", "davinci")
HOSTED = RUNGS[2:]
SMALL = "[train]\nmax_example_tokens = 2000\nmax_dev_tokens = 300\nweights = 'embedded'\n\n"
SMALL += "[score]\nmax_replies = 2\nmax_answers = 2\nmax_choices = 1\nn_resamples = 100\n\n"
PROFILE = '[[profile]]\nname = "econchatr"\nbase_url = "{url}"\nhyperparameters = {{ batch_size = 2 }}\n'


class Finished(NamedTuple):
    show: Show
    done: Done


def save_pages(folder: Path, n: int = 8) -> Path:
    """Pages as EconTalk's site shows them, as a reader of it would have saved them."""
    folder.mkdir(parents=True)
    for year in range(2013, 2013 + n):
        title, day = f"Ada Example on Sparrows {year}", date(year, 3, 3)
        page = air_episode(title, day, Random(year), is_real_size=False).page
        (folder / f"{year}.html").write_bytes(page)
    return folder


def start(root: Path, econchatr: Run, *words: str) -> Path:
    """The show as `init` writes it."""
    pages = save_pages(root / "pages")
    econchatr("init", root / "et", "--preset", "econtalk", "--from", pages, *words)
    return root / "et"


def make_small(show: Path, base: str) -> None:
    """Put a tiny model in place of SmolLM2's, and a few tokens in place of hours."""
    for name in ("HuggingFaceTB/SmolLM2-360M-Instruct", "HuggingFaceTB/SmolLM2-1.7B-Instruct"):
        edit_show(show, json.dumps(name), f"{base}\nmax_tokens = 3000")
    edit_show(show, 'tokenizer = "embedded"', f"tokenizer = {base}")
    edit_show(show, "samples = 4\ntemperature = 0.6\nmax_tokens = 250", "samples = 1\nmax_tokens = 8\nmax_probes = 3")
    edit_show(show, "paraphrases = true", "paraphrases = false")
    edit_show(show, "[ask]\n", f"{SMALL}[ask]\n")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path, econchatr_process: Run) -> Finished:
    """The show after its one command."""
    root = tmp_path_factory.mktemp("experiment")
    folder = write_server(root / "server", cache, "[train]\nmax_dev_tokens = 300\n")
    settings = folder / "server.toml"
    base = settings.read_text(encoding="utf-8").partition(f"{BASE} = ")[2].strip()
    with settings.open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = {base}\n" for name in HOSTED)
    show = start(root, econchatr_process, "--ladder", "2023", "--rights", "a test")
    make_small(show, base)
    with run_server(folder) as server, pytest.MonkeyPatch.context() as patched:
        patched.setenv("ECONCHATR_TRAIN_KEY", "sk-none-is-wanted-here")
        (show / "profiles.toml").write_text(PROFILE.format(url=server.address))
        done = econchatr_process("run", show, "--yes", "--post")
    return Finished(open_show(show), done)


@pytest.mark.slow
def test_one_command_trains_and_asks_all_four_rungs(finished: Finished) -> None:
    told = (finished.show.folder("report") / "report.md").read_text(encoding="utf-8")
    assert [name for name in RUNGS if f"| {name} |" not in told] == []
    assert all(finished.show.rung(name).answers() for name in RUNGS)
    assert all(read_hosted(finished.show.rung(name)).tuned_model.startswith(f"ft:{name}:") for name in HOSTED)


@pytest.mark.slow
def test_its_write_up_is_there_at_the_end(finished: Finished) -> None:
    post = finished.show.folder("report") / "post.html"
    assert finished.done.stdout.endswith(f"Post: {post}\n")
    assert all(name in post.with_suffix(".md").read_text(encoding="utf-8") for name in RUNGS)


@pytest.mark.slow
def test_its_bill_is_of_the_hosted_rungs_and_within_forty_dollars(finished: Finished) -> None:
    with Ledger(finished.show.root / "ledger.sqlite") as ledger:
        bill = ledger.bill()
        assert ledger.list_open_jobs() == []
    assert {(row.rung, row.what) for row in bill} >= {(name, what) for name in HOSTED for what in ("training", "exam")}
    assert {row.rung for row in bill} == set(HOSTED)
    assert Decimal(0) < sum(row.charged_usd for row in bill) <= Decimal(40)


@pytest.mark.parametrize("ladder", [(), ("--ladder", "2023")])
@pytest.mark.parametrize("is_selected", [True, False])
def test_the_plan_names_every_rung(tmp_path: Path, econchatr: Run, ladder: tuple[str, ...], is_selected: bool) -> None:
    """Also where a fault stops the run; every rung can be trained."""
    show = start(tmp_path, econchatr, *ladder)
    if is_selected:
        econchatr("select", show)
    told = econchatr("run", show, "--plan", check=2).stdout
    assert "has no [rights]" in told
    assert [name for name in RUNGS if not re.search(rf"\b{name}\b", told)] == []
    assert "no profile" not in told
