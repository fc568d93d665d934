"""The same work on many items, spread over the processor's cores."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_MOST_PROCESSES: Final = 8
"""Each holds some 150 MB."""
_LEAST_ITEMS: Final = 32
"""An episode takes 20 to 80 ms, and the processes a second to start."""
_N_AHEAD: Final = 4
"""Items in each process's line: enough that none waits, and few enough that memory does not grow with the show."""

_N_WATCH_SECONDS: Final = 1
_MAX_DIGITS: Final = 4
_SAFE_PATH: Final = "PYTHONSAFEPATH"
_ONE_THREAD: Final = {
    **dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1"),
    _SAFE_PATH: "1",  # also for those that take another's place later
}


def count_processes(n_items: int) -> int:
    """How many processes work on so many items: a core each, and one alone where starting them would take longer.

    Where `OMP_NUM_THREADS` is set, as many at most: whoever set it (a user, Ray) shares out the cores.
    """
    if n_items < _LEAST_ITEMS:
        return 1
    from loky import cpu_count

    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()[:_MAX_DIGITS]
    allowed = int(told) if told.isdecimal() and int(told) else _MOST_PROCESSES
    return min(int(cpu_count()), allowed, _MOST_PROCESSES)


def spread(do: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """What `do` gives for each item, in their order.

    Where there is more than one core and many items, processes share them. They outlive the call for some seconds, so
    that the next one finds them. Where none can be started, or one of them dies, this process does what is left.

    Args:
        do: A function of a module, or a `partial` of one. What it raises is raised here.
        items: What it is given, one by one.
    """
    n_processes = count_processes(len(items))
    pool = _open_pool(n_processes) if n_processes > 1 else None
    yield from _share_out(do, items, pool, n_ahead=_N_AHEAD * n_processes) if pool else map(do, items)


def _open_pool(n_processes: int) -> Executor | None:
    """The processes, started; `None` where this machine lets nobody start any."""
    # That a process ended while idle, or was replaced since it had grown, is nothing a user can do something about.
    warnings.filterwarnings("ignore", message="A worker (stopped|was restarted) while", category=UserWarning)
    warnings.filterwarnings("ignore", message="Failed to kill subprocesses", category=UserWarning)
    try:
        from loky import get_reusable_executor

        with _set_apart():
            # In another folder there are other processes: they stay where they were started.
            given = (os.getpid(), str(Path.cwd()))
            pool: Executor = get_reusable_executor(
                n_processes, initializer=_begin_work, initargs=given, env=_ONE_THREAD
            )
            pool.submit(os.getpid)  # starts them
    except (OSError, ImportError, RuntimeError, AssertionError):  # NotImplementedError is a RuntimeError
        # No semaphores, no room for processes or threads, a folder that is gone, a process that may have no others.
        return None
    return pool


@contextmanager
def _set_apart() -> Iterator[None]:
    """What is started here runs no file of the current folder, and leaves Ctrl-C to this process."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]) if hasattr(signal, "pthread_sigmask") else None
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def _share_out(do: Callable[[T], R], items: Iterable[T], pool: Executor, *, n_ahead: int) -> Iterator[R]:
    from loky.process_executor import BrokenProcessPool

    rest, ahead, results = iter(items), deque[T](), deque[Future[R]]()
    try:
        for item in rest:
            ahead.append(item)
            results.append(pool.submit(do, item))
            if len(results) > n_ahead:
                yield results.popleft().result()
                ahead.popleft()
        for result in results:
            yield result.result()
            ahead.popleft()
    except BrokenProcessPool:
        yield from map(do, chain(ahead, rest))
    except BaseException:
        pool.shutdown(wait=False, kill_workers=True)  # type: ignore[call-arg]  # loky's own
        raise


def _begin_work(parent: int, _folder: str) -> None:
    """What a process does first: it leaves Ctrl-C to the one that gave out the work, and ends when that one is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name == "posix":  # elsewhere a process keeps its parent's number, and ends by itself once idle
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_N_WATCH_SECONDS)
    os._exit(1)
