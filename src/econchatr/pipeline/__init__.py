"""The stages in order: the only place where they meet, and the only reader of config and tables.

`open_show` reads a folder, `run_show` does everything in it that is not yet done.
"""

from econchatr.pipeline.run import RunResult, list_steps, run_show, status_of
from econchatr.pipeline.show import STAGES, Narrator, Show, Silent, open_show

__all__ = ["STAGES", "Narrator", "RunResult", "Show", "Silent", "list_steps", "open_show", "run_show", "status_of"]
