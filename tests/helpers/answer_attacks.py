"""Cheap tricks that pass for answers: nonsense with the question's words in it, and turns that answer nothing.

As in `attacks`, all are made of the show at hand, at run time. The first six are those of shared reference
`attacks.md`, V1; what follows is of the same kind.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache

from econchatr.score.quoting.nearest import WordSearch
from econchatr.score.speech import split_words
from econchatr.speech_acts import Act, read_sentences
from tests.helpers.attacks import Say, Tricks
from tests.helpers.show_material import ShowMaterial

_FILLERS = ("you know", "I mean", "sort of", "really")
_N_RUN = 8
_CLOSINGS = (
    "Thank you so much for being here, it was a pleasure to have you on the show today.",
    "Let's move on to the next question, because we're almost out of time for today.",
    "Thanks for joining me, I really appreciate you, and where can people find you online.",
    "Before we close, I want to turn to the last question that I have for you here.",
    "That was a great conversation, thank you again, and we'll be right back after this break.",
    "Great question, thanks for that, and go ahead, over to you, the floor is all yours.",
)


class Speech:
    """What the tricks are made of."""

    def __init__(self, show: ShowMaterial) -> None:
        """Read the show once."""
        self.train = [pair.reply for pair in show.take("host", "train")]
        self.words = [word for reply in self.train for word in reply.split()]
        self.runs = {run for reply in self.train for run in _list_runs(split_words(reply))}
        self.rarity = Counter(split_words(" ".join(pair.reply for pair in (*show.host, *show.guest))))
        self.small = {word for word, _ in self.rarity.most_common(100)}
        fresh = [pair for pair in show.host if pair.split != "train"]
        self.questions = [text for pair in fresh for act, text in _cut(pair.reply) if act == Act.ASKS]
        self.sentences = [text for reply in self.train for act, text in _cut(reply) if act == Act.STATES]
        self.guest = [pair.reply for pair in show.guest if pair.split != "train" and len(pair.reply.split()) >= 20]
        self.guest_words = split_words(" ".join(pair.reply for pair in show.take("guest", "train")))

    def pick_rare(self, cue: str, n: int) -> list[str]:
        """Pick the rarest words of a question."""
        return sorted(set(split_words(cue)) - self.small, key=lambda word: (self.rarity[word], word))[:n]

    def is_copied(self, text: str) -> bool:
        """Whether eight words in a row stand in training speech."""
        return any(run in self.runs for run in _list_runs(split_words(text)))


@cache
def _search(texts: tuple[str, ...]) -> WordSearch:
    return WordSearch(split_words(text) for text in texts)


def _rank(texts: Sequence[str], cue: str, n: int) -> list[str]:
    """The texts most like the cue, the nearest first; any texts where fewer share a word."""
    found = [texts[place] for place in _search(tuple(texts)).rank(split_words(cue), n=n)]
    return (found + list(texts))[:n]


def _cut(text: str) -> list[tuple[Act, str]]:
    return [(one.act, text[one.start : one.end]) for one in read_sentences(text)]


def _list_runs(words: Sequence[str]) -> Iterable[str]:
    return (" ".join(words[at : at + _N_RUN]) for at in range(len(words) - _N_RUN + 1))


_SPEECH: dict[int, Speech] = {}


def read_speech(show: ShowMaterial) -> Speech:
    """The speech of a show, read once."""
    return _SPEECH.setdefault(id(show), Speech(show))


def _put_in(words: list[str], extra: Iterable[str], rng: random.Random) -> str:
    for word in extra:
        words.insert(rng.randrange(len(words) + 1), word)
    return " ".join(words)


def _babble(speech: Speech, n_words: int, rng: random.Random, *, order: int) -> list[str]:
    """Words that follow each other as any `order` and one do in training speech."""
    follow = _follow(id(speech), order)
    if not follow:
        for reply in speech.train:
            words = reply.split()
            for at in range(len(words) - order):
                follow[tuple(words[at : at + order])].append(words[at + order])
    words = list(rng.choice(list(follow)))
    while len(words) < n_words:
        onward = follow.get(tuple(words[-order:]))
        words += [rng.choice(onward)] if onward else rng.choice(list(follow))
    return words[:n_words]


@cache
def _follow(of: int, order: int) -> dict[tuple[str, ...], list[str]]:
    return defaultdict(list)


# --- nonsense with words of the question ------------------------------------------------------------------------------


def salad_with_words(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """The host's words in any order, and the three rarest words of the question."""
    speech = read_speech(show)
    return lambda cue: _put_in(rng.choices(speech.words, k=n_words - 3), speech.pick_rare(cue, 3), rng)


