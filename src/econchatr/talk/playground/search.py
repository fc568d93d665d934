"""Search the real turns by their words, with BM25.

It knows no synonyms: a turn that shares no word with what is looked for is not found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from econchatr.records import Turn
from econchatr.score.search import WordSearch
from econchatr.score.speech import split_words

MAX_WORDS = 64
"""Of what is looked for; the rest is passed over."""
_TELLING_SHARE = 0.1
"""A word that stands in more of the turns tells nothing of any."""


class TurnSearch:
    """Turns by their words."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = list(turns)
        self._of_host = [turn for turn in turns if turn.role == "host"]
        self._n_turns_with = Counter[str]()
        self._search = WordSearch(self._count(self._turns))
        self._host_search = WordSearch(split_words(turn.text) for turn in self._of_host)

    def _count(self, turns: Sequence[Turn]) -> Iterator[list[str]]:
        for turn in turns:
            words = split_words(turn.text)
            self._n_turns_with.update(set(words))
            yield words

    def find(self, text: str, *, only_host: bool, n: int) -> list[Turn]:
        """At most `n` turns that share a word with the text, the most alike first."""
        asked = [word for word in dict.fromkeys(split_words(text)) if word in self._n_turns_with][:MAX_WORDS]
        if not asked:
            return []
        turns, search = (self._of_host, self._host_search) if only_host else (self._turns, self._search)
        ranked = [turns[place] for place in search.rank(asked, n=n)]
        # Where fewer than `n` share a word, the others come behind them.
        return [turn for turn in ranked if not set(asked).isdisjoint(split_words(turn.text))]

    def list_telling(self, text: str) -> list[str]:
        """The words of what is looked for that few turns hold; all that any turn holds, where there is none such."""
        known = [word for word in dict.fromkeys(split_words(text)) if word in self._n_turns_with]
        most = _TELLING_SHARE * len(self._turns)
        return [word for word in known if self._n_turns_with[word] <= most] or known
