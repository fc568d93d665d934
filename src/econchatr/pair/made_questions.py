"""A question in front of a passage, made by rule from the passage's own noun phrases.

A noun phrase serves if it stands in a few passages of the show and in no question of the exam. A question is kept only
if a search for its words finds its passage again among all of them, and if it shares no run of five content words with
it: a model that learns the answer must not learn to repeat the question. The answer begins at the sentence with the
phrase: a model that learns from passages which come to the point later does not come to it at all.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from econchatr.noun_phrases import find_noun_phrases, is_plural, word_list
from econchatr.pair.passages import MIN_WORDS
from econchatr.speech_acts import Act, read_act, read_sentences

RULE: Final = "rule 2"
"""Who made the questions, as the pairs tell it. Raised when templates or checks change."""

TEMPLATES: Final = (
    "What do you think about {}?",
    "What is your view of {}?",
    "What do you believe about {}?",
    "Where do you stand on {}?",
    "What do people get wrong about {}?",
    "How do you think about {}?",
    "How would you explain {}?",
    "What have you learned about {}?",
    "What should people know about {}?",
    "What do you like to say about {}?",
    "Can you tell us something about {}?",
    "What do you say when somebody brings up {}?",
)
"""For what a host believes, explains, knows, likes to say and says in jest, as the exam asks."""
_MAX_SHARE: Final = 0.02
_MIN_COMMON: Final = 5
"""A phrase in more than two in a hundred passages, and in more than five, is nobody's subject."""
_MAX_RANK: Final = 3
"""At this place or before it must the search find the passage again; of few passages, at the first."""
_MAX_QUESTION_WORDS: Final = 40
MAX_RUN_WORDS: Final = 4
"""Of content words that a question may share with its passage in a row."""
_MAX_PHRASES: Final = 8
_MAX_KEPT_PHRASES: Final = 1 << 18
"""Phrases whose words are remembered: each is asked for some six times."""

Keys: TypeAlias = NDArray[np.uint64]


_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def list_content_words(text: str) -> list[str]:
    """The words of a text that say what it is about, in their order, in small letters."""
    small = word_list("small")
    words = (word.lower().replace("’", "'") for word in _WORD.findall(text))
    return [word for word in words if len(word) > 2 and word not in small]


class MadeQuestion(NamedTuple):
    """A question for a passage, or why there is none."""

    text: str
    reason: str = ""
    """Empty where there is a question."""
    start: int = 0
    """Where in the passage the sentence begins that names what is asked about: the answer."""


class PassageParts(NamedTuple):
    """What is looked up in a passage."""

    words: list[str]
    """That say what it is about."""
    phrases: list[str]
    """Its noun phrases as they can stand in a question."""
    starts: list[int]
    """Where its sentences begin."""


def take_apart(passage: str) -> PassageParts:
    """What is looked up in a passage; nothing of it depends on other passages."""
    starts = [one.start for one in read_sentences(passage)]
    return PassageParts(list_content_words(passage), _list_phrases(passage), starts)


