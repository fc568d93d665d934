"""Labels -> speakers and their roles.

It knows the hosts and aliases of one show and the labels that name no person; it does not guess who is a host.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Final

from econchatr.records import Role

# fmt: off
BREAKS: Final = frozenset({
    "break", "commercial break", "ad break", "sponsor break", "ad", "sponsor", "sponsors", "intro", "outro",
    "recording ends", "extract ends", "clip ends", "end of recording", "end of clip", "note", "editor's note",
})
# fmt: on
"""Labels of what interrupts the talk; who spoke before goes on after them."""

# fmt: off
CLIPS: Final = frozenset({
    "song", "song extract", "song sample", "music", "jingle", "sample", "sound", "sound clip", "sound effect",
    "sound sample", "recording", "recording begins", "extract", "extract begins", "clip", "clip begins", "audio",
    "video", "audio clip", "video clip", "promo", "trailer",
})
# fmt: on
"""Labels of what is played in; words after them are the clip's."""

# fmt: off
GROUPS: Final = frozenset({
    "audience", "audience member", "audience members", "audience question", "audio question", "listener", "caller",
    "crowd", "everyone", "everybody", "all", "both", "group", "various", "announcer", "narrator", "voice",
    "voiceover", "voice-over", "operator", "unknown", "unknown speaker", "unidentified", "unidentified speaker",
    "male", "female", "man", "woman", "male voice", "female voice", "ad voice",
})
# fmt: on
"""Labels of speakers who are nobody in particular."""

_PSEUDO: Final = BREAKS | CLIPS | GROUPS

_ANONYMOUS: Final = re.compile(
    r"(?:(?:speaker|spk|person|voice|channel|participant|s)[ _\-]{0,2}(?:\d{1,3}|[a-z])|guest[ _\-]{0,2}\d{1,3}"
    r"|[a-z]|\d{1,3}|>>)",
    re.IGNORECASE,
)
# Marks of direction and of no width would make one name two.
_UNSEEN: Final = re.compile("[\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


@dataclass(frozen=True)
class Cast:
    """What the feed says of the episode at hand: its title, and its people as `podcast:person` names them."""

    title: str = ""
    hosts: tuple[str, ...] = ()
    guests: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpeakerTable:
    """Who is who in one show: its hosts, and other labels for the same people."""

    hosts: tuple[str, ...]
    aliases: dict[str, str] = field(default_factory=dict)
    """Label -> the person's name; of hosts and of guests alike. `slug/label` names a voice of one episode only."""
    cast: Cast = Cast()
    """Of the one episode that is read with this table; empty where no feed tells."""

    def narrow(self, slug: str) -> SpeakerTable:
        """Get the table for one episode, in which the aliases of that episode are plain ones."""
        own = {label[len(slug) + 1 :]: name for label, name in self.aliases.items() if label.startswith(f"{slug}/")}
        return replace(self, aliases=self.aliases | own) if own else self

    def resolve(self, label: str) -> tuple[str, Role]:
        """Get the speaker a label stands for, and the role: `host`, `other` for a label that is no person, `guest`."""
        name = tidy_label(label)
        name = self._names.get(fold_label(name), name)
        if fold_label(name) in self._folded_hosts:
            return name, "host"
        return name, "other" if is_pseudo(name) else "guest"

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label the table knows, hosts first, and the people of the episode last."""
        return tuple(dict.fromkeys((*self.hosts, *self.aliases, *self.cast.hosts, *self.cast.guests)))

    @cached_property
    def _names(self) -> dict[str, str]:
        names = {fold_label(host): host for host in self.hosts}
        for label, name in self.aliases.items():
            # An alias may lead to another spelling of a host; the host's own spelling wins.
            names[fold_label(label)] = names.get(fold_label(name), name)
        return names

    @cached_property
    def _folded_hosts(self) -> frozenset[str]:
        return frozenset(map(fold_label, self.hosts))


def is_pseudo(label: str) -> bool:
    """Say whether a label names a break, a clip or a crowd, and not a person."""
    folded = fold_label(label)
    return folded in _PSEUDO or (folded.startswith(("audience member ", "unknown speaker ")))


def is_anonymous(label: str) -> bool:
    """Say whether a recogniser made the label up: `Speaker 1`, `SPEAKER_00`, `A`. Such a label names nobody."""
    return _ANONYMOUS.fullmatch(tidy_label(label)) is not None


def fold_label(label: str) -> str:
    """Get the form in which labels are compared: one case, single spaces, composed accents."""
    return tidy_label(label).casefold()


@lru_cache(maxsize=4096)
def tidy_label(label: str) -> str:
    """Get a label without colon, emphasis, odd spaces, or the typing slip `Name: Name`."""
    name = " ".join(_UNSEEN.sub("", unicodedata.normalize("NFC", label)).split()).strip("*_: ")
    first, colon, second = name.partition(":")
    return first.strip() if colon and first.strip() == second.strip() else name
