"""The page: its frame, its tabs, and what the browser may load for it, which is nothing from elsewhere.

This module answers nothing itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response

from econchatr.display import name_imitation, strip_controls
from econchatr.prompts import Voice
from econchatr.records import Pair
from econchatr.score.quoting.nearest import CLOSE, SaidBefore
from econchatr.score.topic import learn_subjects
from econchatr.talk.playground.answering import Teller
from econchatr.talk.playground.chat import make_chat
from econchatr.talk.playground.guess import make_blind
from econchatr.talk.playground.lookups import Finder, Keeper, Library, Material, Rows
from econchatr.talk.playground.rank import make_rank
from econchatr.talk.playground.recorded import Recording, make_recorded
from econchatr.talk.playground.shield import HEADERS, Shield
from econchatr.talk.playground.side_by_side import make_compare
from econchatr.talk.playground.speech_html import Desk, show_text, show_turns, wire
from econchatr.talk.server.replying import Answerer
from econchatr.talk.session import Find

_REPORT_PATH = "/show-report"
_N_FOUND = 20
_REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
_FONTS = ("system-ui", "sans-serif")
_MONO = ("ui-monospace", "monospace")


def import_gradio() -> Any:
    """The page library, told to ask nobody anything.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    # It would ask the network for its newest version, and tell that it runs.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # It would make a table of all requests after each one, which nobody reads.
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)
    import gradio

    return gradio


def make_material(voice: Voice, rows: Rows, keeper: Keeper, open_find: Callable[[str], Find]) -> Material:
    """A show's records as the playground needs them."""
    return Material(
        voice=voice, episodes=rows.episodes, turns=rows.turns, pairs=rows.pairs, make_finder=_make_finder, close=CLOSE,
        usd_per_hour=rows.usd_per_hour, report=rows.report, keeper=keeper, open_find=open_find,
        questions=rows.questions,
    )  # fmt: skip


def _make_finder(pairs: Sequence[Pair]) -> Finder:
    return SaidBefore(pairs, learn_subjects([text for pair in pairs for text in (pair.cue, pair.reply)]))


