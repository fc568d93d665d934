"""Text from outside made harmless to show, and the label that goes with every imitation.

Each place where text is shown has one function here: `strip_controls` for a terminal, `escape_html` for a page,
`escape_markdown` and `quote_markdown` for Markdown. Text from a transcript, a model, a file name or a config passes
through one of them before anybody sees it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from markupsafe import Markup, escape

# Control characters but tab and line feed, bidirectional embeddings, overrides and isolates, lone surrogates (which no
# encoder accepts) and noncharacters. Left-to-right and right-to-left marks stay: Hebrew and Arabic prose needs them,
# and each text is isolated on the page.
_TREACHEROUS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]"
)
_MARKDOWN_SPECIAL = re.compile(r"[\\`*_\[\]|~#$]|!(?=\[)")
_MARKDOWN_LINE_START = re.compile(r"^([-+=:]|\d{1,9}[.)](?=\s|$))")
_TELLING_CHARS = 8
"""Characters of a key that tell something of it; a text may well end in fewer by chance."""
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


# --- the label --------------------------------------------------------------------------------------------------------


def name_hosts(hosts: Sequence[str]) -> str:
    """Join the hosts' names as one reads them aloud: `A`, `A and B`, `A, B and C`; `the host` for none."""
    if len(hosts) < 2:
        return "".join(hosts) or "the host"
    return f"{', '.join(hosts[:-1])} and {hosts[-1]}"


def name_imitation(hosts: Sequence[str]) -> str:
    """Give the short form of the label, for a place that says beside it who is not speaking."""
    return f"AI imitation of {name_hosts(hosts)}"


def label_imitation(hosts: Sequence[str]) -> str:
    """Give the label that stands on every page and with every generated answer; nothing switches it off."""
    return f"{name_imitation(hosts)}, not {name_hosts(hosts)}"


# --- harmless text ----------------------------------------------------------------------------------------------------


def strip_controls(text: str, *, keeps_lines: bool = True) -> str:
    r"""Give the text without what could steer a terminal: control characters and unprintable ones are left out.

    Args:
        keeps_lines: Whether line feeds and tabs stay; without them the text is one line.

    >>> strip_controls("red\x1b[31m"), strip_controls("two\nlines", keeps_lines=False)
    ('red[31m', 'twolines')
    """
    kept = "\n\t" if keeps_lines else ""
    return "".join(char for char in text if char.isprintable() or char in kept)


def hide_key(text: str, key: str) -> str:
    """Give the text without a key: `***` stands where the key stood, also where the text breaks off inside the key.

    Args:
        key: Empty: there is none to hide.

    >>> hide_key("wrong key: sk-secret-0123", "sk-secret-0123"), hide_key("wrong key: sk-secret", "sk-secret-0123")
    ('wrong key: ***', 'wrong key: ***')
    """
    told = text.replace(key, "***") if key else text
    for n in range(len(key) - 1, _TELLING_CHARS - 1, -1):
        if told.endswith(key[:n]):
            return told[:-n] + "***"
    return told


def disarm(text: str) -> str:
    """Give the text with every character that could disorder a page named instead of obeyed.

    >>> disarm("left\u202eright")
    'left⟨U+202E⟩right'
    """
    unified = _LINE_END.sub("\n", text)
    return _TREACHEROUS.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", unified)


def escape_html(text: str) -> Markup:
    """Give HTML that shows the text, inside an element or a quoted attribute, and does nothing else.

    >>> str(escape_html("<b>bold</b>"))
    '&lt;b&gt;bold&lt;/b&gt;'
    """
    return escape(disarm(text))


def escape_markdown(text: str) -> str:
    r"""Give one line of Markdown that reads as the text and does nothing else.

    >>> escape_markdown("<b>*bold*</b>")
    '&lt;b&gt;\\*bold\\*&lt;/b&gt;'
    """
    line = " ".join(disarm(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKDOWN_SPECIAL.sub(lambda match: "\\" + match.group(), line)
    line = _MARKDOWN_LINE_START.sub(lambda match: f"{match.group()[:-1]}\\{match.group()[-1]}", line)
    # Without this, a bare address becomes a link in most dialects.
    return line.replace("://", ":\\//").replace("www.", "www\\.")


def quote_markdown(text: str) -> str:
    """Give the text as a Markdown block quote, line for line; blank lines part paragraphs."""
    lines = [escape_markdown(line) for line in disarm(text).strip().split("\n")]
    with_next = zip(lines, [*lines[1:], ""], strict=True)
    return "\n".join(f"> {line}\\" if line and after else f"> {line}".rstrip() for line, after in with_next)


def show_day(day: date | None) -> str:
    """A date in words."""
    return "no date" if day is None else f"{day.day} {day:%B %Y}"
