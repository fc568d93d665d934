"""Look at a folder of transcripts before there is a show: what is there, who speaks, who seems to be the host."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from econchatr.errors import TranscriptError
from econchatr.fetch.folder import list_files, tell_left
from econchatr.parse import (
    LANGUAGES,
    NOBODY_NAMED,
    ParsedFile,
    SpeakerTable,
    bare_name,
    choose_language,
    find_ad_voices,
    find_spellings,
    is_nobody,
    list_slugs,
    parse_file,
    unify_speakers,
)
from econchatr.pipeline import Narrator
from econchatr.processes import spread
from econchatr.records import Failure, Turn
from econchatr.report.formats import count_noun

_HOST_SHARE: Final = 0.6
"""A host is heard in so many of the episodes, at least."""
_SECOND_SHARE: Final = 0.5
"""Somebody heard in so many may be a host too."""
_FEW_WORDS, _SOME_WORDS = 20_000, 200_000
_MOST_SPEAKERS: Final = 8
_MOST_FAILURES: Final = 5


class HeardPerson(NamedTuple):
    """One person, as the transcripts name them."""

    name: str
    spellings: tuple[str, ...]
    """Other labels for the same person, the commonest first."""
    n_episodes: int
    n_turns: int
    n_words: int
    ask_share: float
    """Of the turns, those that hold a question."""


class Survey(NamedTuple):
    """What lies in a folder of transcripts."""

    folder: Path
    n_all_files: int
    n_files: int
    """Of them, those that were looked at."""
    left: str
    """What was not looked at, in words; empty: nothing."""
    formats: tuple[tuple[str, int], ...]
    """Reader and number of files, the commonest first."""
    failures: tuple[Failure, ...]
    speakers: tuple[HeardPerson, ...]
    """Those who are named, the one heard in most episodes first."""
    n_episodes: int
    n_words: int
    dates: tuple[str, ...]
    """Days as YYYY-MM-DD, sorted, one for each episode that has one."""
    language: str
    """In words; empty: not known."""

    @property
    def hosts(self) -> tuple[HeardPerson, ...]:
        """Who may be hosts, the likeliest first; empty: the transcripts do not tell."""
        least = max(1, _SECOND_SHARE * self.n_episodes)
        many = [one for one in self.speakers if one.n_episodes >= least]
        return tuple(many) if many and many[0].n_episodes >= _HOST_SHARE * self.n_episodes else ()

    @property
    def is_plain(self) -> bool:
        """Whether one person alone can be the host."""
        return len(self.hosts) == 1 and self.n_episodes > 1

    def find(self, name: str) -> HeardPerson | None:
        """The person of that name or spelling, or of its first name alone; `None`: nobody is heard under it."""
        wanted, table = name.casefold(), SpeakerTable((name,))
        for one in self.speakers:
            labels = (one.name, *one.spellings)
            if wanted in map(str.casefold, labels) or not all(_is_other_name(label, table) for label in labels):
                return one
        first = wanted.split()[0] if wanted.split() else ""
        alone = [one for one in self.speakers if one.name.casefold() == first]
        return alone[0] if len(alone) == 1 else None


def survey_folder(folder: Path, narrator: Narrator, *, most_files: int | None = None) -> Survey:
    """Read a folder of transcripts without writing anything.

    Args:
        most_files: Look at so many files only, spread evenly; `None`: at all.

    Raises:
        SourceError: The folder is missing, or holds no file that may be a transcript.
    """
    listing = list_files(folder)
    files = listing.files
    if most_files is not None and len(files) > most_files:
        files = files[:: -(-len(files) // most_files)]
    parsed, failures = list[ParsedFile](), list(listing.failures)
    locations = [file.location for file in files]
    work = list(zip(locations, list_slugs(locations), strict=True))
    for n_done, one in enumerate(spread(partial(_read, folder), work), start=1):
        narrator.progress(n_done, len(files), "files")
        if isinstance(one, Failure):
            failures.append(one)
        else:
            parsed.append(one)
    turns = [turn for one in parsed for turn in one.turns]
    return Survey(
        folder=folder,
        n_all_files=len(listing.files),
        n_files=len(files),
        left=tell_left(listing.n_left) if listing.n_left else "",
        formats=tuple(Counter(one.episode.reader for one in parsed).most_common()),
        failures=tuple(failures),
        speakers=_list_speakers(turns),
        n_episodes=len(parsed),
        n_words=sum(one.episode.n_words for one in parsed),
        dates=tuple(sorted(str(one.episode.published) for one in parsed if one.episode.published)),
        language=LANGUAGES.get(choose_language([one.language for one in parsed]), ""),
    )


_NOBODY: Final = SpeakerTable(())


def _read(folder: Path, of: tuple[str, str]) -> ParsedFile | Failure:
    location, slug = of
    try:
        return parse_file((folder / location).read_bytes(), location=location, slug=slug, show=_NOBODY)
    except (TranscriptError, OSError) as exc:
        told = exc.message if isinstance(exc, TranscriptError) else str(exc)
        return Failure(stage="parse", item=location, error="TranscriptError", message=told, hint="")


def _list_speakers(turns: Sequence[Turn]) -> tuple[HeardPerson, ...]:
    """Everybody who is named, with the spellings of each name together."""
    united = unify_speakers(turns, _NOBODY)
    ads = find_ad_voices(united)
    said, labels = defaultdict[str, list[Turn]](list), defaultdict[str, Counter[str]](Counter)
    for turn, own in zip(united, turns, strict=True):
        if turn.role != "other" and not is_nobody(turn.speaker) and turn.speaker not in ads:
            said[turn.speaker].append(turn)
            labels[turn.speaker][own.speaker] += 1
    described = [_describe(label, of, labels[label]) for label, of in said.items()]
    slugs = {one.name: {turn.slug for turn in of} for one, of in zip(described, said.values(), strict=True)}
    found = _join_first_names(described, slugs)
    return tuple(sorted(found, key=lambda one: (-one.n_episodes, -one.ask_share, -one.n_words, one.name)))


def _describe(label: str, said: Sequence[Turn], labels: Counter[str]) -> HeardPerson:
    name = bare_name(label)
    return HeardPerson(
        name=name,
        spellings=tuple(one for one, _ in labels.most_common() if one != name),
        n_episodes=len({turn.slug for turn in said}),
        n_turns=len(said),
        n_words=sum(len(turn.text.split()) for turn in said),
        ask_share=sum("?" in turn.text for turn in said) / len(said),
    )


def _join_first_names(speakers: Sequence[HeardPerson], slugs: Mapping[str, set[str]]) -> list[HeardPerson]:
    """Put a first name alone to the one full name that begins with it, if the two are never heard in one episode."""
    full = [one for one in speakers if " " in one.name]
    joined, gone = dict[str, list[HeardPerson]](), set[str]()
    for one in speakers:
        owners = [other for other in full if other.name.split()[0].casefold() == one.name.casefold()]
        if " " in one.name or len(owners) != 1:
            continue
        if slugs[one.name].isdisjoint(slugs[owners[0].name]):
            joined.setdefault(owners[0].name, []).append(one)
            gone.add(one.name)
    return [_join(one, joined.get(one.name, [])) for one in speakers if one.name not in gone]


def _join(one: HeardPerson, others: Sequence[HeardPerson]) -> HeardPerson:
    """One person of several; their episodes differ, so that they add up."""
    n_turns = one.n_turns + sum(other.n_turns for other in others)
    asked = sum(each.ask_share * each.n_turns for each in (one, *others))
    return one._replace(
        spellings=(*one.spellings, *(label for other in others for label in (other.name, *other.spellings))),
        n_episodes=one.n_episodes + sum(other.n_episodes for other in others),
        n_turns=n_turns,
        n_words=one.n_words + sum(other.n_words for other in others),
        ask_share=asked / n_turns,
    )


def choose_aliases(survey: Survey, hosts: Sequence[str]) -> dict[str, str]:
    """Label -> host, for labels that `parse` would not put to a host by itself."""
    aliases = dict[str, str]()
    for name in hosts:
        one = survey.find(name)
        if one is None:
            continue
        table = SpeakerTable((name,))
        aliases |= {label: name for label in (one.name, *one.spellings) if _is_other_name(label, table)}
    return aliases


def _is_other_name(label: str, table: SpeakerTable) -> bool:
    """Whether `parse` would not put a label to the table's one host by itself."""
    (host,) = table.hosts
    return table.resolve(label)[1] != "host" and find_spellings({label: 1, host: 1}, table).get(label) != host


