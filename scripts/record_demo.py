"""Record a run of the demo, for `econchatr demo --recorded`: the report and the answers, from what the run left behind.

`python scripts/record_demo.py FOLDER --machine WORDS` runs the demo in FOLDER first, or what is not yet done of it. Run
it again where the bundled show's text has changed; a test fails until then.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from econchatr import __version__
from econchatr.cli.narrator import open_narrator
from econchatr.demo import RecordedRun, hash_demo_text, require_demo_packages, write_demo_show
from econchatr.errors import ShowFolderError
from econchatr.pipeline import Show, open_show, run_show
from econchatr.pipeline.ask import open_grounding
from econchatr.pipeline.report import gather_material
from econchatr.pipeline.show import Rung
from econchatr.records import Answer, Question
from econchatr.report.pages import lay_out_report, write_html
from econchatr.report.sections.answered import tell_draws
from econchatr.tables import read_manifest
from econchatr.talk.playground.answering import Answering
from econchatr.talk.playground.lookups import Evidence, Library
from econchatr.talk.playground.page import make_material
from econchatr.talk.playground.recorded import RECORDING, RecordedQuestion, Recording
from econchatr.tools.serve import PlayKeeper, read_play

TARGET = Path(__file__).parents[1] / "src" / "econchatr" / "demo" / "recorded"
COLUMNS = {
    "tuned": "{rung}",
    "base": "{rung}:base",
    "persona": "{rung}:base, persona prompt",
    "grounded": "{rung}, real turns",
    "retrieval": "{rung}:base, real turns",
}
"""The variants, in the order and under the names of the playground's columns."""


def record(show: Show, target: Path, *, machine: str) -> None:
    """Write the recording of a finished show: `run.json`, `report.html.gz` and `answers.json`."""
    run = RecordedRun(
        version=__version__,
        made_on=find_day(show.rung("")),
        machine=machine,
        text_sha256=hash_demo_text(show.root),
    )
    material = gather_material(show.asked_ladder()).model_copy(update={"made_on": run.made_on})
    report = write_html(replace(lay_out_report(material), kicker=run.tell()))
    recording = Recording(
        " ".join(("Every question was asked once, as in the exam.", *tell_draws(material.answers))),
        tuple(record_questions(show.rung(""), list(material.answers))),
    )
    target.mkdir(parents=True, exist_ok=True)
    (target / "run.json").write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")
    # Without a time in it, the same report makes the same file.
    (target / "report.html.gz").write_bytes(gzip.compress(report.encode(), mtime=0))
    (target / "answers.json").write_bytes(RECORDING.dump_json(recording, indent=1, exclude_defaults=True) + b"\n")


def find_day(rung: Rung) -> date:
    """The day on which a rung's last answer was given."""
    manifest = read_manifest(rung.folder("ask"))
    if manifest is None:
        raise ShowFolderError(f"{rung.folder('ask')} holds no finished exam.", hint=f"econchatr run {rung.show.root}")
    return manifest.finished_at.date()


def record_questions(rung: Rung, answers: list[Answer]) -> Iterator[RecordedQuestion]:
    """Every question of the exam, with the first answer of each variant as the playground shows it."""
    show, find = rung.show, open_grounding(rung).find
    library = Library(make_material(show.voice, read_play(show), PlayKeeper(show), lambda _: find))
    for question in show.questions():
        first = [one for one in answers if (one.question_id, one.sample) == (question.question_id, 0)]
        told = {
            name.format(rung=rung.name): show_answer(answer, question, library)
            for variant, name in COLUMNS.items()
            for answer in first
            if answer.variant == variant
        }
        yield RecordedQuestion(question.text, library.find_nearest(rung.name, question.text), told)


def show_answer(answer: Answer, question: Question, library: Library) -> Answering:
    """An answer as the playground shows it, with what the host really said that is near to it."""
    found = library.find_real(answer.rung, question.text) if answer.excerpts else ()
    evidence = library.look_up(answer.reply.text, prompt=question.text) if answer.reply else None
    return Answering(
        model=answer.rung,
        rung=answer.rung,
        variant=answer.variant,
        model_sha256=answer.model_sha256,
        seed=answer.seed,
        prompt="",
        state="done" if answer.reply else "failed",
        text=answer.reply.text if answer.reply else "",
        error=answer.error or "",
        given=tuple(map(library.cite, found)),
        evidence=evidence and shorten(evidence),
    )


def shorten(evidence: Evidence) -> Evidence:
    """The same without a flag for each word, where no word is copied."""
    return evidence if any(evidence.is_copied) else replace(evidence, is_copied=())


def main() -> None:
    """Run the demo in the folder named, and record it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the demo runs, or has run")
    parser.add_argument("--machine", required=True, help="where it runs, in words, as '2 processor cores'")
    given = parser.parse_args()
    require_demo_packages()
    write_demo_show(given.folder)
    show = open_show(given.folder)
    with open_narrator() as narrator:
        run_show(show, narrator)
    record(show, TARGET, machine=given.machine)


if __name__ == "__main__":
    main()
