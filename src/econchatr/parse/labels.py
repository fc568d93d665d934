"""The labels of one file -> the people behind them, as feed, title, front matter and the file itself name them.

A label that fits two people stays as it stands, and the user is told. Only `show.toml` makes somebody a host.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from econchatr.parse.people import SpeakerTable, fold_label, is_nobody, split_name
from econchatr.records import Role

_GUEST: Final = "guest"
_HOST: Final = frozenset({"host", "interviewer"})


class SharedLabel(NamedTuple):
    """A label of one file that may be more than one person."""

    slug: str
    label: str
    names: tuple[str, ...]
    """Whom it may be: two people or more."""

    @property
    def alias(self) -> str:
        """The key under which `[show.aliases]` can say who it is in this episode."""
        return f"{self.slug}/{self.label}"


@dataclass(frozen=True)
class Naming:
    """Who speaks in one file."""

    people: dict[str, tuple[str, Role]] = field(default_factory=dict)
    """Label -> speaker and role."""
    shared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Label -> the people it may be, where it fits two or more; it stands for itself then."""


@dataclass(frozen=True)
class _Known:
    """The people of one episode, each once."""

    guests: tuple[str, ...]
    hosts: tuple[str, ...]
    """Whom the label `Host` may mean."""
    named: tuple[str, ...]
    """By the feed, the title or the front matter."""
    everyone: NameIndex
    """These, the hosts of the show, and whoever has a full name in the file."""


def tell_shared(shared: Iterable[SharedLabel]) -> list[str]:
    """Get one line for each label and the people it may be: where it stands, and what to do about it."""
    slugs = defaultdict[tuple[str, tuple[str, ...]], list[str]](list)
    for one in shared:
        slugs[one.label, one.names].append(one.slug)
    return [_tell(label, names, where) for (label, names), where in slugs.items()]


def _tell(label: str, names: tuple[str, ...], slugs: list[str]) -> str:
    where = f'"{slugs[0]}"' + (f" and {len(slugs) - 1} more episodes" if len(slugs) > 1 else "")
    key = json.dumps(f"{slugs[0]}/{label}" if len(slugs) == 1 else label, ensure_ascii=False)
    return (
        f'in {where} "{label}" may be {" or ".join(names)}, so it stays as it is: if it is one of them, add '
        f'{key} = "NAME" to aliases under [show]; if it is both, give each a label of their own in the file'
    )


def name_people(labels: Iterable[str], guests: Sequence[str], show: SpeakerTable) -> Naming:
    """Get the speaker and the role behind each label of one episode; `guests` are those `list_guests` gives.

    `Guest` is the only guest who is named, `Host` the only host. One word, or a title and a word, means the one person
    in the episode whose first or last name it is; a name without a middle initial or a degree the one person who is
    named so by the feed or the title. Hosts and aliases of `show.toml` come before all of that.
    """
    labels = tuple(dict.fromkeys(labels))
    known = _list_known(labels, guests, show)
    naming = Naming()
    for label in labels:
        found = _find_people(label, known, show)
        naming.people[label] = show.resolve(found[0] if len(found) == 1 else label)
        if len(found) > 1:
            naming.shared[label] = found
    return naming


def list_guests(told: Sequence[str], show: SpeakerTable) -> tuple[str, ...]:
    """Get the guests of the episode, each once: those of the feed, and `told`, whom title or front matter name.

    A title may say something else than names. Beside the feed's guests its words count only if one of these is among
    them.
    """
    of_feed = _settle_all(show.cast.guests, show, without_hosts=True)
    of_title = _settle_all(told, show, without_hosts=True)
    if not of_feed or len(unify_names((*of_feed, *of_title))) < len(of_feed) + len(of_title):
        return unify_names((*of_feed, *of_title))
    return of_feed


def unify_names(names: Iterable[str]) -> tuple[str, ...]:
    """Get each person once, in the spelling that comes first; a lone first or last name is nobody else."""
    people = NameIndex()
    # Full names first, and those with an initial: `Ada Moss` is no third person beside `Ada B. Moss` and `Ada C. Moss`.
    for name in sorted(dict.fromkeys(names), key=lambda name: (_is_one_word(name), not split_name(name)[1])):
        if not people.fit(name):
            people.add(name)
    return tuple(people.names)


