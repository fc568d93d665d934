"""Read a folder of transcripts and print who speaks how much.

    python examples/who_speaks.py                        # the bundled, made-up show
    python examples/who_speaks.py FOLDER "Ada Host"      # your own transcripts

The folder is not changed: the show that EconChatR makes of it lies in a temporary folder.
"""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from econchatr import open_show

BUNDLED = Path(str(resources.files("econchatr.demo"))) / "episodes"


def count_words(transcripts: Path, host: str, work: Path) -> pl.DataFrame:
    """One row a speaker: role, episodes, turns, words and share of all words, most words first."""
    config = f"""
        [show]
        name = "a folder of transcripts"
        hosts = [{json.dumps(host)}]

        [fetch]
        folder = {json.dumps(str(transcripts.resolve()))}
    """
    (work / "show.toml").write_text(config, encoding="utf-8")
    show = open_show(work)
    show.run(until="parse")
    words = pl.col("text").str.split(" ").list.len()
    table = show.turns().group_by("speaker").agg(
        role=pl.col("role").first(),
        episodes=pl.col("slug").n_unique(),
        turns=pl.len(),
        words=words.sum(),
    )  # fmt: skip
    return table.with_columns(share=pl.col("words") / pl.col("words").sum()).sort("words", "speaker", descending=True)


def main(arguments: list[str]) -> None:
    """Print the table for the folder and host on the command line, or for the bundled show."""
    folder, host = (Path(arguments[0]), arguments[1]) if arguments else (BUNDLED, "Hester Pellow")
    with TemporaryDirectory() as work:
        for row in count_words(folder, host, Path(work)).iter_rows(named=True):
            print(
                f"{row['share']:6.1%}  {row['words']:>8,} words  {row['turns']:>6,} turns  "
                f"{row['episodes']:>4} episodes  {row['role']:6}  {row['speaker']}"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
