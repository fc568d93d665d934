"""The tab Blind: five replies to what was said to the host in a held-out episode; which one is the host's own?

The guesses are kept, and counted on the page for whoever sits before it; the report's blind test is another one, with
sheets for several people. This module draws no reply: `answering` does.

Source: as in `score.blind`.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from econchatr.display import show_day
from econchatr.errors import EconChatRError
from econchatr.models.engines.llama_server import ServedModel
from econchatr.records import BlindCue, Pair
from econchatr.score.raters.blind_test import N_SAMPLES, lay_out_cue, order_cues
from econchatr.talk.playground.answering import Answering, DrawSettings, plan_answer
from econchatr.talk.playground.speech_html import Desk, show_answer, show_text, wire

_LETTERS = "ABCDE"
MAX_TOKENS = 160
"""About the longest host's reply that is asked about."""


@dataclass(frozen=True)
class Round:
    """One cue with its replies."""

    cue: BlindCue
    pair: Pair
    answers: tuple[Answering, ...]
    seed: int
    picked: int | None = None


@dataclass(frozen=True)
class Game:
    """What one person has guessed so far."""

    order: int = field(default_factory=lambda: random.randrange(2**31))
    """The seed of the order in which cues come."""
    n_shown: int = 0
    n_right: int = 0
    n_picked: int = 0
    now: Round | None = None


def make_blind(desk: Desk, pairs: list[Pair]) -> None:
    """Make the tab's inside."""
    import gradio as gr

    tab = _Blind(desk, pairs)
    game = gr.State(None)
    with gr.Row():
        model = gr.Dropdown(desk.tuned, value=desk.tuned[0], label="Model", elem_id="blind-model")
        who = gr.Textbox(label="Your name (kept with your guesses)", max_lines=1, max_length=80, elem_id="blind-who")
    with gr.Row(elem_classes="buttons"):
        begin = gr.Button("Next five replies", variant="primary", elem_id="blind-next", min_width=80)
    pane = gr.HTML(tab.explain(), elem_id="blind-pane")
    pick = gr.Radio(list(_LETTERS), label="The host's own is", visible=False, elem_id="blind-pick")
    tally = gr.HTML(elem_id="blind-tally")

    wire(begin.click, tab.next, [game, model], [pane, game, pick])
    wire(pick.input, tab.pick, [game, pick, who], [pane, game, pick, tally])


