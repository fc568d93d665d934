"""Import every module, so that a package that is missing or too old is met at once.

python scripts/import_all.py
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import econchatr


def main() -> int:
    """Tell the modules that cannot be imported."""
    faults = []
    for module in pkgutil.walk_packages(econchatr.__path__, "econchatr."):
        if module.name != "econchatr.__main__":  # it runs the command
            try:
                importlib.import_module(module.name)
            except ImportError as exc:
                faults.append(f"{module.name}: {exc}")
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
