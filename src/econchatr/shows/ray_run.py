"""Run shows on a Ray cluster: the same steps in the same folders, on whichever node has room.

Ray Data prepares the shows. Ray Train trains each rung. Ray tasks ask, score and report; each waits for the one before
it by Ray's own means. What costs money, needs a key or asks a feed stays on this machine.
"""

from __future__ import annotations

import os
import pickle
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from econchatr.errors import ClusterError, EconChatRError, ModelError
from econchatr.pipeline import Narrator, Rung, Show, list_steps, open_show
from econchatr.pipeline.fetch import gather_feed
from econchatr.pipeline.quotes import Approve, approve_quote, list_charged
from econchatr.pipeline.run import PREPARING, check_run, find_stale, run_held
from econchatr.shows.outcomes import NamedNarrator, ShowOutcome, foresee_nothing, settle
from econchatr.shows.ray_cluster import (
    check_nodes,
    choose_claim,
    list_nodes,
    open_cluster,
    require_ray,
    require_room,
    unwrap,
)
from econchatr.shows.ray_settings import RaySettings
from econchatr.shows.ray_tasks import Claim, PartResult, ShowPart, do_part, prepare_row, tell_again, train_rung
from econchatr.tables import lock_folder

_LOOK_SECONDS: Final = 5.0
"""How often the driver looks whether nodes are left, while nothing is ready."""


@dataclass
class _Standing:
    """How far one show has come."""

    folder: Path
    narrator: Narrator
    show: Show | None = None
    done: list[str] = field(default_factory=list)
    error: EconChatRError | None = None
    start: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    is_locked: bool = False
    """Whether this run, and no other, works in the folder."""
    n_open: int = 0
    """Parts that the cluster still works on."""

    def fail(self, error: EconChatRError) -> None:
        """Stop the show; the first error is the one that is told."""
        if self.error is None:
            self.error = error
            self.narrator.note(f"stopped: {error.message}")
        self.seconds = time.monotonic() - self.start

    def take(self, result: PartResult) -> None:
        """Tell and keep what a node did."""
        if result.told:
            tell_again(result.told, self.narrator)
        self.done += result.done
        if result.done:
            self.narrator.note(f"{', '.join(result.done)} on {result.node}")
        if result.error:
            self.fail(result.error)
        self.seconds = time.monotonic() - self.start


def run_on_ray(
    folders: Sequence[Path],
    settings: RaySettings,
    narrator: Narrator,
    *,
    rung: str = "",
    approve: Approve | None = None,
) -> list[ShowOutcome]:
    """Run shows on the cluster of the settings; one that fails stops only itself.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: The address is none.
        ClusterError: The cluster does not answer, or its nodes cannot do the work; nothing was started.
    """
    require_ray()
    standings = [_Standing(folder, NamedNarrator(narrator, folder.name)) for folder in folders]
    for one in standings:
        with _caught(one):
            one.show = open_show(one.folder.resolve())
            check_run(one.show, rung=rung)
    if any(one.error is None for one in standings):
        with ExitStack() as locks:
            with open_cluster(settings):
                _Run(settings, narrator, rung, approve).do(standings, locks)
            for one in standings:
                if one.is_locked:
                    _drop_traces(one)
    return [_settle(one, rung) for one in standings]


def _drop_traces(standing: _Standing) -> None:
    """Take away the locks of single steps, and what dead Ray Train runs left; nobody works in the folder any more."""
    for path in standing.folder.glob(".lock-*"):
        path.unlink(missing_ok=True)
    for path in standing.folder.glob("train/.ray-*"):
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _caught(standing: _Standing) -> Iterator[None]:
    """Let an error stop only the show it is of."""
    try:
        yield
    except EconChatRError as exc:
        standing.fail(exc)
    except Exception as exc:  # noqa: BLE001 - one broken show must not stop the others
        standing.fail(foresee_nothing(exc))


def _settle(standing: _Standing, rung: str) -> ShowOutcome:
    if standing.error is None and standing.show is not None:
        with _caught(standing):
            return settle(standing.show, rung=rung, done=standing.done, seconds=standing.seconds)._replace(
                folder=standing.folder
            )
    return ShowOutcome(standing.folder, standing.seconds, tuple(standing.done), error=standing.error)


