"""Give memory back to the system between two models of one process.

This module does not know what used it.
"""

from __future__ import annotations

import ctypes
import gc


def free_memory() -> None:
    """Drop what nothing refers to any more, and hand the freed pages back where the C library can.

    After a training the allocator would otherwise keep gigabytes that the next model takes on top.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return  # not glibc: its allocator decides for itself
