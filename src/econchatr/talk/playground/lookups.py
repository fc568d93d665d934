"""What the playground is given: the show's records, what looks things up in them, and where rankings go.

Whatever takes long to build is built once, in the background, so that the page opens at once. This module opens no file
and asks no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from econchatr.prompts import Voice
from econchatr.records import BlindCue, Episode, Pair, Ranking, Turn, Verdict
from econchatr.score.quoting.copying import SpeechIndex, find_copied, flag_copied, index_speech
from econchatr.score.quoting.nearest import WordSearch
from econchatr.score.speech import split_words
from econchatr.talk.session import Find, RealTurns

T = TypeVar("T")


class Near(Protocol):
    """The nearest thing the host said."""

    @property
    def text(self) -> str:
        """As it stands in the reply."""

    @property
    def likeness(self) -> float:
        """0 to 1."""

    @property
    def pair(self) -> Pair:
        """Where it was said."""


class Finder(Protocol):
    """What looks for the nearest thing the host said."""

    def find(self, text: str) -> Near | None:
        """The nearest stretch, however far it is; `None` where no telling word is shared."""


class Keeper(Protocol):
    """Where what people say is kept; each method raises a ShowFolderError where it cannot be."""

    def save_ranking(self, ranking: Ranking) -> object:
        """Keep in which order somebody likes some answers."""

    def save_verdict(self, verdict: Verdict) -> object:
        """Keep what somebody says of one answer."""

    def save_guess(self, cue: BlindCue, *, who: str, pick: int) -> object:
        """Keep somebody's guess which of a cue's replies is the host's own."""


class Material(NamedTuple):
    """A show as the playground needs it."""

    voice: Voice
    episodes: Sequence[Episode]
    turns: Sequence[Turn]
    pairs: Sequence[Pair]
    """Kept ones of all episodes, held-out ones too."""
    make_finder: Callable[[Sequence[Pair]], Finder]
    close: float
    """Likeness from which something is close."""
    usd_per_hour: Mapping[str, Decimal | None]
    """What this machine costs while a rung answers; `None`: not known."""
    report: Path
    """The show's report page, which may not be there."""
    keeper: Keeper
    open_find: Callable[[str], Find]
    """By rung, what finds the real turns to put before a question; called when it is first needed."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    questions: Sequence[str] = ()
    """The exam's."""


class Rows(Protocol):
    """A show's records, as the pipeline gives them."""

    @property
    def episodes(self) -> Sequence[Episode]:
        """What was read."""

    @property
    def turns(self) -> Sequence[Turn]:
        """What was said."""

    @property
    def pairs(self) -> Sequence[Pair]:
        """What was kept of it."""

    @property
    def usd_per_hour(self) -> Mapping[str, Decimal | None]:
        """What answering costs, by rung."""

    @property
    def report(self) -> Path:
        """The report page."""

    @property
    def questions(self) -> Sequence[str]:
        """The exam's."""


class Quoted(NamedTuple):
    """The nearest thing the host really said, as it is shown."""

    text: str
    likeness: float
    episode: str
    published: date | None
    turn: int


class Given(NamedTuple):
    """A real turn that a model was given with a question, as it is shown."""

    text: str
    """What the host said, as the model was given it."""
    episode: str
    published: date | None


@dataclass(frozen=True)
class Evidence:
    """What stands under an answer."""

    near: Quoted | None
    """`None`: nothing is close."""
    likeness: float = 0.0
    """Of the nearest, close or not."""
    is_copied: tuple[bool, ...] = ()
    """For each word of the answer, as `split_words` counts them, whether it is the host's own, copied."""
    copied_from: Given | None = None
    """Where the host said the longest copied run."""


class Later(Generic[T]):
    """Something that is being built in the background."""

    def __init__(self, pool: ThreadPoolExecutor, make: Callable[[], T]) -> None:
        self._future: Future[T] = pool.submit(make)

    def get(self) -> T:
        """It, when it is there; blocks until then."""
        return self._future.result()


class Library:
    """Everything that was said, to be looked up."""

    def __init__(self, material: Material) -> None:
        self.titles = {episode.slug: episode.title for episode in material.episodes}
        self.dates = {episode.slug: episode.published for episode in material.episodes}
        self._close = material.close
        self._real = RealTurns(material.open_find)
        pool = ThreadPoolExecutor(1, thread_name_prefix="look-up")
        pairs = list(material.pairs)
        self._pairs = {pair.pair_id: pair for pair in pairs}
        self._copies: Later[SpeechIndex] = Later(pool, lambda: index_speech(pairs))
        self._search: Later[TurnSearch] = Later(pool, lambda: TurnSearch(material.turns))
        self._finder: Later[Finder] = Later(pool, lambda: material.make_finder(pairs))
        pool.shutdown(wait=False)

    def look_up(self, text: str, *, prompt: str) -> Evidence:
        """What the host really said that is nearest, and which words are copied; those of the prompt aside."""
        copies = self._copies.get()
        longest = find_copied(text, copies, prompt=prompt).longest
        copied = tuple(flag_copied(text, copies, prompt=prompt)), self.cite(longest.source) if longest else None
        near = self._finder.get().find(text)
        if near is None or near.likeness < self._close:
            return Evidence(None, near.likeness if near else 0.0, *copied)
        slug, turn = near.pair.slug, int(near.pair.pair_id.rsplit("#", 1)[1])
        quoted = Quoted(near.text, near.likeness, self.titles.get(slug, slug), near.pair.published, turn)
        return Evidence(quoted, near.likeness, *copied)

    def find_real(self, rung: str, question: str) -> tuple[Pair, ...]:
        """The real turns that a rung's models are given with a question.

        Raises:
            ShowFolderError: They cannot be looked up.
        """
        return self._real.find(rung, question)

    def find_nearest(self, rung: str, question: str) -> Given | None:
        """What the host really said, whole, that is nearest to a question; `None`: nothing shares a word with it.

        Raises:
            ShowFolderError: It cannot be looked up.
        """
        found = self.find_real(rung, question)
        return self.cite(self._pairs.get(found[-1].pair_id, found[-1])) if found else None

    def cite(self, pair: Pair) -> Given:
        """A real turn as it is shown."""
        return Given(pair.reply, self.titles.get(pair.slug, pair.slug), pair.published)

    def search(self, words: str, *, only_host: bool, n: int) -> tuple[list[Turn], list[str]]:
        """The turns most like some words, the most alike first; and which of the words tell something."""
        search = self._search.get()
        return search.find(words, only_host=only_host, n=n), search.list_telling(words)


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
