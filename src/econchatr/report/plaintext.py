"""Make outside text harmless to show, in HTML and in Markdown, without losing what it said.

Every string on the page passes through here, whether or not it is trusted.
"""

from __future__ import annotations

import re

# Control characters but tab and line feed, bidirectional embeddings, overrides and isolates, lone surrogates (which no
# encoder accepts) and noncharacters. Left-to-right and right-to-left marks stay: Hebrew and Arabic prose needs them,
# and each text is isolated on the page.
_TREACHEROUS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]"
)
_MARKDOWN_SPECIAL = re.compile(r"[\\`*_\[\]|~#$]|!(?=\[)")
_MARKDOWN_LINE_START = re.compile(r"^([-+=:]|\d{1,9}[.)](?=\s|$))")
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


def disarm(text: str) -> str:
    """Give the text with every character that could disorder a page named instead of obeyed.

    >>> disarm("left\u202eright")
    'left⟨U+202E⟩right'
    """
    unified = _LINE_END.sub("\n", text)
    return _TREACHEROUS.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", unified)


def escape_markdown(text: str) -> str:
    r"""Give one line of Markdown that reads as the text and does nothing else.

    >>> escape_markdown("<b>*bold*</b>")
    '&lt;b&gt;\\*bold\\*&lt;/b&gt;'
    """
    line = " ".join(disarm(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKDOWN_SPECIAL.sub(lambda match: "\\" + match.group(), line)
    line = _MARKDOWN_LINE_START.sub(_escape_last, line)
    # Without this, a bare address becomes a link in most dialects.
    return line.replace("://", ":\\//").replace("www.", "www\\.")


def _escape_last(match: re.Match[str]) -> str:
    mark = match.group()
    return f"{mark[:-1]}\\{mark[-1]}"


def quote_markdown(text: str) -> str:
    """Give the text as a Markdown block quote, line for line; blank lines part paragraphs."""
    lines = [escape_markdown(line) for line in disarm(text).strip().split("\n")]
    return "\n".join(f"> {line}\\" if line and after else f"> {line}".rstrip() for line, after in _with_next(lines))


def _with_next(lines: list[str]) -> list[tuple[str, str]]:
    return list(zip(lines, [*lines[1:], ""], strict=True))
