"""Transcripts -> pairs: ours with every flag, beside a straightforward pandas pipeline with the rules of 2023.

python benchmarks/prepare.py FOLDER "Host Name" ["Host Name" ...] [--rounds 5] [--share 1] [--write]

Needs pandas (`pip install pandas`). FOLDER holds transcripts that write `**Name:**` before each turn. Each part runs in
a process of its own, the parts in turn, so many rounds; no text is kept between them, but for the second one:

    ours       `fetch`, `parse` and `pair` of a new show: readers, speakers, flags, cleaning, private data, acts, tokens
    one more   the same show, whole but for its last file, after that file came
    pandas     labels, turns, cleaning, lengths and duplicates as in January 2023. No flags, no readers, no account

Answer pairs and the guests' pairs are not counted. Ours uses every core (`OMP_NUM_THREADS=1`: one), and starting its
processes counts. Words a second go by the clock, so nothing else should run; the seconds of processor of all processes
stand beside them. `--share 0.0625` takes the first sixteenth of the files; the growth from a sixteenth to the whole is
told at the end where all of them are taken.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from loky import get_reusable_executor
from written_tables import add_write, lay_out, peak_gb, publish, run_part, tell_machine, tell_spread

from econchatr.pipeline.run import do_steps, list_steps
from econchatr.pipeline.show import open_show
from econchatr.pipeline.stage import Silent
from econchatr.tokens import open_tokenizer

N_SIXTEENTHS: Final = (1, 2, 4, 8, 16)
LABEL: Final = r"^\*\*([^*:]{1,60}):\*\* *"
RULES: Final = (
    (r"\\([\[\]#_*.-])", r"\1"),
    (r"\[[^\]]*\]|\(?\d{1,2}:\d{2}(?::\d{2})?\)?", " "),
    (r"https?://\S+|www\.\S+", "URL"),
    (r"[\w.+-]+@[\w-]+\.[\w.]+", "EMAIL"),
    (r"\+?\d[\d() -]{8,}\d", "PHONE"),
    (r"\b(\w+)(?: \1\b)+", r"\1"),
    (r"([.,!?;:])(?=[A-Za-z])", r"\1 "),
    (r"[^\w\s.,!?;:'\"$%&/()-]", " "),
    (r"\s+", " "),
)


def list_files(folder: Path, share: float) -> list[Path]:
    """The first part of a folder's files."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return files[: max(1, round(share * len(files)))]


def prepare_with_pandas(files: Sequence[Path], hosts: Sequence[str]) -> dict[str, int]:
    """The pairs of January 2023, written as JSON lines."""
    import pandas as pd

    encode = open_tokenizer("gpt2").encode
    texts = pd.DataFrame({"slug": [path.stem for path in files], "text": [path.read_text("utf-8") for path in files]})
    n_words = int(texts["text"].str.split().str.len().sum())
    lines = texts.assign(text=texts["text"].str.split("\n")).explode("text")
    lines["speaker"] = lines["text"].str.extract(LABEL)[0]
    lines["speaker"] = lines.groupby("slug")["speaker"].ffill()
    lines = lines.dropna(subset=["speaker"])
    lines["text"] = lines["text"].str.replace(LABEL, "", regex=True)
    lines["is_host"] = lines["speaker"].isin(hosts)
    lines["side"] = ((lines["is_host"] != lines["is_host"].shift()) | (lines["slug"] != lines["slug"].shift())).cumsum()
    turns = lines.groupby("side").agg(slug=("slug", "first"), is_host=("is_host", "first"), text=("text", " ".join))
    for pattern, by in RULES:
        turns["text"] = turns["text"].str.replace(pattern, by, regex=True)
    turns["text"] = turns["text"].str.strip()
    turns["n_tokens"] = turns["text"].map(lambda text: len(encode(text)))
    before = turns.shift()
    pairs = pd.DataFrame({"prompt": before["text"], "completion": turns["text"]})
    n_prompt, n_completion = before["n_tokens"], turns["n_tokens"]
    is_long = (n_completion > 20) & (n_prompt > 60) & (n_completion + n_prompt <= 2000)
    kept = pairs[turns["is_host"] & (before["slug"] == turns["slug"]) & is_long].drop_duplicates()
    with tempfile.NamedTemporaryFile() as out:
        kept.to_json(out.name, orient="records", lines=True)
    return {"words": n_words, "pairs": len(kept)}


