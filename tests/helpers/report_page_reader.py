"""Read a rendered page as a strict reader would: every tag closed, no id twice, and what it would load."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}
_LOADING = {"src", "srcset", "poster", "data", "xlink:href", "action", "formaction", "background", "style"}


class PageReader(HTMLParser):
    """Collects tags, text, ids, addresses and every fault of form."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.labelled_by: list[str] = []
        self.quotes: list[str] = []
        """Answers of a model."""
        self.excerpts: list[str] = []
        """Words of the transcripts."""
        self.faults: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self._into = self.quotes
        self.feed(page)
        self.close()
        self.faults += [f"never closed: {tag}" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._take(tag, attrs)
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "figure":
            self._into = self.excerpts if ("class", "excerpt") in attrs else self.quotes
        if tag == "blockquote":
            self._into.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._take(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"closed out of order: {tag} at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data
        if "blockquote" in self._open:
            self._into[-1] += data

    def _take(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.faults.append(f"attribute twice on {tag} at {self.getpos()}")
        for name, value in attrs:
            if name == "id":
                if value in self.ids:
                    self.faults.append(f"id twice: {value}")
                self.ids.append(value or "")
            elif name.startswith("on"):
                self.handlers.append(name)
            elif name in {"aria-labelledby", "aria-describedby"}:
                self.labelled_by += (value or "").split()
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in _LOADING or name == "href":
                self.loads.append(f"{tag} {name}={value}")
