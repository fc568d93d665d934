"""The tab Chat: one model, one conversation; stop, edit, try again.

This module draws no answer: `answering` does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from econchatr.errors import EconChatRError
from econchatr.records import Message
from econchatr.talk.playground.answering import Answering, Halt, check_question, read_drawing
from econchatr.talk.playground.speech_html import (
    Desk,
    make_fields,
    show_answer,
    show_prompt,
    show_text,
    wire,
    wire_stop,
)


@dataclass(frozen=True)
class Exchange:
    """What was said, and what was answered."""

    said: str
    answer: Answering


History = tuple[Exchange, ...]


def make_chat(desk: Desk) -> None:
    """Make the tab's inside."""
    import gradio as gr

    tab = _Chat(desk)
    history, halt = gr.State(()), gr.State(Halt())
    pane = gr.HTML(tab.show((), False), elem_id="chat-pane", autoscroll=True)
    text = gr.Textbox(label="You say", lines=2, max_lines=6, elem_id="chat-text", placeholder="Ask something",
                      submit_btn=False)  # fmt: skip
    with gr.Row(elem_classes="buttons"):
        send = gr.Button("Send", variant="primary", elem_id="chat-send", min_width=80)
        stop = gr.Button("Stop", elem_id="chat-stop", min_width=80)
        retry = gr.Button("Try again", elem_id="chat-retry", min_width=80)
        edit = gr.Button("Edit", elem_id="chat-edit", min_width=80)
        clear = gr.Button("New", elem_id="chat-new", min_width=80)
    with gr.Row():
        model = gr.Dropdown(list(desk.models), value=desk.tuned[0], label="Model", elem_id="chat-model", min_width=220)
        grounds = gr.Checkbox(False, label="Give it real turns of the host", elem_id="chat-grounds", min_width=220)
        shows = gr.Checkbox(False, label="Show what the model reads", elem_id="chat-shows", min_width=220)
    with gr.Accordion("How answers are drawn", open=False, elem_id="chat-drawing"):
        fields = make_fields()

    drawn = [model, *fields, grounds, shows, halt]
    wire([send.click, text.submit], tab.send, [text, history, *drawn], [pane, history, text])
    wire(retry.click, tab.retry, [history, *drawn], [pane, history, text])
    wire_stop(stop.click, halt)
    wire_stop(edit.click, halt, tab.edit, [history, shows], [pane, history, text])
    wire_stop(clear.click, halt, tab.clear, [], [pane, history, text])
    wire(shows.change, lambda known, shown: tab.show(known, shown), [history, shows], [pane])


class _Chat:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def send(
        self,
        text: str,
        history: History,
        model: str,
        temperature: float,
        max_tokens: float,
        seed: float,
        grounds: bool,
        shows: bool,
        halt: Halt,
    ) -> AsyncGenerator[tuple[str, History, str], None]:
        drawing = read_drawing(temperature, max_tokens, seed)
        drawing = drawing.with_seed(drawing.seed + len(history))
        try:
            said = check_question(text)
            planned = await self._desk.teller.plan(
                self._desk.models[model], self._desk.voice, said, drawing, history=_messages(history), grounds=grounds
            )
        except EconChatRError as exc:
            yield self.show(history, shows, error=f"{exc.message} {exc.hint}"), history, text
            return
        async with aclosing(self._desk.teller.tell([planned], halt)) as rows:
            async for (row,) in rows:
                now = (*history, Exchange(said, row))
                yield self.show(now, shows), now, ""

    async def retry(
        self,
        history: History,
        model: str,
        temperature: float,
        max_tokens: float,
        seed: float,
        grounds: bool,
        shows: bool,
        halt: Halt,
    ) -> AsyncGenerator[tuple[str, History, str], None]:
        """The last question once more, with the seed after the last one's."""
        if not history:
            yield self.show(history, shows, error="there is nothing to try again yet."), history, ""
            return
        last, before = history[-1], history[:-1]
        next_seed = last.answer.seed + 1 - len(before)
        async with aclosing(
            self.send(last.said, before, model, temperature, max_tokens, next_seed, grounds, shows, halt)
        ) as shown:
            async for update in shown:
                yield update

    def edit(self, history: History, shows: bool) -> tuple[str, History, str]:
        """The last question back in the field, and the conversation as it was before it."""
        if not history:
            return self.show(history, shows), history, ""
        return self.show(history[:-1], shows), history[:-1], history[-1].said

    def clear(self) -> tuple[str, History, str]:
        return self.show((), False), (), ""

    def show(self, history: History, shows: bool, *, error: str = "") -> str:
        """The conversation as HTML."""
        host = show_text(self._desk.voice.host)
        empty = f"<p class='empty'>Say something. What answers is an AI imitation, not {host}; it makes things up.</p>"
        parts = [] if history or error else [empty]
        for exchange in history:
            parts.append(f"<article class='you'><header><b>You</b></header>{show_text(exchange.said)}</article>")
            parts.append(show_answer(exchange.answer, self._desk.voice))
            if shows:
                parts.append(show_prompt(exchange.answer.prompt))
        if error:
            parts.append(f"<div class='failed' role='alert'>Error: {show_text(error)}</div>")
        return f"<div class='talk'>{''.join(parts)}</div>"


def _messages(history: Sequence[Exchange]) -> list[Message]:
    """The conversation as a model reads it: a failure is never speech."""
    return [
        message
        for exchange in history
        if exchange.answer.text.strip() and not exchange.answer.error
        for message in (
            Message(role="user", content=exchange.said),
            Message(role="assistant", content=exchange.answer.text),
        )
    ]