def babble_redrawn(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """Trigram babble, drawn again until nothing is copied, and four words of the question."""
    speech = read_speech(show)

    def say(cue: str) -> str:
        texts = (_put_in(_babble(speech, n_words - 4, rng, order=2), speech.pick_rare(cue, 4), rng) for _ in range(300))
        return next((text for text in texts if not speech.is_copied(text)), next(texts, ""))

    return say


def pushed_guest(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """What a guest said on the subject, its small words thinned or added to the host's rates."""
    speech = read_speech(show)
    own, other = Counter(split_words(" ".join(speech.train))), Counter(speech.guest_words)
    rate = {word: own[word] / own.total() / max(1e-5, other[word] / other.total()) for word in speech.small}
    wanted = sorted((word for word in rate if rate[word] > 1.2), key=lambda word: -own[word])
    turns: Counter[str] = Counter()

    def say(cue: str) -> str:
        turns[cue] += 1
        words = _rank(speech.guest, cue, 4)[(turns[cue] - 1) % 4].split()[:n_words]
        kept = [word for word in words if rng.random() < rate.get(word.lower().strip(".,?!"), 1)]
        missing = [word for word in wanted if rng.random() < 60 * own[word] / own.total() * (1 - 1 / rate[word])]
        return _put_in(kept, missing, rng)

    return say


def shuffled_sentences(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """The host's sentences nearest to the question, in any order, runs broken by swaps and fillers."""
    speech = read_speech(show)

    def say(cue: str) -> str:
        near = _rank(speech.sentences, cue, 12)
        rng.shuffle(near)
        words = " ".join(near).split()[: n_words - n_words // 12]
        for at in range(4, len(words) - 1, 6):
            words[at], words[at + 1] = words[at + 1], words[at]
        return _put_in(words, rng.choices(_FILLERS, k=n_words // 12), rng)

    return say


def best_of_babble(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """Order-3 babble, the best of 150 by the words it shares with the question."""
    speech = read_speech(show)

    def say(cue: str) -> str:
        asked = set(split_words(cue)) - speech.small
        drawn = (" ".join(_babble(speech, n_words, rng, order=3)) for _ in range(150))
        return max(drawn, key=lambda text: len(asked & set(split_words(text))))

    return say


def babble_with_question(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """Trigram babble with a third of the question's words put in."""
    speech = read_speech(show)

    def say(cue: str) -> str:
        words = cue.split()[:60]
        return _put_in(_babble(speech, n_words, rng, order=2), rng.sample(words, max(1, len(words) // 3)), rng)

    return say


def broken_parrot(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """The host's sentences nearest to the question with every seventh word left out, so that no run is copied."""
    speech = read_speech(show)

    def say(cue: str) -> str:
        near = _rank(speech.sentences, cue, 16)
        words = " ".join(rng.sample(near, 8)).split()[: n_words + n_words // 6]
        return " ".join(word for at, word in enumerate(words) if at % 7 != 6)

    return say


def jumbled_parrot(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """The host's sentences nearest to the question, every five words in another order."""
    speech = read_speech(show)

    def say(cue: str) -> str:
        words = " ".join(rng.sample(_rank(speech.sentences, cue, 16), 8)).split()[:n_words]
        parts = (words[at : at + 5] for at in range(0, n_words, 5))
        return " ".join(word for part in parts for word in rng.sample(part, len(part)))

    return say


def echo(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """The question's words in another order, among the host's small words."""
    speech = read_speech(show)
    small = [word for word in speech.words if word.lower().strip(".,?!") in speech.small]

    def say(cue: str) -> str:
        words = cue.split()[:40]
        return _put_in(rng.choices(small, k=max(10, n_words - 20)), rng.sample(words, min(20, len(words))), rng)

    return say


def patched_stretches(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """Stretches of seven words of the host's nearest sentences, laid end to end."""
    speech = read_speech(show)

    def say(cue: str) -> str:
        words = [one.split() for one in _rank(speech.sentences, cue, 30) if len(one.split()) >= 7]
        text = list[str]()
        while len(text) < n_words:
            one = rng.choice(words)
            at = rng.randrange(len(one) - 6)
            text += one[at : at + 7]
        return " ".join(text)

    return say


# --- turns that answer nothing ----------------------------------------------------------------------------------------


def interview(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """Real questions of the host, from held-out episodes, on the subject."""
    speech = read_speech(show)
    return lambda cue: " ".join(rng.sample(_rank(speech.questions, cue, 12), 2))


def interview_with_remark(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """The same with a remark behind the question, so that the turn does not end in one."""
    speech, ask = read_speech(show), interview(show, n_words, rng)
    remarks = [text for text in speech.sentences if 8 <= len(text.split()) <= 10]
    return lambda cue: f"{ask(cue)} {' '.join(rng.choice(remarks).split()[:8])}."


def polite_interview(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """A remark on the subject, then a real question."""
    speech, ask = read_speech(show), interview(show, n_words, rng)
    return lambda cue: f"{' '.join(_babble(speech, 12, rng, order=2))}. {ask(cue)}"


def hand_over(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """Stock turns that close, thank or hand over."""
    return lambda cue: " ".join(rng.sample(_CLOSINGS, 2))


def guests_own(show: ShowMaterial, n_words: int, rng: random.Random) -> Say:
    """What guests said on the subject, as they said it."""
    speech, turns = read_speech(show), Counter[str]()

    def say(cue: str) -> str:
        turns[cue] += 1
        return " ".join(_rank(speech.guest, cue, 4)[(turns[cue] - 1) % 4].split()[: 2 * n_words])

    return say


ANSWER_ATTACKS: Tricks = {
    "salad with three words of the question": salad_with_words,
    "babble redrawn, four words of the question": babble_redrawn,
    "guest pushed to the host's small words": pushed_guest,
    "host's sentences, shuffled, swapped": shuffled_sentences,
    "order-3 babble, best of 150": best_of_babble,
    "babble with a third of the question": babble_with_question,
    "host's sentences without every seventh word": broken_parrot,
    "host's sentences, every five words jumbled": jumbled_parrot,
    "echo of the question": echo,
    "stretches of seven words": patched_stretches,
    "interviewer": interview,
    "interviewer with a remark": interview_with_remark,
    "polite interviewer": polite_interview,
    "hand-over machine": hand_over,
    "guests' own answers": guests_own,
}
