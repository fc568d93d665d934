"""A file's bytes -> an episode and its turns, by whichever reader knows the format best; the table of readers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from hashlib import sha256
from itertools import count
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, unquote_plus

from econchatr.errors import TranscriptError
from econchatr.parse.dates import read_name_date, read_title_date
from econchatr.parse.decode import MAX_JSON_BYTES, decode_text, drop_controls
from econchatr.parse.draft import Account, Draft, Flagged, Loss, Reader, add_losses, count_flagged
from econchatr.parse.flags import flag_turns
from econchatr.parse.front_matter import Front, read_front
from econchatr.parse.labels import Naming, SharedLabel, list_guests, name_people
from econchatr.parse.language import Language, tell_language
from econchatr.parse.lines import check_speakers
from econchatr.parse.people import SpeakerTable, tidy_label
from econchatr.parse.readers.docx import is_zip, read_docx
from econchatr.parse.readers.econtalk import ECONTALK, read_guests
from econchatr.parse.readers.headed_text import HEADED
from econchatr.parse.readers.json_records import JSON_RECORDS
from econchatr.parse.readers.json_shapes import JSON_READERS
from econchatr.parse.readers.labelled_text import OTTER, PLAIN, PROSE, STAMPED
from econchatr.parse.readers.markdown import MARKDOWN
from econchatr.parse.readers.podcast_html import PODCAST_HTML
from econchatr.parse.readers.subtitles import ASS, SRT, TTML, WEBVTT
from econchatr.parse.readers.web_page import is_page, read_page_text
from econchatr.records import Episode, Role, Turn

READERS: Final[tuple[Reader, ...]] = (
    MARKDOWN, ECONTALK, WEBVTT, SRT, ASS, TTML, PODCAST_HTML, *JSON_READERS, JSON_RECORDS, STAMPED, OTTER, HEADED,
    PLAIN,
)  # fmt: skip
"""Every format there is, the surer one first where two know a text equally well.

A new one is a module with a `Reader` and a place here. Word documents and web pages are opened first.
"""

NOBODY_NAMED: Final = (
    "Transcribe the audio again with a tool that tells speakers apart (`whisperx AUDIO --diarize --output_format "
    "json`), or write who speaks before each turn (`Name: text`). If the host alone speaks, set `solo = true` under "
    "[show]."
)
"""What to do where a transcript names nobody."""
_UNKNOWN: Final = "Begin each turn with `Name:`, or save the whole web page; docs/readers.md has every shape."
_NO_BOX: Final = "Save the whole page of the episode, or leave it out: not every page has a transcript."
_SENTENCE: Final = re.compile(r"\w[.?!…。？！]")
_MIN_SENTENCES: Final = 4

_NOBODY: Final[tuple[str, Role]] = ("", "other")
_MAX_SLUG_CHARS: Final = 80
# fmt: off
_SUFFIXES: Final = frozenset({
    ".md", ".markdown", ".txt", ".html", ".htm", ".xhtml", ".shtml", ".php", ".asp", ".aspx", ".jsp", ".vtt", ".srt",
    ".json", ".jsonl", ".docx", ".xml", ".sbv", ".ass", ".ssa", ".ttml", ".dfxp", ".itt",
})
# fmt: on
"""What a file's name or an address may end in; other words behind a point are part of the title (`u.s.-markets`)."""

_PROGRAMS: Final = frozenset({".php", ".asp", ".aspx", ".jsp"})
_READS_PAGES: Final = (ECONTALK, PODCAST_HTML)
"""Readers that know pages of their own by the page's tags."""
_SURE_PAGE: Final = 0.5


@dataclass(frozen=True)
class ParsedFile:
    """One file read: its episode (rank 0 until `rank_episodes`) and its turns in order."""

    episode: Episode
    turns: list[Turn]
    loss: Loss
    """What became of the file's characters."""
    scores: tuple[tuple[str, float], ...]
    """How surely each reader knew the text."""
    shared: tuple[SharedLabel, ...]
    """Labels that may be two people; they stand as they are."""
    language: Language
    """What language it is spoken in, and by which small words."""


