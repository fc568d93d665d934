"""What a host says often, ranked: opinions of subjects, sayings that come again, topics.

How often is counted in episodes. English only.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Final, NamedTuple

from econchatr.ask.statements import (
    MIN_RUN_WORDS,
    HostSentence,
    Opinion,
    Saying,
    find_opinions,
    find_sayings,
    list_content,
)
from econchatr.noun_phrases import find_noun_phrases, is_plural, verb_form, word_list
from econchatr.processes import spread
from econchatr.records import Turn

MIN_EPISODES: Final = 3
"""What comes in fewer episodes is not said often."""
_MAX_SHARE: Final = 0.6
"""What comes in more of a show's episodes is nobody's subject, where the show has ten or more."""
_NAME_SHARE: Final = 0.15
_ARTICLE_SHARE: Final = 0.35
_BEFORE_ONE: Final = frozenset(["a", "an", "the", "your", "my", "our", "this", "that", "their", "his", "her"])
_NO_BEGINNING: Final = frozenset(
    ["that's", "that", "this", "it", "it's", "he", "she", "they", "there", "there's", "and", "so", "but", "because",
     "which", "who", "where", "when", "how", "if", "here", "them", "their", "him", "her", "these", "those"]
)  # fmt: skip
_SMALL_TALK: Final = frozenset(
    ["show", "episode", "podcast", "listeners", "listening", "guest", "welcome", "thank", "thanks", "question",
     "questions", "conversation", "joining", "today", "sponsor", "sponsors", "curious", "appreciate", "guess", "yeah",
     "maybe", "know", "mean", "excited", "sorry", "think", "saying", "describe", "figure"]
)  # fmt: skip
N_PASSAGES: Final = 3
_LOT: Final = 500
"""Sentences that one process looks at in one go: some 50 ms."""
_N_TOPICS: Final = 30
_CLOSED: Final = frozenset[str]().union(
    *map(word_list, ("faint", "adverbs", "prepositions", "determiners", "subjects"))
)


_Lean = Callable[[str], float]


class HostTopic(NamedTuple):
    """What the host often speaks of, whatever he says of it."""

    phrase: str
    """With the article it mostly has."""
    words: str
    """What else he mostly says where he speaks of it."""
    passages: tuple[HostSentence, ...]


class HostMaterial(NamedTuple):
    """What a show's host says."""

    statements: list[HostSentence]
    opinions: list[Opinion]
    """The best of each subject that comes often, the best first."""
    sayings: list[Saying]
    """Whole sentences that come again, the most frequent first."""
    topics: list[HostTopic]
    """Of two words or more, the most frequent first."""


def gather_material(turns: Sequence[Turn], sentences: Sequence[HostSentence], show: str) -> HostMaterial:
    """What a host says often: opinions, sayings and topics, from the sentences and from what guests say less."""
    speakers = frozenset(word for text in (show, *{turn.speaker for turn in turns}) for word in list_content(text))
    names = speakers | _list_names(sentences)
    statements = [said for said in sentences if not said.is_question]
    phrases, every_opinion = _look_at(sentences)
    of_statements = [found for said, found in zip(sentences, phrases, strict=True) if not said.is_question]
    held, stated = _count_episodes(sentences, phrases), _count_episodes(statements, of_statements)
    n_episodes = len({said.slug for said in sentences})
    limit = _MAX_SHARE * n_episodes if n_episodes >= 10 else n_episodes
    groups: dict[str, list[Opinion]] = defaultdict(list)
    for opinion in every_opinion:
        key = _number_free(opinion.subject)
        if len(held[key]) >= MIN_EPISODES and len(stated[key]) <= limit and names.isdisjoint(opinion.subject.split()):
            groups[key].append(opinion)
    lean, articles = _measure_lean(turns, statements), _Articles(sentences)
    scored = []
    for subject, opinions in groups.items():
        kept = [one for one in opinions if one.phrase.lower() != one.subject or not articles.needs(one.subject)]
        if kept:
            best = max(kept, key=lambda opinion: (_rate(opinion), opinion.words))
            score = _rate(best) + 1.5 * min(len({one.said.slug for one in kept}), 5) + lean(subject.split()[-1])
            scored.append((-score - math.log2(len(held[subject])) / 4, subject, best))
    sayings = [one for one in find_sayings(statements, min_episodes=MIN_EPISODES) if _is_whole(one, speakers)]
    topics = [_describe(phrase, statements) for phrase in _list_topics(of_statements, stated, limit, names, lean)]
    return HostMaterial(statements, [best for _, _, best in sorted(scored)], sayings, list(filter(None, topics)))


