"""Noun phrases of English speech, found by form: word lists, endings, and what stands before and after.

There is no model and no tagger. What is in doubt is left out: a missed phrase costs less than a fragment such as "point
he's". Languages other than English give nothing of use.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import Final, Literal

_Left = Literal["start", "noun", "verb", "subject", "be", "to", "this"]
"""What stands before some words: nothing to go by; what a noun follows; what an object follows; who does something; a
form of be or have; "to"; "this" or "that"."""

_TOKEN: Final = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*|[^\w\s]+")
_FILLER: Final = re.compile(
    r"\b(?:you know|i mean|(?:a )?(?:kind|sort) of(?: an?)?|of course|at least|at all|for example|for instance)\b", re.I
)
_QUANTITY: Final = re.compile(
    r"\ba (?:\w+ )?(?:lot|bit|couple|bunch|number|handful|ton|series|piece|type|group|set) of\b", re.I
)
_ADJECTIVE_END: Final = re.compile(r"(?:able|ible|ful|less|ous|ish|like|est|ive|al|ic|ary)$")
_VERB_END: Final = re.compile(r".{3}(?:ize|ise|ify|ates?|izes|ifies)$")
_MAX_WORDS: Final = 4
_N_KEPT: Final = 1 << 17
"""Words whose answer is remembered: a show says each of them hundreds of times."""


@cache
def word_list(name: str) -> frozenset[str]:
    """One list of `word_lists.toml`, in small letters."""
    text = resources.files("econchatr").joinpath("word_lists.toml").read_text(encoding="utf-8")
    return frozenset(tomllib.loads(text)[name].split())


def find_noun_phrases(text: str) -> list[str]:
    """The noun phrases of an English text, in its order, each as long as it goes; one that stands twice is given twice.

    Articles are left out, and small letters are used but in names: `The quick fix in Linux is a lie.` gives `quick
    fix`, `Linux`, `lie`. Two that `of` joins are one: `fear of failure`. Phrases that say nothing (`thing`, `a lot`),
    pronouns and what may be a verb are left out.
    """
    found: list[str] = []
    is_joined = is_last = False
    for phrase in _scan(_QUANTITY.sub("some", _FILLER.sub(",", text.replace("’", "'")))):
        if phrase == "of":
            is_joined, is_last = is_last, False
        elif phrase:
            if is_joined and len(found[-1].split()) + len(phrase.split()) < _MAX_WORDS:
                found[-1] = f"{found[-1]} of {phrase}"
            else:
                found.append(phrase)
            is_joined, is_last = False, True
        else:
            is_joined = is_last = False
    return found


@lru_cache(_N_KEPT)
def is_adjective(word: str) -> bool:
    """Whether a word is hardly ever a noun but stands before one."""
    return word in word_list("adjectives") or (
        len(word) > 5 and word not in word_list("no_adjectives") and bool(_ADJECTIVE_END.search(word))
    )


@lru_cache(_N_KEPT)
def is_plural(word: str) -> bool:
    """Whether a noun names several."""
    if word in ("people", "children", "men", "women", "folks", "kids"):
        return True
    return (
        len(word) > 3
        and word.endswith("s")
        and not word.endswith(("ss", "us", "is", "ics"))
        and word not in word_list("no_plurals")
    )


@lru_cache(_N_KEPT)
def verb_form(word: str) -> str:
    """Which form of a known verb a word may be: `plain`, `s`, `ed`, `ing`; empty: of none."""
    if word in word_list("irregulars"):
        return "ed"
    if word in _plain() or (_VERB_END.search(word) and word not in word_list("no_verbs")):
        return "plain"
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and any(stem in _plain() for stem in _stems(word, ending)):
            return ending
    # An unknown word in -ing or -ed is a verb's: the nouns that end so are listed.
    for ending in ("ing", "ed"):
        if len(word) > len(ending) + 2 and word.endswith(ending) and word not in word_list("no_verbs"):
            return ending
    return ""


@cache
def _plain() -> frozenset[str]:
    return word_list("verbs") | word_list("noun_verbs")


def _stems(word: str, ending: str) -> Iterator[str]:
    stem = word.removesuffix(ending)
    yield stem
    if ending == "s":
        yield stem.removesuffix("e")
        yield stem.removesuffix("ie") + "y"
        return
    yield stem + "e"
    if len(stem) > 2 and stem[-1] == stem[-2]:
        yield stem[:-1]
    if stem.endswith("i"):
        yield stem[:-1] + "y"


def _scan(text: str) -> Iterator[str]:
    """Phrases, `of` where one may go on behind it, and nothing (empty) where none can be joined."""
    left: _Left = "start"
    chunk: list[str] = []
    tokens = _TOKEN.findall(text)
    for place, token in enumerate(tokens):
        word = token.lower()
        if _is_content(word, left, bool(chunk)):
            begins = place == 0 or tokens[place - 1][-1] in '.?!"“:'
            named = not begins or not token.istitle() or (place + 1 < len(tokens) and tokens[place + 1].istitle())
            chunk.append(token if named else word)
            continue
        had = bool(chunk)
        yield from _read_chunk(chunk, left)
        chunk = []
        yield "of" if word == "of" else ""
        if word not in word_list("adverbs") or had:
            left = _left_of(word, left)
    yield from _read_chunk(chunk, left)


def _is_content(word: str, left: _Left, is_inside: bool) -> bool:
    if word == "like":
        return left in ("subject", "to") and not is_inside
    return _is_open(word)


@lru_cache(_N_KEPT)
def _is_open(word: str) -> bool:
    """Whether a word may be a part of a noun phrase, or a verb."""
    closed = ("determiners", "prepositions", "subjects", "modals", "auxiliaries", "adverbs")
    if any(word in word_list(name) for name in closed) or word in ("to", "cause", "cuz"):
        return False
    return word[0].isalpha() and not _is_adverb(word) and "'" not in word


def _is_adverb(word: str) -> bool:
    return word.endswith("ly") and len(word) > 4 and word not in ("family", "reply", "supply", "assembly", "anomaly")


def _left_of(word: str, before: _Left) -> _Left:
    if word in ("this", "that"):
        return "this"
    if word in word_list("subjects"):
        return "subject"
    if word in word_list("determiners") or (word in word_list("prepositions")) or word.endswith("'s"):
        return "be" if word in word_list("auxiliaries") else "noun"
    if word in word_list("modals"):
        return "subject"
    if word in word_list("auxiliaries"):
        return "be"
    if word == "to":
        return "to"
    return "start"


def _read_chunk(words: Sequence[str], left: _Left) -> Iterator[str]:
    """The phrases in words that no small word stands between, given what stands before them."""
    while words:
        if _begins_with_verb(words, left):
            words, left = words[1:], "verb"
            continue
        n = _phrase_length(words)
        yield _well_formed(words[:n])
        if n < len(words):
            yield ""
        words, left = words[n + 1 :] if n < len(words) and verb_form(words[n].lower()) else (), "verb"


def _begins_with_verb(words: Sequence[str], left: _Left) -> bool:
    """Whether the first word is to be passed over: a verb, or what may be one."""
    first = words[0].lower()
    form = verb_form(first)
    is_noun_too = first in word_list("ing_nouns") or _is_noun_too(first)
    if left == "subject":
        return True
    if left == "this":
        return form in ("s", "ed", "ing")
    if left == "to":
        return bool(form)
    if left == "be":
        return form in ("ing", "ed") or len(words) == 1
    if form == "ing" and not is_noun_too:
        return left != "noun" or len(words) > 1
    return bool(form) and left != "noun" and (not is_noun_too or (left == "start" and form != "ing"))


def _is_noun_too(word: str) -> bool:
    """Whether a verb in its plain form or in -s is as often a noun."""
    return not word_list("noun_verbs").isdisjoint((word, *(_stems(word, "s") if word.endswith("s") else ())))


def _phrase_length(words: Sequence[str]) -> int:
    """How many of the words are one noun phrase, before a verb or another phrase begins."""
    for place in range(1, len(words)):
        word, before = words[place].lower(), words[place - 1].lower()
        form = verb_form(word)
        if is_adjective(before) or verb_form(before) == "ed":
            if form != "ing" or word in word_list("ing_nouns") or place + 1 < len(words):
                continue
            return place
        is_noun_too = _is_noun_too(word)
        if (form == "ing" and word not in word_list("ing_nouns")) or form in ("ed", "s"):
            return place
        if (form == "plain" and not is_noun_too) or is_plural(before) or is_adjective(word):
            return place
    return len(words)


def _well_formed(words: Sequence[str]) -> str:
    """The phrase, or nothing where the words make none."""
    if not words or len(words) > _MAX_WORDS:
        return ""
    folded = [word.lower() for word in words]
    head = folded[-1]
    form = verb_form(head)
    if head in word_list("vague") or is_adjective(head) or (len(head) < 3 and not words[-1].isupper()):
        return ""
    if (
        form == "ed"
        or (form == "s" and not _is_noun_too(head))
        or (form == "ing" and head not in word_list("ing_nouns"))
    ):
        return ""
    if form == "plain" and head not in word_list("noun_verbs"):
        return ""
    return " ".join(words)
