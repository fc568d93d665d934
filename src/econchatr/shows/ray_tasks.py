"""What runs on a node of the cluster: steps of one show, done in its folder on the shared storage.

These functions are plain Python around `do_steps`; only `train_rung` knows of Ray, for it starts a Ray Train run.
"""

from __future__ import annotations

import os
import pickle
import shutil
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, chdir, nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple

from econchatr.errors import EconChatRError, ModelError
from econchatr.pipeline import Narrator, list_steps, open_show
from econchatr.pipeline.run import do_steps
from econchatr.pipeline.train import help_train_rung
from econchatr.shows.outcomes import foresee_nothing
from econchatr.shows.ray_settings import RaySettings
from econchatr.tables import lock_folder, write_bytes
from econchatr.train.team import TeammateLostError, find_team

_ORPHAN_SECONDS: Final = 120
"""How long a retried step waits for the first try, which may outlive its node for a moment."""
_MOST_TOLD: Final = 200


class ShowPart(NamedTuple):
    """Steps of one show that are done together on one node."""

    root: str
    """The show's folder on the shared storage."""
    names: tuple[str, ...]
    """Of the steps, as `list_steps` names them."""
    rung: str = ""
    """The one rung the run is for; empty: all."""
    cwd: str = ""
    """Where the command was given: paths of models go from there."""


class ToldThere(NamedTuple):
    """Something a step told its narrator, to be told again where the user is."""

    what: str
    """The narrator's method."""
    values: tuple[Any, ...]


class PartResult(NamedTuple):
    """What became of a part."""

    node: str
    """Name of the machine."""
    seconds: float
    done: tuple[str, ...] = ()
    told: tuple[ToldThere, ...] = ()
    error: EconChatRError | None = None


class Notebook:
    """A narrator that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[ToldThere] = []

    def begin(self, name: str, why: str) -> None:
        """Write it down."""
        self._write("begin", name, why)

    def progress(self, n_done: float, n_all: float, unit: str) -> None:
        """Nothing: the user's terminal is elsewhere."""

    def note(self, text: str) -> None:
        """Write it down."""
        self._write("note", text)

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Nothing: the user's terminal is elsewhere."""

    def end(self, name: str, counts: Mapping[str, int], seconds: float) -> None:
        """Write it down."""
        self._write("end", name, dict(counts), seconds)

    def _write(self, what: str, *values: Any) -> None:
        if len(self.told) < _MOST_TOLD:
            self.told.append(ToldThere(what, values))


def tell_again(told: Sequence[ToldThere], narrator: Narrator) -> None:
    """Tell what was written down elsewhere."""
    for one in told:
        getattr(narrator, one.what)(*one.values)


def do_part(part: ShowPart, *before: PartResult) -> PartResult:
    """Do the steps of a part that are not done yet; nothing where one before it failed.

    An error stands in the result, so that nobody retries what would fail again.

    Raises:
        TeammateLostError: Another worker of the training has ended. No other error leaves this function.
    """
    if any(one.error for one in before):
        return PartResult(socket.gethostname(), 0.0)
    told, start = Notebook(), time.monotonic()
    done: tuple[str, ...] = ()
    error: EconChatRError | None = None
    try:
        with _inside(part):
            done = _do(part, told)
    except EconChatRError as exc:
        error = exc
    except TeammateLostError:
        raise  # Ray Train starts the whole team again
    except Exception as exc:  # noqa: BLE001 - a fault in one show must not be retried, nor stop the others
        error = foresee_nothing(exc)
    return PartResult(socket.gethostname(), time.monotonic() - start, done, tuple(told.told), error)


def _do(part: ShowPart, narrator: Narrator) -> tuple[str, ...]:
    show = open_show(Path(part.root))
    steps = [step for step in list_steps(show, rung=part.rung) if step.name in part.names]
    with lock_folder(show.root, part=part.names[0], seconds=_ORPHAN_SECONDS):
        return do_steps(steps, narrator).done


def prepare_row(row: dict[str, Any]) -> dict[str, Any]:
    """Do the part in a row of a Ray data set; a row with the result comes back."""
    return {"n": row["n"], "result": pickle.dumps(do_part(pickle.loads(row["part"])))}


# --- training ---------------------------------------------------------------------------------------------------------


class Claim(NamedTuple):
    """What a step with a model takes of a node."""

    cpus: int
    gpus: int
    memory: int
    """Bytes."""

    @property
    def resources(self) -> dict[str, float]:
        """By Ray's names, without what is not claimed."""
        named = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        return {name: float(n) for name, n in named.items() if n}


