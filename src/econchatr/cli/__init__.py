"""The command line: every command, and how results are worded for a terminal.

Results go to stdout, messages and progress to stderr. A command parses, calls one function and prints. Heavy modules
are imported inside the commands, so that `--help` answers at once.
"""

from importlib import import_module
from pkgutil import iter_modules

from econchatr.cli.app import app

__all__ = ["app", "main"]

# Importing a module of commands adds them to the app; in the order of the modules' names, `--help` lists them.
for _module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_commands")):
    import_module(f"{__name__}.{_module}")


def main() -> None:
    """Run the command line."""
    app()
