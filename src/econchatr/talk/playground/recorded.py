"""The tab Compare of a recording: the same answers as when they were drawn, and no model behind them.

A question that the recording does not hold is told so, and nothing is said in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from econchatr.talk.playground.answering import Answering
from econchatr.talk.playground.lookups import Given
from econchatr.talk.playground.speech_html import Desk, show_real, show_side_by_side, show_text, wire


@dataclass(frozen=True)
class RecordedQuestion:
    """A question, and what was answered."""

    text: str
    real: Given | None
    """What the host really said that is nearest to it."""
    answers: dict[str, Answering]
    """By the names of the columns."""


@dataclass(frozen=True)
class Recording:
    """Answers that were drawn once."""

    how_drawn: str
    questions: tuple[RecordedQuestion, ...]

    @property
    def columns(self) -> list[str]:
        """The names of all columns, in their order."""
        return list(dict.fromkeys(name for question in self.questions for name in question.answers))

    def find(self, text: str) -> RecordedQuestion | None:
        """The question of these words, whatever their case and spacing; `None`: the recording does not hold it."""
        return next((one for one in self.questions if _fold(one.text) == _fold(text)), None)


_N_SHOWN = 3
"""Columns at first: tuned, before training and with the persona prompt, as on the page that has models."""

RECORDING = TypeAdapter(Recording)
"""Writes a recording as JSON, and reads it."""


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def make_recorded(desk: Desk, recording: Recording) -> None:
    """Make the tab's inside: the first question with its answers, until another is chosen or typed."""
    import gradio as gr

    def show(text: str, question: str, names: Sequence[str]) -> str:
        return _show(desk, recording, text if text.strip() else question, names)

    questions, names = [one.text for one in recording.questions], recording.columns
    chosen = gr.Dropdown(questions, value=questions[0], label="A question of the exam", elem_id="compare-examples")
    text = gr.Textbox(label="Or another", placeholder="Ask something. Enter asks.", max_lines=1, submit_btn="Ask",
                      elem_id="compare-text")  # fmt: skip
    with gr.Accordion("Columns", open=False):
        columns = gr.CheckboxGroup(names, value=names[:_N_SHOWN], show_label=False, elem_id="compare-models")
    pane = gr.HTML(show("", questions[0], names[:_N_SHOWN]), elem_id="compare-pane")
    gr.HTML(f"<p class='aside'>{show_text(recording.how_drawn)}</p>")

    wire([text.submit, columns.input], show, [text, chosen, columns], [pane])
    wire(chosen.input, lambda question, names: ("", show("", question, names)), [chosen, columns], [text, pane])


def _show(desk: Desk, recording: Recording, text: str, names: Sequence[str]) -> str:
    found = recording.find(text)
    if found is None:
        return (
            "<p class='empty' role='status'>The recording holds no answer to this question, and none is made up. "
            f"It holds the {len(recording.questions)} questions of the list above; "
            "<code>econchatr demo</code> trains a model that answers any.</p>"
        )
    told = {name: answer for name, answer in found.answers.items() if name in names}
    return show_side_by_side(show_real(found.real, desk.voice), list(told.values()), list(told), desk.voice)
