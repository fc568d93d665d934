"""What every tab of the playground has at hand, and how its events are wired.

It knows no tab.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from econchatr.display import escape_html, name_imitation, show_day, strip_controls
from econchatr.models.engines.llama_server import ServedModel
from econchatr.prompts import Voice
from econchatr.records import Turn
from econchatr.score.speech import split_words
from econchatr.talk.playground.answering import DEFAULTS, MAX_TOKENS, Answering, Halt, Teller
from econchatr.talk.playground.lookups import Evidence, Given, Keeper, Library


class Desk(NamedTuple):
    """What the tabs share."""

    voice: Voice
    models: Mapping[str, ServedModel]
    teller: Teller
    library: Library
    keeper: Keeper
    now: Callable[[], datetime]
    questions: Sequence[str] = ()
    """The exam's."""

    @property
    def show_id(self) -> str:
        """Tells this show from others in one browser."""
        return hashlib.sha256("\0".join(self.voice).encode()).hexdigest()[:16]

    @property
    def tuned(self) -> list[str]:
        """The names of the trained models; of all, where none is."""
        return [name for name, model in self.models.items() if model.variant == "tuned"] or list(self.models)


class Fields(NamedTuple):
    """The fields that say how answers are drawn."""

    temperature: Any
    max_tokens: Any
    seed: Any


def make_fields() -> Fields:
    """Make the fields that say how answers are drawn, inside whatever is open."""
    import gradio as gr

    with gr.Row():
        return Fields(
            gr.Slider(0, 2, value=DEFAULTS.temperature, step=0.05, label="Temperature", info="0: always the likeliest"),
            gr.Slider(1, MAX_TOKENS, value=DEFAULTS.max_tokens, step=1, label="Tokens at most"),
            gr.Number(0, precision=0, minimum=0, label="Seed", info="the same seed, the same answer"),
        )


def make_examples(desk: Desk, field: Any, *, elem_id: str) -> None:
    """Make a list of the exam's questions; the one that is chosen stands in the field. Nothing where there is none."""
    import gradio as gr

    if desk.questions:
        chosen = gr.Dropdown(list(desk.questions), value=None, label="A question of the exam", elem_id=elem_id)
        wire(chosen.input, lambda question: question or "", [chosen], [field])


def wire(
    listen: Any, act: Callable[..., Any] | None, inputs: Sequence[Any], outputs: Sequence[Any], *,
    js: str | None = None, trigger_mode: Literal["once", "multiple"] = "once",
) -> Any:  # fmt: skip
    """Let a click, a return key or a loading page do something; nothing of it becomes a public API.

    Args:
        listen: A component's method for its event, or a list of them.
        act: `None`: only the browser does something.
        js: What the browser does before.
        trigger_mode: `once` passes over what is clicked before the last click was answered.
    """
    import gradio as gr

    triggers = list(listen) if isinstance(listen, list | tuple) else [listen]
    return gr.on(
        triggers, act, list(inputs), list(outputs), api_visibility="private", show_progress="hidden",
        concurrency_limit=None, js=js, trigger_mode=trigger_mode,
    )  # fmt: skip


def wire_stop(
    listen: Any, halt: Any, act: Callable[..., Any] | None = None, inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
) -> None:  # fmt: skip
    """Let a click end what is being written; then do something, if anything, with what is shown by then.

    Args:
        halt: The state that holds the tab's `Halt`.
    """
    stopped = wire(listen, _stop, [halt], [])
    if act is not None:
        stopped.then(
            act, list(inputs), list(outputs), api_visibility="private", show_progress="hidden", concurrency_limit=None
        )


async def _stop(halt: Halt) -> None:
    await halt.stop()


_SIGNS = {sign: f"&#{ord(sign)};" for sign in "${}@`"}
_CHUNKS = re.compile(r"\s+|\S+")
_MAX_TURN_CHARS = 900
_MAX_GIVEN_CHARS = 240
_STATES = {"waiting": "waiting …", "stopped": "stopped"}


def show_text(text: str) -> str:
    """A text as HTML that shows it: no tag, no template, no control character in it means anything."""
    safe = "".join(_SIGNS.get(char, char) for char in escape_html(strip_controls(text)))
    return safe.replace("\n", "<br>")


def show_copied(text: str, is_copied: Sequence[bool]) -> str:
    """A text in which the words copied from the host are marked."""
    flags, chunks = iter(is_copied), _CHUNKS.findall(text)
    own = [list(itertools.islice(flags, len(split_words(chunk)))) for chunk in chunks]
    # What has no word (space, a dash) is marked between marked words only.
    is_marked = [any(words) for words in own]
    inside = [
        words == [] and 0 < place < len(own) - 1 and is_marked[place - 1] and is_marked[place + 1]
        for place, words in enumerate(own)
    ]
    shown = []
    for marked, group in itertools.groupby(range(len(chunks)), key=lambda place: is_marked[place] or inside[place]):
        piece = show_text("".join(chunks[place] for place in group))
        shown.append(f"<mark title='copied word for word from the host'>{piece}</mark>" if marked else piece)
    return "".join(shown)


