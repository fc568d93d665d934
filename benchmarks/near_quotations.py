"""Where "nearly right" should begin for a quotation: how often chance gets there, and how often a slip stays there.

    python benchmarks/near_quotations.py FOLDER HOST [N]

FOLDER holds transcripts with `**Name:** text` turns. Expected words are random stretches of 4 to 10 words of the host's
turns with at least two words of meaning; `chance` compares each with 100 words of the host's from another episode;
the slips leave out, swap or replace one word in four.
"""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

from written_tables import tell_usage

from econchatr.noun_phrases import word_list
from econchatr.score.grading.marking import grade_words
from econchatr.score.speech import split_words

LIKENESSES = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)


def read_words(folder: Path, host: str) -> list[list[str]]:
    """The host's words, one list per episode."""
    turn = re.compile(rf"^\*\*{re.escape(host)}:\*\*(.*)$", flags=re.MULTILINE)
    episodes = [
        split_words(" ".join(turn.findall(path.read_text(encoding="utf-8")))) for path in sorted(folder.glob("*.md"))
    ]
    return [words for words in episodes if len(words) > 500]


def slip(words: list[str], kind: str, strange: list[str], rng: random.Random) -> list[str]:
    """The words with one in four of them, one at least, left out, replaced, or swapped with the next."""
    slipped = list(words)
    for _ in range(max(1, len(words) // 4)):
        place = rng.randrange(len(slipped) - 1)
        if kind == "left out":
            del slipped[place]
        elif kind == "replaced":
            slipped[place] = rng.choice(strange)
        else:
            slipped[place], slipped[place + 1] = slipped[place + 1], slipped[place]
    return slipped


def main() -> None:
    """Print the table."""
    folder, host, *rest = sys.argv[1:]
    n, rng = int(rest[0]) if rest else 2000, random.Random(5)
    episodes = read_words(Path(folder), host)
    found: dict[str, list[float]] = {"chance": [], "left out": [], "swapped": [], "replaced": []}
    while len(found["chance"]) < n:
        here, there = rng.sample(range(len(episodes)), 2)
        start = rng.randrange(len(episodes[here]) - 10)
        wanted = episodes[here][start : start + rng.randint(4, 10)]
        if sum(word not in word_list("small") for word in wanted) < 2:
            continue
        begin = rng.randrange(len(episodes[there]) - 100)
        other = episodes[there][begin : begin + 100]
        found["chance"].append(grade_words(" ".join(other), " ".join(wanted))[1])
        for kind in ("left out", "swapped", "replaced"):
            text = [*other[:30], *slip(wanted, kind, other, rng), *other[30:]]
            found[kind].append(grade_words(" ".join(text), " ".join(wanted))[1])
    print(f"{n} stretches of {host}; share that reaches a likeness")
    print("likeness  " + "  ".join(f"{kind:>9}" for kind in found))
    for likeness in LIKENESSES:
        shares = (sum(value >= likeness for value in values) / n for values in found.values())
        print(f"{likeness:8.2f}  " + "  ".join(f"{100 * share:8.1f}%" for share in shares))


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
