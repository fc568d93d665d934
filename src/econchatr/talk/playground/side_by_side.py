"""The tab Compare: every model, before and after training, asked the same question at the same time.

This module draws no answer: `answering` does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from econchatr.errors import EconChatRError
from econchatr.talk.playground.answering import Answering, Halt, check_question, read_drawing
from econchatr.talk.playground.speech_html import Desk, make_fields, show_answer, show_text, wire, wire_stop


def make_compare(desk: Desk) -> None:
    """Make the tab's inside."""
    import gradio as gr

    tab = _Compare(desk)
    halt = gr.State(Halt())
    text = gr.Textbox(label="The same question to all", lines=2, max_lines=6, elem_id="compare-text",
                      placeholder="Ask something")  # fmt: skip
    with gr.Row(elem_classes="buttons"):
        ask = gr.Button("Ask all", variant="primary", elem_id="compare-ask", min_width=80)
        stop = gr.Button("Stop", elem_id="compare-stop", min_width=80)
    models = gr.CheckboxGroup(list(desk.models), value=list(desk.models), label="Models", elem_id="compare-models")
    grounds = gr.Checkbox(False, label="Give them real turns of the host", elem_id="compare-grounds", min_width=220)
    with gr.Accordion("How answers are drawn", open=False):
        fields = make_fields()
    pane = gr.HTML(elem_id="compare-pane")

    wire([ask.click, text.submit], tab.ask, [text, models, *fields, grounds, halt], [pane])
    wire_stop(stop.click, halt)


class _Compare:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ask(
        self,
        text: str,
        names: Sequence[str],
        temperature: float,
        max_tokens: float,
        seed: float,
        grounds: bool,
        halt: Halt,
    ) -> AsyncGenerator[str, None]:
        drawing = read_drawing(temperature, max_tokens, seed)
        try:
            said = check_question(text)
            chosen = [model for name, model in self._desk.models.items() if name in names]
            planned = [
                await self._desk.teller.plan(model, self._desk.voice, said, drawing, grounds=grounds)
                for model in chosen
            ]
        except EconChatRError as exc:
            yield f"<div class='failed' role='alert'>Error: {show_text(f'{exc.message} {exc.hint}')}</div>"
            return
        if not planned:
            yield "<div class='failed' role='alert'>Error: choose at least one model.</div>"
            return
        async with aclosing(self._desk.teller.tell(planned, halt)) as updates:
            async for rows in updates:
                yield self._show(rows)

    def _show(self, rows: Sequence[Answering]) -> str:
        return f"<div class='side-by-side'>{''.join(show_answer(row, self._desk.voice) for row in rows)}</div>"
