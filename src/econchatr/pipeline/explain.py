"""Why one file is read as it is, for `econchatr parse --explain`.

This module changes nothing, and needs no show: with one, its hosts and aliases are known, and whom the feed names; once
it is parsed, what one episode repeats of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from econchatr.config import CONFIG_NAME
from econchatr.errors import SourceError
from econchatr.fetch.folder import MAX_FILE_BYTES
from econchatr.parse import LANGUAGES, Cast, Explanation, SpeakerTable, explain_file, tell_shared
from econchatr.pipeline.show import Show, open_show
from econchatr.records import Episode, SourceFile, Turn
from econchatr.tables import hash_bytes, read_manifest, read_table


def explain_transcript(root: Path, path: Path) -> Explanation:
    """Why the file at a path is read as it is, with the speakers of the show in `root` if there is one.

    Raises:
        SourceError: The file cannot be read, or is too large to be a transcript.
        TranscriptError: It is not text.
        InputError: show.toml is wrong.
        ShowFolderError: The show's tables are broken.
    """
    show = open_show(root) if (root / CONFIG_NAME).is_file() else None
    table = SpeakerTable(show.config.show.hosts, show.config.show.aliases) if show else SpeakerTable(hosts=())
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SourceError(
                f"{path} has {path.stat().st_size:,} bytes; a transcript has at most {MAX_FILE_BYTES:,}.",
                hint="Split it into one file per episode.",
            )
        data = path.read_bytes()
    except OSError as exc:
        raise SourceError(f"cannot read {path}: {exc.strerror}.", hint="Name a file that is there.") from exc
    explanation = explain_file(data, location=path.name, show=replace(table, cast=_find_cast(root, data)))
    return explanation.take_flags(_read_turns(show, explanation)) if show else explanation


def _find_cast(root: Path, data: bytes) -> Cast:
    """Whom the feed names, if the file was fetched from one."""
    table = root / "fetch" / "files.parquet"
    files = read_table(table, SourceFile) if table.is_file() else []
    named = next((file for file in files if file.sha256 == hash_bytes(data)), None)
    return Cast(named.title, named.hosts, named.guests) if named else Cast()


def _read_turns(show: Show, explanation: Explanation) -> list[Turn]:
    """The turns of the same file in the show's table, with the flags of the whole show; none if it is not there."""
    folder = show.folder("parse")
    if explanation.parsed is None or read_manifest(folder) is None:
        return []
    sha256 = explanation.parsed.episode.sha256
    slugs = [one.slug for one in read_table(folder / "episodes.parquet", Episode) if one.sha256 == sha256]
    return [turn for turn in read_table(folder / "turns.parquet", Turn) if turn.slug in slugs[:1]] if slugs else []


def tell_explanation(explanation: Explanation) -> Iterator[str]:
    """The explanation in lines for people."""
    yield f"{explanation.location}: " + (f"read as {explanation.reader}" if explanation.reader else "not read")
    if explanation.error:
        yield f"  {explanation.error}"
    yield "how surely each reader knows it (0 to 1):"
    for name, score in explanation.scores:
        if score > 0:
            yield f"  {score:.2f}  {name}"
    if explanation.scores and explanation.scores[0][1] <= 0:
        yield "  none of them at all"
    yield from _tell_characters(explanation)
    if explanation.parsed is None:
        return
    episode = explanation.parsed.episode
    if episode.doubt:
        yield f"doubtful: {episode.doubt}"
    if episode.language:
        yield f"language: {LANGUAGES[episode.language]}"
    if episode.published is not None:
        yield f"date: {episode.published}, known to the {episode.precision}"
    yield f"turns: {episode.n_turns:,}, words: {episode.n_words:,}, kind: {episode.kind}"
    for speaker, role, n_turns, n_words in explanation.count_speakers():
        yield f"  {speaker or '(nobody named)'} ({role}): {n_turns:,} turns, {n_words:,} words"
    yield from tell_shared(explanation.parsed.shared)


def _tell_characters(explanation: Explanation) -> Iterator[str]:
    counts, loss, flagged = explanation.count_chars(), explanation.loss, explanation.flagged
    yield f"characters: {sum(counts.values()):,}"
    yield f"  {counts['placed']:,} placed in turns, labels and times"
    kinds = ", ".join(f"{kind} {n:,}" for kind, n in flagged.by_kind.items())
    yield f"  {counts['flagged']:,} flagged" + (f": {kinds}" if kinds else "")
    yield f"  {counts['unplaced']:,} unplaced, on {loss.n_unplaced_lines:,} lines"
    for line in loss.unplaced:
        yield f"    | {line}"
    yield f"  {counts['markup']:,} markup"
    yield f"  {counts['white']:,} white space"
    if explanation.parsed is not None and not explanation.knows_show:
        yield "  (flagged by this file alone; once `econchatr parse` has run: by the whole show)"
