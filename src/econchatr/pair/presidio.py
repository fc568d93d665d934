"""What `hide_private` hides, and what Microsoft Presidio finds besides: phone, bank, coin and identity numbers.

Presidio is set up for speech: its recognisers by pattern and check digit, and words that must stand near a bare number.
None of its language models is used: nothing is downloaded, and names, places and dates stay. Its web addresses and
driving licences are left out, for `node.js` and `M1` are speech.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from econchatr.errors import MissingExtraError
from econchatr.pair.private import hide_private

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine

_MARKS: Final = {
    "CREDIT_CARD": "[card]",
    "CRYPTO": "[account]",
    "IBAN_CODE": "[account]",
    "PHONE_NUMBER": "[phone]",
    "US_BANK_NUMBER": "[account]",
    "US_ITIN": "[id]",
    "US_PASSPORT": "[id]",
    "US_SSN": "[id]",
}
"""Presidio's kinds that are looked for, and what is written in their place."""

_MIN_SCORES: Final = {"PHONE_NUMBER": 0.5}
"""Over Presidio's 0.4 for a number that is only shaped like a phone's (`3000-5000 people`): a word must tell."""

_MIN_SCORE: Final = 0.4
"""What Presidio gives a bare number with such a word near it."""

_PHONE_WORDS: Final = ("phone", "telephone", "cell", "cellphone", "mobile", "landline", "fax", "call", "dial", "text")
_BANK_WORDS: Final = ("account", "acct", "routing", "iban")
_PASSPORT_WORDS: Final = ("passport",)

# Six digits near each other, or one long word with a digit. Most speech has none, and is spared the rest.
_WORTH: Final = re.compile(r"(?:\d\D{0,3}){6}|[A-Za-z]{0,3}\d[A-Za-z0-9]{24}")
# In pieces, so that time grows with the length only; a piece does not end between two numbers.
_PIECE: Final = re.compile(r".{1,1500}(?:(?<=[^\d\s])\s|\Z)|.{1,1500}", re.DOTALL)


def open_presidio() -> Callable[[str], str]:
    """Get the function that hides what is private, in English speech.

    Raises:
        MissingExtraError: presidio-analyzer is not installed.
    """
    try:
        engine = _open_engine()
    except ModuleNotFoundError as exc:
        raise MissingExtraError(
            f'private = "presidio" under [pair] in show.toml needs {exc.name}.', extra="presidio"
        ) from exc

    def hide(text: str) -> str:
        text = hide_private(text)
        if not _WORTH.search(text):
            return text
        return "".join(_hide_found(piece[0], engine) for piece in _PIECE.finditer(text))

    return hide


def name_presidio() -> list[str]:
    """Name the packages whose other version may find something else, each with its version."""
    return [f"{name} {version(name)}" for name in ("presidio-analyzer", "phonenumbers")]


def _hide_found(text: str, engine: AnalyzerEngine) -> str:
    if not _WORTH.search(text):
        return text
    pieces, position = list[str](), 0
    for start, end, kind in sorted(_find(text, engine)):
        if start >= position:
            pieces += [text[position:start], _MARKS[kind]]
        position = max(position, end)
    return "".join([*pieces, text[position:]])


def _find(text: str, engine: AnalyzerEngine) -> Iterator[tuple[int, int, str]]:
    for result in engine.analyze(text, language="en", entities=list(_MARKS), score_threshold=_MIN_SCORE):
        if result.score >= _MIN_SCORES.get(result.entity_type, _MIN_SCORE):
            yield result.start, result.end, result.entity_type


@cache
def _open_engine() -> AnalyzerEngine:
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer import predefined_recognizers as known
    from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Words(SpacyNlpEngine):  # type: ignore[misc]
        """Words as they are written: no model, no word too common to count (`call` is one in spaCy's list)."""

        def is_stopword(self, word: str, language: str) -> bool:
            return False

    nlp = spacy.blank("en")
    split = nlp.tokenizer

    def split_and_fold(text: str) -> Any:
        doc = split(text)
        for token in doc:
            # A mark that stands for a number already hidden (`[phone]`) says nothing about the next one.
            is_mark = token.i > 0 and doc[token.i - 1].text == "["
            token.lemma_ = "" if is_mark else token.lower_
        return doc

    nlp.tokenizer = split_and_fold
    words = Words()
    words.nlp = {"en": nlp}
    recognizers = [
        known.CreditCardRecognizer(),
        known.CryptoRecognizer(),
        known.IbanRecognizer(),
        known.PhoneRecognizer(context=list(_PHONE_WORDS)),
        known.UsBankRecognizer(context=list(_BANK_WORDS)),
        known.UsItinRecognizer(),
        known.UsPassportRecognizer(context=list(_PASSPORT_WORDS)),
        known.UsSsnRecognizer(),
    ]
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers),
        nlp_engine=words,
        context_aware_enhancer=LemmaContextAwareEnhancer(context_matching_mode="whole_word"),
    )