# --- in words ---------------------------------------------------------------------------------------------------------


def tell_survey(survey: Survey) -> Iterator[str]:
    """What was found, in lines for a person."""
    formats = ", ".join(f"{n:,} {name}" for name, n in survey.formats)
    some = "" if survey.n_files == survey.n_all_files else f", {survey.n_files:,} of them looked at, spread evenly"
    read = f"{count_noun(survey.n_episodes, 'episode')} read ({formats or 'none'})"
    yield f"{count_noun(survey.n_all_files, 'file')} in {survey.folder}{some}: {read}"
    if survey.left:
        yield survey.left
    for failure in survey.failures[:_MOST_FAILURES]:
        yield f"set aside {failure.item}: {failure.message}"
    if len(survey.failures) > _MOST_FAILURES:
        yield f"set aside, too: {len(survey.failures) - _MOST_FAILURES:,} more files"
    if survey.n_episodes:
        yield f"{survey.n_words:,} words{f', {survey.language}' if survey.language else ''}; {_tell_dates(survey)}"
        yield from _tell_speakers(survey)


def _tell_dates(survey: Survey) -> str:
    if not survey.dates:
        return "no episode has a date, so file names give the order"
    n_lacking = survey.n_episodes - len(survey.dates)
    lacking = f", {n_lacking:,} without a date" if n_lacking else ""
    return f"episodes of {survey.dates[0]} to {survey.dates[-1]}{lacking}"


