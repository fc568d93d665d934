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
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from econchatr.noun_phrases import find_noun_phrases, is_plural, word_list
from econchatr.pair.passages import MIN_WORDS
from econchatr.speech_acts import Act, read_act, read_sentences

RULE: Final = "rule 2"
"""Who made the questions, as the pairs tell it. Raised when templates or checks change."""

_TEMPLATES: Final = (
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


class PassageIndex:
    """The passages of a show, searched by content words and by noun phrases."""

    def __init__(
        self,
        passages: Sequence[str],
        *,
        speech: Iterable[str] = (),
        exam: Sequence[str] = (),
        names: Iterable[str] = (),
    ) -> None:
        """Read the passages.

        Args:
            passages: All of the show's, of every split.
            speech: Everything that is said in the show: what stands in it twice is a subject sooner.
            exam: Questions that no made question may ask.
            names: Of those who speak; nobody is asked about them.
        """
        self._texts = passages
        self._words = [list_content_words(text) for text in passages]
        self._phrases = [list(_list_phrases(text)) for text in passages]
        self._n_holding = Counter(phrase for found in self._phrases for phrase in set(found))
        self._n_said = _count_said({phrase for found in self._phrases for phrase in found}, speech)
        self._names = {word for name in names for word in list_content_words(name)}
        self._exam = [frozenset(list_content_words(text)) for text in exam]
        self._holders = defaultdict[str, list[int]](list)
        for place, words in enumerate(self._words):
            for word in set(words):
                self._holders[word].append(place)
        self._mean_words = sum(map(len, self._words)) / len(self._words) if self._words else 1.0

    def make_question(self, place: int, seed: str) -> MadeQuestion:
        """A question for the passage at `place`, from the first of its phrases that passes every check.

        Args:
            seed: Decides between templates, so that a passage gets the same question whatever else is in the show.
        """
        phrases = self._list_subjects(place)
        if not phrases:
            return MadeQuestion("", "no noun phrase of it stands in a few passages of the show")
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])
        template = _TEMPLATES[number % len(_TEMPLATES)]
        reasons = []
        for phrase in phrases[:_MAX_PHRASES]:
            question = template.format(phrase)
            start = _find_sentence(self._texts[place], phrase)
            if not (reason := _find_lateness(self._texts[place][start:]) or self.find_fault(question, place)):
                return MadeQuestion(question, start=start)
            reasons.append(reason)
        return MadeQuestion("", reasons[0])

    def find_fault(self, question: str, place: int) -> str:
        """Why a question may not stand before the passage at `place`; empty where it may."""
        words = list_content_words(question)
        if read_act(question).act != Act.ASKS or len(question.split()) > _MAX_QUESTION_WORDS:
            return f"it is no question of at most {_MAX_QUESTION_WORDS} words"
        if any(words and _is_about(words, asked) for asked in self._exam):
            return "the question asks what the exam asks"
        if _shares_run(words, self._words[place]):
            return f"the question repeats more than {MAX_RUN_WORDS} content words of it in a row"
        rank = self._rank(words, place)
        return (
            ""
            if rank and rank <= min(_MAX_RANK, 1 + len(self._words) // 20)
            else "the question does not find its passage again"
        )

    def _list_subjects(self, place: int) -> list[str]:
        """The phrases that tell the passage from others, the most telling first."""
        most = max(_MIN_COMMON, _MAX_SHARE * len(self._words))
        found = Counter(self._phrases[place])
        worth = {
            phrase: n_times
            * math.log(len(self._words) / self._n_holding[phrase])
            * _count_content(phrase)
            * (2 if self._n_said[phrase] > 1 else 1)
            for phrase, n_times in found.items()
            if self._n_holding[phrase] <= most
            and (_count_content(phrase) > 1 or max(self._n_holding[phrase], n_times) > 1)
            and self._is_subject(phrase)
        }
        return sorted(worth, key=lambda phrase: (-worth[phrase], phrase))

    def _is_subject(self, phrase: str) -> bool:
        """Whether a phrase is more than a number, a date or the name of a speaker."""
        words = list_content_words(phrase)
        return bool(words) and not all(
            word in self._names or word in word_list("numbers") or word.isdecimal() for word in words
        )

    def _rank(self, words: Sequence[str], place: int) -> int:
        """At which place a search (BM25) for the words finds the passage; 0: not at all."""
        scores = defaultdict[int, float](float)
        n_all = len(self._words)
        for word in set(words):
            holders = self._holders.get(word, [])
            rarity = math.log(1 + (n_all - len(holders) + 0.5) / (len(holders) + 0.5))
            for holder in holders:
                said = self._words[holder]
                n_times = said.count(word)
                scores[holder] += (
                    rarity * n_times * 2.5 / (n_times + 1.5 * (0.25 + 0.75 * len(said) / self._mean_words))
                )
        if place not in scores:
            return 0
        return 1 + sum(score > scores[place] for score in scores.values())


def _find_sentence(text: str, phrase: str) -> int:
    """Where the sentence begins that says the phrase first."""
    bare = re.sub(r"^(?:an?|the) ", "", phrase)
    found = re.search(rf"\b{re.escape(bare)}\b", text.replace("’", "'"), re.IGNORECASE)
    starts = [one.start for one in read_sentences(text) if found and one.start <= found.start()]
    return max(starts, default=0)


def _find_lateness(rest: str) -> str:
    return "" if len(rest.split()) >= MIN_WORDS else "what could be asked about comes at its end"


_POINTERS: Final = frozenset(
    ("my", "your", "his", "her", "its", "our", "their", "this", "that", "these", "those", "some", "any", "one", "no")
)
_MAX_FOUND: Final = 24


def _list_phrases(text: str) -> Iterator[str]:
    """The noun phrases of a text as they can stand in a question, with the article that the text gives them.

    A single noun that is one of many needs an article. Where the text says `my` or `this`, the question says `the`.
    """
    plain = text.replace("’", "'")
    for phrase in find_noun_phrases(text)[:_MAX_FOUND]:
        before = re.search(rf"([\w']+)\s+{re.escape(phrase)}\b", plain, re.IGNORECASE)
        article = before[1].lower() if before else ""
        is_bare = is_plural(phrase.split()[-1].lower()) or phrase[0].isupper()
        if article in ("a", "an", "the") and not (phrase[0].isupper() and article != "the"):
            yield f"{article} {phrase}"
        elif is_bare or article not in _POINTERS:
            yield phrase
        else:
            yield f"the {phrase}"


def _count_said(phrases: Collection[str], texts: Iterable[str]) -> Counter[str]:
    """How often each phrase of two or more content words is said, by the rarest of its pairs of neighbouring words."""
    pairs = {phrase: list(pairwise(list_content_words(phrase))) for phrase in phrases}
    wanted = {pair for found in pairs.values() for pair in found}
    counts = Counter(pair for text in texts for pair in pairwise(list_content_words(text)) if pair in wanted)
    return Counter({phrase: min(counts[pair] for pair in found) for phrase, found in pairs.items() if found})


def _is_about(words: Sequence[str], asked: Collection[str]) -> bool:
    """Whether every content word of a question that is no word of a template stands in a question of the exam."""
    own = [word for word in words if word not in _TEMPLATE_WORDS]
    return bool(own) and all(word in asked for word in own)


def _count_content(phrase: str) -> int:
    return len(list_content_words(phrase))


def _shares_run(words: Sequence[str], others: Sequence[str]) -> bool:
    n = MAX_RUN_WORDS + 1
    runs = {tuple(others[start : start + n]) for start in range(len(others) - n + 1)}
    return any(tuple(words[start : start + n]) in runs for start in range(len(words) - n + 1))


_TEMPLATE_WORDS: Final = frozenset(word for text in _TEMPLATES for word in list_content_words(text.format("")))
