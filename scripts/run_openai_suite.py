"""Run OpenAI's own test suite against `econchatr serve --train`, and tell which of its tests pass.

The suite is fetched with the source distribution of the `openai` package and is no part of this project:

    python scripts/run_openai_suite.py --work /tmp/openai-suite

It makes an environment of its own in that folder, starts a server over a tiny model, puts the ids that the suite asks
for into the server's store before each test, and runs the tests of files, uploads, models, fine-tuning, completions and
chat. What cannot pass is skipped by name, with the reason in `SKIPPED`. The last line is JSON; exit 1 if a test failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import venv
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = (
    "fine_tuning", "test_files.py", "test_uploads.py", "uploads", "test_models.py", "test_completions.py", "chat",
)  # fmt: skip
PACKAGES = (
    "pytest>=9",
    "pytest-asyncio",
    "inline-snapshot",
    "dirty-equals",
    "rich",
    "nest-asyncio",
    "time-machine",
    "trio",
)
SKIPPED = {
    r"test_jobs\.py::.*_pause": "fixes the state of a paused job to words without `paused` (decision 23)",
    r"chat/test_completions\.py::.*create_with_all_params": "asks for tools, functions and sound, which are refused",
    r"test_uploads\.py::.*complete_with_all_params": "its md5 is none, and the md5 is checked here",
    r"resources/test_completions\.py::.*create_with_all_params": "asks for `suffix`, which is refused",
}
"""Tests that cannot pass, by a pattern of their names; tests of empty ids reach no server and run anyway."""

SERVER = """
[rights]
voice = "Hester Pellow"
ground = "made up"

[quotas]
max_waiting_jobs = 10000
max_files = 10000

[bases]
tiny = {base}
"gpt-4o-mini" = {base}
"gpt-6-astra" = {base}
"gpt-3.5-turbo-instruct" = {base}
"""


def main() -> int:
    """Fetch the suite, run it and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, required=True, help="Folder for the suite, its environment and the server."
    )
    parser.add_argument("--version", default=version("openai"), help="Of the openai package.")
    parser.add_argument("-k", dest="chosen", default="", help="Only tests with this in their names, as pytest's -k.")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    suite, python = fetch_suite(asked.work, asked.version), make_environment(asked.work, asked.version)
    server = write_server(asked.work / "server")
    process = subprocess.Popen(
        [sys.executable, "-m", "econchatr", "serve", str(server), "--train", "--port", "0", "--json"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    try:
        address = json.loads(process.stdout.readline() if process.stdout else "")["address"]
        return run_suite(suite, python, address, server, asked.chosen)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def fetch_suite(work: Path, release: str) -> Path:
    """The source distribution, unpacked."""
    folder = work / f"openai-{release}"
    if not folder.is_dir():
        wanted = ["--no-deps", "--no-binary", "openai", f"openai=={release}", "--dest", str(work)]
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *wanted], check=True)
        with tarfile.open(next(work.glob(f"openai-{release}.tar.gz"))) as packed:
            packed.extractall(work, filter="data")
    return folder


def make_environment(work: Path, release: str) -> Path:
    """The Python of an environment that has what the suite needs."""
    folder = work / "venv"
    python = folder / "bin" / "python"
    if not (folder / ".ready").is_file():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *PACKAGES, f"openai[aiohttp]=={release}"], check=True
        )
        (folder / ".ready").touch()
    return python


def write_server(folder: Path) -> Path:
    """A server's folder over a tiny model of random numbers."""
    sys.path.insert(0, str(ROOT))
    from tests.helpers.tiny_bases import write_tiny_base

    folder.mkdir(exist_ok=True)
    base = folder / "base"
    if not (base / "model.safetensors").is_file():
        write_tiny_base("llama3.2", base)
    (folder / "server.toml").write_text(SERVER.format(base=json.dumps(str(base))), encoding="utf-8")
    return folder


def run_suite(suite: Path, python: Path, address: str, server: Path, chosen: str) -> int:
    """Run the tests; each asks a small process beside it to put the ids in place first."""
    plugin = suite / "put_in_place.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    seeder = [sys.executable, str(Path(__file__).with_name("seed_openai_suite.py")), str(server)]
    environment = {
        **os.environ, "TEST_API_BASE_URL": address, "SEEDER": json.dumps(seeder), "SKIPPED": json.dumps(SKIPPED),
        "PYTHONPATH": f"{suite}{os.pathsep}{suite / 'src'}", "SEEDER_PATH": os.environ.get("PYTHONPATH", ""),
    }  # fmt: skip
    tests = [str(suite / "tests" / "api_resources" / name) for name in FOLDERS]
    quiet = ["-o", "addopts=", "-o", "filterwarnings=", "-p", "put_in_place", "-p", "no:cacheprovider", "-q", "-rfs"]
    done = subprocess.run(
        [str(python), "-m", "pytest", *quiet, "--tb=short", "-k", chosen, *tests], cwd=suite, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    sys.stdout.write(done.stdout[-20_000:] + done.stderr[-4000:])
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout[-2000:])}
    sys.stdout.write(json.dumps({"suite": suite.name, **counts}) + "\n")
    return 1 if counts.get("failed") or counts.get("error") or not counts.get("passed") else 0


PLUGIN = '''
"""Before each test: the ids that it asks for are put into the server's store, whatever the test before made of them."""
import json, os, re, subprocess
import pytest

_SKIPPED = json.loads(os.environ["SKIPPED"])
_LINE = subprocess.Popen(
    json.loads(os.environ["SEEDER"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    env={**os.environ, "PYTHONPATH": os.environ["SEEDER_PATH"]},
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    for item in items:
        reasons = [why for name, why in _SKIPPED.items() if re.search(name, item.nodeid)]
        if reasons and "path_params" not in item.name:
            item.add_marker(pytest.mark.skip(reason=reasons[0]))


def pytest_unconfigure():
    _LINE.stdin.close()
    _LINE.stdout.close()
    _LINE.wait()


def pytest_runtest_setup(item):
    _LINE.stdin.write(item.name + "\\n")
    _LINE.stdin.flush()
    assert _LINE.stdout.readline().strip() == "done"
'''


if __name__ == "__main__":
    sys.exit(main())
