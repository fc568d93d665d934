"""A Ray cluster of three nodes in a process of its own, and the node that does a step of a show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOKEN = "the-token-of-this-cluster-which-nobody-may-read"
_SCRIPT = Path(__file__).with_name("ray_nodes.py")


def surround() -> dict[str, str]:
    """The environment of whoever may join the cluster."""
    return {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}


class RayNodes:
    """A running cluster."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self._process, self.address = process, address

    def order(self, line: str) -> None:
        """Give an order and wait until it is done."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == "done"

    def kill_node_of(self, lock: Path, run: subprocess.Popen[str]) -> None:
        """Kill the node that does the step of this lock, as soon as one does it, and put another in its place."""
        worker = _wait_for_holder(lock, run)
        self.order(f"kill {_find_parent(worker)}")
        self.order("add")


@contextmanager
def run_nodes(n_nodes: int = 3) -> Iterator[RayNodes]:
    """A head, and so many nodes with one processor each."""
    command = [sys.executable, str(_SCRIPT), str(n_nodes)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=surround()
    ) as process:
        assert process.stdout
        assert process.stdin
        try:
            yield RayNodes(process, process.stdout.readline().strip())
        finally:
            process.stdin.close()


def _wait_for_holder(lock: Path, run: subprocess.Popen[str]) -> int:
    while run.poll() is None:
        for pid in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - Path.iterdir is slower here
            if _holds(pid, lock):
                return int(pid)
        time.sleep(0.05)
    raise AssertionError(f"nobody ever held {lock}: {run.communicate()}")


def _holds(pid: str, lock: Path) -> bool:
    """Whether a process has a file open; one that ends meanwhile has not."""
    try:
        folder = Path("/proc", pid, "fd")
        return any(os.readlink(folder / one) == str(lock) for one in os.listdir(folder))  # noqa: PTH115, PTH208
    except OSError:
        return False


def _find_parent(pid: int) -> int:
    found = re.search(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])