def show_answer(row: Answering, voice: Voice, *, name: str = "") -> str:
    """One answer with its label, what it took, and the nearest thing the host really said.

    Args:
        name: What stands above it in place of the model's name.
    """
    said = show_copied(row.text, row.evidence.is_copied) if row.evidence else show_text(row.text)
    caret = "<span class='caret'></span>" if row.state == "writing" and row.seconds is None else ""
    body = f"<div class='said'>{said}{caret}</div>" if row.text else ""
    if row.state == "failed":
        body += f"<div class='failed' role='alert'>Error: {show_text(row.error)}</div>"
    elif word := _STATES.get(row.state):
        body += f"<div class='state'>{word}</div>"
    title = show_text(name or row.model)
    label = show_text(name_imitation((voice.host,)))
    kind = "tuned" if row.variant == "tuned" else "before training"
    near = _show_evidence(row.evidence, voice) if row.evidence and row.text.strip() else ""
    copy = _COPY if row.text and row.state in ("done", "stopped") else ""
    head = f"<b>{title}</b><span class='kind {row.variant}'>{kind}</span><span class='label'>{label}</span>{copy}"
    below = _show_took(row) + _show_given(row.given) + near
    return f"<article class='answer' data-state='{row.state}'><header>{head}</header>{body}{below}</article>"


_COPY = "<button type='button' class='copy' title='Copy this answer with its label'>Copy</button>"


def _show_took(row: Answering) -> str:
    """Time, tokens and price of an answer; its speed, unless it came whole, as the best of several draws does."""
    if row.seconds is None:
        return ""
    first, is_whole = row.first_seconds or 0.0, row.first_seconds == row.seconds
    rate = row.n_reply_tokens / row.seconds if row.seconds else 0.0
    parts = [
        f"<span>{row.seconds:.1f} s</span>",
        "" if is_whole else f"<span title='until the first token'>first token {first:.2f} s</span>",
        f"<span>{row.n_prompt_tokens:,} + {row.n_reply_tokens:,} tokens</span>",
        "" if is_whole else f"<span>{rate:.0f} tokens/s</span>",
        f"<span class='price'>{_show_usd(row.usd)}</span>",
        f"<span>seed {row.seed}</span>",
    ]
    return f"<div class='took'>{''.join(parts)}</div>"


def _show_usd(usd: Decimal | None) -> str:
    """What an answer cost."""
    return "$0 + this machine&#39;s time" if usd is None else f"&#36;{usd:.6f}"


def _show_evidence(evidence: Evidence, voice: Voice) -> str:
    """The nearest thing the host really said, and what is copied; empty: nothing is close and nothing copied."""
    copied = sum(evidence.is_copied)
    words = f"<div><mark>{copied} of {len(evidence.is_copied)} words</mark> are copied from the host" if copied else ""
    if copied:
        given = evidence.copied_from
        words += f": {show_text(given.episode)}, {show_day(given.published)}.</div>" if given else ".</div>"
    if evidence.near is None:
        return f"<aside class='near none'>{words}</aside>" if words else ""
    near = evidence.near
    source = f"{show_text(near.episode)}, {show_day(near.published)}"
    meter = f"<meter min='0' max='1' value='{near.likeness:.2f}'></meter>"
    return (
        f"<aside class='near'><b>Really said by {show_text(voice.host)}:</b>"
        f"<blockquote>{show_text(near.text)}</blockquote>"
        f"<small>{source} {meter} likeness {near.likeness:.2f} of 1</small>{words}</aside>"
    )


def show_real(given: Given | None, voice: Voice) -> str:
    """What the host really said that is nearest to a question, beside the models' answers."""
    host = show_text(voice.host)
    if given is None:
        said = "<p class='empty'>Said nothing near this.</p>"
        return f"<article class='real'><header><b>{host}</b></header>{said}</article>"
    source = f"{show_text(given.episode)}, {show_day(given.published)}"
    return (
        f"<article class='real'><header><b>{host}</b><span class='label real'>really said</span></header>"
        f"<div class='said'>{show_text(given.text)}</div><small>{source}</small></article>"
    )


def show_side_by_side(real: str, rows: Sequence[Answering], names: Sequence[str], voice: Voice) -> str:
    """What the host really said, as `show_real` shows it, and beside it the answers, each under its name."""
    cards = [show_answer(row, voice, name=name) for row, name in zip(rows, names, strict=True)]
    return f"<div class='side-by-side'>{real}{''.join(cards)}</div>"


def _show_given(given: Sequence[Given]) -> str:
    """The real turns a model was given with a question."""
    turns = "".join(
        f"<li>{show_text(_shorten(turn.text, _MAX_GIVEN_CHARS))} "
        f"<small>{show_text(turn.episode)}, {show_day(turn.published)}</small></li>"
        for turn in given
    )
    return f"<aside class='given'><b>Given to the model, really said:</b><ul>{turns}</ul></aside>" if turns else ""


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"


def show_prompt(prompt: str) -> str:
    """What a model reads, as it is."""
    return (
        f"<details class='prompt' open><summary>What the model reads</summary><pre>{show_text(prompt)}</pre></details>"
    )


def show_turns(
    turns: Sequence[Turn], titles: Mapping[str, str], dates: Mapping[str, date | None], words: Sequence[str]
) -> str:
    """Real turns that were found, with these words of what was looked for in bold."""
    if not turns:
        return "<p class='empty'>No turn holds any of these words.</p>"
    wanted = set(words)
    return "".join(_show_turn(turn, titles.get(turn.slug, turn.slug), dates.get(turn.slug), wanted) for turn in turns)


def _show_turn(turn: Turn, title: str, day: date | None, wanted: set[str]) -> str:
    text = _shorten(turn.text, _MAX_TURN_CHARS)
    shown = "".join(
        f"<b class='hit'>{show_text(chunk)}</b>" if wanted.intersection(split_words(chunk)) else show_text(chunk)
        for chunk in _CHUNKS.findall(text)
    )
    head = f"<b>{show_text(turn.speaker)}</b> <span class='kind {turn.role}'>{turn.role}</span>"
    source = f"{show_text(title)}, {show_day(day)}, turn {turn.position}"
    return (
        f"<article class='turn'><header>{head}</header><div class='said'>{shown}</div><small>{source}</small></article>"
    )