class NameIndex:
    """Names, to be found by another spelling or by their first or last word, however many there are."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names: list[str] = []
        self._whole = defaultdict[str, list[str]](list)
        self._parts = defaultdict[str, list[str]](list)
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Add one more."""
        self.names.append(name)
        whole = split_name(name)[0]
        self._whole[whole].append(name)
        for word in dict.fromkeys((*whole.split()[:1], *whole.split()[-1:])):
            self._parts[word].append(name)

    def fit(self, label: str) -> list[str]:
        """Get the names that a label may mean, in their order."""
        alike = [name for name in self._whole[split_name(label)[0]] if _is_same(label, name)]
        return self.part_of(label) or alike if _is_one_word(label) else alike

    def part_of(self, word: str) -> list[str]:
        """Get the names whose first or last word this is, in their order."""
        return self._parts[split_name(word)[0]]


def is_named(label: str, show: SpeakerTable) -> bool:
    """Say whether a label is a host's, or fits somebody whom the feed names for this episode."""
    if show.resolve(label)[1] == "host":
        return True
    return any(fits_name(label, one) for one in (*show.cast.guests, *show.cast.hosts))


def fits_name(label: str, name: str) -> bool:
    """Say whether a label may mean the person of that name: another spelling, or the first or the last word."""
    return _is_same(label, name) or (_is_one_word(label) and _is_part(label, name))


def _list_known(labels: Sequence[str], guests: Sequence[str], show: SpeakerTable) -> _Known:
    named = unify_names((*guests, *_settle_all(show.cast.hosts, show)))
    spoken = _settle_all((one for one in labels if not is_nobody(one) and not _is_one_word(one)), show)
    return _Known(tuple(guests), _list_hosts(show), named, NameIndex(unify_names((*show.hosts, *named, *spoken))))


def _list_hosts(show: SpeakerTable) -> tuple[str, ...]:
    """Get the hosts of the episode: the feed's, unless it names none of the show's own; then both."""
    of_feed = _settle_all(show.cast.hosts, show)
    return of_feed if any(name in show.hosts for name in of_feed) else unify_names((*show.hosts, *of_feed))


def _find_people(label: str, known: _Known, show: SpeakerTable) -> tuple[str, ...]:
    """Get whom a label may mean; none: it stands for itself."""
    name, role = show.resolve(label)
    if role != "guest" or fold_label(name) != fold_label(label):
        return ()
    if fold_label(label) == _GUEST:
        return known.guests
    if fold_label(label) in _HOST:
        return known.hosts
    if is_nobody(label):
        return ()
    if _is_one_word(label):
        return tuple(known.everyone.part_of(label))
    alike = [one for one in known.named if _is_same(label, one)]
    exact = [one for one in alike if split_name(one) == split_name(label)]
    return tuple(exact or alike)


def _settle_all(names: Iterable[str], show: SpeakerTable, *, without_hosts: bool = False) -> tuple[str, ...]:
    """Get each person once, the hosts of the show in its own spelling."""
    settled = (_settle(name, show) for name in names)
    return unify_names(name for name in settled if name and not (without_hosts and name in show.hosts))


def _settle(name: str, show: SpeakerTable) -> str:
    resolved = show.resolve(name)[0]
    return next((host for host in show.hosts if _is_same(resolved, host)), resolved)


def _is_one_word(name: str) -> bool:
    return " " not in split_name(name)[0]


def _is_same(one: str, other: str) -> bool:
    """Say whether two spellings are one name: an initial or a degree more or less, but not two different initials."""
    (name, middle), (other_name, other_middle) = split_name(one), split_name(other)
    return name == other_name and (middle == other_middle or not middle or not other_middle)


def _is_part(word: str, name: str) -> bool:
    """Say whether a word is the first or the last of a name."""
    words = split_name(name)[0].split()
    return split_name(word)[0] in (*words[:1], *words[-1:])
