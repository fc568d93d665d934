"""The tab Rank: some answers of one model to one question, put in order, or called right or wrong, and kept.

What is kept can train a model; this module trains nothing and draws no answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from pydantic import ValidationError

from econchatr.errors import EconChatRError, InputError
from econchatr.records import JudgedSample, Ranking, Verdict
from econchatr.talk.playground.answering import Answering, Halt, check_question, plan_answer, read_drawing
from econchatr.talk.playground.speech_html import Desk, make_fields, show_answer, show_text, wire, wire_stop

_MAX_ANSWERS = 4
ORDER, VERDICTS = "Put them in order", "Right or wrong"
RIGHT, WRONG = "right", "wrong"
_NAMELESS = "somebody"
"""Who gave no name."""
_LETTERS = "ABCD"

Rows = tuple[Answering, ...]


def make_rank(desk: Desk) -> None:
    """Make the tab's inside."""
    import gradio as gr

    tab = _Rank(desk)
    asked, rows = gr.State(""), gr.State(())
    halt = gr.State(Halt())
    text = gr.Textbox(label="Question", lines=2, max_lines=6, elem_id="rank-text", placeholder="Ask something")
    with gr.Row():
        model = gr.Dropdown(list(desk.models), value=desk.tuned[0], label="Model", elem_id="rank-model")
        n_answers = gr.Slider(2, _MAX_ANSWERS, value=3, step=1, label="Answers", elem_id="rank-n")
        way = gr.Radio([ORDER, VERDICTS], value=ORDER, label="How", elem_id="rank-way")
    with gr.Accordion("How answers are drawn", open=False):
        fields = make_fields()
    with gr.Row(elem_classes="buttons"):
        draw = gr.Button("Draw answers", variant="primary", elem_id="rank-draw", min_width=80)
        stop = gr.Button("Stop", elem_id="rank-stop", min_width=80)
    columns, panes, marks = [], [], []
    with gr.Row(elem_classes="ranked"):
        for letter in _LETTERS:
            with gr.Column(min_width=240, visible=letter in _LETTERS[:2]) as column:
                columns.append(column)
                panes.append(gr.HTML(elem_id=f"rank-pane-{letter}"))
                marks.append(gr.Radio([], label=f"Answer {letter}", visible=False, elem_id=f"rank-mark-{letter}"))
    with gr.Row(elem_classes="buttons"):
        who = gr.Textbox(label="Your name (kept with the ranking)", max_lines=1, max_length=80, elem_id="rank-who")
        save = gr.Button("Keep", variant="primary", elem_id="rank-save", min_width=80)
    told = gr.HTML(elem_id="rank-told")

    wire([draw.click, text.submit], tab.draw, [text, model, n_answers, way, *fields, halt],
                 [asked, rows, *columns, *panes, *marks, told])  # fmt: skip
    wire_stop(stop.click, halt)
    wire(way.input, tab.change_way, [rows, way], marks)
    wire(save.click, tab.save, [asked, rows, way, who, *marks], [told])


class _Rank:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def draw(
        self,
        text: str,
        model: str,
        n: float,
        way: str,
        temperature: float,
        max_tokens: float,
        seed: float,
        halt: Halt,
    ) -> AsyncGenerator[tuple[Any, ...], None]:
        drawing = read_drawing(temperature, max_tokens, seed)
        try:
            said = check_question(text)
            served = self._desk.models[model]
            tellings = [
                plan_answer(served, self._desk.voice, said, drawing.with_seed(drawing.seed + place), is_chosen=False)
                for place in range(min(_MAX_ANSWERS, max(2, int(n))))
            ]
        except EconChatRError as exc:
            error = _tell(f"Error: {exc.message} {exc.hint}")
            yield "", (), *_make_columns(2), *self._show(()), *_make_marks((), way), error
            return
        rows: list[Answering] = []
        async with aclosing(self._desk.teller.tell(tellings, halt)) as updates:
            async for rows in updates:
                yield said, tuple(rows), *_make_columns(len(rows)), *self._show(rows), *_make_marks((), way), ""
        yield said, tuple(rows), *_make_columns(len(rows)), *self._show(rows), *_make_marks(rows, way), ""

    def change_way(self, rows: Rows, way: str) -> list[Any]:
        return _make_marks(rows if _is_whole(rows) else (), way)

    def save(self, asked: str, rows: Rows, way: str, who: str, *marks: str | None) -> str:
        given = marks[: len(rows)]
        try:
            if not rows or not _is_whole(rows):
                raise InputError("there are no whole answers to rank.", hint="Draw some, and let them come to an end.")
            if any(mark is None for mark in given):
                raise InputError("not every answer has its mark.", hint="Mark each of them.")
            judged = {"scorer": who.strip() or _NAMELESS, "judged_at": self._desk.now(), "question": asked}
            self._keep(judged, [_make_sample(row) for row in rows], way, [str(mark) for mark in given])
        except EconChatRError as exc:
            return _tell(f"Error: {exc.message} {exc.hint}")
        except ValidationError as exc:
            return _tell(f"Error: it cannot be kept: {exc.errors()[0]['msg']}.")
        return "<p class='tally' role='status'><b>Kept</b> in the show&#39;s ledger, to train on.</p>"

    def _keep(self, judged: dict[str, Any], samples: Sequence[JudgedSample], way: str, marks: Sequence[str]) -> None:
        if way != ORDER:
            for sample, mark in zip(samples, marks, strict=True):
                self._desk.keeper.save_verdict(Verdict(**judged, sample=sample, is_right=mark == RIGHT))
            return
        if len(set(marks)) < len(marks):
            raise InputError("two answers have the same place.", hint="Give each its own.")
        best_first = [
            sample for _, sample in sorted(zip(map(int, marks), samples, strict=True), key=lambda item: item[0])
        ]
        self._desk.keeper.save_ranking(Ranking(**judged, samples=tuple(best_first)))

    def _show(self, rows: Sequence[Answering]) -> list[str]:
        """What stands in each of the panes."""
        shown = [show_answer(row, self._desk.voice, name=letter) for row, letter in zip(rows, _LETTERS, strict=False)]
        return [*shown, *[""] * (_MAX_ANSWERS - len(shown))]


def _make_sample(row: Answering) -> JudgedSample:
    return JudgedSample(
        text=row.text, rung=row.rung, variant=row.variant, model_sha256=row.model_sha256, seed=row.seed,
        is_whole=not row.is_cut,
    )  # fmt: skip


def _is_whole(rows: Sequence[Answering]) -> bool:
    return all(row.state == "done" for row in rows)


def _make_columns(n: int) -> list[Any]:
    import gradio as gr

    return [gr.Column(visible=place < n) for place in range(_MAX_ANSWERS)]


def _make_marks(rows: Sequence[Answering], way: str) -> list[Any]:
    """The choices below the answers; none as long as there is nothing to choose."""
    import gradio as gr

    is_ready = bool(rows) and _is_whole(rows)
    choices = [str(place + 1) for place in range(len(rows))] if way == ORDER else [RIGHT, WRONG]
    info = "1 is the best" if way == ORDER else ""
    return [
        gr.Radio(choices=choices, value=None, visible=True, info=info)
        if is_ready and place < len(rows)
        else gr.Radio(value=None, visible=False)
        for place in range(_MAX_ANSWERS)
    ]


def _tell(text: str) -> str:
    return f"<div class='failed' role='alert'>{show_text(text)}</div>"
