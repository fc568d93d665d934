"""The commands for a trained model: chat, serve, play, mark, blind and export."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from econchatr.cli.app import USE, app
from econchatr.cli.narrator import open_narrator
from econchatr.cli.running import (
    HERE,
    JsonOption,
    RungOption,
    ShowArgument,
    announce_page,
    needing_web,
    print_json,
    say,
)
from econchatr.display import label_imitation
from econchatr.errors import InputError

if TYPE_CHECKING:
    from econchatr.models.engines.llama_server import ServedModel
    from econchatr.pipeline.show import Show
    from econchatr.tools.blind_guesses import BlindDesk


@app.command(rich_help_panel=USE)
def chat(
    show: ShowArgument = HERE,
    question: Annotated[str, typer.Argument(help="Answer this and leave.", show_default="ask in the terminal")] = "",
    rung: RungOption = "",
    seed: Annotated[int, typer.Option(help="Random seed of the first answer.")] = 0,
    ground: Annotated[
        bool, typer.Option("--ground", help="Put real turns of the host into each prompt (retrieval).")
    ] = False,
    preferred: Annotated[
        bool, typer.Option("--preferred", help="Use the model after preference optimisation.")
    ] = False,
) -> None:
    """Chat with a trained model in the terminal, or ask one question; /help lists what a chat can do."""
    from econchatr.pipeline import open_show
    from econchatr.pipeline.ask import open_grounding
    from econchatr.pipeline.choosing import answer_best_of
    from econchatr.talk.terminal import hold_chat

    opened = open_show(show)
    chosen = opened.rung(rung)
    with chosen.open(n_at_once=1, is_preferred=preferred) as model:
        hold_chat(
            answer_best_of(chosen, model.speaker),
            model.template,
            opened.voice,
            seed=seed,
            identify=model.identify,
            log_path=opened.folder("talk") / "generations.jsonl",
            ground=ground,
            open_find=lambda: open_grounding(chosen).find,
            question=question,
        )


_KeyOption = Annotated[
    str,
    typer.Option(
        "--key",
        envvar="ECONCHATR_SERVE_KEY",
        help="API key callers must send; required unless --host is a loopback address. "
        "Better in $ECONCHATR_SERVE_KEY: the list of processes shows options to everyone here.",
    ),
]
_ServedGroundOption = Annotated[
    bool,
    typer.Option("--ground", help="Add real turns of the host (retrieval) when a model is asked by its plain name."),
]


_NamesOption = Annotated[
    list[str] | None, typer.Option("--name", help="Host name callers use for this machine; repeat for more.")
]
_TrainOption = Annotated[
    bool, typer.Option("--train", help="Serve fine-tuning instead: files, jobs and their models; SHOW is its folder.")
]


_ServedBlindOption = Annotated[
    bool,
    typer.Option("--blind", help="Hand out the blind test at /blind and take visitors' guesses; both need no key."),
]


@app.command(rich_help_panel=USE)
def serve(
    show: ShowArgument = HERE,
    rung: RungOption = "",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = 8000,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    key: _KeyOption = "",
    names: _NamesOption = None,
    n_slots: Annotated[int, typer.Option("--slots", min=1, max=64, help="Replies to generate at the same time.")] = 8,
    ground: _ServedGroundOption = False,
    blind_page: _ServedBlindOption = False,
    train: _TrainOption = False,
    as_json: JsonOption = False,
) -> None:
    """Serve the trained models and their base models over an OpenAI-compatible HTTP API."""
    if train and blind_page:
        raise InputError("--train and --blind are two servers.", hint="Start each with a --port of its own.")
    if train:
        return _serve_training(show, host, port, key=key, names=names or (), as_json=as_json)
    from econchatr.ask.asker import GenerationLog
    from econchatr.pipeline import open_show
    from econchatr.pipeline.ask import open_grounding
    from econchatr.tools.serve import open_choosers, open_served

    with needing_web("serving"):
        from econchatr.talk.server.listen import keep_memory_small, run_server, take_place
        from econchatr.talk.server.routes import create_app
    keep_memory_small()
    opened = open_show(show)
    desk, pages = _open_blind(opened, rung) if blind_page else (None, {})
    with (
        take_place(host, port, key=key) as place,
        open_served(opened, rung, n_slots=n_slots, real_turns="default" if ground else "offered") as models,
    ):
        log = GenerationLog(opened.folder("talk") / "generations.jsonl")
        app = create_app(
            models,
            opened.voice,
            log=log,
            key=key,
            is_public=place.is_public,
            hosts=names or (),
            open_find=lambda name: open_grounding(opened.rung(name)).find,
            choosers=open_choosers(opened, models),
            **pages,
        )
        # The socket listens already: whoever connects from here on is answered.
        run_server(app, place, lambda: _tell_served(place.address, opened, models, desk, as_json=as_json))
        raise KeyboardInterrupt  # the server returns only when it was told to stop


def _tell_served(
    address: str, show: Show, served: Sequence[ServedModel], desk: BlindDesk | None, *, as_json: bool
) -> None:
    """What is served where; to programs in one line, at once."""
    models = [model.name for model in served]
    told = {"blind": f"{address}/blind"} if desk else {}
    if as_json:
        typer.echo(json.dumps({"address": f"{address}/v1", "models": models, **told}))
        return
    say(f"{label_imitation((show.voice.host,))}. Models: {', '.join(models)}")
    if desk:
        say(f"Blind test of {desk.rung}, for whoever can reach it: {told['blind']}")
    say(f"Listening on {address}/v1 - Ctrl-C stops.")


def _open_blind(show: Show, rung: str) -> tuple[BlindDesk, dict[str, Any]]:
    """The blind page that was written, and what the server needs to know to hand it out and take guesses."""
    from econchatr.talk.blind_page import OPEN_PATHS, POST_TO, add_blind_page
    from econchatr.tools.blind_guesses import open_blind_desk

    desk = open_blind_desk(show, rung, post_to=POST_TO)
    return desk, {"extend": add_blind_page(desk), "open_paths": OPEN_PATHS}


def _serve_training(folder: Path, host: str, port: int, *, key: str, names: Sequence[str], as_json: bool) -> None:
    """Serve fine-tuning from a folder until it is stopped."""
    from econchatr.user_folders import cache_folder, config_folder

    with needing_web("serving"):
        from econchatr.talk.server.listen import keep_memory_small, run_server, take_place
        from econchatr.training_server.training_app import Access, open_training_server
    keep_memory_small()
    with take_place(host, port, needs_key=False) as place:
        access = Access(place.is_public, key, names)
        with open_training_server(
            folder, access, cache=cache_folder(), terms=config_folder(), environment=os.environ
        ) as server:

            def announce() -> None:
                if as_json:
                    return typer.echo(json.dumps({"address": f"{place.address}/v1", "models": server.models}))
                say(f"Bases to train on: {', '.join(server.models)}. Everything is kept in {folder}.")
                say(f"Listening on {place.address}/v1 - Ctrl-C stops; jobs go on at the next start.")

            run_server(server.app, place, announce)
    raise KeyboardInterrupt  # the server returns only when it was told to stop


@app.command(rich_help_panel=USE)
def play(
    show: ShowArgument = HERE,
    rung: RungOption = "",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    n_slots: Annotated[
        int, typer.Option("--slots", min=1, max=16, help="Replies one model generates at the same time.")
    ] = 2,
    as_json: JsonOption = False,
) -> None:
    """Open the playground in the browser: chat, compare models, blind test, rank answers, search."""
    from econchatr.ask.asker import GenerationLog
    from econchatr.pipeline import open_show
    from econchatr.pipeline.ask import open_grounding
    from econchatr.tools.serve import PlayKeeper, open_choosers, open_served, read_play

    with needing_web("serving"):
        from econchatr.talk.server.listen import run_server, take_place
        from econchatr.talk.server.routes import create_app
    with needing_web("the playground"):
        from econchatr.talk.playground.page import add_playground, import_gradio, make_material

        import_gradio()  # told now if gradio is missing, and not when the models are open
    opened = open_show(show)
    with (
        take_place("127.0.0.1", port, key="") as place,
        open_served(opened, rung, n_slots=n_slots, apart=True) as models,
    ):
        material = make_material(
            opened.voice, read_play(opened), PlayKeeper(opened), lambda name: open_grounding(opened.rung(name)).find
        )
        log = GenerationLog(opened.folder("talk") / "generations.jsonl")
        choosers = open_choosers(opened, models)
        app = create_app(models, opened.voice, log=log, choosers=choosers, extend=add_playground(material))
        told = {"address": place.address, "models": [model.name for model in models]}
        line = f"{label_imitation((opened.voice.host,))}. Playground: {place.address} - Ctrl-C stops."
        run_server(app, place, lambda: announce_page(told, [line], browser=browser, as_json=as_json))
        raise KeyboardInterrupt  # the server returns only when it was told to stop


@app.command(rich_help_panel=USE)
def mark(
    show: ShowArgument = HERE,
    name: Annotated[str, typer.Option("--name", help="Who marks.", show_default="asked on the page")] = "",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Mark answers in the browser, 1, a half or 0, without knowing whose they are; each mark is saved at once."""
    from econchatr.pipeline import open_show
    from econchatr.tools.sheets import MarkKeeper, read_deck

    with needing_web("the marking page"):
        from econchatr.talk.mark_page import create_marking_app
        from econchatr.talk.server.listen import run_server, take_place
    opened = open_show(show)
    deck = read_deck(opened)
    with take_place("127.0.0.1", port, key="") as place:
        told = {"address": place.address, "answers": len(deck.cards), "first": deck.n_first}
        lines = (
            f"{label_imitation((opened.voice.host,))}. {deck.n_first} first answers to mark: {place.address}",
            "Each mark is saved at once. Ctrl-C stops; the next call goes on.",
        )
        marking = create_marking_app(deck, MarkKeeper(opened), name=name)
        run_server(marking, place, lambda: announce_page(told, lines, browser=browser, as_json=as_json))
        raise KeyboardInterrupt  # the server returns only when it was told to stop


