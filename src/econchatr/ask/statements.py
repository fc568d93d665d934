"""What a host states, told by form: opinions with what they are about, and sayings that come again.

English only. Who speaks, and what is an advertisement, was settled before: this module gets turns, and reads words.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from econchatr.noun_phrases import find_noun_phrases, is_plural, verb_form, word_list
from econchatr.records import Turn

OpinionForm = Literal["is", "does", "advice", "likes"]
"""What the subject is; what it does; what one can or should do about it; that the host likes it, or does not."""

_SKIPPED: Final = frozenset(["advertisement", "intro", "outro", "garbled", "unclear", "repeat", "cold-open"])
_NOTE: Final = re.compile(r"\\?\[[^\]]*\]|\((?:laughs?|laughter|laughing)\)", re.I)
_LAUGH: Final = re.compile(r"\\?[\[(](?:\w+ )?(?:laugh|chuckl)\w*[^\])]{0,20}[\])]", re.I)
_LAUGHTER: Final = "\N{LATIN SMALL LETTER TURNED R WITH LONG LEG}"
"""Stands for a note of laughter; no transcript in English has the letter."""
_SENTENCE: Final = re.compile(rf"[^.!?…]+(?:[.!?…]+[\"”']*(?: ?{_LAUGHTER})?|$)")
_OPENING: Final = re.compile(
    r"^(?:(?:and|so|but|or|well|yeah|yes|no|right|okay|ok|because|like|now|then|oh|actually|basically|honestly|also|"
    r"just|you know|i mean|you see|again|plus|look|listen|um|uh|maybe|obviously|exactly|really|even|of course)\b[, ]*)+",
    re.I,
)
_STANCE: Final = re.compile(
    r"\b(?:i (?:\w+ )?(?:think|believe|feel like|feel|find|found|would say|would argue|say|know|guess|suppose)(?: that)?"
    r"|i'd (?:say|argue)(?: that)?|the (?:truth|fact|reality|point) (?:is|being)(?: that)?|it turns out(?: that)?"
    r"|my (?:view|opinion|take|belief|advice) is(?: that)?|in my (?:opinion|view|mind|experience)|to me|for me)\b[, ]*",
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
    r"^(?:(?:you|we|people|everybody|nobody|everyone|most people) (?:\w+ly |just |still |really )*(?:can't|cannot|should|"
    r"shouldn't|must|have to|need to|never|always|tend to|don't need|don't have to)|(?:never|always|don't) (?!ever|know|"
    r"have|think|get|even|really|mind|worry)\w+)\b",
    re.I,
)
_POINTING: Final = frozenset(
    [
        "i",
        "i'm",
        "i've",
        "i'd",
        "i'll",
        "me",
        "my",
        "mine",
        "he",
        "he's",
        "she",
        "she's",
        "his",
        "her",
        "him",
        "this",
        "that",
        "that's",
        "these",
        "those",
        "here",
        "there",
        "there's",
        "it",
        "it's",
        "today",
        "yesterday",
        "tonight",
        "our",
        "they",
        "they're",
        "their",
        "them",
        "whatever",
        "yeah",
        "uh",
        "um",
        "gonna",
        "ago",
        "said",
        "another",
        "first",
        "next",
        "saying",
        "talking",
        "now",
        "themselves",
        "itself",
        "going",
    ]
)
"""Words that point at something outside the sentence, or at somebody who is present."""
_FAINT: Final = frozenset(
    [
        "interesting",
        "great",
        "good",
        "cool",
        "awesome",
        "amazing",
        "example",
        "thing",
        "things",
        "huge",
        "big",
        "fun",
        "lot",
        "kind",
        "sort",
        "way",
        "time",
        "bit",
        "nice",
        "weird",
        "able",
        "going",
        "really",
        "actually",
        "probably",
        "definitely",
        "obviously",
        "pretty",
        "much",
        "different",
        "better",
        "lots",
        "little",
        "other",
        "have",
        "been",
        "very",
        "quite",
        "always",
        "never",
        "also",
        "still",
        "even",
        "just",
        "maybe",
        "something",
        "anything",
        "everything",
        "someone",
        "wonderful",
        "incredible",
        "fantastic",
        "hard",
        "easy",
        "crazy",
        "people",
        "make",
        "makes",
        "take",
        "takes",
        "want",
        "need",
        "needs",
        "means",
        "called",
    ]
)
"""Words that a predicate may not consist of alone."""
_ASKING: Final = frozenset(["who", "what", "which", "whose", "where", "how", "if", "when"])
_NOT_PLAIN: Final = re.compile(r"[\"“”()\[\]\d/@]|\b(?:kind|sort) of\b", re.I)
_WORD: Final = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_MIN_CLAUSE, _MAX_CLAUSE = 5, 17
MIN_RUN_WORDS: Final = 5


class Said(NamedTuple):
    """One sentence of the host that states something."""

    slug: str
    position: int
    """Of the turn, in its episode."""
    text: str
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
    said: Said


def list_statements(turns: Sequence[Turn], *, host: str = "") -> list[Said]:
    """The sentences in which a host states something, notes of the transcript taken out.

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
        found += [Said(turn.slug, turn.position, *sentence) for sentence in _split_statements(text)]
    return found


