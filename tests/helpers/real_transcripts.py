"""The transcripts of a real show, where they lie beside the project; none of their text is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

CHANGELOG = Path(__file__).parents[3] / "shared" / "data" / "changelog"

needs_changelog = pytest.mark.skipif(not CHANGELOG.exists(), reason="the transcripts are not on this machine")


def list_changelog(folder: str = "*") -> list[Path]:
    """The files of both shows, or of one, in order."""
    return sorted(CHANGELOG.glob(f"{folder}/*.md"))
