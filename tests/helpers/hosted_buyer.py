"""Somebody who buys three trainings, to be killed: `python hosted_buyer.py FOLDER PORT`; exit 0: all are trained.

Exit 1: some are not, and each line of stdout after `ready` says why.
"""

from __future__ import annotations

import sys
from pathlib import Path

from econchatr.money.ledger import Ledger
from tests.helpers.hosted_material import make_desk, make_profile, make_service, plan_training


def main() -> int:
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    profile = make_profile(f"http://127.0.0.1:{port}/v1", max_jobs=2)
    with Ledger(folder / "ledger.sqlite") as ledger:
        plans = [plan_training(ledger, folder, make_service(profile), profile, rung) for rung in "abc"]
        print("ready", flush=True)
        ends = make_desk(ledger, []).run(plans)
    for end in ends:
        if end.error is not None:
            print(end.error.message, end.error.hint, flush=True)
    return 0 if all(end.error is None for end in ends) else 1


if __name__ == "__main__":
    sys.exit(main())
