"""From which likeness on a real quotation is near: what chance gives, and what lost words leave.

python benchmarks/nearest_quotes.py SHOW OTHER...     # shows that were paired, of different hosts

Per likeness, the share that reaches it: replies of the other shows' hosts (chance), the host's own held-out replies in
training speech, and the host's replies with a quarter and a half of their words left out.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
from written_tables import tell_usage

from econchatr.records import Pair
from econchatr.score.quoting.nearest import SaidBefore
from econchatr.score.topic import learn_subjects
from econchatr.tables import read_table

N_REPLIES = 300
LEVELS = (0.25, 0.3, 0.35, 0.4, 0.5)


def main() -> None:
    """Measure the first show against the others."""
    show, *others = (read_host(Path(name)) for name in sys.argv[1:])
    training, held_out = ([pair for pair in show if (pair.split == "train") == flag] for flag in (True, False))
    subjects = learn_subjects([text for pair in training[:1000] for text in (pair.reply, pair.cue)])
    everything, learned = SaidBefore(show, subjects), SaidBefore(training, subjects)
    rng = random.Random(0)
    columns = {
        "chance": measure(everything, [pair.reply for other in others for pair in draw(rng, other)]),
        "held out": measure(learned, [pair.reply for pair in draw(rng, held_out)]),
    }
    for lost in (0.25, 0.5):
        texts = [pair.reply for pair in draw(rng, training) if len(pair.reply.split()) > 8]
        columns[f"{lost:.0%} lost"] = measure(everything, [leave_out(rng, text, lost) for text in texts])
    print(f"{len(show)} replies, {sum(len(pair.reply.split()) for pair in show):,} words; ", end="")
    print(", ".join(f"{name}: {len(values)}" for name, values in columns.items()))
    for level in LEVELS:
        print(f"{level:.2f} ", *(f"{(values >= level).mean():>10.1%}" for values in columns.values()))


def read_host(folder: Path) -> list[Pair]:
    """The kept pairs of a show."""
    return [pair for pair in read_table(folder / "pair" / "pairs.parquet", Pair) if pair.is_kept]


def draw(rng: random.Random, pairs: list[Pair]) -> list[Pair]:
    """Some of them, by lot."""
    return rng.sample(pairs, min(N_REPLIES, len(pairs)))


def leave_out(rng: random.Random, text: str, share: float) -> str:
    """The text without so much of its words."""
    return " ".join(word for word in text.split() if rng.random() > share)


def measure(said: SaidBefore, texts: list[str]) -> np.ndarray:
    """The likeness of what is nearest to each text."""
    found = [said.find(text) for text in texts]
    return np.array([near.likeness if near else 0.0 for near in found])


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
