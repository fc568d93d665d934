"""The tab Compare: every model, before and after training, asked the same question at the same time.

A column is a model in one of three ways: as it is, told in words how to speak, or with real turns of the host before
the question. Beside them stands what the host really said. This module draws no answer: `answering` does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple

from econchatr.errors import EconChatRError
from econchatr.models.engines.llama_server import ServedModel
from econchatr.talk.playground.answering import DrawSettings, Halt, Planned, check_question, read_drawing
from econchatr.talk.playground.speech_html import (
    Desk,
    make_examples,
    make_fields,
    show_real,
    show_side_by_side,
    show_text,
    wire,
    wire_stop,
)


class _Column(NamedTuple):
    """A model, and how it is asked."""

    model: ServedModel
    is_persona: bool = False
    grounds: bool = False


def _list_columns(models: Mapping[str, ServedModel]) -> dict[str, _Column]:
    """By name: each model as it is, then the untrained ones with the persona prompt, then all with real turns."""
    plain = {name: _Column(model) for name, model in models.items()}
    untrained = {name: model for name, model in models.items() if model.variant != "tuned"}
    persona = {f"{name}, persona prompt": _Column(model, is_persona=True) for name, model in untrained.items()}
    grounded = {f"{name}, real turns": _Column(model, grounds=True) for name, model in models.items()}
    return plain | persona | grounded


def make_compare(desk: Desk) -> None:
    """Make the tab's inside."""
    import gradio as gr

    tab = _Compare(desk)
    halt = gr.State(Halt())
    text = gr.Textbox(label="The same question to all", lines=1, max_lines=6, elem_id="compare-text",
                      placeholder="Ask something. Enter asks.")  # fmt: skip
    with gr.Row(elem_classes="buttons"):
        ask = gr.Button("Ask all", variant="primary", elem_id="compare-ask", min_width=80)
        stop = gr.Button("Stop", elem_id="compare-stop", min_width=80)
    make_examples(desk, text, elem_id="compare-examples")
    names = list(tab.columns)
    chosen = [name for name, column in tab.columns.items() if not column.grounds]
    columns = gr.CheckboxGroup(names, value=chosen, label="Columns", elem_id="compare-models")
    with gr.Accordion("How answers are drawn", open=False):
        fields = make_fields()
    pane = gr.HTML(elem_id="compare-pane")

    wire([ask.click, text.submit], tab.ask, [text, columns, *fields, halt], [pane])
    wire_stop(stop.click, halt)


class _Compare:
    def __init__(self, desk: Desk) -> None:
        self._desk, self.columns = desk, _list_columns(desk.models)

    async def ask(
        self, text: str, names: Sequence[str], temperature: float, max_tokens: float, seed: float, halt: Halt
    ) -> AsyncGenerator[str, None]:
        chosen = {name: column for name, column in self.columns.items() if name in names}
        drawing = read_drawing(temperature, max_tokens, seed)
        try:
            said = check_question(text)
            planned = [await self._plan(column, said, drawing) for column in chosen.values()]
            rung = next(iter(self._desk.models.values())).rung
            real = show_real(await self._desk.teller.find_nearest(rung, said), self._desk.voice)
        except EconChatRError as exc:
            yield f"<div class='failed' role='alert'>Error: {show_text(f'{exc.message} {exc.hint}')}</div>"
            return
        if not planned:
            yield "<div class='failed' role='alert'>Error: choose at least one column.</div>"
            return
        async with aclosing(self._desk.teller.tell(planned, halt)) as updates:
            async for rows in updates:
                yield show_side_by_side(real, rows, list(chosen), self._desk.voice)

    async def _plan(self, column: _Column, said: str, drawing: DrawSettings) -> Planned:
        return await self._desk.teller.plan(
            column.model, self._desk.voice, said, drawing, grounds=column.grounds, is_persona=column.is_persona
        )
