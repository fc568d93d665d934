"""Install torch into the environment of the Python that runs this, and say first how large the download is.

python scripts/install_torch.py [--constraint constraints.txt] [--dry-run]

On Linux the usual index sends a build with CUDA, 2.7 GB, also to machines that have no NVIDIA GPU. So where there is
none, PyTorch's index of builds for the processor is asked: 0.2 GB. Where that does not answer, as behind a mirror of
packages, torch comes from the usual index. On a Mac and on Windows the usual index has the small build.

Needs nothing but Python and pip; where pip is missing, uv.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
WAIT_S = 5.0
"""How long PyTorch's index may take to answer."""
SMALL_GB, CUDA_GB = 0.2, 2.7
"""Downloads of torch 2.13 for Linux, measured on 29 November 2026: the processor's build; the CUDA build with the 15
packages of NVIDIA's it needs."""


def main() -> int:
    """Install torch unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--constraint", type=Path, help="A file of pinned versions, as pip takes it.")
    parser.add_argument("--dry-run", action="store_true", help="Only say what would be done.")
    parser.add_argument("--cpu-index", default=CPU_INDEX, help="Where builds for the processor are asked for.")
    given = parser.parse_args()
    if is_installed(read_pin(given.constraint)):
        return 0
    told, commands = plan(given.constraint, given.cpu_index)
    print(told, flush=True)
    code = 0
    for command in commands:
        print(f"  {' '.join(command)}", flush=True)
        code = 0 if given.dry_run else subprocess.run(command, check=False).returncode
    return code  # of the last one: the usual index has what the other has not


def read_pin(constraint: Path | None) -> str:
    """Read the version of torch that a file of constraints asks for; empty: any."""
    text = constraint.read_text(encoding="utf-8") if constraint else ""
    found = re.search(r"^torch==(\S+)", text, flags=re.MULTILINE)
    return found[1] if found else ""


def is_installed(pin: str) -> bool:
    """Tell whether torch is there, in the version asked for, whatever it was built for."""
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return False
    return pin in ("", version.split("+")[0])


def plan(constraint: Path | None, cpu_index: str) -> tuple[str, list[list[str]]]:
    """Give what to tell, and the commands that install torch on this machine."""
    held = ["--constraint", str(constraint)] if constraint else []
    if importlib.util.find_spec("pip") is None:
        uv = shutil.which("uv") or "uv"
        command = [uv, "pip", "install", "--python", sys.executable, "--torch-backend", "auto", *held, "torch"]
        return f"torch: {SMALL_GB} GB, or {CUDA_GB} GB for an NVIDIA GPU.", [command]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    usual = [*pip, *held, "torch"]
    if platform.system() != "Linux":
        return f"torch: about {SMALL_GB} GB to download.", [usual]
    if has_nvidia_gpu():
        return f"torch for the NVIDIA GPU: about {CUDA_GB} GB to download.", [usual]
    if answers(f"{cpu_index}/torch/"):
        # torch alone from there: what it needs comes from the usual index.
        pin = read_pin(constraint)
        alone = [*pip, "--index-url", cpu_index, "--no-deps", f"torch=={pin}" if pin else "torch"]
        return f"torch for the processor, no NVIDIA GPU was found: about {SMALL_GB} GB to download.", [alone, usual]
    told = f"torch from the usual index, for {cpu_index} does not answer: {SMALL_GB} GB, or {CUDA_GB} GB with CUDA."
    return told, [usual]


def has_nvidia_gpu() -> bool:
    """Tell whether the driver names a GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    found = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False)
    return found.returncode == 0 and "GPU" in found.stdout


def answers(address: str) -> bool:
    """Tell whether an address gives a page within a few seconds, the look-up of its name included."""
    found = list[bool]()

    def ask() -> None:
        try:
            with urllib.request.urlopen(address, timeout=WAIT_S) as answer:
                found.append(answer.status == 200)
        except (OSError, ValueError):
            found.append(False)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(WAIT_S)
    return found == [True]


if __name__ == "__main__":
    sys.exit(main())
