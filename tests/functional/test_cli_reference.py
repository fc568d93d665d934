"""The reference of the commands says what the commands say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from scripts.make_cli_reference import COMMAND, TARGET, make_reference

from econchatr import errors
from econchatr.cli.app import EXIT_INTERRUPTED
from econchatr.errors import EconChatRError


def test_the_reference_is_what_the_commands_say() -> None:
    assert TARGET.read_text(encoding="utf-8") == make_reference(), f"docs/cli.md is out of date: run `{COMMAND}`"


def test_the_reference_names_every_command_option_and_default() -> None:
    text = make_reference()
    assert "## econchatr serve" in text
    assert "| `--port PORT` | Port to listen on; 0 picks a free one. (default: 8000; 0 to 65535) |" in text
    assert "| `--browser`, `--no-browser` |" in text


def test_the_reference_names_every_exit_code() -> None:
    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)} - {EconChatRError.exit_code}
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", make_reference(), flags=re.MULTILINE)}
    assert codes == raised | {0, EXIT_INTERRUPTED}


def test_the_script_writes_the_reference_and_nothing_else() -> None:
    before = TARGET.read_bytes()
    script = Path(__file__).parents[2] / "scripts" / "make_cli_reference.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert TARGET.read_bytes() == before
