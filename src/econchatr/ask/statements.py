"""What a host states, told by form: opinions with what they are about, and sayings that come again.

English only. Who speaks, and what is an advertisement, was settled before: this module gets turns, and reads words.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from typing import Final, Literal, NamedTuple

import numpy as np

from econchatr.noun_phrases import find_noun_phrases, is_plural, verb_form, word_list
from econchatr.records import Turn

OpinionForm = Literal["is", "does", "advice", "likes", "matter"]
"""What the subject is; what it does; what one can or should do about it; that the host likes it, or does not; what the
problem, the secret, the best part of it is."""

_SKIPPED: Final = frozenset(["advertisement", "intro", "outro", "garbled", "unclear", "repeat", "cold-open"])
_NOTE: Final = re.compile(r"\\?\[[^\]]*\]|\((?:laughs?|laughter|laughing)\)", re.I)
_LAUGH: Final = re.compile(r"\\?[\[(](?:\w+ )?(?:laugh|chuckl)\w*[^\])]{0,20}[\])]", re.I)
_LAUGHTER: Final = "\N{LATIN SMALL LETTER TURNED R WITH LONG LEG}"
"""Stands for a note of laughter; no transcript in English has the letter."""
_SENTENCE: Final = re.compile(rf"[^.!?…]+(?:[.!?…]+[\"”']*(?: ?{_LAUGHTER})?|$)")
# More words than those that a training pair leaves off (`pair/passages.py`): what follows here need be no sentence.
_OPENING: Final = re.compile(
    r"^(?:(?:and|so|but|or|well|yeah|yes|no|right|okay|ok|because|like|now|then|oh|actually|basically|honestly|"
    r"also|just|you know|i mean|you see|again|plus|look|listen|um|uh|maybe|obviously|exactly|really|even|of course)"
    r"\b[, ]*)+",
    re.I,
)
_STANCE: Final = re.compile(
    r"\b(?:i (?:\w+ )?(?:think|believe|feel like|feel|find|found|would say|would argue|say|know|guess|suppose)"
    r"(?: that)?|"
    r"i'd (?:say|argue)(?: that)?|the (?:truth|fact|reality|point|thing) (?:is|being)(?: that)?|it turns out(?: that)?|"
    r"(?:that's|which is) why|(?:which|it) means(?: that)?|my (?:view|opinion|take|belief|advice) is(?: that)?|"
    r"in my (?:opinion|view|mind|experience)|to me|for me)\b[, ]*",
    re.I,
)
_CLAUSE_END: Final = re.compile(
    r"\s*(?:[,;:—–]|--|\.\.\.)\s*|\s-\s|\s(?:and|or|but|so|because|although|though|which)\s"
)
_LIKING: Final = re.compile(
    r"^i(?:'m)? (?:(?:really|do|just|always|still|definitely|personally|absolutely|truly|totally|very|much|don't|not|a|"
    r"big|huge|never|also) )*(?P<verb>love|like|hate|prefer|trust|enjoy|dislike|appreciate|admire|believe in|fan of|"
    r"care about|worry about|skeptical of|fascinated by|drawn to|tired of|afraid of) (?P<what>.*)",
    re.I,
)
_ADVICE: Final = re.compile(
    r"^(?:(?:you|we|people|everybody|nobody|everyone|most people) (?:\w+ly |just |still |really )*(?:can't|cannot|"
    r"should|shouldn't|must|have to|need to|never|always|tend to|don't need|don't have to)|"
    r"(?:never|always|don't) (?!ever|know|have|think|get|even|really|mind|worry)\w+)\b",
    re.I,
)
_MATTER: Final = re.compile(
    r"^(?P<matter>the (?:\w+ ){0,2}(?:problem|trouble|thing|beauty|secret|challenge|danger|key|power|benefit|downside|"
    r"advantage|reason|value|point|goal|hardest part|best part|hard part) (?:with|about|of|to|in|for)) "
    r"(?P<what>(?:an? |the )?(?:\w+ ){0,2}\w+) (?:is|are) (?:that |to )?(?P<words>.+)",
    re.I,
)
_COPULA: Final = re.compile(r"\b(?:isn't|aren't|is|are)\b")
_ARTICLES: Final = frozenset(["", "a", "an", "the", "every", "most", "any", "all", "no", "good"])
_ASKING: Final = frozenset(["who", "what", "which", "whose", "where", "how", "if", "when"])
_NOT_PLAIN: Final = re.compile(r"[\"“”()\[\]\d/@]|\b(?:kind|sort) of\b", re.I)
_WORD: Final = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_MIN_CLAUSE, _MAX_CLAUSE = 5, 17
MIN_RUN_WORDS: Final = 5


_MIN_REPLAYED_WORDS: Final = 25
"""Fewer words that always come together may be one long saying."""


class HostSentence(NamedTuple):
    """One sentence of the host."""

    slug: str
    position: int
    """Of the turn, in its episode."""
    text: str
    is_question: bool = False
    is_joke: bool = False
    """Whether somebody laughs at it, by the transcript's own notes."""


