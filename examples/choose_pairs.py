"""Choose training pairs under a token budget and print why each was taken.

    python examples/choose_pairs.py         # 2,000 tokens, on the bundled, made-up show
    python examples/choose_pairs.py 5000    # another budget

Nothing is trained. For your own show, set `max_tokens` in its show.toml and call `choose_pairs` with its folder.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from econchatr import open_show
from econchatr.demo import write_demo_show


def write_show(folder: Path, n_tokens: int) -> None:
    """Write the bundled show with a budget of `n_tokens` billed tokens, of all epochs together."""
    write_demo_show(folder)
    config = folder / "show.toml"
    text = re.sub(r"(?m)^max_tokens = .*", f"max_tokens = {n_tokens}", config.read_text(encoding="utf-8"), count=1)
    config.write_text(text, encoding="utf-8")


def choose_pairs(folder: Path) -> pl.DataFrame:
    """The pairs a show's budget buys, in the order taken: id, reason, cost in tokens, cue and reply."""
    show = open_show(folder)
    show.run(until="select")
    taken = show.reasons().filter(pl.col("position").is_not_null()).sort("position")
    return taken.join(show.pairs().select("pair_id", "cue", "reply"), on="pair_id", how="left", maintain_order="left")


def main(arguments: list[str]) -> None:
    """Print the pairs for the budget on the command line."""
    n_tokens = int(arguments[0]) if arguments else 2_000
    with TemporaryDirectory() as work:
        write_show(Path(work), n_tokens)
        pairs = choose_pairs(Path(work))
    for row in pairs.iter_rows(named=True):
        print(f"{row['position'] + 1}. {row['pair_id']}: {row['reason']}, {row['cost']} tokens")
        if row["firsts"]:
            print(f"   first to bring: {', '.join(row['firsts'])}")
        print(f"   {row['reply']}\n")
    print(f"{len(pairs)} pairs, {pairs['cost'].sum():,} tokens of one epoch; the budget is {n_tokens:,} of all epochs.")


if __name__ == "__main__":
    main(sys.argv[1:])
