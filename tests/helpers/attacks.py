"""The attack table of shared reference `evaluation.md`, 2.3: texts that a style measure alone would take for the host.

All are made of the show at hand, at run time: four samples for each of twelve questions, which are real cues.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import cycle
from statistics import median

from econchatr.score.rows import Parrot
from econchatr.score.speech import Said, split_words
from tests.helpers.show_material import ShowMaterial

N_QUESTIONS, N_SAMPLES = 12, 4
REFUSAL = (
    "I'm sorry, but as an AI language model I don't have personal opinions or experiences, so I can't answer that "
    "question. Is there anything else I can help you with today?"
)


def attack(show: ShowMaterial, name: str, *, seed: int = 0, tricks: Tricks | None = None) -> list[Said]:
    """Four answers of about the host's length to each of twelve cues, by one trick."""
    rng = random.Random(seed)
    cues = rng.sample([pair.cue for pair in show.take("host", "dev") if len(split_words(pair.cue)) >= 20], N_QUESTIONS)
    n_words = max(30, round(median(len(pair.reply.split()) for pair in show.take("host", "test"))))
    say = (tricks or ATTACKS)[name](show, n_words, rng)
    return [
        Said(cue, say(cue), f"q{number:02}", sample) for sample in range(N_SAMPLES) for number, cue in enumerate(cues)
    ]


Say = Callable[[str], str]
Trick = Callable[[ShowMaterial, int, random.Random], Say]
Tricks = dict[str, Trick]


def copy_turns(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """A: training replies, word for word."""
    replies = [pair.reply for pair in show.take("host", "train") if len(pair.reply.split()) >= n_words]
    return lambda cue: " ".join(rng.choice(replies).split()[:n_words])


def babble(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """B: words that follow each other as any three do in the host's training speech."""
    follow, starts = defaultdict[tuple[str, str], list[str]](list), list[tuple[str, str]]()
    for pair in show.take("host", "train"):
        words = pair.reply.split()
        starts.append((words[0], words[1]))
        for first, second, third in zip(words, words[1:], words[2:], strict=False):
            follow[first, second].append(third)

    def say(cue: str) -> str:
        words = list(rng.choice(starts))
        while len(words) < n_words:
            onward = follow.get((words[-2], words[-1]))
            words += [rng.choice(onward)] if onward else rng.choice(starts)
        return " ".join(words)

    return say


def salad(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """C: the host's words in any order."""
    words = [word for pair in show.take("host", "train") for word in pair.reply.split()]
    return lambda cue: " ".join(rng.choices(words, k=n_words))


def guest_with_catchphrases(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """D: what guests said, with a fifth of it the host's catchphrases."""
    phrases = find_catchphrases(show)
    replies = [pair.reply for pair in show.take("guest", "dev")]
    rng.shuffle(replies)
    turns = cycle(replies)

    def say(cue: str) -> str:
        words = next(turns).split()[: round(n_words * 0.8)]
        while sum(len(part.split()) for part in words) < n_words:
            words.insert(rng.randrange(len(words) + 1), rng.choice(phrases))
        return " ".join(words)

    return say


def catchphrase(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """E: one catchphrase, again and again."""
    phrase = find_catchphrases(show)[0]
    return lambda cue: " ".join([phrase] * (n_words // len(phrase.split())))


def parrot(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """The training reply most like the cue."""
    bird, given = Parrot(show.take("host", "train")), Counter[str]()

    def say(cue: str) -> str:
        given[cue] += 1
        return bird.answer(cue, n=N_SAMPLES)[given[cue] - 1]

    return say


def refuse(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """A model that will not answer."""
    return lambda cue: REFUSAL


def find_catchphrases(show: ShowMaterial) -> list[str]:
    """The four-word sequences that the host says most, beyond what guests say."""

    def count(side: str) -> Counter[str]:
        return Counter(gram for pair in show.take(side, "train") for gram in _grams(split_words(pair.reply)))

    host, guest = count("host"), count("guest")
    return [gram for gram, _ in Counter({gram: n - guest[gram] for gram, n in host.items()}).most_common(5)]


def _grams(words: list[str]) -> Iterator[str]:
    return (" ".join(words[place : place + 4]) for place in range(len(words) - 3))


ATTACKS: Tricks = {
    "copied turns": copy_turns,
    "babble": babble,
    "salad": salad,
    "guest with catchphrases": guest_with_catchphrases,
    "catchphrase": catchphrase,
    "parrot": parrot,
    "refusal": refuse,
}