@dataclass(frozen=True)
class Explanation:
    """Why a file was read as it was."""

    location: str
    scores: tuple[tuple[str, float], ...]
    """Reader and score, the surest first."""
    reader: str
    """The one that read the file; empty if none could."""
    loss: Loss
    """What became of the file's characters; of a file that was not read, every one of them is unplaced."""
    parsed: ParsedFile | None = None
    error: str = ""
    knows_show: bool = False
    """Whether the turns have the flags of the whole show; by one file alone, nothing is repeated in other files."""

    @property
    def flagged(self) -> Flagged:
        """How much of what was said stands under flags."""
        return count_flagged(self.parsed.turns if self.parsed else ())

    def count_chars(self) -> dict[str, int]:
        """Get how many characters came to which end; they add up to the file."""
        n_flagged = self.flagged.n_chars
        return {
            "placed": self.loss.n_placed_chars - n_flagged,
            "flagged": n_flagged,
            "unplaced": self.loss.n_unplaced_chars,
            "markup": self.loss.n_markup_chars,
            "white": self.loss.n_white_chars,
        }

    def take_flags(self, turns: Sequence[Turn]) -> Explanation:
        """Get the same with the turns as the whole show flagged them; without a change if these are other turns."""
        if self.parsed is None or [turn.text for turn in turns] != [turn.text for turn in self.parsed.turns]:
            return self
        return replace(self, parsed=replace(self.parsed, turns=list(turns)), knows_show=True)

    def count_speakers(self) -> list[tuple[str, Role, int, int]]:
        """Get who speaks, in which role, in how many turns and words; who says most comes first."""
        counts = dict[tuple[str, Role], tuple[int, int]]()
        for turn in self.parsed.turns if self.parsed else ():
            n_turns, n_words = counts.get((turn.speaker, turn.role), (0, 0))
            counts[turn.speaker, turn.role] = n_turns + 1, n_words + len(turn.text.split())
        return sorted(((*who, *n) for who, n in counts.items()), key=lambda row: -row[3])

    def as_dict(self) -> dict[str, object]:
        """Get the same as plain values."""
        counts = self.count_chars()
        characters = {f"n_{end}_chars": n for end, n in counts.items()}
        return {
            "location": self.location,
            "reader": self.reader,
            "error": self.error,
            "scores": dict(self.scores),
            "characters": asdict(self.loss) | characters | {"n_chars": sum(counts.values())},
            "flags": {"n_chars_by_kind": self.flagged.by_kind, "of_the_whole_show": self.knows_show},
            "speakers": self.count_speakers(),
            "shared_labels": [one._asdict() for one in self.parsed.shared] if self.parsed else [],
        }


@dataclass(frozen=True)
class _Opened:
    """A file's text, what stands apart from it, and what it was packed in."""

    text: str
    aside: str
    prefix: str
    front: Front = field(default_factory=Front)
    head: str = ""
    """The lines of the front matter, which no reader sees."""

    def settle(self) -> Loss:
        """Get what became of the characters that no reader sees: the head is markup, what stands apart is unplaced."""
        head = Account(self.head)
        head.mark(0, len(self.head))
        return add_losses(head.settle(), Account(self.aside).settle())


def parse_file(data: bytes, *, location: str, show: SpeakerTable, slug: str = "") -> ParsedFile:
    """Get the episode and the turns of one transcript; the reader is chosen by the content, never by the name.

    Without a slug, it is made of the file's name.

    Raises:
        TranscriptError: the file is not text, no reader knows it, or it holds no turn.
    """
    opened = _open_file(data, location)
    scores = _score_readers(opened.text)
    slug = slug or make_slug(location, ())
    show = show.narrow(slug)
    reader, draft = _read_best(opened, scores, show, location)
    draft = _add_front(_name_solo(draft, show), opened.front)
    naming = _name_speakers(draft, show)
    turns = _make_turns(draft, naming, slug=slug)
    if not turns:
        raise TranscriptError(
            f"{location} was read as {opened.prefix}{reader.name}, but it holds no turn",
            hint="Open the file and look whether the transcript is in it.",
        )
    loss = add_losses(opened.settle(), draft.account.settle())
    name = opened.prefix + reader.name
    episode = _make_episode(draft, turns, loss, reader=name, location=location, digest=sha256(data).hexdigest())
    shared = tuple(SharedLabel(slug, tidy_label(label), names) for label, names in naming.shared.items())
    language = tell_language(turns)
    episode = episode.model_copy(update={"language": language.code})
    return ParsedFile(episode, turns, loss, scores, shared, language)


def explain_file(data: bytes, *, location: str, show: SpeakerTable) -> Explanation:
    """Get why a file was read as it was: every reader's score, the winner, and what became of the characters.

    A file that cannot be read is explained too; then `error` says why, and nothing of it is placed. The flags are those
    that one file alone can give.

    Raises:
        TranscriptError: the file is not text, so that no reader could look at it.
    """
    opened = _open_file(data, location)
    ranked = tuple(sorted(_score_readers(opened.text), key=lambda item: -item[1]))
    try:
        parsed = parse_file(data, location=location, show=show)
    except TranscriptError as exc:
        nothing = add_losses(opened.settle(), Account(opened.text).settle())
        return Explanation(location, ranked, "", nothing, error=exc.message)
    flagged = replace(parsed, turns=flag_turns(parsed.turns, hosts=show.hosts))
    return Explanation(location, ranked, parsed.episode.reader, parsed.loss, parsed=flagged)


