"""`econchatr demo --recorded`: a finished run of the demo, shown at once. No model is opened or trained."""

from __future__ import annotations

import gzip
import json
import webbrowser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from econchatr.cli.running import announce_page, needing_web, say
from econchatr.display import label_imitation
from econchatr.errors import MissingExtraError

if TYPE_CHECKING:
    from econchatr.demo import RecordedRun


def show_recorded(out: Path, *, browser: bool, as_json: bool) -> None:
    """Write the recorded report to a folder, and serve the playground; without the extra `web` the report is all."""
    from econchatr.demo import RecordedRun, read_recorded
    from econchatr.tables import write_bytes

    run = RecordedRun.model_validate_json(read_recorded("run.json"))
    report = out / "recorded-report.html"
    write_bytes(report, gzip.decompress(read_recorded("report.html.gz")))
    if not as_json:
        say(f"{run.tell()}.")
        typer.echo(f"Report: {report}")
    try:
        _play(run, report, browser=browser, as_json=as_json)
    except MissingExtraError as exc:
        if as_json:
            typer.echo(json.dumps(_describe(run, report, None)))
        say(f"The playground is not shown: {exc.message} It comes with: {exc.hint}")
        if browser:
            webbrowser.open(report.resolve().as_uri())


def _play(run: RecordedRun, report: Path, *, browser: bool, as_json: bool) -> None:
    with needing_web("the playground"):
        from econchatr.talk.playground.page import add_playground, import_gradio, make_material
        from econchatr.talk.server.listen import run_server, take_place
        from econchatr.talk.server.routes import create_app

        import_gradio()
    from econchatr.ask.asker import GenerationLog
    from econchatr.demo import read_recorded, write_demo_show
    from econchatr.pipeline import open_show, run_show
    from econchatr.pipeline.stage import Silent
    from econchatr.talk.playground.recorded import RECORDING
    from econchatr.tools.serve import PlayKeeper, PlayRows

    recording = RECORDING.validate_json(read_recorded("answers.json"))
    with TemporaryDirectory(prefix="econchatr-") as folder, take_place("127.0.0.1", 0) as place:
        root = Path(folder)
        write_demo_show(root)
        show = open_show(root)
        run_show(show, Silent(), until="parse")
        questions = [question.text for question in recording.questions]
        rows = PlayRows(show.episodes(), show.turns(), [], {}, report, questions)
        material = make_material(show.voice, rows, PlayKeeper(show), lambda _rung: lambda _question: ())
        extend = add_playground(material, recording, notice=run.tell())
        app = create_app([], show.voice, log=GenerationLog(root / "generations.jsonl"), extend=extend)
        line = f"{label_imitation((show.voice.host,))}. Playground: {place.address} - Ctrl-C stops."
        told = _describe(run, report, place.address)
        run_server(app, place, lambda: announce_page(told, [line], browser=browser, as_json=as_json))
        raise KeyboardInterrupt  # the server returns only when it was told to stop


def _describe(run: RecordedRun, report: Path, address: str | None) -> dict[str, object]:
    made = {"version": run.version, "made_on": run.made_on.isoformat()}
    return {"recorded": made, "report": str(report), "address": address}
