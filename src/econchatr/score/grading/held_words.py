"""Whether an answer holds what a right answer holds, or says its opposite: a few words, in whatever order.

The rule reads words, not meaning. It passes over inflection, case, accents, order, the small words between, and whether
a number stands in words or figures; a negation counts as a word. `Who filled in the survey?` is not `who answers
surveys`: whoever writes a question gives such alternatives.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from econchatr.noun_phrases import word_list
from econchatr.records import Grade
from econchatr.records.answers import split_alternatives
from econchatr.score.speech import split_words

_NOT: Final = "not"
_NEGATIONS: Final = frozenset(
    {"no", "not", "never", "nobody", "none", "neither", "nor", "nothing", "hardly", "without"}
)
_ASKING: Final = frozenset({"who", "whom", "whose", "what", "which", "when", "where", "why", "how"})
"""Small words that a question of the host turns on: `who counted`."""
_TEENS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_FIGURES: Final = {word: str(n) for n, word in enumerate(_TEENS.split())}
_TENS_NAMED: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS: Final = {word: 10 * n for n, word in enumerate(_TENS_NAMED.split(), start=2)}
_REACH_BEFORE: Final = 4
_REACH_AFTER: Final = 2
"""How near to an opposite a negation undoes it: `I do not think they do`, `they do not`."""
_LEAD_IN: Final = 2
"""So many words may stand before a bare `yes` or `no`: `Well, no`."""
_MIN_PARTED: Final = 3
"""Content words from which on half of them are a part worth a half."""
_MIN_STEM_CHARS: Final = 4
_MIN_STEM_SHARE: Final = 0.7


class _Sentence(NamedTuple):
    words: list[str]
    is_question: bool


def grade_sense(text: str, expected: str, *, question: str = "") -> tuple[Grade, float]:
    """`exact`, `near` for a part, or `wrong`; and the share of the words that is held, 0 to 1, by the best alternative.

    A part is half of the content words of an alternative of three or more; words of the question are no part.
    `unmarked`: what is expected holds no word.

    >>> grade_sense("Fine, but who's counting? Who counted them?", "who counted")
    ('exact', 1.0)
    >>> grade_sense("I think the figures do not speak for anybody.", "figures don't speak")
    ('exact', 1.0)
    >>> grade_sense("The figures speak.", "figures don't speak")[0]
    'wrong'
    """
    wanted = [words for one in split_alternatives(expected) if (words := plain_words(one))]
    if not wanted:
        return "unmarked", 0.0
    sentences, asked = list(_split_sentences(text)), frozenset(plain_words(question))
    held = max(_hold(words, sentences) for words in wanted)
    if held == 1:
        return "exact", held
    is_part = any(_hold_part(words, sentences, asked) for words in wanted)
    return ("near" if is_part else "wrong"), held


def says_opposite(text: str, opposite: str | None) -> bool:
    """Whether a text states one of the alternatives; one that is asked, or stands beside a negation, is not stated.

    >>> [says_opposite(text, "they do") for text in ("They do.", "They don't.", "I never said they do.", "They do?")]
    [True, False, False, False]
    >>> says_opposite("I trust surveys, but I don't trust people.", "trust surveys")
    True
    """
    stated = [one for one in _split_sentences(text) if not one.is_question]
    for words in map(plain_words, split_alternatives(opposite)):
        if any(_is_stated(words, sentence.words) for sentence in stated if words):
            return True
    return False


def _is_stated(words: Sequence[str], said: Sequence[str]) -> bool:
    if len(words) == 1 and words[0] in ("yes", _NOT):
        return _opens_with(words[0], said)
    for start, end in _find_whole(words, said):
        near = said[max(0, start - _REACH_BEFORE) : end + _REACH_AFTER]
        if _NOT in words or _NOT not in near:
            return True
    return False


def _hold(words: Sequence[str], sentences: Sequence[_Sentence]) -> float:
    """The greatest share of the words' content that one sentence holds in one stretch."""
    if len(words) == 1 and words[0] in ("yes", _NOT):
        return float(bool(sentences) and _opens_with(words[0], sentences[0].words))
    if any(True for sentence in sentences for _ in _find_whole(words, sentence.words)):
        return 1.0
    content = [word for word in words if not _is_small(word)]
    if len(content) < 2:
        return 0.0
    found = max((n for sentence in sentences for n in _count_in_stretches(content, words, sentence.words)), default=0)
    return min(found, len(content) - 1) / len(content)