def _tell_speakers(survey: Survey) -> Iterator[str]:
    if not survey.speakers:
        yield f"No transcript names a speaker. {NOBODY_NAMED}"
        return
    for one in survey.speakers[:_MOST_SPEAKERS]:
        also = f" (also {', '.join(one.spellings[:4])})" if one.spellings else ""
        yield (
            f"  {one.name}{also}: {count_noun(one.n_episodes, 'episode')}, {count_noun(one.n_words, 'word')}, "
            f"a question in {one.ask_share:.0%} of {count_noun(one.n_turns, 'turn')}"
        )
    if len(survey.speakers) > _MOST_SPEAKERS:
        yield f"  and {len(survey.speakers) - _MOST_SPEAKERS:,} more"


def warn_of_size(survey: Survey, host: str) -> str:
    """What so many words of the host bring, by our own runs; empty: there is enough.

    Source: docs/experiments.md, of shows with 26, 50 and 303 episodes.
    """
    one = survey.find(host)
    n_words = one.n_words if one else 0
    if n_words < _FEW_WORDS:
        return (
            f"{n_words:,} words of {host} are little: at least {_FEW_WORDS:,} (some ten episodes) are needed before a "
            "model takes on a manner, and fewer than four episodes can hardly be held out to measure with."
        )
    if n_words < _SOME_WORDS:
        return (
            f"{n_words:,} words of {host} give a small model the manner of speaking and few of the opinions; with "
            f"{_SOME_WORDS:,} (some fifty episodes) the held-out episodes measure it well."
        )
    return ""


def refuse_unclear(survey: Survey) -> str:
    """Why the host cannot be told, as a question to the user."""
    return f"who is the host? Heard most in {survey.folder}: {tell_heard(survey) or 'nobody by name'}."


def tell_heard(survey: Survey) -> str:
    """Who is heard in most episodes, for a message."""
    return ", ".join(f"{one.name!r} ({count_noun(one.n_episodes, 'episode')})" for one in survey.speakers[:5])
