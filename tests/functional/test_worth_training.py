"""`econchatr run` on a trained show that has new episodes says whether to train again, and `--if-worth` goes by it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from econchatr.pipeline import Silent, open_show, run_show
from econchatr.tools.weigh_training import weigh_training
from tests.functional.conftest import Run, edit_show, write_tiny_show

pytestmark = pytest.mark.slow

N_EPISODES = 21
"""So many that one more is less than one in twenty."""
SLOT = "train/tiny"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A finished show."""
    root = write_tiny_show(tmp_path_factory.mktemp("worth") / "show", n_episodes=N_EPISODES)
    edit_show(root, "max_replies = 2", "max_replies = 2\nmax_answers = 2\nmax_choices = 0")
    run_show(open_show(root, cache=cache), Silent())
    return root


@pytest.fixture(autouse=True)
def _few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as show that it works; what they tell is not looked at."""
    monkeypatch.setattr("econchatr.tools.weigh_training._MAX_EPISODE_TOKENS", 60)


@pytest.fixture
def show(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "show"))


def add_episode(show: Path) -> None:
    """A newer one, in which host and guest speak as in the oldest but for some letters."""
    oldest = min((show / "transcripts").iterdir())
    text = oldest.read_text(encoding="utf-8").replace("water", "wind").replace("a", "e", 60)
    (show / "transcripts" / "2031-01-01-new.md").write_text(text, encoding="utf-8")


def weigh(show: Path, cache: Path) -> tuple[int, str]:
    """How many rungs were weighed once the show was paired again, and why others were not."""
    opened = open_show(show, cache=cache)
    run_show(opened, Silent(), until="pair")
    weighing = weigh_training(opened, Silent())
    return len(weighing.found), " ".join(weighing.unweighed)


def test_one_like_the_others_trains_nothing_again_and_the_model_stays(show: Path, econchatr: Run) -> None:
    kept = {path: path.read_bytes() for path in (show / SLOT).iterdir() if path.is_file()}
    add_episode(show)
    told: dict[str, Any] = json.loads(econchatr("run", show, "--if-worth", "--json").stdout)
    (worth,) = told["worth"]
    assert (worth["n_new"], worth["n_known"], worth["is_worth_it"]) == (1, N_EPISODES, False)
    assert "pair" in told["done"]
    assert not any(name.startswith(("select", "train")) for name in told["done"])
    assert {path: path.read_bytes() for path in kept} == kept
    log = show / "score" / "tiny" / "likelihoods.jsonl"
    n_bytes = log.stat().st_size
    again = econchatr("run", show, "--if-worth")
    assert "Nothing was trained again" in again.stdout
    assert "Nothing here says that training again would pay" in " ".join(again.stderr.split())
    assert log.stat().st_size == n_bytes, "what was measured is measured once"


def change_settings(show: Path) -> None:
    edit_show(show, "max_tokens = 1200", "max_tokens = 1400")


def change_an_episode(show: Path) -> None:
    talk = sorted((show / "transcripts").iterdir())[-2]
    talk.write_text(talk.read_text(encoding="utf-8") + "\n\nHester Pellow: And that was all of it, at last.\n")


def remove_an_episode(show: Path) -> None:
    min((show / "transcripts").iterdir()).unlink()


def change_the_pairing(show: Path) -> None:
    edit_show(show, "dev_share = 0.2", "dev_share = 0.25")


def change_the_exam(show: Path) -> None:
    path = show / "questions.toml"
    path.write_text(path.read_text().replace("Do you trust surveys?", "Do you trust maps?"), encoding="utf-8")


def change_what_is_measured(show: Path) -> None:
    edit_show(show, "max_replies = 2", "max_replies = 3")


def take_the_answers_away(show: Path) -> None:
    (show / "ask/tiny/manifest.json").unlink()


def damage_the_adapter(show: Path) -> None:
    (show / SLOT / "adapter_model.safetensors").write_bytes(b"no adapter")


def break_what_was_known(show: Path) -> None:
    (show / SLOT / "known.json").write_text('{"rules": 1, "splits": null, "files": []}')


def forget_what_was_known(show: Path) -> None:
    (show / SLOT / "known.json").unlink()


def take_the_model_away(show: Path) -> None:
    (show / SLOT / "manifest.json").unlink()


REASONS = {
    change_settings: "settings changed",
    change_the_pairing: "settings changed",
    change_the_exam: "settings changed",
    change_what_is_measured: "settings changed",
    take_the_answers_away: "ask/tiny: not done yet",
    damage_the_adapter: "adapter_model.safetensors is missing or was changed",
    break_what_was_known: "an earlier version trained it",
    change_an_episode: "changed, renamed or taken away",
    remove_an_episode: "changed, renamed or taken away",
    forget_what_was_known: "an earlier version trained it",
    take_the_model_away: "train/tiny: not done yet",
}


@pytest.mark.parametrize("do", REASONS, ids=lambda do: do.__name__)
def test_where_more_changed_than_new_episodes_it_says_so_and_does_not_weigh(
    show: Path, cache: Path, do: Callable[[Path], None]
) -> None:
    add_episode(show)
    do(show)
    n_found, why = weigh(show, cache)
    assert n_found == 0
    assert REASONS[do] in why


def test_a_selection_made_before_is_weighed_too(show: Path, cache: Path) -> None:
    add_episode(show)
    run_show(open_show(show, cache=cache), Silent(), until="select")
    assert weigh(show, cache) == (1, "")


def test_a_show_without_new_episodes_is_not_weighed(show: Path, cache: Path) -> None:
    assert weigh(show, cache) == (0, "")


def test_several_shows_and_a_plan_are_refused(show: Path, econchatr: Run) -> None:
    for words in ((show.parent,), (show, "--plan")):
        assert "--if-worth is for running one show" in econchatr("run", *words, "--if-worth", check=2).stderr