class Opinion(NamedTuple):
    """What the host says of a subject that whoever listens understands without the rest."""

    subject: str
    """In small letters, without its article."""
    phrase: str
    """The subject with the article it is named with: `a pilot study`, `surveys`."""
    form: OpinionForm
    words: str
    """What is said of it: `a dress rehearsal with a kind audience`, `tell you who answers surveys`."""
    said: HostSentence


def list_sentences(turns: Sequence[Turn], *, host: str = "") -> list[HostSentence]:
    """The sentences of a host, notes of the transcript, advertisements and introductions taken out.

    Args:
        host: Only this one of several hosts; empty: every host.
    """
    found = []
    for turn, after in zip(turns, [*turns[1:], None], strict=True):
        if turn.role != "host" or (host and turn.speaker != host):
            continue
        flags = turn.list_flags()
        if any(flag.kind in _SKIPPED and flag.start is None for flag in flags):
            continue
        text = turn.text
        for flag in flags:
            if flag.kind in _SKIPPED and flag.start is not None:
                text = text[: flag.start] + " " * ((flag.end or len(text)) - flag.start) + text[flag.end :]
        if after and after.slug == turn.slug and _LAUGH.match(after.text):
            text += _LAUGHTER
        found += [HostSentence(turn.slug, turn.position, *sentence) for sentence in _split_sentences(text)]
    return found


def _split_sentences(text: str) -> Iterator[tuple[str, bool, bool]]:
    """Sentences of four words or more, whether each asks, and whether somebody laughs at it."""
    plain = _NOTE.sub(" ", _LAUGH.sub(_LAUGHTER, html.unescape(text).replace("’", "'")))
    for sentence in _SENTENCE.findall(" ".join(plain.split())):
        stripped = sentence.replace(_LAUGHTER, "").strip()
        if len(stripped.split()) >= 4:
            yield stripped, "?" in stripped[-3:], _LAUGHTER in sentence


# --- opinions ---------------------------------------------------------------------------------------------------------


def find_opinions(statements: Iterable[HostSentence]) -> Iterator[Opinion]:
    """What the host says of subjects, sentence by sentence."""
    for said in statements:
        for clause in _list_clauses(said.text):
            readers = (_read_matter, _read_liking, _read_predicate, _read_advice)
            yield from [opinion for reader in readers if (opinion := reader(clause, said))][:1]


def _list_clauses(sentence: str) -> Iterator[str]:
    """The clauses of a sentence, each from where it takes up its subject, without what only begins it."""
    for part in _CLAUSE_END.split(sentence):
        clause = _OPENING.sub("", part.strip())
        for stance in _STANCE.finditer(clause):
            if not _LIKING.match(clause):
                clause = _OPENING.sub("", clause[stance.end() :])
                break
        clause = clause.strip(" .!…'")
        words = clause.lower().split()
        if 3 <= len(words) <= _MAX_CLAUSE and not _NOT_PLAIN.search(clause):
            yield clause


