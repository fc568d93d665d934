"""What this machine computes with: its device, its number format, its free memory.

torch is imported at the top: import this module only inside functions.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """What a training may count on."""

    device: str
    """`cuda`, `mps` or `cpu`."""
    dtype: str
    """The number format of products: `bfloat16` or `float32`."""
    free_bytes: int
    """Memory that no program holds, on the first GPU or of the machine."""
    total_bytes: int
    n_gpus: int = 0
    all_free_bytes: int = 0
    """Free memory of all GPUs together."""
    has_4bit: bool = False
    """Whether bitsandbytes is installed."""


def look_at_machine() -> Machine:
    """Give this machine as it is now."""
    device = choose_device()
    free, total = read_memory(device)
    n_gpus = torch.cuda.device_count() if device == "cuda" else 0
    return Machine(
        device=device,
        dtype=name_dtype(choose_dtype(device)),
        free_bytes=free,
        total_bytes=total,
        n_gpus=n_gpus,
        all_free_bytes=sum(torch.cuda.mem_get_info(n)[0] for n in range(n_gpus)),
        has_4bit=device != "mps" and find_spec("bitsandbytes") is not None,
    )


def choose_device() -> str:
    """Give `cuda` where there is a GPU that torch can use, `mps` on a Mac with Apple's chip, else `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def choose_dtype(device: str) -> torch.dtype:
    """Give the number format for products: bfloat16 where the machine multiplies in it natively, else float32."""
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device == "mps":
        return torch.bfloat16 if _multiplies_in_bfloat16(device) else torch.float32
    # oneDNN also emulates bfloat16, at a third of float32's speed.
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    is_native = any(features.get(name) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
    return torch.bfloat16 if is_native and _has_onednn_bfloat16() else torch.float32


def _has_onednn_bfloat16() -> bool:
    """Whether oneDNN multiplies in bfloat16. torch for Macs is built without oneDNN and lacks the question itself."""
    if not torch.backends.mkldnn.is_available():
        return False
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False


def _multiplies_in_bfloat16(device: str) -> bool:
    """Whether a small product works; Macs before macOS 14 refuse it."""
    try:
        ones = torch.ones(2, 2, dtype=torch.bfloat16, device=device)
        return float((ones @ ones).sum()) == 8.0
    except (RuntimeError, TypeError):
        return False


def name_dtype(dtype: torch.dtype) -> str:
    """Give `bfloat16` for `torch.bfloat16`."""
    return str(dtype).removeprefix("torch.")


def name_device(device: str) -> str:
    """Give a device in words: the GPU's name, or how many CPU threads there are."""
    if device == "cuda":
        return str(torch.cuda.get_device_name())
    return "Apple's GPU" if device == "mps" else f"{torch.get_num_threads()} CPU threads"


def read_memory(device: str) -> tuple[int, int]:
    """Give a device's free memory and all of its memory, in bytes."""
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return int(free), int(total)
    if device == "mps":
        total = int(torch.mps.recommended_max_memory())
        return total - int(torch.mps.current_allocated_memory()), total
    free, total = _read_main_memory()
    limit = _read_number(_CGROUP / "memory.max")
    if limit is None:
        return free, total
    used = _read_number(_CGROUP / "memory.current") or 0
    return min(free, max(0, limit - used + _read_cached())), min(total, limit)


def _read_main_memory() -> tuple[int, int]:
    """Free and total memory of the machine: from /proc where there is one, else half of all counts as free."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines if len(line.split()) > 1}
        return sizes["MemAvailable"], sizes["MemTotal"]
    except (OSError, ValueError, KeyError, IndexError):
        total = _read_total()
        return total // 2, total


def _read_total() -> int:
    """All memory, by the means of the system; 8 GB where none answers."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * 1024**3


def _read_cached() -> int:
    """File pages that a container is charged for, and that the system takes back when a program needs room."""
    try:
        lines = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.split()[0] in ("inactive_file", "active_file"))
    except (OSError, ValueError, IndexError):
        return 0


def _read_number(path: Path) -> int | None:
    """The number in a file; `None`: there is no such file, or it says `max`."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
