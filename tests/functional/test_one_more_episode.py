"""What was prepared of an episode is found again, and the tables are those that a show prepared from nothing has."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from econchatr.pipeline import Silent, open_show, run_show
from tests.functional.conftest import edit_show, write_tiny_show

TABLES = (
    "parse/episodes", "parse/turns", "parse/failures", "pair/pairs", "pair/guests/guest_pairs",
    "pair/answers/answer_pairs",
)  # fmt: skip
FAREWELL = (
    "\n\n**Tobias Renn:** Thanks, it was so good to be here."
    "\n\n**Hester Pellow:** And that was it for this week, and we meet again at the lock.\n"
)
"""Of every episode: one more changes in how many it stands, which all of them tell."""
STORES = ("parse/kept", "pair/kept/host", "pair/kept/guests", "pair/kept/answers")


def write_show(root: Path) -> Path:
    for talk in list_talks(write_tiny_show(root)):
        talk.write_text(talk.read_text() + FAREWELL)
    return root


@pytest.fixture
def show(tmp_path: Path) -> Path:
    return write_show(tmp_path / "show")


def prepare(show: Path) -> dict[str, bytes]:
    run_show(open_show(show), Silent(), until="pair")
    return {name: (show / f"{name}.parquet").read_bytes() for name in TABLES}


def prepare_anew(show: Path) -> dict[str, bytes]:
    """The tables of a copy that has nothing but what the user wrote."""
    copy = show.with_name("anew")
    shutil.copytree(show, copy, ignore=lambda folder, _: {"fetch", "parse", "pair"} if Path(folder) == show else set())
    return prepare(copy)


def write_long_show(root: Path) -> Path:
    """A show that several processes share out."""
    for talk in list_talks(write_show(root)):
        for year in range(2000, 2010):
            text = talk.read_text().replace("the ", f"the {year - 1990} ", year - 1990)
            talk.with_name(f"{year}{talk.name[4:]}").write_text(text)
    return root


def list_kept(show: Path) -> dict[str, int]:
    """Name -> the file itself: one that is written again is another."""
    return {f"{store}/{path.name}": path.stat().st_ino for store in STORES for path in (show / store).iterdir()}


def list_talks(show: Path) -> list[Path]:
    return sorted((show / "transcripts").iterdir())


def add(show: Path) -> None:
    talk = list_talks(show)[2]
    text = talk.read_text().replace("a", "e", 40)[:1500]
    talk.with_name("2019-01-01-the-first.md").write_text(text + FAREWELL)


def add_a_copy(show: Path) -> None:
    newest = list_talks(show)[-1]
    shutil.copy(newest, newest.with_name("2031-01-01-again.md"))


def add_what_nobody_can_read(show: Path) -> None:
    (show / "transcripts" / "2020-02-02-broken.md").write_bytes(b"\0\1\2")


def change(show: Path) -> None:
    talk = list_talks(show)[0]
    talk.write_text(talk.read_text() + "\n\n**Hester Pellow:** And one more thing that I should have said.\n")


def remove(show: Path) -> None:
    list_talks(show)[1].unlink()


def rename(show: Path) -> None:
    talk = list_talks(show)[1]
    talk.rename(talk.with_name("2030-12-31-another-name.md"))


def take_anothers_name(show: Path) -> None:
    """Two files of one name in two folders: the second one's slug has a number."""
    talk = list_talks(show)[0]
    (show / "transcripts" / "a").mkdir()
    shutil.copy(list_talks(show)[3], show / "transcripts" / "a" / talk.name)


def name_an_alias(show: Path) -> None:
    edit_show(show, "[rights]", '[show.aliases]\n"Tobias Renn" = "Hester Pellow"\n\n[rights]')


def name_another_profile(show: Path) -> None:
    edit_show(show, "[pair]", '[pair]\nprofile = "2023"')


def hold_out_more(show: Path) -> None:
    edit_show(show, "test_share = 0.2", "test_share = 0.5")


CHANGES: tuple[Callable[[Path], None], ...] = (
    add, add_a_copy, add_what_nobody_can_read, change, remove, rename, take_anothers_name, name_an_alias,
    name_another_profile, hold_out_more,
)  # fmt: skip


@pytest.mark.parametrize("do", CHANGES, ids=lambda do: do.__name__)
def test_after_a_change_the_tables_are_those_of_a_show_prepared_from_nothing(show: Path, do: object) -> None:
    before = prepare(show)
    assert callable(do)
    do(show)
    after = prepare(show)
    assert after == prepare_anew(show)
    assert after != before


def test_however_many_processes_share_the_work_the_tables_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    shared = prepare(write_long_show(tmp_path / "show"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert prepare_anew(tmp_path / "show") == shared


def test_changes_one_upon_another_end_as_if_from_nothing(show: Path) -> None:
    for do in CHANGES[:8]:
        do(show)
        prepare(show)
    assert prepare(show) == prepare_anew(show)


def test_of_one_more_episode_only_its_own_files_are_new(show: Path) -> None:
    prepare(show)
    before = list_kept(show)
    add(show)
    prepare(show)
    after = list_kept(show)
    assert before.items() <= after.items()
    assert len(after) == len(before) + len(STORES)


def test_what_no_episode_needs_any_more_is_taken_away(show: Path) -> None:
    prepare(show)
    n_kept = len(list_kept(show))
    (show / "parse" / "kept" / "tmp_of_a_killed_run").write_bytes(b"half")
    remove(show)
    prepare(show)
    assert len(list_kept(show)) == n_kept - len(STORES)


@pytest.mark.parametrize("store", STORES)
def test_what_was_damaged_is_made_again(show: Path, store: str) -> None:
    before = prepare(show)
    for path in (show / store).iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    (show / "parse" / "manifest.json").unlink()
    (show / "pair" / "manifest.json").unlink()
    (show / "pair" / "guests" / "manifest.json").unlink()
    assert prepare(show) == before


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_show, write_long_show], ids=["alone", "shared out"])
def test_killed_at_ten_random_moments_the_tables_are_those_of_a_show_prepared_from_nothing(
    tmp_path: Path, write: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    root, rng = write(tmp_path / "show"), random.Random(17)
    command = [sys.executable, "-m", "econchatr", "pair", str(root)]
    start = time.monotonic()
    subprocess.run([*command[:-1], str(write(tmp_path / "timed" / "show"))], check=True, capture_output=True)
    seconds = time.monotonic() - start
    for number in range(10):
        (add, add_a_copy, remove, rename, *[change] * 6)[number](root)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.2, seconds))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert prepare(root) == prepare_anew(root)
