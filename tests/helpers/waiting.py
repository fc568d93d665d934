"""Wait for what happens beside the test: in another thread, a process or a browser."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 120
"""A busy machine is slow; only a test that fails waits so long."""


def wait_until(is_so: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> bool:
    """Ask again and again; False where the answer was still no at the end."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