@app.command(rich_help_panel=USE)
def blind(
    show: ShowArgument = HERE,
    page: Annotated[
        Path | None,
        typer.Option("--page", help="Folder to write the page to.", show_default="sheets/page-RUNG in the show"),
    ] = None,
    rung: Annotated[str, typer.Option("--rung", help="The model to tell apart.", show_default="the first")] = "",
    n_cues: Annotated[int, typer.Option("--cues", min=1, max=200, help="Largest number of cues on the page.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Random seed for the choice of cues and the order.")] = 0,
    send_to: Annotated[
        str,
        typer.Option(
            "--send-to", help="Where visitors send their files: an address.", show_default="whoever showed the page"
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Write the blind test as a page for the web: who finds the host's own reply among five?"""
    from econchatr.pipeline import open_show
    from econchatr.tools.sheets import write_blind_page

    opened = open_show(show)
    with open_narrator() as narrator:
        path = write_blind_page(opened.rung(rung), page, n_cues=n_cues, seed=seed, send_to=send_to, narrator=narrator)
    if as_json:
        return print_json({"written": str(path)})
    typer.echo(f"wrote {path}")
    say(f"{label_imitation((opened.voice.host,))}. Put {path.parent} on the web, or open it here.")
    say("The page shows held-out words of the show: publish it only if you may publish those.")
    say(f"Files that come back: `econchatr score {show} --blind FILE...`, then `econchatr report {show}`.")
    say(f"Or `econchatr serve {show} --blind` hands the page out and takes the guesses itself.")


@app.command(rich_help_panel=USE)
def export(
    show: ShowArgument = HERE,
    rung: Annotated[str, typer.Option("--rung", help="The model to export.", show_default="the first")] = "",
    forms: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            help="Format: adapter, checkpoint, gguf, ollama, training or all of these; hub; or files for another "
            "trainer: axolotl, llamafactory, mlx, trl. Repeat for more.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to.", show_default="export/RUNG in the show")
    ] = None,
    push: Annotated[
        str, typer.Option("--push", help="Upload the format hub to OWNER/NAME on the model hub; private if new.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Export a trained model for other programs; each export is compared with the trained model."""
    from econchatr.pipeline import open_show
    from econchatr.tools.export import export_rung
    from econchatr.tools.push import push_folder

    opened = open_show(show)
    chosen = opened.rung(rung)
    place = out or chosen.folder("export")
    wanted = [*(forms or []), *(["hub"] if push else [])] or ["all"]
    with open_narrator() as narrator:
        made = export_rung(chosen, narrator, forms=wanted, out=place)
    address = push_folder(place / "hub", push) if push and (place / "hub").is_dir() else ""
    if as_json:
        print_json({**made.as_dict(), "pushed": address})
        return made.require_whole()
    if made.proofs:
        typer.echo(
            "Asked again, greedily: tokens that agree with the trained model; mean and greatest difference, nats"
        )
    for proof in made.proofs:
        form, agreeing, mean, worst = proof.as_row()
        limit = f" (at most {proof.limit.mean_nats:g} and {proof.limit.worst_nats:g})" if proof.limit else ""
        typer.echo(f"  {form:26}{agreeing:>12}{mean:>10}{worst:>8}{limit}")
    for name in made.files:
        typer.echo(f"wrote {made.folder / name}")
    if address:
        typer.echo(f"uploaded to {address}")
    for note in made.notes:
        say(note)
    made.require_whole()