def _read_predicate(clause: str, said: HostSentence) -> Opinion | None:
    """An opinion whose subject stands first: `surveys tell you who answers surveys`."""
    words = clause.lower().split()
    if len(words) < 4 or words[0] in _ASKING or not word_list("present").isdisjoint(words) or not _ends_well(words):
        return None
    phrases = find_noun_phrases(clause)
    before, phrase, after = clause.partition(phrases[0]) if phrases else ("", "", "")
    article = before.strip().lower()
    if not phrase or article not in _ARTICLES:
        return None
    follows = [word for word in after.lower().split() if not _is_adverb(word)]
    verb, follower = [*follows, "", ""][:2]
    copula = _COPULA.search(after) if verb in ("is", "are", "isn't", "aren't") else None
    if copula and verb_form(follower) != "ing" and follower not in ("in", "at", "on", "for", "with"):
        predicate = f"{after[: copula.start()]} {'not ' * copula[0].endswith('t')}{after[copula.end() :]}"
        form: OpinionForm = "is"
    elif _is_verb(verb, follower, is_after_plural=is_plural(phrase.split()[-1].lower())):
        predicate, form = after, "does"
    else:
        return None
    named = f"{article} {phrase}" if article in ("a", "an", "the") else phrase
    return _make(phrase, named, form, " ".join(predicate.split()), said)


def _is_verb(word: str, after: str, *, is_after_plural: bool) -> bool:
    """Whether a word behind a subject is surely a verb in the present."""
    if word in ("can", "can't", "cannot", "should", "shouldn't", "must", "doesn't", "don't"):
        return True
    if word in ("has", "have"):
        return after in word_list("determiners") or after == "to"
    if verb_form(word) != ("plain" if is_after_plural else "s"):
        return False
    is_noun_too = word in word_list("noun_verbs") or word.removesuffix("s") in word_list("noun_verbs")
    closed = ("determiners", "prepositions", "adverbs")
    return not is_noun_too or after in ("you", "to") or any(after in word_list(name) for name in closed)


def _read_matter(clause: str, said: HostSentence) -> Opinion | None:
    """What the matter with a subject is: `the problem with averages is that nobody is average`."""
    found = _MATTER.match(clause)
    words = clause.lower().split()
    if not found or not word_list("present").isdisjoint(words) or not _ends_well(words):
        return None
    phrases = find_noun_phrases(f"of {found['what']}")
    if not phrases or re.sub(r"^(?:an?|the) ", "", found["what"]) != phrases[0]:
        return None
    return _make(phrases[0], f"{found['matter'].lower()} {found['what']}", "matter", found["words"], said)


def _read_advice(clause: str, said: HostSentence) -> Opinion | None:
    """What one can or should do: `you can't trust the network`."""
    words = clause.lower().split()
    if (
        len(words) < _MIN_CLAUSE
        or not _ADVICE.match(clause)
        or not word_list("pointing").isdisjoint(words)
        or not _ends_well(words)
    ):
        return None
    for phrase in find_noun_phrases(clause):
        before = clause.partition(phrase)[0].lower().split()
        article = before[-1] if before and before[-1] in ("a", "an", "the") else ""
        return _make(phrase, f"{article} {phrase}".strip(), "advice", clause, said)
    return None


def _read_liking(clause: str, said: HostSentence) -> Opinion | None:
    """What the host likes or does not: `I love sales`."""
    found = _LIKING.match(clause)
    if not found:
        return None
    what = found["what"]
    phrases = find_noun_phrases(f"of {what}")
    if not phrases or not what.lower().startswith(phrases[0].lower()):
        return None
    return _make(phrases[0], phrases[0], "likes", clause, said)


def _make(subject: str, phrase: str, form: OpinionForm, words: str, said: HostSentence) -> Opinion | None:
    """The opinion, unless it says nothing."""
    own = set(subject.lower().split())
    held = {word for word in list_content(words) if word not in own and word not in word_list("faint")}
    if own & word_list("stock_subjects") or len(held) < (2 if form in ("does", "advice", "matter") else 1):
        return None
    return Opinion(subject.lower(), phrase, form, words, said)


def list_content(text: str) -> list[str]:
    """The words of a text that are no small words, folded."""
    return [word for word in _WORD.findall(text.lower()) if word not in word_list("small") and len(word) > 1]


def _is_adverb(word: str) -> bool:
    return word in word_list("adverbs") or word.endswith("ly")


def _ends_well(words: Sequence[str]) -> bool:
    """Whether a clause does not break off."""
    last = words[-1]
    closed = ("determiners", "prepositions", "subjects", "modals", "auxiliaries")
    return last not in ("to", "and", "or", "if", "when", "just", "very") and not any(
        last in word_list(n) for n in closed
    )


