"""The command line: every command, and how results are worded for a terminal.

Results go to stdout, messages and progress to stderr. A command parses, calls one function and prints. Heavy modules
are imported inside the commands, so that `--help` answers at once.
"""

from econchatr.cli import start_commands, stage_commands, money_commands, talk_commands  # isort: skip
from econchatr.cli.app import app

__all__ = ["app", "main"]
_COMMANDS = (start_commands, stage_commands, money_commands, talk_commands)
"""Importing these gives the app its commands, in the order in which `--help` lists them."""


def main() -> None:
    """Run the command line."""
    app()
