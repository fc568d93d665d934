"""A show's stages in order, and what they are bound to: the only reader of config and tables.

`open_show` reads a folder, `run_show` does everything in it that is not yet done. One module per stage bears the
stage's name; `run` holds the table of all stages.
"""

from econchatr.pipeline.run import STAGES, RunResult, list_steps, run_show, status_of
from econchatr.pipeline.show import Ladder, Rung, Show, open_show
from econchatr.pipeline.stage import Narrator, Silent

__all__ = [
    "STAGES",
    "Ladder",
    "Narrator",
    "RunResult",
    "Rung",
    "Show",
    "Silent",
    "list_steps",
    "open_show",
    "run_show",
    "status_of",
]