def _look_at(sentences: Sequence[HostSentence]) -> tuple[list[list[str]], list[Opinion]]:
    """The noun phrases of each sentence, and the opinions in all statements."""
    lots = [sentences[start : start + _LOT] for start in range(0, len(sentences), _LOT)]
    phrases, opinions = list[list[str]](), list[Opinion]()
    for some_phrases, some_opinions in spread(_look_at_lot, lots):
        phrases += some_phrases
        opinions += some_opinions
    return phrases, opinions


def _look_at_lot(sentences: Sequence[HostSentence]) -> tuple[list[list[str]], list[Opinion]]:
    phrases = [find_noun_phrases(said.text) for said in sentences]
    return phrases, list(find_opinions(said for said in sentences if not said.is_question))


def _list_topics(
    phrases: Iterable[Sequence[str]],
    stated: Mapping[str, set[str]],
    limit: float,
    names: frozenset[str],
    lean: _Lean,
) -> list[str]:
    """Given each statement's phrases: those of two words or more that the host says often, and more than the guests."""
    ways: dict[str, Counter[str]] = defaultdict(Counter)
    for phrase in chain.from_iterable(phrases):
        ways[_number_free(phrase.lower())][phrase] += 1
    dull = word_list("faint") | word_list("stock_subjects") | word_list("vague") | names
    found = [
        (-math.log2(len(stated[key])) - sum(map(lean, key.split())) / 2, key)
        for key in ways
        if " " in key and MIN_EPISODES <= len(stated[key]) <= limit and dull.isdisjoint(key.replace("-", " ").split())
    ]
    chosen = [key for _, key in sorted(found)[:_N_TOPICS]]
    return [max(ways[key], key=lambda one: (one.endswith("s"), ways[key][one], one)) for key in chosen]


def _describe(phrase: str, statements: Sequence[HostSentence]) -> HostTopic | None:
    """A topic with what else the host says there; `None` where that is next to nothing."""
    pattern = re.compile(rf"(?:\b(an?|the) )?\b{re.escape(phrase)}\b", re.I)
    plain = phrase.lower()
    told = [(said, found) for said in statements if plain in said.text.lower() and (found := pattern.search(said.text))]
    articles = Counter((found[1] or "").lower() for _, found in told)
    counts = Counter(word for said, _ in told for word in set(list_content(said.text)))
    own = list_stems(phrase)
    ranked = sorted(counts, key=lambda word: (-counts[word], -len(word), word))
    words = [word for word in ranked if len(word) > 3 and word not in _CLOSED and not verb_form(word)]
    words = [word for word in words if not word.endswith("ly") and not list_stems(word) <= own][:3]
    by_episode = {said.slug: said for said, _ in reversed(told) if not set(words).isdisjoint(list_content(said.text))}
    if len(words) < 2:
        return None
    article = max(("a", "an", "the"), key=lambda one: articles[one])
    has_article = not is_plural(phrase.split()[-1]) and 3 * (articles.total() - articles[""]) >= len(told)
    named = f"{article} {phrase}" if has_article else phrase
    return HostTopic(named, ", ".join(words), tuple(by_episode.values())[:N_PASSAGES])