def train_rung(part: ShowPart, claim: Claim, settings: RaySettings) -> PartResult:
    """Train one rung as a Ray Train run; after a node's death it goes on elsewhere from its own state."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    # Ray Train wants a folder that all nodes see. Nothing in it is needed: the loop keeps its state beside it.
    storage = Path(part.root) / "train" / f".ray-{uuid.uuid4().hex}"
    trainer = TorchTrainer(
        _train_here,
        train_loop_config={"part": pickle.dumps(part), "storage": str(storage)},
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ScalingConfig(
            num_workers=settings.workers,
            use_gpu=claim.gpus > 0,
            resources_per_worker=claim.resources,
            placement_strategy="SPREAD",  # the plan of each worker counts on the memory of its node
        ),
        run_config=RunConfig(
            name="run", storage_path=str(storage), failure_config=FailureConfig(max_failures=settings.max_failures)
        ),
    )
    start = time.monotonic()
    try:
        result: PartResult = pickle.loads(trainer.fit().return_value)
        return result
    except TrainingFailedError as exc:
        error = ModelError(
            f"{', '.join(part.names)}: Ray Train gave up, after at most {settings.max_failures} new starts: {exc}",
            hint="Has a node too little memory? Do workers of one training reach each other (docs/scaling.md)?",
        )
        return PartResult(socket.gethostname(), time.monotonic() - start, error=error)
    finally:
        shutil.rmtree(storage, ignore_errors=True)


def _train_here(config: dict[str, Any]) -> bytes:
    """Do the stage as the first worker, whose result counts; any other worker helps with the steps."""
    part: ShowPart = pickle.loads(config["part"])
    # The port is the same for all workers, and another at each new start.
    fault = Path(config["storage"]) / f"fault-{os.environ.get('MASTER_PORT', '')}.pickle"
    try:
        if not find_team().is_lead:
            _help(part, fault)
            return b""
        return pickle.dumps(do_part(part))
    except TeammateLostError:
        # A worker that failed has said why, and would fail again; one that died has said nothing.
        if not fault.is_file():
            raise
        error: EconChatRError = pickle.loads(fault.read_bytes())
        return pickle.dumps(PartResult(socket.gethostname(), 0.0, error=error))
    finally:
        find_team().leave()


def _help(part: ShowPart, fault: Path) -> None:
    """Take a worker's share of the training; leave a failure where the first worker finds it: Ray would retry it."""
    try:
        with _inside(part):
            help_train_rung(open_show(Path(part.root)).rung(part.names[0].partition("/")[2]))
    except TeammateLostError:
        pass  # the first worker has failed and says so itself, or had nothing to do, or Ray starts all of them again
    except EconChatRError as exc:
        write_bytes(fault, pickle.dumps(exc))
    except Exception as exc:  # noqa: BLE001 - as in `do_part`
        write_bytes(fault, pickle.dumps(foresee_nothing(exc)))


def _inside(part: ShowPart) -> AbstractContextManager[None]:
    """The folder the command was given in, where this node has it."""
    return chdir(part.cwd) if part.cwd and Path(part.cwd).is_dir() else nullcontext()


# --- looking at a node ------------------------------------------------------------------------------------------------


class NodeLook(NamedTuple):
    """What a node has, as seen from it."""

    host: str
    version: str
    """Of econchatr; empty: it is not installed."""
    python: str
    unseen: tuple[str, ...]
    """The paths it was asked for that it does not see."""
    missing: tuple[str, ...]
    """The packages of training that it lacks."""


def make_look(paths: Sequence[str], marker: str) -> Any:
    """A function that looks at the node it runs on and leaves a file beside the marker; it works without econchatr."""

    def look() -> tuple[Any, ...]:
        import platform
        import socket as net
        import uuid as numbers
        from pathlib import Path as File

        version, missing = "", tuple[str, ...]()
        try:
            from econchatr import __version__ as version
            from econchatr.install_line import list_missing

            missing = tuple(list_missing())
        except ImportError:
            pass  # the version tells it: none, or one that has no such list
        unseen = tuple(path for path in (*paths, marker) if not File(path).exists())
        host = net.gethostname()
        if marker not in unseen:
            try:
                File(f"{marker}-{numbers.uuid4().hex}").touch()
            except OSError:
                unseen = (*unseen, f"{File(marker).parent} (cannot be written)")
        return host, version, platform.python_version(), unseen, missing

    return look