def open_text(data: bytes, *, location: str) -> str:
    """Get a file's text as its reader saw it, and behind it what stands apart from it (a Word document's notes).

    Raises:
        TranscriptError: the file is not text.
    """
    opened = _open_file(data, location)
    return "\n".join(part for part in (opened.head + opened.text, opened.aside) if part)


def _choose_reader(scores: Sequence[tuple[str, float]], opened: _Opened, location: str) -> Reader:
    """Get the reader with the highest score; of two that know a text equally well, the first.

    Raises:
        TranscriptError: no reader knows the text.
    """
    name, score = max(scores, key=lambda item: item[1])
    if score <= 0:
        if opened.prefix == "html/":
            problem = f"{location}: the web page has no transcript box, and no line of it names a speaker"
            raise TranscriptError(problem, hint=_NO_BOX)
        is_prose = len(_SENTENCE.findall(opened.text[:20_000])) >= _MIN_SENTENCES
        problem = "names no speaker" if is_prose else "is in no known transcript format"
        raise TranscriptError(f"{location} {problem}", hint=NOBODY_NAMED if is_prose else _UNKNOWN)
    return next(reader for reader in READERS if reader.name == name)


def _open_file(data: bytes, location: str) -> _Opened:
    if is_zip(data) and len(data) <= MAX_JSON_BYTES:
        return _take_front(_Opened(*read_docx(data, location=location), "docx/"))
    text = decode_text(data, location=location)
    if is_page(text) and all(reader.score(text) < _SURE_PAGE for reader in _READS_PAGES):
        page = read_page_text(text)
        return _Opened(page.text, page.aside, "html/", page.front)
    return _take_front(_Opened(text, "", ""))


def _take_front(opened: _Opened) -> _Opened:
    front = read_front(opened.text)
    return replace(opened, text=opened.text[front.end :], front=front, head=opened.text[: front.end])


def _get_score(item: tuple[str, float]) -> float:
    return item[1]


def _name_solo(draft: Draft, show: SpeakerTable) -> Draft:
    """Get the draft of a show in which the host alone speaks: what names nobody is the host's."""
    if not show.is_solo or draft.kind != "unlabelled":
        return draft
    return replace(draft, kind="verbatim", turns=tuple(replace(raw, label=show.hosts[0]) for raw in draft.turns))


def _add_front(draft: Draft, front: Front) -> Draft:
    """Get the draft with what the file's head says, which comes before what a reader found."""
    published, precision = (front.published, front.precision) if front.published else (draft.published, draft.precision)
    return replace(
        draft,
        title=front.title or draft.title,
        published=published,
        precision=precision,
        guests=front.guests or draft.guests,
        doubt=draft.doubt,
        label_doubt=". ".join(filter(None, (front.doubt, draft.label_doubt))),
    )


def _score_readers(text: str) -> tuple[tuple[str, float], ...]:
    return tuple((reader.name, reader.score(text)) for reader in READERS)


def _read_best(
    opened: _Opened, scores: Sequence[tuple[str, float]], show: SpeakerTable, location: str
) -> tuple[Reader, Draft]:
    """Get the surest reader and what it read; of JSON in which it finds no speaker, the next reader that finds one.

    Raises:
        TranscriptError: No reader knows the text, or none can read it.
    """
    reader = _choose_reader(scores, opened, location) if not show.is_solo or max(scores, key=_get_score)[1] else PROSE
    problem, draft = None, None
    try:
        draft = _read_draft(reader, opened.text, show, location)
    except TranscriptError as exc:
        problem = exc
    knows_others = reader is not JSON_RECORDS and dict(scores)[JSON_RECORDS.name] > 0
    if knows_others and (draft is None or draft.kind == "unlabelled"):
        try:
            other = _read_draft(JSON_RECORDS, opened.text, show, location)
        except TranscriptError:
            other = None
        if other is not None and other.kind == "verbatim" and 2 * _count_said(other) > _count_said(draft):
            return JSON_RECORDS, other
    if draft is None:
        raise problem or TranscriptError(f"{location} cannot be read")
    return reader, draft


def _count_said(draft: Draft | None) -> int:
    return sum(len(raw.text) for raw in draft.turns) if draft else 0


def _read_draft(reader: Reader, text: str, show: SpeakerTable, location: str) -> Draft:
    try:
        draft = reader.read(text, show)
        check_speakers(raw.label for raw in draft.turns)
    except TranscriptError as exc:
        raise TranscriptError(f"{location}: {exc.message}", hint=exc.hint) from exc
    return draft