def _hold_part(words: Sequence[str], sentences: Sequence[_Sentence], asked: Collection[str]) -> bool:
    content = [word for word in words if not _is_small(word) and word != _NOT and word not in _ASKING]
    if len(content) < _MIN_PARTED or _NOT in words:
        return False
    new = [word for word in content if word not in asked]
    counts = (n for sentence in sentences for n in _count_in_stretches(new, words, sentence.words))
    return 2 * max(counts, default=0) >= len(content)


def _find_whole(words: Sequence[str], said: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the words stand whole: their content in any order in one stretch, or all of them in a row."""
    content = [word for word in words if not _is_small(word)]
    if len(content) < 2:
        for start in range(len(said) - len(words) + 1):
            if all(_is_same(one, other) for one, other in zip(words, said[start:], strict=False)):
                yield start, start + len(words)
        return
    width = _width(words)
    for start in range(len(said)):
        if any(_is_same(word, said[start]) for word in content):
            last = min(start + width, len(said))
            ends = (end for end in range(start + len(content), last + 1) if _holds_all(content, said[start:end]))
            if end := next(ends, 0):
                yield start, end


def _holds_all(content: Sequence[str], stretch: Sequence[str]) -> bool:
    return _count(content, stretch) == len(content)


def _count_in_stretches(content: Sequence[str], words: Sequence[str], said: Sequence[str]) -> Iterator[int]:
    for start in range(len(said)):
        yield _count(content, said[start : start + _width(words)])


def _width(words: Sequence[str]) -> int:
    return 2 * len(words) + 2


def _count(content: Sequence[str], stretch: Sequence[str]) -> int:
    left, n = list(stretch), 0
    for word in content:
        place = next((i for i, other in enumerate(left) if _is_same(word, other)), None)
        if place is not None:
            left.pop(place)
            n += 1
    return n


def _opens_with(word: str, said: Sequence[str]) -> bool:
    return word in said[: _LEAD_IN + 1]


def _is_small(word: str) -> bool:
    return word in word_list("small") and word != _NOT and word not in _ASKING


@lru_cache(maxsize=100_000)
def _is_same(word: str, other: str) -> bool:
    return word == other or is_same_stem(word, other)


def is_same_stem(word: str, other: str) -> bool:
    """Whether two words begin alike for most of their length: `measure` and `measured`, not `measure` and `mean`."""
    n_shared = 0
    for one, two in zip(word, other, strict=False):
        if one != two:
            break
        n_shared += 1
    return n_shared >= max(_MIN_STEM_CHARS, _MIN_STEM_SHARE * max(len(word), len(other)))


def fold_accents(text: str) -> str:
    """Give a text without accents."""
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def _split_sentences(text: str) -> Iterator[_Sentence]:
    for found in re.finditer(r"([^.!?…\n]+)([.!?…\n]*)", text):
        if words := plain_words(found[1]):
            yield _Sentence(words, "?" in found[2])


def plain_words(text: str) -> list[str]:
    """Give the words of a text: small, without accents and possessives, contractions and numbers written out.

    >>> plain_words("It doesn't, Perrin's ninety-four boats can't.")
    ['it', 'does', 'not', 'perrin', '94', 'boats', 'can', 'not']
    """
    return [part for word in split_words(fold_accents(text)) for part in _write_out(word)]


def _write_out(word: str) -> list[str]:
    if word in _NEGATIONS:
        return [_NOT]
    if word == "cannot":
        return ["can", _NOT]
    if word.endswith("n't"):
        return [{"ca": "can", "wo": "will"}.get(word[:-3], word[:-3]), _NOT]
    ten, _, one = word.partition("-")
    if ten in _TENS and (not one or one in _FIGURES):
        return [str(_TENS[ten] + int(_FIGURES.get(one, "0")))]
    return [_FIGURES.get(word, word.removesuffix("'s"))]
