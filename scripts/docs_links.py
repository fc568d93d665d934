"""For the documentation's site (mkdocs.yml): links that leave docs/ lead to the repository; decisions are listed.

The same files are read on the site and in a clone, where such links lead to files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\]\((?P<target>(?:\.\./)+[^)#\s]*|decisions/?|notebook\.ipynb)(?P<rest>#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """List every decision under its heading, as mkdocs calls it before it reads the pages."""
    folder = Path(config.docs_dir) / "decisions"
    pages = [f"decisions/{path.name}" for path in sorted(folder.glob("*.md"))]
    config.nav = [{"Decisions": pages} if "Decisions" in one else one for one in config.nav]
    return config


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """The page with links that lead somewhere on the site too, as mkdocs calls it for each page."""
    here = Path("docs") / Path(page.file.src_uri).parent

    def lead(link: re.Match[str]) -> str:
        path = Path(*_resolve(here / link["target"]))
        is_page = path.suffix == ".md" and path.is_relative_to("docs")
        inside = is_page and files.get_file_from_path(path.relative_to("docs").as_posix())
        return (
            link[0] if inside else f"]({config.repo_url.rstrip('/')}/blob/main/{path.as_posix()}{link['rest'] or ''})"
        )

    return _LINK.sub(lead, markdown)


def _resolve(path: Path) -> list[str]:
    """The parts of a path without `..`."""
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return parts