def _count_episodes(sentences: Sequence[HostSentence], phrases: Sequence[Sequence[str]]) -> dict[str, set[str]]:
    """Phrase -> the episodes it comes in, also as the end of a longer one; given the phrases of each sentence."""
    found: dict[str, set[str]] = defaultdict(set)
    for said, own in zip(sentences, phrases, strict=True):
        for phrase in own:
            words = phrase.lower().split()
            for begin in range(len(words)):
                found[_number_free(" ".join(words[begin:]))].add(said.slug)
    return found


def _number_free(phrase: str) -> str:
    """The same for a phrase in the singular and in the plural."""
    return phrase.removesuffix("s")


def _measure_lean(turns: Sequence[Turn], statements: Sequence[HostSentence]) -> _Lean:
    """How much more the host says a word than the guests do, as a power of two from -1 to 1."""
    own = Counter(word for said in statements for word in set(list_content(said.text)))
    others = Counter(word for turn in turns if turn.role == "guest" for word in set(list_content(turn.text)))
    total = math.log2((others.total() + 1) / (own.total() + 1))
    return lambda word: max(-1.0, min(1.0, math.log2((own[word] + 1) / (others[word] + 1)) + total))


def _list_names(sentences: Iterable[HostSentence]) -> frozenset[str]:
    """Words that are written with a capital, and often before another word that is: first names of people."""
    words, firsts = Counter[str](), Counter[str]()
    for said in sentences:
        words.update(re.findall(r"(?<=\w )[A-Za-z]+", said.text))
        firsts.update(re.findall(r"(?<=\w )[A-Z][a-z]+(?= [A-Z][a-z])", said.text))
    return frozenset(
        name.lower()
        for name, n in firsts.items()
        if n > _NAME_SHARE * words[name] and words[name] > words[name.lower()]
    )


class _Articles:
    """How often a word is said, and how often with an article or the like before it."""

    def __init__(self, statements: Iterable[HostSentence]) -> None:
        self._all, self._with = Counter[str](), Counter[str]()
        for said in statements:
            words = said.text.lower().replace(",", "").split()
            self._all.update(words)
            self._with.update(word for before, word in pairwise(words) if before in _BEFORE_ONE)

    def needs(self, subject: str) -> bool:
        """Whether a subject in the singular is mostly said with an article: `CEO`, `process`."""
        first = subject.split()[0]
        return not is_plural(subject.split()[-1]) and self._with[first] > _ARTICLE_SHARE * self._all[first]


def _rate(opinion: Opinion) -> float:
    """How well an opinion stands alone: a bare subject is meant in general, `the` often means one at hand."""
    held = {*list_content(opinion.words)} - {*opinion.subject.split()}
    weight = {"is": 1.0, "does": 1.0, "advice": 1.0, "likes": 0.5, "matter": 2.0}[opinion.form]
    return weight + 2 * (not opinion.phrase.startswith("the ")) + min(len(held), 4) * 0.75


def _is_whole(saying: Saying, names: frozenset[str]) -> bool:
    """Whether a saying is a sentence, has something in it, and is no small talk."""
    sentence, text = saying.said[0].text, bare_saying(saying)
    words = text.lower().split()
    strong = set(list_content(text)) - word_list("vague") - word_list("determiners") - word_list("adverbs")
    if len(words) < MIN_RUN_WORDS or len(strong) < 2 or words[0] in _NO_BEGINNING or "them" in words:
        return False
    if not _SMALL_TALK.isdisjoint(words) or not names.isdisjoint(strong):
        return False
    begins = sentence.startswith(text) or any(f"{mark}{text}" in sentence for mark in ("'", '"', ": ", ", "))
    return begins and sentence.rstrip(" .!…'\"").endswith(text)


def bare_saying(saying: Saying) -> str:
    """A saying without who said it: what stands behind the colon of a quotation."""
    return saying.text.rpartition(": '")[2].strip(" '\"")


def list_stems(text: str) -> set[str]:
    """The words of a text that are no small words, without the endings of number."""
    return {word.removesuffix("s").removesuffix("e") for word in list_content(text)}
