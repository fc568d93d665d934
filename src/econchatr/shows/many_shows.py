"""Find the shows in a folder, and run them one after the other on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from econchatr.config import CONFIG_NAME
from econchatr.errors import EconChatRError
from econchatr.pipeline import Narrator, open_show, run_show
from econchatr.pipeline.quotes import Approve
from econchatr.shows.outcomes import NamedNarrator, ShowOutcome, foresee_nothing, settle


def find_shows(folder: Path) -> list[Path]:
    """The folders of the shows in a folder, by name; none where it is a show itself, or holds none."""
    if (folder / CONFIG_NAME).exists() or not folder.is_dir():
        return []
    return sorted(path.parent for path in folder.glob(f"*/{CONFIG_NAME}"))


def run_here(
    folders: Sequence[Path], narrator: Narrator, *, rung: str = "", approve: Approve | None = None
) -> list[ShowOutcome]:
    """Run shows one after the other; one that fails stops only itself."""
    return [_run_one(folder, narrator, rung, approve) for folder in folders]


def _run_one(folder: Path, narrator: Narrator, rung: str, approve: Approve | None) -> ShowOutcome:
    start = time.monotonic()
    try:
        show = open_show(folder)
        result = run_show(show, NamedNarrator(narrator, folder.name), rung=rung, approve=approve)
        return settle(show, rung=rung, done=result.done, seconds=time.monotonic() - start)
    except EconChatRError as exc:
        error = exc
    except Exception as exc:  # noqa: BLE001 - whatever breaks one show must not stop the others; the table tells it
        error = foresee_nothing(exc)
    narrator.note(f"{folder.name}: stopped: {error.message}")
    return ShowOutcome(folder, time.monotonic() - start, error=error)
