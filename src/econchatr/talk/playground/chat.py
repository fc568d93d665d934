"""The tab Chat: one model, one conversation; stop, edit, try again.

This module draws no answer: `answering` does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, NamedTuple

from econchatr.errors import EconChatRError
from econchatr.prompts import system_line
from econchatr.talk.playground.answering import DrawSettings, Halt, check_question, read_drawing
from econchatr.talk.playground.kept_talk import Exchange, Talk, read_talk, save_talk
from econchatr.talk.playground.speech_html import (
    Desk,
    make_examples,
    make_fields,
    show_answer,
    show_prompt,
    show_text,
    wire,
    wire_stop,
)


class Shown(NamedTuple):
    """What the page shows next; `_KEEP` leaves a part as it is."""

    pane: Any
    talk: Any
    text: Any
    """The field for the question. A question in it is left alone while an answer is written."""
    note: Any
    saved: Any
    """The conversation as the browser keeps it."""


def make_chat(desk: Desk, on_load: Any) -> None:
    """Make the tab's inside.

    Args:
        on_load: The page's method for its event of being loaded.
    """
    import gradio as gr

    tab = _Chat(desk)
    talk, halt = gr.State(Talk()), gr.State(Halt())
    saved = gr.BrowserState("", storage_key=f"econchatr-talk-{desk.show_id}", secret=desk.show_id)
    pane = gr.HTML(tab.show(Talk(), False), elem_id="chat-pane", autoscroll=True)
    note = gr.HTML(elem_id="chat-note")
    text = gr.Textbox(label="You say", lines=1, max_lines=6, elem_id="chat-text", submit_btn=False,
                      placeholder="Ask something. Enter sends, Shift and Enter begin a new line.")  # fmt: skip
    with gr.Row(elem_classes="buttons"):
        send = gr.Button("Send", variant="primary", elem_id="chat-send", min_width=80)
        stop = gr.Button("Stop", elem_id="chat-stop", min_width=80)
        retry = gr.Button("Try again", elem_id="chat-retry", min_width=80)
        edit = gr.Button("Edit", elem_id="chat-edit", min_width=80)
        clear = gr.Button("New", elem_id="chat-new", min_width=80)
    make_examples(desk, text, elem_id="chat-examples")
    with gr.Row(elem_classes="settings"):
        model = gr.Dropdown(list(desk.models), value=desk.tuned[0], label="Model", elem_id="chat-model", min_width=220)
        grounds = gr.Checkbox(False, label="Give it real turns of the host", elem_id="chat-grounds", min_width=220)
        shows = gr.Checkbox(False, label="Show what the model reads", elem_id="chat-shows", min_width=220)
    gr.HTML(f"<p class='aside'>It reads first: <q>{show_text(system_line(desk.voice))}</q></p>", elem_id="chat-system")
    with gr.Accordion("How answers are drawn", open=False, elem_id="chat-drawing"):
        fields = make_fields()
    with gr.Row(elem_classes="buttons"):
        for name, label in (("copy", "Copy all"), ("markdown", "Save as Markdown"), ("json", "Save as JSON")):
            wire(
                gr.Button(label, elem_id=f"chat-{name}", min_width=80).click,
                None,
                [],
                [],
                js=f"() => econchatr.{name}()",
            )

    drawn = [model, *fields, grounds, shows, halt]
    shown = [pane, talk, text, note, saved]
    # A question sent while an answer is written is not thrown away: the page says so, and leaves it in the field.
    wire([send.click, text.submit], tab.send, [text, talk, *drawn], shown, trigger_mode="multiple")
    wire(retry.click, tab.retry, [talk, *drawn], shown)
    wire_stop(stop.click, halt)
    wire_stop(edit.click, halt, tab.edit, [talk], shown)
    wire_stop(clear.click, halt, tab.clear, [], shown)
    wire(shows.change, lambda known, shown: tab.show(known, shown), [talk, shows], [pane])
    wire(on_load, tab.restore, [saved, shows], shown)


class _Chat:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def send(
        self,
        text: str,
        talk: Talk,
        model: str,
        temperature: float,
        max_tokens: float,
        seed: float,
        grounds: bool,
        shows: bool,
        halt: Halt,
    ) -> AsyncGenerator[Shown, None]:
        if not await halt.claim():
            yield _NOTHING._replace(note=_note("An answer is being written. Wait for its end, or press Stop."))
            return
        drawing = read_drawing(temperature, max_tokens, seed)
        try:
            async with aclosing(self._answer(text, talk, model, drawing, grounds, shows, halt)) as shown:
                async for one in shown:
                    yield one
        finally:
            halt.release()

    async def _answer(
        self, text: str, talk: Talk, model: str, drawing: DrawSettings, grounds: bool, shows: bool, halt: Halt
    ) -> AsyncGenerator[Shown, None]:
        before = talk.before_next()
        drawing = drawing.with_seed(drawing.seed + len(before.exchanges))
        try:
            said = check_question(text)
            planned = await self._desk.teller.plan(
                self._desk.models[model], self._desk.voice, said, drawing, history=before.messages(), grounds=grounds
            )
        except EconChatRError as exc:
            yield _NOTHING._replace(pane=self.show(talk, shows, error=f"{exc.message} {exc.hint}"))
            return
        yield _NOTHING._replace(text="", note="")  # once: what is typed meanwhile stays
        async with aclosing(self._desk.teller.tell([planned], halt)) as rows:
            async for (row,) in rows:
                now = before.add(said, row)
                shown = _NOTHING._replace(pane=self.show(now, shows), talk=now)
                # Kept with the last piece: after it, New or Edit may have their turn.
                is_ended = row.state not in ("waiting", "writing")
                yield shown._replace(note="", saved=save_talk(now)) if is_ended else shown

    async def retry(
        self,
        talk: Talk,
        model: str,
        temperature: float,
        max_tokens: float,
        seed: float,
        grounds: bool,
        shows: bool,
        halt: Halt,
    ) -> AsyncGenerator[Shown, None]:
        """The last question once more, with the seed after the last one's."""
        if not talk.exchanges:
            yield _NOTHING._replace(note=_note("There is nothing to try again yet."))
            return
        last = talk.exchanges[-1]
        again, next_seed = Talk(talk.exchanges, is_editing=True), last.answer.seed + 2 - len(talk.exchanges)
        async with aclosing(
            self.send(last.said, again, model, temperature, max_tokens, next_seed, grounds, shows, halt)
        ) as shown:
            async for one in shown:
                yield one._replace(text=_KEEP)

    def edit(self, talk: Talk) -> Shown:
        """The last question in the field; the exchange stays until another question is sent."""
        if talk.is_editing:
            return _NOTHING._replace(talk=talk._replace(is_editing=False), text="", note="")
        if not talk.exchanges:
            return _NOTHING._replace(note=_note("There is nothing to edit yet."))
        told = _note("What you send replaces your last question and its answer. Edit once more: leave them.")
        return _NOTHING._replace(talk=talk._replace(is_editing=True), text=talk.exchanges[-1].said, note=told)

    def clear(self) -> Shown:
        """A new conversation."""
        return Shown(self.show(Talk(), False), Talk(), "", "", "")

    async def restore(self, saved: str, shows: bool) -> Shown:
        """The conversation that the browser kept, with what the host really said looked up anew."""
        talk = read_talk(saved)
        if not talk.exchanges:
            return _NOTHING
        found = [await self._desk.teller.look_up(one.said, one.answer) for one in talk.exchanges]
        talk = Talk(tuple(Exchange(one.said, row) for one, row in zip(talk.exchanges, found, strict=True)))
        return _NOTHING._replace(pane=self.show(talk, shows), talk=talk)

    def show(self, talk: Talk, shows: bool, *, error: str = "") -> str:
        """The conversation as HTML."""
        host = show_text(self._desk.voice.host)
        warned = f"What answers is an AI imitation, not {host}; it makes things up."
        empty = f"<p class='empty'>Say something. {warned}</p>"
        parts = [] if talk.exchanges or error else [empty]
        for exchange in talk.exchanges:
            said = f"<div class='said'>{show_text(exchange.said)}</div>"
            parts.append(f"<article class='you'><header><b>You</b></header>{said}</article>")
            parts.append(show_answer(exchange.answer, self._desk.voice))
            if shows:
                parts.append(show_prompt(exchange.answer.prompt))
        if error:
            parts.append(f"<div class='failed' role='alert'>Error: {show_text(error)}</div>")
        return f"<div class='talk'>{''.join(parts)}</div>"


_KEEP: Final[Any] = {"__type__": "update"}
"""To the page library: leave this part as it is."""
_NOTHING: Final = Shown(_KEEP, _KEEP, _KEEP, _KEEP, _KEEP)


def _note(text: str) -> str:
    return f"<p class='aside' role='status'>{show_text(text)}</p>"