def write_show(root: Path, files: Sequence[Path], hosts: Sequence[str]) -> Path:
    """A show with copies of these files."""
    (root / "transcripts").mkdir(parents=True)
    for path in files:
        shutil.copy(path, root / "transcripts" / path.name)
    names = json.dumps(list(hosts))
    (root / "show.toml").write_text(f'[show]\nname = "A show"\nhosts = {names}\n', encoding="utf-8")
    return root


def prepare(root: Path) -> dict[str, int]:
    """What `econchatr` makes of a show up to its pairs of cue and reply."""
    show = open_show(root)
    steps = [step for step in list_steps(show, until="pair") if step.name in ("fetch", "parse", "pair")]
    do_steps(steps, Silent())
    episodes = show.episodes()
    return {"words": sum(one.n_words for one in episodes), "pairs": len(show.pairs(kept=True))}


def measure(do: Callable[[], dict[str, int]]) -> dict[str, Any]:
    """What came of a part, in how many seconds of processor and on the clock."""
    clock, processor = time.perf_counter(), _count_processor()
    counts = do()
    seconds = time.perf_counter() - clock
    n_others = stop_processes()
    gb = peak_gb() + n_others * peak_gb(resource.RUSAGE_CHILDREN)
    return counts | {"seconds": seconds, "processor": _count_processor() - processor, "gb": gb}


def stop_processes() -> int:
    """End the processes that shared the work, so that their seconds count; gives how many there were."""
    pool = get_reusable_executor(reuse=True)
    n_processes = len(pool._processes)
    pool.shutdown(wait=True)
    return n_processes


def _count_processor() -> float:
    """Seconds of this process and of those it waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def run_one(part: str, folder: Path, hosts: Sequence[str], share: float) -> dict[str, Any]:
    """One part, in this process."""
    files = list_files(folder, share)
    if part == "pandas":
        import pandas as pd  # noqa: F401  # loaded before the clock starts

        open_tokenizer("gpt2")
        return measure(lambda: prepare_with_pandas(files, hosts))
    open_tokenizer("gpt2")
    with tempfile.TemporaryDirectory() as place:
        root = write_show(Path(place) / "show", files if part == "ours" else files[:-1], hosts)
        if part == "one more":
            prepare(root)
            stop_processes()
            shutil.copy(files[-1], root / "transcripts")
        return measure(lambda: prepare(root))


def main() -> None:
    """Run the parts in turn, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("hosts", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    add_write(parser)
    args = parser.parse_args()
    if args.part:
        args.out.write_text(json.dumps(run_one(args.part, args.folder, args.hosts, args.share)))
        return

    def run(part: str, share: float) -> dict[str, Any]:
        return run_part(__file__, args.folder, *args.hosts, "--part", part, "--share", share)

    parts = ("pandas", "ours", "one more")
    found: dict[str, list[dict[str, Any]]] = {part: [] for part in parts}
    for _ in range(args.rounds):
        for part in parts:
            found[part].append(run(part, args.share))
    rows = [(part, *tell(found[part])) for part in parts]
    rates = {part: statistics.median(one["words"] / one["seconds"] for one in found[part]) for part in parts}
    head = ("part", "words", "pairs kept", "seconds", "s of processor", "words a second", "GB at most, all processes")
    text = lay_out(head, rows)
    text += f"\n\n{tell_machine()}. {args.share:.1%} of the files, {args.rounds} rounds. "
    text += f"Words a second, ours to pandas: {rates['ours'] / rates['pandas']:.2f}.\n"
    if args.share == 1:
        text += tell_growth([run("ours", n / 16) for n in N_SIXTEENTHS])
    publish("prepare", text, is_written=args.write)


def tell(found: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """A part's row of the table."""
    rates = [one["words"] / one["seconds"] for one in found]
    most = max(one["gb"] for one in found)
    return (
        f"{found[0]['words']:,}",
        f"{found[0]['pairs']:,}",
        tell_spread([one["seconds"] for one in found]),
        tell_spread([one["processor"] for one in found]),
        tell_spread(rates, ",.0f"),
        f"{most:.2f}",
    )


def tell_growth(found: Sequence[dict[str, Any]]) -> str:
    """How the seconds grow with the words, from a sixteenth of the files to all: 1 is in proportion."""
    logs = [(math.log(one["words"]), math.log(one["seconds"])) for one in found]
    slope, _ = statistics.linear_regression(*zip(*logs, strict=True))
    told = ", ".join(f"{one['seconds']:.1f} s" for one in found)
    return f"\nFrom a sixteenth of the files to all (1, 2, 4, 8, 16): {told}; exponent {slope:.2f}.\n"


if __name__ == "__main__":
    main()
