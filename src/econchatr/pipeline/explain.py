"""Why one file is read as it is, for `econchatr parse --explain`.

This module changes nothing, and needs no show: with one, its hosts and aliases are known, and whom the feed names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from econchatr.config import CONFIG_NAME, load_config
from econchatr.errors import SourceError
from econchatr.fetch.folder import MAX_FILE_BYTES
from econchatr.parse import Cast, Explanation, SpeakerTable, explain_file, tell_shared
from econchatr.records import SourceFile
from econchatr.tables import hash_bytes, read_table


def explain_transcript(root: Path, path: Path) -> Explanation:
    """Why the file at a path is read as it is, with the speakers of the show in `root` if there is one.

    Raises:
        SourceError: The file cannot be read, or is too large to be a transcript.
        TranscriptError: It is not text.
        InputError: show.toml is wrong.
        ShowFolderError: The show's table of files is broken.
    """
    table = SpeakerTable(hosts=())
    if (root / CONFIG_NAME).is_file():
        config = load_config(root / CONFIG_NAME)
        table = SpeakerTable(hosts=config.show.hosts, aliases=config.show.aliases)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SourceError(
                f"{path} has {path.stat().st_size:,} bytes; a transcript has at most {MAX_FILE_BYTES:,}.",
                hint="Split it into one file per episode.",
            )
        data = path.read_bytes()
    except OSError as exc:
        raise SourceError(f"cannot read {path}: {exc.strerror}.", hint="Name a file that is there.") from exc
    return explain_file(data, location=path.name, show=replace(table, cast=_find_cast(root, data)))


def _find_cast(root: Path, data: bytes) -> Cast:
    """Whom the feed names, if the file was fetched from one."""
    table = root / "fetch" / "files.parquet"
    files = read_table(table, SourceFile) if table.is_file() else []
    named = next((file for file in files if file.sha256 == hash_bytes(data)), None)
    return Cast(named.title, named.hosts, named.guests) if named else Cast()


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
    if explanation.loss is None or explanation.parsed is None:
        return
    loss, parsed = explanation.loss, explanation.parsed
    yield f"characters: {parsed.episode.n_chars:,}"
    yield f"  {loss.n_placed_chars:,} placed in turns, labels and times"
    yield f"  {loss.n_markup_chars:,} markup"
    yield f"  {loss.n_white_chars:,} white space"
    yield f"  {loss.n_unplaced_chars:,} unplaced, on {loss.n_unplaced_lines:,} lines"
    for line in loss.unplaced:
        yield f"    | {line}"
    yield f"turns: {parsed.episode.n_turns:,}, words: {parsed.episode.n_words:,}, kind: {parsed.episode.kind}"
    for speaker, role, n_turns, n_words in explanation.count_speakers():
        yield f"  {speaker or '(nobody named)'} ({role}): {n_turns:,} turns, {n_words:,} words"
    yield from tell_shared(parsed.shared)
