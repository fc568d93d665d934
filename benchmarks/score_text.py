"""How long the text measures take: 5 models x 12 questions x 4 samples against six million words of the host.

python benchmarks/score_text.py                     # made-up speech: 6 million words of the host, 3 million of guests
python benchmarks/score_text.py SHOW                # a show that was paired
python benchmarks/score_text.py SHOW N_EPISODES     # so many of its episodes: the newest; with changed words if fewer

The real host, the guests, the parrot and the nearest real quotation to each answer are in it. Prints seconds and the
most memory, from pairs in memory to scores. Speech is made, or read, before the clock starts.
"""

from __future__ import annotations

import re
import resource
import sys
import time
from pathlib import Path

import numpy as np
from written_tables import tell_usage

from econchatr.pair import drop_duplicates
from econchatr.records import Pair, Question
from econchatr.score.quoting.nearest import SaidBefore
from econchatr.score.rows import (
    Parrot,
    list_gates,
    list_scores,
    list_spans,
    make_yardstick,
    measure_row,
    parrot_questions,
    take_reference,
)
from econchatr.score.speech import Said, split_words
from econchatr.tables import read_table

N_MODELS, N_QUESTIONS, N_SAMPLES = 5, 12, 4
N_HOST_WORDS, N_GUEST_WORDS = 6_000_000, 3_000_000
REPLY_WORDS = 50
N_EPISODES = 500


def main() -> None:
    """Measure made-up speech, or a show."""
    host, guest = read_sides(Path(sys.argv[1])) if sys.argv[1:] else make_sides()
    if sys.argv[2:]:
        host, guest = resize_show(host, guest, int(sys.argv[2]))
    rows = make_answers(host)
    n_words = sum(len(pair.reply.split()) for pair in host)
    before_mb = peak_mb()
    started, started_cpu = time.perf_counter(), time.process_time()
    yardstick = make_yardstick(host, guest)
    made = time.perf_counter()
    n_scores = 0
    said_before = SaidBefore(host, yardstick.subjects)
    parrot = Parrot(host, said_before.search)
    indexed = time.perf_counter()
    questions = [Question(question_id=one.group, kind="belief", text=one.prompt) for one in rows[0][:N_QUESTIONS]]
    references = [
        take_reference(host, yardstick.speech), take_reference(guest, yardstick.speech),
        parrot_questions(parrot, questions, n_samples=N_SAMPLES),
    ]  # fmt: skip
    for number, said in enumerate([*rows, *references]):
        row = measure_row(said, yardstick)
        rung = f"model-{number}"
        n_scores += len(list_scores(row, yardstick, rung=rung, variant="tuned"))
        n_scores += len(list_gates({"tuned": row}, rung=rung)) + len(list_spans({"tuned": row}, rung=rung))
    measured = time.perf_counter()
    n_near = sum(said_before.find(one.text) is not None for said in rows for one in said)
    ended = time.perf_counter()
    n_guest_words = sum(len(pair.reply.split()) for pair in guest)
    print(
        f"{len(rows)} rows of {len(rows[0])} answers against {n_words:,} words of the host and {n_guest_words:,} of "
        f"guests in {len({pair.slug for pair in host})} episodes: {n_scores} records\n"
        f"yardstick {made - started:.1f} s, index {indexed - made:.1f} s, "
        f"rows and references {measured - indexed:.1f} s, "
        f"{n_near} nearest quotations {ended - measured:.1f} s, together {ended - started:.1f} s "
        f"({time.process_time() - started_cpu:.1f} s of processor); "
        f"{peak_mb()} MB at most, {before_mb} MB of it before the clock started"
    )