def rank_episodes(episodes: Sequence[Episode]) -> list[Episode]:
    """Get the episodes oldest first, with `rank` set from 0.

    Dated episodes go by date. The others go by the numbers in their files' names, each right after the one before it in
    that order, so that one undated episode does not fall out of its season.
    """
    latest, keyed = date.min, list[tuple[date, int, Episode]]()
    for place, episode in enumerate(sorted(episodes, key=lambda episode: _natural_key(episode.location))):
        latest = episode.published or latest
        keyed.append((latest, place, episode))
    ordered = [episode for _, _, episode in sorted(keyed, key=lambda item: item[:2])]
    return [episode.model_copy(update={"rank": rank}) for rank, episode in enumerate(ordered)]


def _name_speakers(draft: Draft, show: SpeakerTable) -> Naming:
    told = draft.guests or read_guests(draft.title, show) or read_guests(show.cast.title, show)
    return name_people((raw.label for raw in draft.turns if raw.label), list_guests(told, show), show)


def _make_turns(draft: Draft, naming: Naming, *, slug: str) -> list[Turn]:
    """Get the turns with speakers resolved; neighbours of one speaker are one turn, for labels repeat at every row."""
    said = list[tuple[str, Role, int | None, list[str]]]()
    for raw in draft.turns:
        speaker, role = naming.people[raw.label] if raw.label else _NOBODY
        text = drop_controls(raw.text).strip()
        if text and said and raw.label and said[-1][:2] == (speaker, role):
            said[-1][3].append(text)
        elif text:
            said.append((speaker, role, raw.start_seconds, [text]))
    return [
        Turn(slug=slug, position=position, speaker=speaker, role=role, text="\n".join(texts), start_seconds=start)
        for position, (speaker, role, start, texts) in enumerate(said)
    ]


def _make_episode(draft: Draft, turns: list[Turn], loss: Loss, *, reader: str, location: str, digest: str) -> Episode:
    stem = read_stem(location)
    published, precision = draft.published, draft.precision
    if published is None and (found := read_name_date(stem) or read_title_date(draft.title)):
        published, precision = found, "day"
    return Episode(
        slug=turns[0].slug,
        title=" ".join(drop_controls(draft.title).split()) or stem,
        published=published,
        rank=0,
        kind=draft.kind,
        reader=reader,
        location=location,
        sha256=digest,
        n_turns=len(turns),
        n_words=sum(len(turn.text.split()) for turn in turns),
        n_chars=loss.n_placed_chars + loss.n_unplaced_chars + loss.n_markup_chars + loss.n_white_chars,
        n_placed_chars=loss.n_placed_chars,
        n_unplaced_chars=loss.n_unplaced_chars,
        unplaced=loss.unplaced,
        n_unplaced_lines=loss.n_unplaced_lines,
        n_markup_chars=loss.n_markup_chars,
        n_white_chars=loss.n_white_chars,
        precision=precision,
        doubt=" ".join(_tell_doubts(draft)),
    )


def _tell_doubts(draft: Draft) -> Iterator[str]:
    if draft.doubt:
        yield f"{draft.doubt}. Fetch or export it again."
    if draft.label_doubt:
        yield f"{draft.label_doubt}."


def make_slug(location: str, taken: Collection[str]) -> str:
    """Get the name of an episode, made of its file's; if it is among those already `taken`, it gets a number."""
    plain = unicodedata.normalize("NFKD", read_stem(location)).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:_MAX_SLUG_CHARS].strip("-") or "episode"
    numbered = (f"{slug}-{number}" for number in count(2))
    return slug if slug not in taken else next(one for one in numbered if one not in taken)


def list_slugs(locations: Iterable[str]) -> Iterator[str]:
    """Get the slug of each file where every one before it is used."""
    taken = set[str]()
    for location in locations:
        slug = make_slug(location, taken)
        taken.add(slug)
        yield slug


def read_stem(location: str) -> str:
    """Get the name in a path or in a web address, without folders and without what tells the kind of file.

    Of an address that names a program (`/show.php?id=7`) or nothing, the query is the name.
    """
    if "://" not in location:
        return _drop_suffix(PurePosixPath(location).name)
    path, _, query = location.partition("://")[2].partition("#")[0].partition("?")
    site, _, rest = path.partition("/")
    name = unquote(rest.rstrip("/").rpartition("/")[2])
    stem = _drop_suffix(name)
    if query and (not name or PurePosixPath(name).suffix.lower() in _PROGRAMS):
        return f"{stem} {unquote_plus(query)}".strip()
    return stem or site


def _drop_suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in _SUFFIXES else name


def _natural_key(location: str) -> tuple[tuple[int, int, str], ...]:
    # Numbers sort before words, and never meet one in a comparison.
    parts = re.findall(r"[0-9]+|[^0-9]+", PurePosixPath(location).name.lower())
    return tuple((0, int(part[:18]), "") if part.isdigit() else (1, 0, part) for part in parts)
