"""The user's own folders, which belong to no show: a cache, and settings for all shows."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where converted weights and tokenizers are kept: `$ECONCHATR_CACHE`, or the user's cache folder."""
    if place := os.environ.get("ECONCHATR_CACHE"):
        return Path(place)
    import platformdirs

    return Path(platformdirs.user_cache_dir("econchatr", appauthor=False))


def config_folder() -> Path:
    """Where the user's own settings for all shows are kept: `$ECONCHATR_CONFIG`, or the user's config folder."""
    if place := os.environ.get("ECONCHATR_CONFIG"):
        return Path(place)
    import platformdirs

    return Path(platformdirs.user_config_dir("econchatr", appauthor=False))