# --- sayings ----------------------------------------------------------------------------------------------------------


class Saying(NamedTuple):
    """Words that the host says again and again, as one of the sentences has them."""

    words: tuple[str, ...]
    """Folded."""
    text: str
    """As said."""
    said: tuple[HostSentence, ...]
    """A sentence for each episode that has it."""


def find_sayings(statements: Sequence[HostSentence], *, min_episodes: int) -> list[Saying]:
    """Runs of at least five words that come in so many episodes; the most frequent first, and no run inside another."""
    likely = _find_likely(statements, min_episodes)
    slugs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    tokens = [[(m.start(), m.end(), m[0].lower()) for m in _WORD.finditer(said.text)] for said in likely]
    for said, words in zip(likely, tokens, strict=True):
        for gram in _grams([word for _, _, word in words]):
            slugs[gram].add(said.slug)
    common = {gram for gram, held in slugs.items() if len(held) >= min_episodes}
    runs: dict[tuple[str, ...], dict[str, tuple[HostSentence, str]]] = defaultdict(dict)
    for said, words in zip(likely, tokens, strict=True):
        folded = [word for _, _, word in words]
        for begin, end in _join_runs(folded, common):
            text = said.text[words[begin][0] : words[end - 1][1]]
            runs[tuple(folded[begin:end])].setdefault(said.slug, (said, text))
    found = [
        Saying(words, next(iter(held.values()))[1], tuple(said for said, _ in held.values()))
        for words, held in runs.items()
        if len(held) >= min_episodes
    ]
    return sorted(_drop_replayed(found), key=lambda saying: (-len(saying.said), -len(saying.words), saying.words))


def _drop_replayed(sayings: Sequence[Saying]) -> Iterator[Saying]:
    """Leave out what always comes with other sayings in the very same turns: a passage that is played again."""
    by_turns = defaultdict[frozenset[tuple[str, int]], list[Saying]](list)
    for saying in sayings:
        by_turns[frozenset((said.slug, said.position) for said in saying.said)].append(saying)
    for alike in by_turns.values():
        if len(alike) == 1 or sum(len(saying.words) for saying in alike) < _MIN_REPLAYED_WORDS:
            yield from alike


def _find_likely(statements: Sequence[HostSentence], n_times: int) -> list[HostSentence]:
    """The sentences that hold a run of five words which comes so often, in whatever episodes.

    By columns of numbers: the runs of a whole show as tuples would take most of the time and of the memory.
    """
    import polars as pl

    numbers = defaultdict[str, int](count().__next__)
    words = [[numbers[word.lower()] for word in _WORD.findall(said.text)] for said in statements]
    n_runs = np.array([max(0, len(own) - MIN_RUN_WORDS + 1) for own in words], np.int64)
    flat = np.fromiter(chain.from_iterable(words), np.uint32)
    starts = np.cumsum([0, *map(len, words)])[:-1]
    places = np.repeat(starts - np.cumsum(n_runs) + n_runs, n_runs) + np.arange(n_runs.sum())
    runs = pl.DataFrame({f"word {shift}": flat[places + shift] for shift in range(MIN_RUN_WORDS)})
    is_often = runs.select(pl.len().over(*runs.columns) >= n_times).to_series().to_numpy()
    likely = np.unique(np.repeat(np.arange(len(words)), n_runs)[is_often])
    return [statements[place] for place in likely.tolist()]


def _grams(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(words[i : i + MIN_RUN_WORDS]) for i in range(len(words) - MIN_RUN_WORDS + 1))


def _join_runs(words: Sequence[str], common: set[tuple[str, ...]]) -> Iterator[tuple[int, int]]:
    """Where the longest runs of common five-word sequences begin and end."""
    begin = end = -1
    for place, gram in enumerate(_grams(words)):
        if gram not in common:
            continue
        if begin >= 0 and place <= end - MIN_RUN_WORDS + 1:
            end = place + MIN_RUN_WORDS
            continue
        if begin >= 0:
            yield begin, end
        begin, end = place, place + MIN_RUN_WORDS
    if begin >= 0:
        yield begin, end
