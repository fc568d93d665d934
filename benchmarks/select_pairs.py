"""Choose pairs by coverage from made-up text; print seconds, memory and the certificate.

python benchmarks/select_pairs.py 31000                 # as many pairs as EconTalk's: at 1, 5 and 10% of the pool
python benchmarks/select_pairs.py 1000000 0.1           # a tenth of a million

The text is made of 200,000 words whose frequency falls with their rank (Zipf), a third of it in phrases of three words,
from a fixed seed; reply lengths are log-normal around 33 words, cues around 90, as a real host's are.
"""

from __future__ import annotations

import resource
import sys
import time
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from written_tables import tell_usage

from econchatr.select.coverage import Coverage, band_lengths, certify, maximize_coverage
from econchatr.select.features import Sides, find_features
from econchatr.select.knapsack import Knapsack

N_WORDS, N_PHRASES = 200_000, 50_000
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


def main() -> None:
    """Measure one size."""
    n_pairs = int(sys.argv[1])
    shares = [float(share) for share in sys.argv[2:]] or [0.01, 0.05, 0.1]
    replies, costs = make_pairs(n_pairs)
    # What is said to the host: as long and as rich, by people who like other words.
    cues, _ = make_pairs(n_pairs, seed=7)
    find_features(
        replies[:100], acts=[Sides(replies[:100], cues[:100])]
    )  # libraries are loaded before the clock starts
    print(f"{n_pairs:,} pairs, {sum(map(len, replies)):,} characters: {memory_mb()} MB before anything is chosen")
    for share in shares:
        measure(replies, cues, costs, share)


def measure(replies: list[str], cues: list[str], costs: np.ndarray, share: float) -> None:
    """Choose from the texts for one budget, all the way, and print what each part took."""
    clocks = [(time.perf_counter(), time.process_time())]
    features = find_features(replies, acts=[Sides(replies, cues)])
    clocks.append((time.perf_counter(), time.process_time()))
    strata, _ = band_lengths(features.n_words, 5, "{}")
    knapsack = Knapsack(costs, int(costs.sum() * share))
    chosen = [step.reply for step in maximize_coverage(features, strata, [knapsack]).steps]
    clocks.append((time.perf_counter(), time.process_time()))
    certificate = certify(features, chosen, knapsack)
    clocks.append((time.perf_counter(), time.process_time()))
    order = np.random.default_rng(0).permutation(len(costs))
    some = order[: np.searchsorted(np.cumsum(costs[order]), knapsack.limit, side="right")]
    value = Coverage(features, chosen).value
    print(
        f"{share:.0%} of the tokens: {len(chosen):,} pairs, {len(features.weights):,} features; "
        f"certificate {certificate}, random {Coverage(features, some).value / value:.3f} of it; "
        f"mean reply {features.n_words[chosen].mean():.1f} words (all {features.n_words.mean():.1f})"
    )
    for clock, name in enumerate(("wall", "processor")):
        parts = [after[clock] - before[clock] for before, after in pairwise(clocks)]
        print(
            f"  {name} {sum(parts):.1f} s: features {parts[0]:.1f}, greedy {parts[1]:.1f}, certificate {parts[2]:.1f}"
        )
    print(f"  {memory_mb()} MB at most")


def make_pairs(n_pairs: int, *, seed: int = 2023) -> tuple[list[str], np.ndarray]:
    """Replies, and what each pair costs in tokens."""
    rng = np.random.default_rng(seed)
    words = np.array(["".join(SYLLABLES[number // 70**place % 70] for place in range(3)) for number in range(N_WORDS)])
    rng.shuffle(words)
    lengths = np.clip(rng.lognormal(np.log(33), 1.0, n_pairs), 5, 700).astype(np.int64)
    costs = (lengths * 1.3 + np.clip(rng.lognormal(np.log(90), 1.1, n_pairs), 6, 192) + 30).astype(np.int64)
    phrases = draw_zipf(rng, N_WORDS, 3 * N_PHRASES).reshape(-1, 3)
    replies: list[str] = []
    for begin in range(0, n_pairs, 10_000):
        sizes = lengths[begin : begin + 10_000]
        flat = draw_zipf(rng, N_WORDS, int(sizes.sum()))
        places = 3 * rng.choice(len(flat) // 3, len(flat) // 9, replace=False)
        flat[places[:, None] + np.arange(3)] = phrases[draw_zipf(rng, N_PHRASES, len(places))]
        text, ends = words[flat].tolist(), np.concatenate(([0], np.cumsum(sizes))).tolist()
        replies += [" ".join(text[first:last]) for first, last in pairwise(ends)]
    return replies, costs


def draw_zipf(rng: np.random.Generator, n_ranks: int, size: int) -> NDArray[np.int64]:
    """Ranks from 0, each with a probability that falls as 1 / (rank + 2.7)."""
    chances = np.cumsum(1 / (np.arange(n_ranks) + 2.7))
    return np.asarray(np.searchsorted(chances, rng.random(size) * chances[-1]), np.int64)


def memory_mb() -> int:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