class PassageIndex:
    """The passages of a show, searched by content words and by noun phrases."""

    def __init__(
        self,
        passages: Sequence[str],
        *,
        parts: Sequence[PassageParts] | None = None,
        said: Keys | None = None,
        exam: Sequence[str] = (),
        names: Iterable[str] = (),
    ) -> None:
        """Read the passages.

        Args:
            passages: All of the show's, of every split.
            parts: Of each passage, as `take_apart` gives them, where they are known.
            said: Of everything that is said in the show, as `hash_neighbours` gives it: what stands in it twice is a
                subject sooner.
            exam: Questions that no made question may ask.
            names: Of those who speak; nobody is asked about them.
        """
        self._texts = passages
        self._parts = list(map(take_apart, passages)) if parts is None else parts
        self._words = [one.words for one in self._parts]
        self._phrases = [one.phrases for one in self._parts]
        self._n_holding = Counter(phrase for found in self._phrases for phrase in set(found))
        self._n_said = _count_said(list(self._n_holding), hash_neighbours(()) if said is None else said)
        self._names = {word for name in names for word in list_content_words(name)}
        self._exam = [frozenset(list_content_words(text)) for text in exam]
        self._exam_words = frozenset[str]().union(*self._exam)
        self._scores = _score_words(self._words)

    def make_question(self, place: int, seed: str) -> MadeQuestion:
        """A question for the passage at `place`, from the first of its phrases that passes every check.

        Args:
            seed: Decides between templates, so that a passage gets the same question whatever else is in the show.
        """
        phrases = self._list_subjects(place)
        if not phrases:
            return MadeQuestion("", "no noun phrase of it stands in a few passages of the show")
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])
        template = TEMPLATES[number % len(TEMPLATES)]
        reasons = []
        for phrase in phrases[:_MAX_PHRASES]:
            question = template.format(phrase)
            start = self._find_sentence(place, phrase)
            # Of the templates with a plain phrase a test shows that they ask.
            is_asking = PLAIN_PHRASE.fullmatch(phrase) or _is_question(question)
            reason = _find_lateness(self._texts[place][start:]) or self._find_fault(question, place, bool(is_asking))
            if not reason:
                return MadeQuestion(question, start=start)
            reasons.append(reason)
        return MadeQuestion("", reasons[0])

    def find_fault(self, question: str, place: int) -> str:
        """Why a question may not stand before the passage at `place`; empty where it may."""
        return self._find_fault(question, place, _is_question(question))

    def _find_fault(self, question: str, place: int, is_asking: bool) -> str:
        words = list_content_words(question)
        if not is_asking or len(question.split()) > _MAX_QUESTION_WORDS:
            return f"it is no question of at most {_MAX_QUESTION_WORDS} words"
        if self._is_in_exam(words):
            return "the question asks what the exam asks"
        if _shares_run(words, self._words[place]):
            return f"the question repeats more than {MAX_RUN_WORDS} content words of it in a row"
        rank = self._rank(words, place)
        return (
            ""
            if rank and rank <= min(_MAX_RANK, 1 + len(self._words) // 20)
            else "the question does not find its passage again"
        )

    def _is_in_exam(self, words: Sequence[str]) -> bool:
        """Whether every content word of a question that is no word of a template stands in one question of the exam."""
        own = [word for word in words if word not in _TEMPLATE_WORDS]
        if not own or not self._exam_words.issuperset(own):
            return False
        return any(asked.issuperset(own) for asked in self._exam)

    def _list_subjects(self, place: int) -> list[str]:
        """The phrases that tell the passage from others, the most telling first."""
        most = max(_MIN_COMMON, _MAX_SHARE * len(self._words))
        found = Counter(self._phrases[place])
        worth = {
            phrase: n_times
            * math.log(len(self._words) / self._n_holding[phrase])
            * _count_content(phrase)
            * (2 if self._n_said.get(phrase, 0) > 1 else 1)
            for phrase, n_times in found.items()
            if self._n_holding[phrase] <= most
            and (_count_content(phrase) > 1 or max(self._n_holding[phrase], n_times) > 1)
            and self._is_subject(phrase)
        }
        return sorted(worth, key=lambda phrase: (-worth[phrase], phrase))

    def _is_subject(self, phrase: str) -> bool:
        """Whether a phrase is more than a number, a date or the name of a speaker."""
        words = _list_content(phrase)
        return bool(words) and not all(
            word in self._names or word in word_list("numbers") or word.isdecimal() for word in words
        )

    def _rank(self, words: Sequence[str], place: int) -> int:
        """At which place a search (BM25) for the words finds the passage; 0: not at all."""
        scores = np.zeros(len(self._words))
        for word in dict.fromkeys(words):
            if word in self._scores:
                holders, added = self._scores[word]
                scores[holders] += added
        return 1 + int(np.count_nonzero(scores > scores[place])) if scores[place] else 0

    def _find_sentence(self, place: int, phrase: str) -> int:
        """Where the sentence of a passage begins that says the phrase first."""
        found = next(_find_all(self._texts[place], re.sub(r"^(?:an?|the) ", "", phrase)), -1)
        return max((start for start in self._parts[place].starts if start <= found), default=0)


def _score_words(passages: Sequence[Sequence[str]]) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Word -> the passages that hold it, and what it adds to the score (BM25) of each."""
    holders, n_times = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for place, words in enumerate(passages):
        for word, n in Counter(words).items():
            holders[word].append(place)
            n_times[word].append(n)
    lengths = np.array([len(words) for words in passages])
    mean = float(lengths.mean()) if passages else 1.0
    scores = dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]()
    for word, places in holders.items():
        held, times = np.array(places), np.array(n_times[word])
        rarity = math.log(1 + (len(passages) - len(held) + 0.5) / (len(held) + 0.5))
        scores[word] = held, rarity * times * 2.5 / (times + 1.5 * (0.25 + 0.75 * lengths[held] / mean))
    return scores


def _find_all(text: str, phrase: str) -> Iterator[int]:
    """Where a phrase begins in a text, as whole words, in capitals or not."""
    plain = text.replace("’", "'")
    if not (plain.isascii() and phrase.isascii()):
        yield from (found.start() for found in re.finditer(rf"\b{re.escape(phrase)}\b", plain, re.IGNORECASE))
        return
    # A pattern for each phrase of each passage would take longer to make than to use.
    plain, phrase = plain.lower(), phrase.lower()
    start = plain.find(phrase)
    while start >= 0:
        if _is_edge(plain, start) and _is_edge(plain, start + len(phrase)):
            yield start
        start = plain.find(phrase, start + 1)


def _is_edge(text: str, place: int) -> bool:
    """Whether a word begins or ends at this place of a text of plain letters."""
    before, after = text[place - 1 : place] if place else "", text[place : place + 1]
    return (before.isalnum() or before == "_") != (after.isalnum() or after == "_")


def _find_lateness(rest: str) -> str:
    return "" if len(rest.split()) >= MIN_WORDS else "what could be asked about comes at its end"


_POINTERS: Final = frozenset(
    ("my", "your", "his", "her", "its", "our", "their", "this", "that", "these", "those", "some", "any", "one", "no")
)
_MAX_FOUND: Final = 24


def _list_phrases(text: str) -> list[str]:
    """The noun phrases of a text as they can stand in a question, with the article that the text gives them.

    A single noun that is one of many needs an article. Where the text says `my` or `this`, the question says `the`.
    """
    found = list[str]()
    for phrase in find_noun_phrases(text)[:_MAX_FOUND]:
        article = _find_word_before(text, phrase)
        is_bare = is_plural(phrase.split()[-1].lower()) or phrase[0].isupper()
        if article in ("a", "an", "the") and not (phrase[0].isupper() and article != "the"):
            found.append(f"{article} {phrase}")
        else:
            found.append(phrase if is_bare or article not in _POINTERS else f"the {phrase}")
    return found


def _find_word_before(text: str, phrase: str) -> str:
    """The word before a phrase where one stands there first, in small letters; empty where none does."""
    plain = text.replace("’", "'")
    for start in _find_all(text, phrase):
        if plain[start - 1 : start].isspace() and (before := _LAST_WORD.search(plain[:start].rstrip())):
            return before[0].lower()
    return ""


PLAIN_PHRASE: Final = re.compile(r"[A-Za-z]+(?:[ '-][A-Za-z]+)*")
_LAST_WORD: Final = re.compile(r"[\w']+\Z")


def hash_neighbours(texts: Iterable[str]) -> Keys:
    """A number for each pair of neighbouring content words of each text; the same for the same pair, in every run."""
    return _hash_pairs([list_content_words(text) for text in texts])


def _hash_pairs(texts: Sequence[Sequence[str]]) -> Keys:
    known = _WordHashes()
    hashes = np.fromiter((known[word] for words in texts for word in words), np.uint64)
    is_last = np.zeros(len(hashes), bool)
    is_last[np.cumsum([len(words) for words in texts if words], dtype=np.int64) - 1] = True
    return ((hashes[:-1] * _ODD ^ hashes[1:]) * _ODD)[~is_last[:-1]]


class _WordHashes(dict[str, int]):
    def __missing__(self, word: str) -> int:
        # Not Python's own hash: it differs from run to run.
        self[word] = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
        return self[word]


_ODD: Final = np.uint64(0x9E3779B97F4A7C15)


def _count_said(phrases: Sequence[str], said: Keys) -> dict[str, int]:
    """How often each phrase of two or more content words is said, by the rarest of its pairs of neighbouring words."""
    texts = [words for phrase in phrases if len(words := _list_content(phrase)) > 1]
    if not texts:
        return {}
    wanted, places = np.unique(_hash_pairs(texts), return_inverse=True)
    found = np.minimum(np.searchsorted(wanted, said), len(wanted) - 1)
    counts = np.bincount(found[wanted[found] == said], minlength=len(wanted))[places]
    n_pairs = np.array([len(words) - 1 for words in texts])
    rarest = np.minimum.reduceat(counts, np.cumsum(n_pairs) - n_pairs).tolist()
    return dict(zip((phrase for phrase in phrases if _count_content(phrase) > 1), rarest, strict=True))


@lru_cache(maxsize=_MAX_KEPT_PHRASES)
def _list_content(phrase: str) -> tuple[str, ...]:
    return tuple(list_content_words(phrase))


def _is_question(text: str) -> bool:
    return read_act(text).act == Act.ASKS


def _count_content(phrase: str) -> int:
    return len(_list_content(phrase))


def _shares_run(words: Sequence[str], others: Sequence[str]) -> bool:
    n = MAX_RUN_WORDS + 1
    if len(words) < n:
        return False
    runs = {tuple(others[start : start + n]) for start in range(len(others) - n + 1)}
    return any(tuple(words[start : start + n]) in runs for start in range(len(words) - n + 1))


_TEMPLATE_WORDS: Final = frozenset(word for text in TEMPLATES for word in list_content_words(text.format("")))