class _Blind:
    def __init__(self, desk: Desk, pairs: list[Pair]) -> None:
        self._desk, self._pairs = desk, pairs

    async def next(self, game: Game | None, model: str) -> AsyncGenerator[tuple[str, Game, Any], None]:
        import gradio as gr

        game, hidden = game or Game(), gr.Radio(visible=False, value=None)
        pairs = order_cues(self._pairs, seed=game.order)
        if not pairs:
            text = "no held-out reply is of a length people can judge (8 to 120 words): hold out more episodes."
            yield f"<div class='failed' role='alert'>Error: {text}</div>", game, hidden
            return
        pair, seed = pairs[game.n_shown % len(pairs)], N_SAMPLES * (game.n_shown // len(pairs))
        game = replace(game, n_shown=game.n_shown + 1, now=None)
        rows: list[Answering] = []
        try:
            served = self._desk.models[model]
            async with aclosing(self._draw(served, pair, seed)) as updates:
                async for rows in updates:
                    n_done = sum(row.seconds is not None for row in rows)
                    yield self._show_wait(pair, n_done), game, hidden
        except EconChatRError as exc:
            yield f"<div class='failed' role='alert'>Error: {show_text(exc.message)}</div>", game, hidden
            return
        failed = next((row.error for row in rows if row.error), "")
        cue = None if failed else lay_out_cue(pair, [row.text for row in rows], rung=served.rung, seed=game.order)
        if cue is None:
            why = failed or "the model said the host's own words. Take the next one."
            yield f"<div class='failed' role='alert'>Error: {show_text(why)}</div>", game, hidden
            return
        game = replace(game, now=Round(cue, pair, tuple(rows), seed))
        yield self._show(game), game, gr.Radio(visible=True, value=None, interactive=True)

    async def _draw(self, served: ServedModel, pair: Pair, seed: int) -> AsyncGenerator[list[Answering], None]:
        drawing = DrawSettings(max_tokens=MAX_TOKENS)
        tellings = [
            plan_answer(served, self._desk.voice, pair.cue, drawing.with_seed(seed + sample), is_chosen=False)
            for sample in range(N_SAMPLES)
        ]
        async with aclosing(self._desk.teller.tell(tellings)) as updates:
            async for rows in updates:
                yield rows

    def pick(self, game: Game | None, letter: str | None, who: str) -> tuple[str, Game, Any, str]:
        import gradio as gr

        game = game or Game()
        now = game.now
        if now is None or now.picked is not None or not letter or letter not in _LETTERS:
            return self._show(game) if now else self.explain(), game, gr.Radio(interactive=False), self._tally(game)
        picked = _LETTERS.index(letter)
        is_right = picked == now.cue.real
        game = replace(
            game, now=replace(now, picked=picked), n_picked=game.n_picked + 1, n_right=game.n_right + is_right
        )
        note = ""
        try:
            self._desk.keeper.save_guess(now.cue, who=who.strip(), pick=picked)
        except EconChatRError as exc:
            note = f"<div class='failed' role='alert'>Not kept: {show_text(exc.message)}</div>"
        return self._show(game), game, gr.Radio(interactive=False), self._tally(game) + note

    def explain(self) -> str:
        """What this tab is."""
        host = show_text(self._desk.voice.host)
        return (
            f"<p class='empty'>You will see what was said to {host} in an episode no model has seen, and five replies. "
            f"One is what {host} really said; four are AI imitation. Which is the host's own?</p>"
        )

    def _show_wait(self, pair: Pair, n_done: int) -> str:
        return f"{_show_cue(pair)}<p class='state'>the model is writing: {n_done} of {N_SAMPLES} replies …</p>"

    def _show(self, game: Game) -> str:
        now = game.now
        if now is None:
            return self.explain()
        cards = "".join(self._show_reply(now, place) for place in range(len(now.cue.replies)))
        return f"{_show_cue(now.pair)}<div class='side-by-side'>{cards}</div>"

    def _show_reply(self, now: Round, place: int) -> str:
        text, letter = now.cue.replies[place], _LETTERS[place]
        if now.picked is None:
            label = "one of five; four are AI imitation"
            head = f"<header><b>{letter}</b><span class='label'>{label}</span></header>"
            return f"<article class='answer'>{head}<div class='said'>{show_text(text)}</div></article>"
        chosen = "<span class='kind'>your pick</span>" if place == now.picked else ""
        if place == now.cue.real:
            host = show_text(self._desk.voice.host)
            title = show_text(self._desk.library.titles.get(now.pair.slug, now.pair.slug))
            head = f"<header><b>{letter}</b>{chosen}<span class='label real'>really said by {host}</span></header>"
            source = f"<small>{title}, {show_day(now.pair.published)}</small>"
            return f"<article class='answer real'>{head}<div class='said'>{show_text(text)}</div>{source}</article>"
        row = next(row for row in now.answers if " ".join(row.text.split()) == text)
        return show_answer(row, self._desk.voice, name=letter + (" (your pick)" if place == now.picked else ""))

    def _tally(self, game: Game) -> str:
        if not game.n_picked or game.now is None:
            return ""
        word = "Right" if game.now.picked == game.now.cue.real else "Wrong"
        return (
            f"<p class='tally' role='status'><b>{word}.</b> You found the host {game.n_right} of {game.n_picked} "
            "times; by chance it would be one in five.</p>"
        )


def _show_cue(pair: Pair) -> str:
    speaker = show_text(pair.cue_speaker)
    return f"<article class='you asked'><header><b>{speaker} says</b></header>{show_text(pair.cue)}</article>"
