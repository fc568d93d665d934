"""The same work on many items gives the same results, whoever does it and whoever dies over it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from loky import cpu_count

from econchatr.errors import TranscriptError
from econchatr.processes import count_processes, spread
from tests.helpers.waiting import wait_until

MANY = list(range(40))
needs_two_cores = pytest.mark.skipif(cpu_count() == 1, reason="one core works alone")
TELLS_WHO_WORKED = """
import os, time
from econchatr.processes import spread
print(*{pid for pid in spread(lambda _: time.sleep(0.01) or os.getpid(), [0] * 40)}, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def tell(here: int, n: int) -> tuple[int, bool]:
    time.sleep(0.002)
    return n * n, os.getpid() == here


def refuse(n: int) -> int:
    if n == 17:
        raise TranscriptError("17 cannot be read", hint="Leave it out.")
    return n


def tell_folder(_: int) -> str:
    time.sleep(0.002)
    return str(Path.cwd())


def die_elsewhere(here: int, n: int) -> int:
    if n == 17 and os.getpid() != here:
        os.kill(os.getpid(), signal.SIGKILL)
    return n * n


@needs_two_cores
def test_many_items_are_done_by_other_processes_and_come_in_order() -> None:
    results = list(spread(partial(tell, os.getpid()), MANY))
    assert results == [(n * n, False) for n in MANY]


@pytest.mark.parametrize(("n_items", "threads"), [(8, "4"), (40, "1")])
def test_few_items_or_one_thread_are_done_here(n_items: int, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert list(spread(partial(tell, os.getpid()), MANY[:n_items])) == [(n * n, True) for n in MANY[:n_items]]


@pytest.mark.parametrize("told", ["", "0", "-3", "many", "9" * 5000])
def test_what_is_no_number_of_threads_changes_nothing(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    expected = count_processes(1000)
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert count_processes(1000) == expected >= 1


def test_what_is_raised_there_is_raised_here_with_its_hint() -> None:
    with pytest.raises(TranscriptError, match="17 cannot be read") as caught:
        list(spread(refuse, MANY))
    assert (caught.value.hint, caught.value.exit_code) == ("Leave it out.", 5)


@needs_two_cores
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_where_a_process_dies_the_rest_is_done_here_and_the_next_call_has_new_ones() -> None:
    assert list(spread(partial(die_elsewhere, os.getpid()), MANY)) == [n * n for n in MANY]
    assert list(spread(partial(tell, os.getpid()), MANY))[-1] == (39 * 39, False)


@pytest.mark.parametrize("fault", [OSError(11, "no more processes"), RuntimeError("no threads"), ImportError("no sem")])
def test_where_no_process_can_be_started_all_is_done_here(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_all(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("loky.get_reusable_executor", refuse_all)
    assert list(spread(partial(tell, os.getpid()), MANY)) == [(n * n, True) for n in MANY]


@needs_two_cores
def test_the_processes_work_in_the_folder_of_the_one_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert {*spread(tell_folder, MANY)} == {str(folder)}


def test_no_file_of_the_current_folder_is_run(tmp_path: Path) -> None:
    for name in ("argparse", "signal", "loky", "numpy", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open('{name} was run', 'w')\nraise SystemExit(3)\n")
    code = "import sys; sys.path.remove(''); from econchatr.processes import spread; print(sum(spread(abs, range(40))))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("780\n", "")
    assert list(tmp_path.glob("*was run")) == []


def test_who_asks_for_the_first_results_only_gets_them() -> None:
    results = spread(partial(tell, os.getpid()), MANY)
    assert next(results)[0] == 0
    results.close()  # type: ignore[attr-defined]
    assert [n for n, _ in spread(partial(tell, os.getpid()), MANY)] == [n * n for n in MANY]


@needs_two_cores
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_nobody_outlives_a_killed_run() -> None:
    with subprocess.Popen([sys.executable, "-c", TELLS_WHO_WORKED], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        workers = list(map(int, run.stdout.readline().split()))
        assert run.pid not in workers
        assert all(map(is_alive, workers))
        run.kill()
    assert wait_until(lambda: not any(map(is_alive, workers)), seconds=10)


@pytest.mark.parametrize("told", ["1", " 1 ", "1,2"])
def test_threads_are_written_as_openmp_reads_them(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert count_processes(1000) == 1


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