def add_playground(
    material: Material, recording: Recording | None = None, *, notice: str = ""
) -> Callable[[FastAPI, Answerer], None]:
    """Give what adds the playground to the server's application, at its root.

    Args:
        recording: What answers in place of models; the tabs that need a model are then left out.
        notice: Stands below the label.

    Raises:
        ModuleNotFoundError: Gradio is not installed.
    """
    gr = import_gradio()

    def add(app: FastAPI, answerer: Answerer) -> None:
        library = Library(material)
        teller = Teller(answerer, library, dict(material.usd_per_hour))
        desk = Desk(material.voice, answerer.models, teller, library, material.keeper, material.now, material.questions)

        async def report() -> Response:
            """The show's report."""
            return _read_report(material)

        app.add_api_route(_REPORT_PATH, report, include_in_schema=False)
        blocks = _make_blocks(desk, material, recording, notice)
        # Given as `css`, every rule would be narrowed to the inside of the page.
        here = resources.files(__package__)
        css, script = (here.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
        gr.mount_gradio_app(
            app, blocks, path="/", server_name="127.0.0.1", footer_links=[], run_history=False, ssr_mode=False,
            mcp_server=False, pwa=False, enable_monitoring=False, max_file_size=1,
            show_error=False,  # its errors name files of this machine; ours stand on the page
            blocked_paths=[Path.cwd().anchor], theme=_make_theme(),
            head=f"<style>{css}</style><script>{script}</script>",
        )  # fmt: skip
        # Until then the library reads any file it is given the path of: mounting does not set it.
        blocks.has_launched = True
        page: Any = app.router.routes[-1]
        page.app = Shield(page.app)

    return add


def _make_theme() -> Any:
    import gradio as gr

    theme = gr.themes.Base(
        primary_hue="teal", neutral_hue="stone", font=_FONTS, font_mono=_MONO, radius_size="md", text_size="md"
    )
    # The library's own pair of colours is too weak to read.
    return theme.set(
        button_primary_background_fill="#0f766e", button_primary_background_fill_dark="#0f766e",
        button_primary_background_fill_hover="#115e59", button_primary_background_fill_hover_dark="#115e59",
    )  # fmt: skip


def _make_blocks(desk: Desk, material: Material, recording: Recording | None, notice: str) -> Any:
    import gradio as gr

    voice = desk.voice
    title = f"{name_imitation((voice.host,))} - {voice.show}"
    with gr.Blocks(analytics_enabled=False, title=_plain(title)) as blocks:
        gr.HTML(_show_label(voice), elem_id="label")
        if notice:
            gr.HTML(f"<p class='aside' role='note'>{show_text(notice)}</p>", elem_id="notice")
        with gr.Tabs(elem_id="tabs"):
            if recording:
                with gr.Tab("Compare", id="compare"):
                    make_recorded(desk, recording)
            else:
                _make_model_tabs(desk, material, blocks.load)
            with gr.Tab("Corpus", id="corpus"):
                _make_corpus(desk)
            with gr.Tab("Report", id="report"):
                gr.HTML(_show_report(material))
    # Whatever is answered here is limited by the model's slots, and not by the page.
    blocks.queue(default_concurrency_limit=None, api_open=False)
    return blocks


def _make_model_tabs(desk: Desk, material: Material, on_load: Any) -> None:
    import gradio as gr

    with gr.Tab("Chat", id="chat"):
        make_chat(desk, on_load)
    with gr.Tab("Compare", id="compare"):
        make_compare(desk)
    with gr.Tab("Blind", id="blind"):
        make_blind(desk, [pair for pair in material.pairs if pair.split == "test"])
    with gr.Tab("Rank", id="rank"):
        make_rank(desk)


def _make_corpus(desk: Desk) -> None:
    import gradio as gr

    text = gr.Textbox(label="Search what was really said", max_lines=1, elem_id="corpus-text", placeholder="Words")
    with gr.Row(elem_classes="buttons"):
        search = gr.Button("Search", variant="primary", elem_id="corpus-search", min_width=80)
        only_host = gr.Checkbox(False, label=f"Only {desk.voice.host}", elem_id="corpus-host")
    pane = gr.HTML(elem_id="corpus-pane")

    def find(words: str, is_host: bool) -> str:
        if not words.strip():
            return "<p class='empty'>Type some words.</p>"
        found, telling = desk.library.search(words, only_host=is_host, n=_N_FOUND)
        return show_turns(found, desk.library.titles, desk.library.dates, telling)

    wire([search.click, text.submit, only_host.input], find, [text, only_host], [pane])


def _show_label(voice: Voice) -> str:
    label, host, show = map(show_text, (name_imitation((voice.host,)), voice.host, voice.show))
    return (
        f"<div class='bar' role='note'><h1>{label}</h1><span>not {host}; it makes things up</span><i>{show}</i></div>"
    )


def _show_report(material: Material) -> str:
    if not material.report.is_file():
        return "<p class='empty'>There is no report yet: econchatr report writes it.</p>"
    return (
        f"<p class='aside'><a href='{_REPORT_PATH}' target='_blank' rel='noopener'>Open it in a page of its own</a></p>"
        f"<iframe id='report-frame' title='Report' src='{_REPORT_PATH}' sandbox loading='lazy'></iframe>"
    )


def _read_report(material: Material) -> Response:
    try:
        page = material.report.read_bytes()
    except OSError:
        return HTMLResponse("<p>There is no report.</p>", status_code=404)
    return HTMLResponse(page, headers={"content-security-policy": _REPORT_POLICY, **HEADERS})


def _plain(text: str) -> str:
    """A name for the browser's title bar. A script sets it, so an apostrophe stays one."""
    return escape(strip_controls(text, keeps_lines=False), quote=False)