def _split_statements(text: str) -> Iterator[tuple[str, bool]]:
    """Sentences that are no questions, and whether somebody laughs at each."""
    plain = _NOTE.sub(" ", _LAUGH.sub(_LAUGHTER, html.unescape(text).replace("’", "'")))
    for sentence in _SENTENCE.findall(" ".join(plain.split())):
        stripped = sentence.replace(_LAUGHTER, "").strip()
        if "?" not in stripped[-3:] and len(stripped.split()) >= 4:
            yield stripped, _LAUGHTER in sentence


# --- opinions ---------------------------------------------------------------------------------------------------------


def find_opinions(statements: Iterable[Said]) -> Iterator[Opinion]:
    """What the host says of subjects, sentence by sentence."""
    for said in statements:
        for clause in _list_clauses(said.text):
            opinion = _read_liking(clause, said) or _read_predicate(clause, said) or _read_advice(clause, said)
            if opinion:
                yield opinion


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


def _read_predicate(clause: str, said: Said) -> Opinion | None:
    """An opinion whose subject stands first: `surveys tell you who answers surveys`."""
    words = clause.lower().split()
    if len(words) < 4 or words[0] in _ASKING or not _POINTING.isdisjoint(words) or not _ends_well(words):
        return None
    phrases = find_noun_phrases(clause)
    if not phrases:
        return None
    before, _, after = clause.partition(phrases[0])
    article = before.strip().lower()
    if article not in ("", "a", "an", "the", "every", "most", "any", "all", "no", "good") or not after:
        return None
    words_after = [word for word in after.lower().split() if not _is_adverb(word)]
    verb, *rest = [*words_after, ""][:3]
    is_copula = verb in ("is", "are", "isn't", "aren't") and verb_form(rest[0] if rest else "") != "ing"
    does = verb_form(verb) == ("plain" if is_plural(phrases[0].split()[-1].lower()) else "s")
    if not (is_copula or does or verb in ("can", "can't", "cannot", "should", "shouldn't", "must", "doesn't", "don't")):
        return None
    predicate = " ".join(after.split())
    if is_copula:
        predicate = re.sub(
            r"^(.*?)\b(?:is|are)\b ?", r"\1", re.sub(r"\b(?:isn't|aren't)\b", "are not", predicate, 1), 1
        )
    phrase = phrases[0] if article not in ("a", "an", "the") else f"{article} {phrases[0]}"
    return _make(phrases[0], phrase, "is" if is_copula else "does", predicate, said)


def _read_advice(clause: str, said: Said) -> Opinion | None:
    """What one can or should do: `you can't trust the network`."""
    words = clause.lower().split()
    if (
        len(words) < _MIN_CLAUSE
        or not _ADVICE.match(clause)
        or not _POINTING.isdisjoint(words)
        or not _ends_well(words)
    ):
        return None
    for phrase in find_noun_phrases(clause):
        before = clause.partition(phrase)[0].lower().split()
        article = before[-1] if before and before[-1] in ("a", "an", "the") else ""
        return _make(phrase, f"{article} {phrase}".strip(), "advice", clause, said)
    return None


def _read_liking(clause: str, said: Said) -> Opinion | None:
    """What the host likes or does not: `I love sales`."""
    found = _LIKING.match(clause)
    if not found:
        return None
    what = found["what"]
    phrases = find_noun_phrases(f"of {what}")
    if not phrases or not what.lower().startswith(phrases[0].lower()):
        return None
    return _make(phrases[0], phrases[0], "likes", clause, said)


def _make(subject: str, phrase: str, form: OpinionForm, words: str, said: Said) -> Opinion | None:
    """The opinion, unless it says nothing."""
    own = set(subject.lower().split())
    held = {word for word in list_content(words) if word not in own and word not in _FAINT}
    is_name = any(word[0].isupper() and not any(letter.isupper() for letter in word[1:]) for word in subject.split())
    if is_name or own & word_list("stock_subjects") or len(held) < (2 if form in ("does", "advice") else 1):
        return None
    return Opinion(subject.lower(), phrase, form, words, said)


def list_content(text: str) -> list[str]:
    """The words of a text that are no small words, folded."""
    return [word for word in _WORD.findall(text.lower()) if word not in word_list("small") and len(word) > 2]


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
    said: tuple[Said, ...]
    """A sentence for each episode that has it."""


def find_sayings(statements: Sequence[Said], *, min_episodes: int) -> list[Saying]:
    """Runs of at least five words that come in so many episodes; the most frequent first, and no run inside another."""
    tokens = [[(m.start(), m.end(), m[0].lower()) for m in _WORD.finditer(said.text)] for said in statements]
    slugs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for said, words in zip(statements, tokens, strict=True):
        for gram in _grams([word for _, _, word in words]):
            slugs[gram].add(said.slug)
    common = {gram for gram, held in slugs.items() if len(held) >= min_episodes}
    runs: dict[tuple[str, ...], dict[str, tuple[Said, str]]] = defaultdict(dict)
    for said, words in zip(statements, tokens, strict=True):
        folded = [word for _, _, word in words]
        for begin, end in _join_runs(folded, common):
            text = said.text[words[begin][0] : words[end - 1][1]]
            runs[tuple(folded[begin:end])].setdefault(said.slug, (said, text))
    found = [
        Saying(words, next(iter(held.values()))[1], tuple(said for said, _ in held.values()))
        for words, held in runs.items()
        if len(held) >= min_episodes
    ]
    return sorted(found, key=lambda saying: (-len(saying.said), -len(saying.words), saying.words))


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
