"""Drive `econchatr serve --train` with clients of other makers and years, unchanged, through the whole life of a job.

    python scripts/run_other_clients.py --work /tmp/other-clients

Each client is fetched into an environment of its own in that folder: the `openai` package of January and of the end of
2023 with its program, LiteLLM, the npm package `openai` of today and of 2023, and curl. Each uploads a file, orders a
job, waits for its end, reads its events, asks the model, deletes model and file. `prepare_data` of 2023 judges a file
that `econchatr select` wrote. One line is printed for each; exit 1 if one failed. What is not installed here (node,
curl) or cannot be fetched is told as such and is no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

RIGHTS = '[rights]\nvoice = "Hester Pellow"\nground = "made up"\n'
LIMIT_SECONDS = 600
"""For one client."""
LIVES = Path(__file__).with_name("client_lives")
N_ROWS = 8


class Client(NamedTuple):
    """A client, and how it is fetched and run."""

    name: str
    kind: str
    """`pip`, `npm` or `here`."""
    packages: Sequence[str]
    life: Sequence[str]
    """The command behind the environment's interpreter: a program in `client_lives/`, or the client's own."""
    said: Sequence[str] = ("succeeded",)
    """What stands in its output when all went well."""


WHOLE = ('"status": "succeeded"', '"answered": true', '"deleted": true')
CLIENTS = (
    Client("openai 0.26.4 for Python", "pip", ("openai==0.26.4",), ("python", "openai_of_2023.py"), WHOLE),
    Client("openai 0.27.10 for Python", "pip", ("openai==0.27.10", "pandas"), ("python", "openai_of_2023.py"), WHOLE),
    Client("the program of openai 0.27.10", "pip", ("openai==0.27.10", "pandas"),
           ("openai", "api", "fine_tunes.create", "-t", "ROWS", "-m", "curie", "--n_epochs", "1"),
           ("Job complete! Status: succeeded",)),
    Client("prepare_data of openai 0.27.10", "pip", ("openai==0.27.10", "pandas"),
           ("openai", "tools", "fine_tunes.prepare_data", "-q", "-f", "SELECTED"), ("No remediations found.",)),
    Client("LiteLLM", "pip", ("litellm",), ("python", "litellm_today.py"), WHOLE),
    Client("npm openai of today", "npm", ("openai",), ("node", "openai_today.mjs"), WHOLE),
    Client("npm openai 3.3.0", "npm", ("openai@3.3.0",), ("node", "openai_of_2023.cjs"), WHOLE),
    Client("curl", "here", ("curl",), ("bash", "curl.sh"), WHOLE),
)  # fmt: skip


class NotHereError(Exception):
    """A client cannot be had on this machine; the message says why."""


def main() -> int:
    """Fetch the clients, run each, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="Folder for the clients and the server.")
    parser.add_argument("--only", default="", help="Only clients with this in their names.")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    chosen = [client for client in CLIENTS if asked.only in client.name]
    files = write_files(asked.work, has_selected=any("SELECTED" in client.life for client in chosen))
    return run_all(chosen, asked.work, files)


def write_files(work: Path, *, has_selected: bool) -> dict[str, Path]:
    """The files that the clients are given: rows of 2023, and a file that `select` wrote of a small show."""
    rows = [{"prompt": f"Bridge {n}? Hester Pellow responds:", "completion": f" Rust {n}.\n"} for n in range(N_ROWS)]
    path = work / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {"ROWS": path, **({"SELECTED": select_small(work / "show")} if has_selected else {})}


def select_small(show: Path) -> Path:
    """The 2023 file of a show of six bundled episodes."""
    from tests.functional.conftest import write_tiny_show

    from econchatr.pipeline import Silent, open_show, run_show

    if not show.exists():
        write_tiny_show(show)
    run_show(open_show(show), Silent(), until="select")
    return next(show.glob("select/*/train.completion.jsonl"))


def run_all(clients: Sequence[Client], work: Path, files: dict[str, Path]) -> int:
    """Run the clients against one server; 1 if one of them failed."""
    from tests.helpers.training_server_process import BASE, run_server, write_server

    folder, has_failed = work / "server", False
    if not folder.exists():
        write_server(folder, work, RIGHTS)
        settings = folder / "server.toml"
        base = settings.read_text(encoding="utf-8").partition(f"{BASE} = ")[2]
        settings.write_text(settings.read_text(encoding="utf-8") + f"curie = {base}", encoding="utf-8")
    with run_server(folder) as server:
        for client in clients:
            began = time.monotonic()
            try:
                line = run_client(client, work, server.address, files)
                has_failed = has_failed or line.startswith("failed")
            except NotHereError as exc:
                line = f"not run: {exc}"
            print(f"{client.name}: {line}, {time.monotonic() - began:.0f} s", flush=True)
    return int(has_failed)


def run_client(client: Client, work: Path, address: str, files: dict[str, Path]) -> str:
    """Run one client; `passed` with its release, or `failed` with the end of what it said."""
    place, release = FETCH[client.kind](client, work)
    words = [str(files.get(word, LIVES / word if (LIVES / word).is_file() else word)) for word in client.life]
    environment = {
        "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(work), "NODE_PATH": str(place),
        "OPENAI_API_BASE": address, "OPENAI_API_KEY": "none", "ROWS": str(files["ROWS"]), "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    if client.kind == "npm":  # a module's packages are looked for beside it, and nowhere else
        words[1] = shutil.copy(words[1], place)
    done = subprocess.run(
        words, env=environment, cwd=place, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        timeout=LIMIT_SECONDS, check=False,
    )  # fmt: skip
    lacking = [said for said in client.said if said not in done.stdout]
    return f"failed ({release}): {done.stdout[-500:]}{done.stderr[-1500:]}" if lacking else f"passed ({release})"


def fetch_python(client: Client, work: Path) -> tuple[Path, str]:
    """An environment with the client's packages; clients of the same packages share it."""
    folder = work / client.packages[0].replace("==", "-")
    if not (folder / ".ready").is_file():
        venv.create(folder, with_pip=True, clear=True)
        fetch([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *client.packages])
        (folder / ".ready").touch()
    name = client.packages[0].partition("=")[0]
    asked = f"from importlib.metadata import version; print(version({name!r}))"
    told = subprocess.run([folder / "bin" / "python", "-c", asked], capture_output=True, text=True, check=True)
    return folder, told.stdout.strip()


def fetch_node(client: Client, work: Path) -> tuple[Path, str]:
    """A folder with the client's package, as npm chooses it for the node that is here."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NotHereError("node and npm are not installed")
    name, _, release = client.packages[0].partition("@")
    folder = work / f"npm-{name}-{release or 'today'}"
    package = folder / "node_modules" / name / "package.json"
    if not package.is_file():
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        fetch(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *client.packages])
    return folder, json.loads(package.read_text(encoding="utf-8"))["version"]


def find_here(client: Client, work: Path) -> tuple[Path, str]:
    """A program of this machine."""
    program = shutil.which(client.packages[0])
    if program is None:
        raise NotHereError(f"{client.packages[0]} is not installed")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return work, told.stdout.split()[1]


def fetch(command: list[str]) -> None:
    """Run a command that fetches packages.

    Raises:
        NotHereError: The packages cannot be had.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotHereError(f"cannot be fetched: {(done.stderr.strip().splitlines() or ['no word'])[-1][:200]}")


FETCH: dict[str, Callable[[Client, Path], tuple[Path, str]]] = {
    "pip": fetch_python, "npm": fetch_node, "here": find_here,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
