"""Who speaks: labels -> speakers and roles in one show, and spellings of one name over many files."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Final

from econchatr.records import Role, Turn

# fmt: off
BREAKS: Final = frozenset({
    "break", "commercial break", "ad break", "sponsor break", "ad", "sponsor", "sponsors", "intro", "outro",
    "recording ends", "extract ends", "clip ends", "end of recording", "end of clip", "note", "editor's note",
})
# fmt: on
"""Labels of what interrupts the talk; who spoke before goes on after them."""

# fmt: off
_CLIPS: Final = frozenset({
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

_PSEUDO: Final = BREAKS | _CLIPS | GROUPS

_ANONYMOUS: Final = re.compile(
    r"(?:(?:speaker|spk|person|voice|channel|participant|s)[ _\-#]{0,2}(?:\d{1,3}|[a-z])|guest[ _\-#]{0,2}\d{1,3}"
    r"|[a-z]|\d{1,3}|>>)",
    re.IGNORECASE,
)
# Marks of direction and of no width would make one name two.
_UNSEEN: Final = re.compile("[\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


# What stands behind a name in a broadcaster's transcript.
_PART: Final = re.compile(
    r"(?<=\w),\s*(?:co-?host|host|byline|guest|anchor|moderator|interviewer|correspondent|reporter|narrator)$",
    re.IGNORECASE,
)
_MAX_KEPT_NAMES: Final = 65_536
"""Labels whose tidied form is remembered: a file of many labels asks for each some ten times."""


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
    is_solo: bool = False
    """Whether the host alone speaks, so that text without a label is the host's."""
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

    def knows(self, label: str) -> bool:
        """Say whether the label is a host's or an alias."""
        return fold_label(label) in self._names

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


@lru_cache(maxsize=_MAX_KEPT_NAMES)
def tidy_label(label: str) -> str:
    """Get a label without colon, emphasis, odd spaces, a part (`NAME, HOST`), or the typing slip `Name: Name`."""
    name = " ".join(_UNSEEN.sub("", unicodedata.normalize("NFC", label)).split()).strip("*_:： ")
    name = _PART.sub("", name)
    first, colon, second = name.partition(":")
    return first.strip() if colon and first.strip() == second.strip() else name


# fmt: off
_TITLES: Final = frozenset({
    "dr", "prof", "professor", "doctor", "mr", "mrs", "ms", "miss", "mx", "sir", "dame", "lord", "lady", "rev",
    "reverend", "hon", "honorable", "judge", "justice", "president", "senator", "sen", "governor", "gov", "mayor",
    "ambassador", "general", "gen", "colonel", "col", "captain", "capt", "lieutenant", "lt", "sergeant", "sgt",
})
_DEGREES: Final = frozenset({
    "phd", "dphil", "md", "psyd", "jd", "mba", "msc", "bsc", "ma", "ba", "ms", "bs", "rn", "esq", "dds", "cpa", "mph",
    "edd", "llb", "llm", "frs", "obe", "cbe", "mbe", "kbe", "meng", "beng", "dsc", "scd", "mfa", "lcsw", "pe", "pmp",
})
# fmt: on
_UNNAMED: Final = frozenset({"guest", "host", "interviewer"})
"""Labels for a part in the talk, not for a person."""

_ASIDE: Final = re.compile(r"\([^()]{0,60}\)")
_MAX_AD_TURNS: Final = 4.0
_MIN_AD_EPISODES: Final = 3
_MAX_AD_SHARE: Final = 0.08


@dataclass(frozen=True)
class UnnamedVoice:
    """A voice no file names; `alias` is the key under which `[show.aliases]` can name it."""

    slug: str
    label: str
    n_turns: int
    n_words: int
    sample: str
    """How its longest of the first turns begins, at most 120 characters."""

    @property
    def alias(self) -> str:
        """The key for this voice in this episode only: such labels mean somebody else in the next file."""
        return f"{self.slug}/{self.label}"


def unify_speakers(turns: Sequence[Turn], show: SpeakerTable, *, held: Collection[tuple[str, str]] = ()) -> list[Turn]:
    """Get the turns of a whole show with one spelling per person: the host's own, else the one with most turns.

    `held` has the (slug, speaker) of labels that may be two people; they stay as they are.
    """
    open_turns = [turn for turn in turns if turn.role != "other" and (turn.slug, turn.speaker) not in held]
    names = find_spellings(Counter(turn.speaker for turn in open_turns if turn.speaker), show)
    return [
        turn.model_copy(update={"speaker": name, "role": show.resolve(name)[1]})
        if (name := names.get(turn.speaker)) is not None
        and turn.role != "other"
        and (turn.slug, turn.speaker) not in held
        else turn
        for turn in turns
    ]


