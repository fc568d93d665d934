"""The table of the stages: in order, told in the documentation, and true."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from econchatr.pipeline import STAGES, Silent
from econchatr.pipeline.run import do_steps
from econchatr.pipeline.show import Rung, open_show
from econchatr.pipeline.show_folder import STAGE_NAMES
from econchatr.pipeline.stage import Made, Stage, Step

ROOT = Path(__file__).parents[3]


def test_the_table_in_the_docs_is_that_of_the_code() -> None:
    """`python scripts/make_stage_table.py` writes it."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_stage_table.py"))
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert script["replace_table"](page) == page


def test_the_stages_stand_in_their_order() -> None:
    assert tuple(dict.fromkeys(stage.name for stage in STAGES)) == STAGE_NAMES


def test_a_stage_reads_only_stages_that_come_before_it() -> None:
    keys = [stage.key for stage in STAGES]
    for place, stage in enumerate(STAGES):
        assert not {read for read in stage.reads if read in keys} & set(keys[place:])


class Notes(Silent):
    """A narrator that keeps why steps are done, and notes."""

    def __init__(self) -> None:
        self.whys, self.notes = list[str](), list[str]()

    def begin(self, name: str, why: str) -> None:
        self.whys.append(why)

    def note(self, text: str) -> None:
        self.notes.append(text)


LADDER = """[show]
name = "A"
hosts = ["Hal Host"]
[[ladder]]
name = "small"
base = "small"
max_tokens = 100
[[ladder]]
name = "large"
base = "large"
max_tokens = 100
"""


def do_quickly(folder: Path, *names: str) -> Notes:
    """Run steps of a ladder, `train/small`, whose work is nothing."""
    (folder / "show.toml").write_text(LADDER, encoding="utf-8")
    show, notes, steps = open_show(folder, cache=folder), Notes(), list[Step]()
    for name in names:
        stage, _, rung = name.partition("/")
        steps.append(Step(Stage[Rung](stage, 1, {}, lambda _: {}, lambda *_: Made()), show.rung(rung)))
    do_steps(steps, notes)
    return notes


def test_a_run_says_that_a_step_starts_and_not_that_it_is_not_done(tmp_path: Path) -> None:
    assert do_quickly(tmp_path, "train/small").whys == ["starts"]


@pytest.mark.parametrize(
    ("steps", "chats"),
    [
        (["train/small", "ask/small"], ["econchatr chat {root}"]),
        (["train/large", "ask/large"], ["econchatr chat {root} --rung large"]),
        (["train/small"], []),
    ],
)
def test_who_waits_for_the_exam_is_told_that_the_model_can_be_talked_to(
    tmp_path: Path, steps: list[str], chats: list[str]
) -> None:
    said = [f"You can talk to it already, in another terminal: {chat.format(root=tmp_path)}" for chat in chats]
    assert do_quickly(tmp_path, *steps).notes == said