def peak_mb() -> int:
    """The most memory this process has used so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def make_sides() -> tuple[list[Pair], list[Pair]]:
    """Made-up speech with the word frequencies of speech (Zipf), sides and episodes with preferences of their own."""
    rng = np.random.default_rng(0)
    words = np.array([f"{a}{b}{c}" for a in "bdfglmnprstvz" for b in ("a", "ei", "o", "u") for c in range(1000)])
    weights = 1 / np.arange(2, len(words) + 2)
    tilt = rng.normal(0, 0.3, len(words))
    sides = []
    for sign, n_words in ((1, N_HOST_WORDS), (-1, N_GUEST_WORDS)):
        chances = weights * np.exp(sign * tilt)
        drawn = rng.choice(len(words), n_words, p=chances / chances.sum())
        texts = [" ".join(words[drawn[at : at + REPLY_WORDS]].tolist()) + "." for at in range(0, n_words, REPLY_WORDS)]
        sides.append([make_pair(text, number, len(texts)) for number, text in enumerate(texts)])
    return sides[0], sides[1]


def make_pair(text: str, number: int, n_all: int) -> Pair:
    """One reply of a made-up episode; its cue has the same words, so that the answers can be on their question."""
    episode = number * N_EPISODES // n_all
    split = "test" if episode >= N_EPISODES * 0.9 else "dev" if episode >= N_EPISODES * 0.85 else "train"
    fields = {
        "pair_id": f"e{episode}#{number}", "slug": f"e{episode}", "published": None, "rank": episode, "split": split,
        "cue_speaker": "A", "reply_speaker": "B", "cue": " ".join(reversed(text.split())), "reply": text,
        "first_turn": 0, "last_turn": 1, "n_cue_tokens": 1, "n_reply_tokens": 1, "is_kept": True, "reason": "",
    }  # fmt: skip
    return Pair.model_validate(fields)


def read_sides(show: Path) -> tuple[list[Pair], list[Pair]]:
    """The kept pairs of a show, and those of the guests' side."""
    host, guest = (read_table(show / "pair" / name, Pair) for name in ("pairs.parquet", "guests/guest_pairs.parquet"))
    return [pair for pair in host if pair.is_kept], [pair for pair in drop_duplicates(guest) if pair.is_kept]


def resize_show(host: list[Pair], guest: list[Pair], n_episodes: int) -> tuple[list[Pair], list[Pair]]:
    """The newest episodes, the last fifth for testing; copies with other long words where there are too few."""
    ranks = sorted({(pair.rank, pair.slug) for pair in host}, reverse=True)
    parts: dict[str, list[tuple[int, str]]] = {slug: [] for _, slug in ranks}
    for number in range(n_episodes):
        split = "test" if number < n_episodes * 0.2 else "dev" if number < n_episodes * 0.3 else "train"
        parts[ranks[number % len(ranks)][1]].append((number // len(ranks), split))
    return tuple(  # type: ignore[return-value]
        [copy_pair(pair, n, split) for pair in side for n, split in parts.get(pair.slug, ())] for side in (host, guest)
    )


def copy_pair(pair: Pair, n: int, split: str) -> Pair:
    """The n-th copy, with an ending of its own on every word of seven letters or more."""
    cue, reply = (
        re.sub(r"\b[a-z]{7,}\b", rf"\g<0>{'abcdefgh'[n]}", text) if n else text for text in (pair.cue, pair.reply)
    )
    slug = f"{pair.slug}-{n}"
    pair_id = f"{slug}#{pair.pair_id.rsplit('#', 1)[1]}"
    return pair.model_copy(update={"slug": slug, "pair_id": pair_id, "split": split, "cue": cue, "reply": reply})


def make_answers(host: list[Pair]) -> list[list[Said]]:
    """Answers of about 150 words, patched together from held-out replies and, now and then, training ones."""
    rng = np.random.default_rng(1)
    held_out = [pair for pair in host if pair.split != "train"]
    rows = []
    for _ in range(N_MODELS):
        said = []
        for sample in range(N_SAMPLES):
            for question in range(N_QUESTIONS):
                words: list[str] = []
                while len(words) < 150:
                    pool = host if rng.random() < 0.05 else held_out
                    words += split_words(pool[rng.integers(len(pool))].reply)[:40]
                said.append(Said(held_out[question].cue[:500], " ".join(words), f"q{question}", sample))
        rows.append(said)
    return rows


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
