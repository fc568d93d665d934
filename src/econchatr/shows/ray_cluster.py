"""Reach a Ray cluster, or start one here, and find out before any work whether its nodes can do it.

`ray.init` waits for ever at an address where nobody answers, and may end the process. So the port is tried first, and
then a process of its own.
"""

from __future__ import annotations

import io
import logging
import os
import platform
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from econchatr import __version__
from econchatr.display import strip_controls
from econchatr.errors import ClusterError, InputError, MissingExtraError
from econchatr.shows.ray_settings import SETTINGS_NAME, RaySettings
from econchatr.shows.ray_tasks import Claim, NodeLook, make_look
from econchatr.tables import disk_errors

_LOG: Final = logging.getLogger(__name__)
_KNOCK_SECONDS: Final = 5.0
_STORE_BYTES: Final = 200_000_000
"""Of Ray's memory for shared objects, in a cluster of our own: only small results pass through it."""
_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DATA_LOG_LEVEL": "ERROR",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TRAIN_ENABLE_SHARE_CUDA_VISIBLE_DEVICES": "0",
}
"""No reports to Ray's makers, no bars, answers at once, the working directory stays, each worker sees its own GPUs."""
_HANDED_ON: Final = (
    "ECONCHATR_CACHE", "ECONCHATR_CONFIG", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "GOMP_SPINCOUNT",
)  # fmt: skip
"""What the nodes get of this process's environment. Never a key: whatever needs one is done here."""
_PROBE: Final = (
    "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR'); "
    "print('nodes', len(ray.nodes())); ray.shutdown()"
)


