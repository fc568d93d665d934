"""What every tab of the playground has at hand, and how its events are wired.

It knows no tab.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from econchatr.models.slots import ServedModel
from econchatr.prompts import Voice
from econchatr.talk.playground.answering import DEFAULTS, MAX_TOKENS, Teller
from econchatr.talk.playground.material import Keeper, Library


class Desk(NamedTuple):
    """What the tabs share."""

    voice: Voice
    models: Mapping[str, ServedModel]
    teller: Teller
    library: Library
    keeper: Keeper
    now: Callable[[], datetime]

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


def wire(
    listen: Any, act: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any], *,
    cancels: Sequence[Any] = (), js: str | None = None,
) -> Any:  # fmt: skip
    """Let a click, a return key or a loading page do something; nothing of it becomes a public API.

    Args:
        listen: A component's method for its event, or a list of them.
        cancels: Events that are stopped first.
        js: What the browser does before.
    """
    import gradio as gr

    triggers = list(listen) if isinstance(listen, list | tuple) else [listen]
    return gr.on(
        triggers, act, list(inputs), list(outputs), api_visibility="private", show_progress="hidden",
        concurrency_limit=None, cancels=list(cancels) or None, js=js, trigger_mode="once",
    )  # fmt: skip
