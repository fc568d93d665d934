"""What the user says of the cluster: `cluster.toml` in the folder of settings for all shows, and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from econchatr.toml_files import read_toml_text, validate_toml

SETTINGS_NAME: Final = "cluster.toml"


class RaySettings(BaseModel):
    """All of cluster.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(default="", max_length=300)
    """`host:port` of a running cluster's head, or `auto`: the one this machine belongs to. Empty: one is started here
    for the run."""
    cpus: int = Field(default=0, ge=0, le=1024)
    """Processors for each training, asking and scoring; 0: all of the smallest node."""
    gpus: int | None = Field(default=None, ge=0, le=64)
    """GPUs for each of them; `None`: one where the cluster has any."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that train one rung together and share the examples of each step; each takes `cpus` and `gpus`. A
    training that is under way begins anew with another number."""
    wait_seconds: float = Field(default=120, ge=5, le=3600)
    """How long the cluster may take to answer, and a node to take the place of one that died."""
    max_failures: int = Field(default=5, ge=0, le=100)
    """How often a training may lose a node and go on elsewhere."""


def load_ray_settings(folder: Path) -> RaySettings:
    """The settings in a folder; the defaults where there is no file.

    Raises:
        InputError: The file is not TOML, or says something that cannot be.
    """
    path = folder / SETTINGS_NAME
    if not path.exists():
        return RaySettings()
    return validate_toml(path, read_toml_text(path, hint=""), RaySettings)