class Node(NamedTuple):
    """A node that is alive."""

    node_id: str
    host: str
    resources: dict[str, float]

    def count_room(self, claim: Claim) -> int:
        """How many such steps the node can do at once."""
        return min((int(self.resources.get(name, 0) // n) for name, n in claim.resources.items()), default=0)


def require_ray() -> None:
    """Refuse to go on without Ray.

    Raises:
        MissingExtraError: It is not installed.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("the engine `ray` needs Ray, which is not installed.", extra="ray")


@contextmanager
def open_cluster(settings: RaySettings) -> Iterator[None]:
    """Be connected to the cluster of the settings, or to one started here that ends with the block.

    Raises:
        InputError: The address is none.
        ClusterError: Nobody answers there in time, or it is of another version.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    address = _find_address(settings.address)
    if address:
        _knock(address)
        _probe(address, settings.wait_seconds)
    import ray

    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    handed = {**_QUIET, **{name: os.environ[name] for name in _HANDED_ON if name in os.environ}}
    own = {} if address else {"include_dashboard": False, "object_store_memory": _STORE_BYTES}
    try:
        ray.init(address=address or "local", runtime_env={"env_vars": handed}, **quiet, **own)
    except (ConnectionError, RuntimeError, ValueError) as exc:
        raise ClusterError(f"no Ray cluster could be opened: {_clean(str(exc))}", hint=_LOOK_HINT) from exc
    try:
        # Ray prints what it has to say of dying nodes to stdout, where results go, whatever its settings are.
        with redirect_stdout(_ToLog()):
            yield
    finally:
        ray.shutdown()


class _ToLog(io.TextIOBase):
    """A stream whose lines go to the log: `econchatr --verbose` shows them."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text.strip():
            _LOG.info(_clean(text))
        return len(text)


_LOOK_HINT: Final = (
    "`ray status` on the head node tells whether the cluster runs; docs/scaling.md says how to start one."
)


def _find_address(wanted: str) -> str:
    """`host:port` of the cluster that is wanted; empty: none, so one is to be started here."""
    if not wanted:
        return ""
    if wanted.startswith("ray://"):
        raise InputError(
            f"{wanted} is an address of Ray Client, through which neither Ray Data nor Ray Train runs.",
            hint="Run the command on a machine of the cluster, with --address auto or HOST:6379.",
        )
    address = _find_own() if wanted == "auto" else wanted
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(f"{address!r} is no address of a Ray cluster.", hint="Write HOST:PORT, or auto.")
    return address


def _find_own() -> str:
    """The address of the cluster that this machine belongs to."""
    from ray._private.services import canonicalize_bootstrap_address

    try:
        found = canonicalize_bootstrap_address("auto")
    except (ConnectionError, ValueError, OSError):
        found = None
    if not found:
        raise ClusterError("this machine belongs to no Ray cluster that runs.", hint=_LOOK_HINT)
    return str(found)


def _knock(address: str) -> None:
    """Try the port: where nobody listens, Ray itself would wait for ever."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()
    except OSError as exc:
        raise ClusterError(f"no Ray cluster answers at {address}: {exc}.", hint=_LOOK_HINT) from exc


def _probe(address: str, seconds: float) -> None:
    """Connect in a process of its own: what listens may be no Ray, of another version, or want a token."""
    env = {**os.environ, "RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, address],
            env=env,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ClusterError(f"{address} did not answer as a Ray cluster within {seconds:g} s.", hint=_LOOK_HINT) from exc
    if done.returncode or "nodes" not in done.stdout:
        raise _explain(address, done.stderr + done.stdout)


def _explain(address: str, told: str) -> ClusterError:
    """Say in one line why a cluster did not let this process in."""
    lowered = told.lower()
    if "version mismatch" in lowered:
        lines = [line for line in told.splitlines() if "Ray:" in line or "Python:" in line]
        return ClusterError(
            f"{address} runs another Ray or Python than this machine: {_clean(' '.join(lines)) or 'version mismatch'}.",
            hint="Install the same versions of both on every machine.",
        )
    if "unauthenticated" in lowered or "authentication" in lowered or "auth_token" in lowered:
        return ClusterError(
            f"{address} wants a token that this machine does not have.",
            hint="`ray get-auth-token` on the head node prints it; put it into RAY_AUTH_TOKEN or ~/.ray/auth_token.",
        )
    last = next((line for line in reversed(told.splitlines()) if line.strip()), "no reason was given")
    return ClusterError(f"{address} did not answer as a Ray cluster: {_clean(last)}", hint=_LOOK_HINT)


def _clean(text: str) -> str:
    """A message of Ray's in one line, without colours, and without the token."""
    for secret in filter(None, (os.environ.get("RAY_AUTH_TOKEN", ""), _read_token())):
        text = text.replace(secret, "***")
    return strip_controls(" ".join(text.split()), keeps_lines=False)[:300]


def _read_token() -> str:
    try:
        path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError, RuntimeError):
        return ""


# --- the nodes --------------------------------------------------------------------------------------------------------


def list_nodes() -> list[Node]:
    """The nodes that are alive; a head node may have no processors to give."""
    import ray

    return [Node(one["NodeID"], one["NodeManagerHostname"], one["Resources"]) for one in ray.nodes() if one["Alive"]]


def choose_claim(nodes: Sequence[Node], settings: RaySettings, *, memory: int) -> Claim:
    """What a step with a model takes: what the settings say, else the whole of the smallest node that has GPUs, if any.

    Args:
        memory: Bytes that a training is expected to need; without GPUs they are claimed, as far as any node has them.
    """
    working = [node for node in nodes if node.resources.get("CPU")]
    with_gpus = [node for node in working if node.resources.get("GPU")]
    gpus = (1 if with_gpus else 0) if settings.gpus is None else settings.gpus
    able = with_gpus if gpus and with_gpus else working
    shares = [int(node.resources["CPU"] / max(1, node.resources.get("GPU", 0) if gpus else 1)) for node in able]
    cpus = settings.cpus or max(1, min(shares, default=1))
    most = max((int(node.resources.get("memory", 0)) for node in able), default=0)
    return Claim(cpus, gpus, 0 if gpus else min(memory, most))


def require_room(nodes: Sequence[Node], claim: Claim, *, n_workers: int = 1) -> int:
    """How many trainings of so many workers the cluster can do at once.

    Raises:
        ClusterError: Not even one.
    """
    room = sum(node.count_room(claim) for node in nodes)
    if room >= n_workers:
        return room // n_workers
    wanted = f"{claim.cpus} processors" + f" and {claim.gpus} GPUs" * bool(claim.gpus)
    if room:
        raise ClusterError(
            f"the cluster has room for {room} workers with {wanted}, and a training takes {n_workers}.",
            hint=f"Lower `workers`, or what each takes, in {SETTINGS_NAME}, or add nodes.",
        )
    most = max((int(node.resources.get("CPU", 0)) for node in nodes), default=0)
    raise ClusterError(
        f"no node of the cluster has {wanted}: {len(nodes)} nodes, {most} processors at most"
        f"{', no GPU' * bool(claim.gpus and not any(node.resources.get('GPU') for node in nodes))}.",
        hint=f"Lower `cpus` or `gpus` in {SETTINGS_NAME}, or add a larger node.",
    )


def check_nodes(nodes: Sequence[Node], folder: Path, paths: Iterable[str], *, seconds: float) -> None:
    """Look from every node whether it has this version and sees the shows' folder, and write there from each.

    Args:
        paths: What else each must see: the shows, and the files of base models.

    Raises:
        ClusterError: A node does not answer in time, has another version, lacks packages, or does not see the folder.
        ShowFolderError: The folder cannot be written from here.
    """
    marker = folder / f".econchatr-seen-{uuid.uuid4().hex}"
    try:
        with disk_errors(marker):
            marker.touch()
        looks = _look(nodes, make_look([*paths], str(marker)), seconds)
        for node, look in zip(nodes, looks, strict=True):
            _judge(node, look, folder)
        n_written = len([*folder.glob(f"{marker.name}-*")])
        if n_written != len(nodes):
            raise ClusterError(
                f"{len(nodes) - n_written} of {len(nodes)} nodes write into another {folder} than this machine's.",
                hint=_STORAGE_HINT,
            )
    finally:
        for path in folder.glob(f"{marker.name}*"):
            path.unlink(missing_ok=True)


_STORAGE_HINT: Final = "The shows must lie on storage that every node mounts at the same path, with the right to write."


def _look(nodes: Sequence[Node], look: Any, seconds: float) -> list[NodeLook]:
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(look)
    refs = [
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False)).remote()
        for node in nodes
    ]
    ready, late = ray.wait(refs, num_returns=len(refs), timeout=seconds)
    if late:
        names = ", ".join(node.host for node, ref in zip(nodes, refs, strict=True) if ref not in ready)
        raise ClusterError(f"no answer from {names} within {seconds:g} s.", hint=_LOOK_HINT)
    try:
        return [NodeLook(*found) for found in ray.get(refs)]
    except RayError as exc:
        raise ClusterError(f"a node could not be looked at: {_clean(str(exc))}", hint=_LOOK_HINT) from exc


def _judge(node: Node, look: NodeLook, folder: Path) -> None:
    name = f"node {look.host} ({node.node_id[:8]})"
    here = f"econchatr {__version__} and Python {platform.python_version()}"
    if not look.version:
        raise ClusterError(f"{name} has no econchatr; here is {here}.", hint="Install the same on every node.")
    if (look.version, look.python) != (__version__, platform.python_version()):
        there = f"econchatr {look.version} and Python {look.python}"
        raise ClusterError(f"{name} has {there}, here is {here}.", hint="Install the same on every node.")
    if look.unseen:
        more = f" and {len(look.unseen) - 1} more" * (len(look.unseen) > 1)
        raise ClusterError(f"{name} does not see {look.unseen[0]}{more} of {folder}.", hint=_STORAGE_HINT)
    if look.missing:
        raise ClusterError(
            f"{name} lacks {', '.join(look.missing)}.", hint="Install the extra `local` on every node, as here."
        )


def unwrap(exc: BaseException) -> str:
    """What Ray says of a failure, in one line: the cause it wraps, where it wraps one."""
    cause = getattr(exc, "cause", None)
    return _clean(f"{type(cause).__name__}: {cause}" if isinstance(cause, Exception) else str(exc))