class _Run:
    """One run on a cluster that is open."""

    def __init__(self, settings: RaySettings, narrator: Narrator, rung: str, approve: Approve | None) -> None:
        self._settings, self._narrator, self._rung, self._approve = settings, narrator, rung, approve
        self._open: dict[Any, _Standing] = {}
        """What the cluster works on: by Ray's reference, the show it is of."""
        self._trainings: list[Any] = []
        self._claim = Claim(1, 0, 0)
        self._n_nodes = 0
        self._unfit_since: float | None = None

    def do(self, standings: Sequence[_Standing], locks: ExitStack) -> None:
        """Check the nodes, then do everything that is not done."""
        whole = [one for one in standings if one.error is None]
        n_at_once = self._check(whole)
        for one in whole:
            with _caught(one):
                show = _show(one)
                locks.enter_context(lock_folder(show.root))
                one.is_locked = True
                gather_feed(show, one.narrator, ask_again=False)
        for one, result in self._prepare([one for one in whole if one.error is None]):
            one.take(result)
            if one.error is None:
                with _caught(one):
                    self._approve_quote(one)
                    self._hand_out(one)
                self._finish_here(one)
            while len(self._trainings) >= n_at_once:
                self._collect()
        while self._open:
            self._collect()

    def _check(self, standings: Sequence[_Standing]) -> int:
        shows = [_show(one) for one in standings]
        nodes, rungs = list_nodes(), [one for show in shows for one in _list_local(show, self._rung)]
        self._claim = choose_claim(nodes, self._settings, memory=max(map(_guess_memory, rungs), default=0))
        n_at_once = require_room(nodes, self._claim, n_workers=self._settings.workers)
        self._n_nodes = len(nodes)
        paths = {str(show.root / "show.toml") for show in shows} | {
            str(path) for path in map(_find_path, rungs) if path
        }
        folder = shows[0].root if len(shows) == 1 else shows[0].root.parent
        check_nodes(nodes, folder, sorted(paths), seconds=self._settings.wait_seconds)
        cpus, gpus, workers = self._claim.cpus, self._claim.gpus, self._settings.workers
        each = f"{cpus} processors{f' and {gpus} GPUs' * bool(gpus)}"
        told = f"{workers} workers train a model together, each" if workers > 1 else "each"
        self._narrator.note(f"Ray: {len(nodes)} nodes; {n_at_once} models at once, {told} on {each}")
        return n_at_once

    # --- Ray Data: everything up to the selection

    def _prepare(self, standings: Sequence[_Standing]) -> Iterator[tuple[_Standing, PartResult]]:
        """Prepare the shows, and give each as soon as it and those before it are ready."""
        import ray.data
        from ray.exceptions import RayError

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        context.max_errored_blocks = -1  # a worker that is killed for its memory takes only its own show with it
        rows = [
            {"n": n, "part": pickle.dumps(self._part(one, self._list_free(one)))} for n, one in enumerate(standings)
        ]
        left = dict(enumerate(standings))
        try:
            made = ray.data.from_items(rows, override_num_blocks=len(rows)).map(prepare_row) if rows else None
            for row in made.iter_rows() if made else ():
                yield left.pop(row["n"]), pickle.loads(row["result"])
        except RayError as exc:
            self._narrator.note(f"Ray Data stopped: {unwrap(exc)}")
        for one in left.values():
            one.fail(
                ClusterError("it was not prepared: its worker was lost.", hint="Run again; is there memory enough?")
            )

    def _list_free(self, standing: _Standing) -> list[str]:
        return [step.name for step in list_steps(_show(standing), rung=self._rung) if step.stage.name in PREPARING]

    def _part(self, standing: _Standing, names: Sequence[str]) -> ShowPart:
        return ShowPart(str(_show(standing).root), tuple(names), self._rung, str(Path.cwd()))

    # --- the rest: trainings as runs of Ray Train, all else as tasks

    def _approve_quote(self, standing: _Standing) -> None:
        """Ask before hosted rungs are charged, as long as the user is there; asked once, it counts until the end."""
        show = _show(standing)
        if list_charged(show, self._rung):
            approve_quote(show, standing.narrator, self._approve, today=datetime.now(UTC).date())

    def _hand_out(self, standing: _Standing) -> None:
        """Hand a prepared show's models to the cluster, each step behind the one it reads; then the report."""
        import ray

        task = ray.remote(do_part).options(
            num_cpus=self._claim.cpus, num_gpus=self._claim.gpus, memory=self._claim.memory
        )
        show, names = _show(standing), {step.name for step in list_steps(_show(standing), rung=self._rung)}
        last = list[Any]()
        for rung in _list_local(show, self._rung):
            before = [self._train(standing, rung)] if find_stale(rung, stages=("train",)) else []
            for name in (f"ask/{rung.name}", f"score/{rung.name}"):
                before = [self._keep(task.remote(self._part(standing, [name]), *before), standing)]
            last += before
        if not self._is_finished_here(standing) and "report" in names:
            light = ray.remote(do_part).options(num_cpus=1)
            self._keep(light.remote(self._part(standing, ["report"]), *last), standing)

    def _train(self, standing: _Standing, rung: Rung) -> Any:
        import ray

        # The task only starts the run and waits for it: the run's worker is what takes processors.
        start = ray.remote(train_rung).options(num_cpus=0, scheduling_strategy="SPREAD")
        part = self._part(standing, [f"train/{rung.name}"])
        ref = self._keep(start.remote(part, self._claim, self._settings), standing)
        self._trainings.append(ref)
        return ref

    def _keep(self, ref: Any, standing: _Standing) -> Any:
        self._open[ref] = standing
        standing.n_open += 1
        return ref

    def _is_finished_here(self, standing: _Standing) -> bool:
        """Whether a show has rungs that need this machine's keys: those, and the report on all, are then done here."""
        show = _show(standing)
        asked = [step.target for step in list_steps(show, rung=self._rung) if isinstance(step.target, Rung)]
        return any(not one.is_local for one in asked)

    def _collect(self) -> None:
        """Take what is ready; where nothing is for a while, see whether there are nodes to hope for."""
        import ray
        from ray.exceptions import RayError

        ready, _ = ray.wait([*self._open], timeout=_LOOK_SECONDS)
        self._watch_nodes()
        for ref in [one for one in ready if one in self._open]:
            standing = self._open.pop(ref)
            standing.n_open -= 1
            self._trainings = [one for one in self._trainings if one != ref]
            try:
                standing.take(ray.get(ref))
            except RayError as exc:
                standing.fail(ClusterError(f"a node was lost too often: {unwrap(exc)}", hint="Run again to go on."))
            self._finish_here(standing)

    def _finish_here(self, standing: _Standing) -> None:
        """Do here what is left of a show that needs this machine, once the cluster has done its part."""
        if standing.n_open or standing.error is not None or not self._is_finished_here(standing):
            return
        with _caught(standing):
            result = run_held(_show(standing), standing.narrator, rung=self._rung, approve=self._approve)
            standing.done += result.done
            standing.seconds = time.monotonic() - standing.start

    def _watch_nodes(self) -> None:
        """Tell when nodes go; give up where for some time none is left that could do a step, which Ray waits for."""
        nodes = list_nodes()
        if len(nodes) < self._n_nodes:
            self._narrator.note(
                f"Ray: {self._n_nodes - len(nodes)} of {self._n_nodes} nodes lost; what they did is retried"
            )
        self._n_nodes = len(nodes)
        n_needed = self._settings.workers if self._trainings else 1
        if sum(node.count_room(self._claim) for node in nodes) >= n_needed:
            self._unfit_since = None
            return
        self._unfit_since = self._unfit_since or time.monotonic()
        if time.monotonic() - self._unfit_since >= self._settings.wait_seconds:
            self._give_up(n_needed)

    def _give_up(self, n_needed: int) -> None:
        import ray

        for ref, standing in self._open.items():
            ray.cancel(ref, force=True)
            wanted = f"{n_needed} worker{'s' * (n_needed > 1)} with {self._claim.cpus} processors each"
            message = f"for {self._settings.wait_seconds:g} s the nodes that were left had no room for {wanted}."
            standing.fail(ClusterError(message, hint="Add a node and run again: what is finished is kept."))
        self._open.clear()
        self._trainings.clear()


def _show(standing: _Standing) -> Show:
    if standing.show is None:
        raise ModelError(f"{standing.folder} was never opened.")
    return standing.show


def _list_local(show: Show, rung: str) -> list[Rung]:
    """The rungs that the cluster trains and asks: of the one that is wanted, or of all."""
    return [one for one in show.asked_ladder(rung).rungs if one.is_local]


def _guess_memory(rung: Rung) -> int:
    """Bytes that a training is expected to need; 0: not known here, so nothing is claimed."""
    try:
        return replace(rung.base, may_ask_hub=False).describe().train_bytes or 0
    except EconChatRError:
        return 0


def _find_path(rung: Rung) -> str:
    """The base's own file or folder, which every node must see; empty: it is a package's, or the hub's."""
    path = Path(rung.config.base).expanduser()
    return os.fspath(path.resolve()) if path.exists() else ""
