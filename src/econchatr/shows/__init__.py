"""Many shows in one run: one after the other on this machine, or side by side on a Ray cluster.

Both do the same steps of the same pipeline. `run_here` and `run_on_ray` take folders and give an outcome for each show.
A broken show stops only itself.
"""

from econchatr.shows.many_shows import find_shows, run_here
from econchatr.shows.outcomes import ShowOutcome
from econchatr.shows.ray_run import run_on_ray
from econchatr.shows.ray_settings import RaySettings, load_ray_settings

__all__ = ["RaySettings", "ShowOutcome", "find_shows", "load_ray_settings", "run_here", "run_on_ray"]
