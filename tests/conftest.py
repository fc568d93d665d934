"""What every test gets: no network but loopback, no key, a cache shared by the whole run."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no fault of the code; times are measured in benchmarks/.
settings.register_profile("econchatr", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("econchatr")

# Threads that wait must sleep soon, or on a busy machine they hold up those that work. Read when torch loads.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# A shell that runs the tests in the background lets all their processes ignore Ctrl-C, which some tests send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if IS_WORKER:
    # Two workers with two threads each on two cores would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


LONGEST_FIRST = ("functional", "unit/train", "unit/models", "unit/talk", "unit/pipeline", "unit/score")
"""So that no worker begins something long when the others are done."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what hypothesis runs, and put the packages whose tests take longest first."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("property")
    ranks = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(
        key=lambda item: min((rank for name, rank in ranks.items() if f"tests/{name}/" in item.nodeid), default=99)
    )


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else address
        if self.family != socket.AF_UNIX and host not in _LOOPBACK:
            raise OSError(f"a test may not reach {host}")
        real(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run, the same for every worker."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if IS_WORKER else base


@pytest.fixture(scope="session")
def cache(shared: Path) -> Path:
    """Where converted weights and tokenizers are kept during the test run."""
    folder = shared / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECONCHATR_CACHE", str(cache))
    monkeypatch.setenv("ECONCHATR_CONFIG", str(cache / "config"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "TINKER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