def find_spellings(counts: Mapping[str, int], show: SpeakerTable) -> dict[str, str]:
    """Get label -> the person's one spelling, for labels that have another one.

    A middle initial, a degree, a title, an accent or capitals do not make two people; two different initials do.
    """
    groups = defaultdict[str, list[str]](list)
    for label in counts:
        if not is_nobody(label) and " " in split_name(label)[0]:
            groups[split_name(label)[0]].append(label)
    found = dict[str, str]()
    for host in show.hosts:  # no file may write the host as show.toml does
        if (key := split_name(host)[0]) in groups and host not in counts:
            groups[key].append(host)
    for labels in groups.values():
        middles = {middle for label in labels if (middle := split_name(label)[1])}
        if len(labels) < 2 or len(middles) > 1:
            continue
        hosts = [label for label in labels if show.resolve(label)[1] == "host"]
        best = (
            show.resolve(hosts[0])[0]
            if hosts
            else max(labels, key=lambda one: (not one.isupper(), counts.get(one, 0), one))
        )
        found |= {label: best for label in labels if label != best and label in counts}
    return found


@lru_cache(maxsize=_MAX_KEPT_NAMES)
def split_name(label: str) -> tuple[str, str]:
    """Get the name in the form in which spellings are compared, and its middle initials apart."""
    words = [_fold_word(word) for word in bare_name(label).split()]
    middle = [word for word in words[1:-1] if len(word.strip(".")) == 1]
    kept = [word for place, word in enumerate(words) if not (0 < place < len(words) - 1 and word in middle)]
    return " ".join(word.strip(".") for word in kept), "".join(word.strip(".") for word in middle)


def is_degree(word: str) -> bool:
    """Say whether a word behind a comma is a degree, and no other name."""
    return _bare(word) in _DEGREES


def bare_name(label: str) -> str:
    """Get a label without title, degree and aside, in its own spelling."""
    parts = [part.split() for part in _ASIDE.sub(" ", tidy_label(label)[:200]).split(",")]
    words = [*parts[0], *(word for part in parts[1:] for word in part if _bare(word) not in _DEGREES)]
    while len(words) > 2 and _bare(words[-1]) in _DEGREES:
        words.pop()
    while len(words) > 1 and _bare(words[0]) in _TITLES:
        words.pop(0)
    return " ".join(words)


def _fold_word(word: str) -> str:
    """Get a word in one case and without accents."""
    plain = unicodedata.normalize("NFKD", word)
    return "".join(char for char in plain if not unicodedata.combining(char)).casefold().replace("’", "'")


def list_unnamed(turns: Iterable[Turn]) -> list[UnnamedVoice]:
    """Get the voices that no name stands for, file by file, so that the user can name them once."""
    voices = defaultdict[tuple[str, str], list[Turn]](list)
    for turn in turns:
        if is_unnamed(turn.speaker):
            voices[turn.slug, turn.speaker].append(turn)
    return [
        UnnamedVoice(
            slug,
            label,
            n_turns=len(said),
            n_words=sum(len(turn.text.split()) for turn in said),
            sample=" ".join(max((turn.text[:400] for turn in said[:5]), key=len).split())[:120],
        )
        for (slug, label), said in voices.items()
    ]


def find_ad_voices(turns: Iterable[Turn], *, hosts: Sequence[str] = ()) -> dict[str, str]:
    """Get name -> reason of the voices that read advertisements; see `choose_ad_voices`."""
    said, words = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    all_words = Counter[str]()
    for turn in turns:
        n_words = len(turn.text.split())
        all_words[turn.slug] += n_words
        if turn.role != "other":
            said[turn.speaker, turn.slug] += 1
            words[turn.speaker, turn.slug] += n_words
    return choose_ad_voices(((*who, n, words[who]) for who, n in said.items()), all_words, hosts=hosts)


def choose_ad_voices(
    spoken: Iterable[tuple[str, str, int, int]], words: Mapping[str, int], *, hosts: Sequence[str] = ()
) -> dict[str, str]:
    """Get name -> reason of the voices that read advertisements: few turns in many episodes, and never more.

    Source: in 303 episodes of an interview show, five such voices had 140 turns in 41 episodes.

    Args:
        spoken: Speaker, episode, and how many turns and words of this speaker's are in it.
        words: How many words an episode has in all.
        hosts: Who is none.
    """
    voices = defaultdict[str, list[tuple[int, float]]](list)
    for name, slug, n_turns, n_words in spoken:
        if name and not is_unnamed(name):
            voices[name].append((n_turns, n_words / max(1, words[slug])))
    found = dict[str, str]()
    for name, episodes in voices.items():
        most = max(n for n, _ in episodes)
        is_rare = most <= _MAX_AD_TURNS and max(share for _, share in episodes) <= _MAX_AD_SHARE
        if name not in hosts and len(episodes) >= _MIN_AD_EPISODES and is_rare:
            found[name] = f"{name} speaks in {len(episodes)} episodes, never more than {most} turns in one"
    return found


def is_unnamed(label: str) -> bool:
    """Say whether a label stands for somebody whom it does not name: `Speaker 1`, `Guest`, `Host`."""
    return is_anonymous(label) or fold_label(label) in _UNNAMED


def is_nobody(label: str) -> bool:
    """Say whether a label names no person."""
    return not label or is_unnamed(label) or is_pseudo(label)


def _bare(word: str) -> str:
    return _fold_word(word).replace(".", "").strip(",")
