"""Make `show-0.1`: a small finished show as version 0.1 left it on disk. Every word of it is made up.

Run once with the code of version 0.1 (commit 474328d), and not again: the folder stands for what users have.

    git worktree add OLD 474328d
    PYTHONPATH=OLD/src python tests/data/make_show_0_1.py tests/data/show-0.1

Training is not run. Its step is finished with a made-up adapter, by the inputs and settings that version 0.1 gives it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from econchatr.pipeline import Silent, list_steps, open_show, run_show
from econchatr.records import CurvePoint, Selection, TunedModel
from econchatr.tables import finish_stage, hash_file, hash_settings, read_table, write_bytes, write_table

SHOW = """\
[show]
name = "The Mended Thing"
hosts = ["Ottilie Brack"]

[rights]
voice = "Ottilie Brack"
ground = "made up"

[pair]
dev_share = 0.2
test_share = 0.2

# A model that nobody has, so that the identity of the base is its name and no installed file.
[[ladder]]
name = "small"
base = "nobody/no-model"
tokenizer = "gpt2"
max_tokens = 4000
n_epochs = 1
"""

QUESTIONS = """\
[[question]]
question_id = "mend"
kind = "belief"
text = "Why would anyone mend a kettle?"
"""

GUESTS = {
    "2020-01-09-kettles": ("Jory Pell", "kettle", "the spout leaks"),
    "2020-02-13-umbrellas": ("Sanne Lowe", "umbrella", "the ribs bend"),
    "2020-03-12-clocks": ("Piet Marrow", "clock", "the spring tires"),
    "2020-04-16-boots": ("Vera Stint", "boot", "the sole parts"),
    "2020-05-14-chairs": ("Amos Reed", "chair", "the joint loosens"),
    "2020-06-11-bells": ("Nell Farrow", "bell", "the clapper wears"),
}

TURNS = (
    ("guest", "People bring me a {thing} because {fault}, and they ask what a new one would cost."),
    ("host", "And do you tell them? I would want to know first how long the old {thing} had lasted."),
    ("guest", "I tell them nothing until I have opened it, since a {thing} that was opened once was loved once."),
    ("host", "That is a rule I could live by. Somebody cared enough to take a screwdriver to this {thing}."),
    ("guest", "Sometimes they cared too much, and then there is glue in places where no glue should ever be."),
    ("host", "So the worst enemy of a {thing} is a kind owner with an afternoon to spare. I recognise myself."),
    ("guest", "I charge by the hour, and where {fault} an hour is mostly enough to see whether it pays."),
    ("host", "Suppose it does not pay. Do you say so, or do you mend the {thing} anyway and lose your hour?"),
)


def write_show(root: Path) -> None:
    write_bytes(root / "show.toml", SHOW.encode())
    write_bytes(root / "questions.toml", QUESTIONS.encode())
    for slug, (guest, thing, fault) in GUESTS.items():
        names = {"host": "Ottilie Brack", "guest": guest}
        turns = (f"**{names[role]}:** {text.format(thing=thing, fault=fault)}\n" for role, text in TURNS)
        write_bytes(root / "transcripts" / f"{slug}.md", "\n".join(turns).encode())


def finish_training(root: Path) -> None:
    show = open_show(root)
    step = next(step for step in list_steps(show, until="train") if step.stage == "train")
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        write_bytes(step.folder / name, f"made up in place of {name}\n".encode())
    (selection,) = read_table(show.folder("select") / "selections.parquet", Selection)
    adapter = step.folder / "adapter_model.safetensors"
    tuned = TunedModel(
        rung=step.rung, base_model="nobody/no-model", base_sha256="", weights="made up",
        selection_sha256=selection.sha256, adapter_path=adapter.relative_to(root).as_posix(),
        adapter_sha256=hash_file(adapter), gguf_path=None, gguf_sha256=None, n_steps=2, best_step=1,
        n_trained_tokens=100, dtype="float32", n_agreeing_questions=None, n_checked_questions=0,
    )  # fmt: skip
    point = CurvePoint(rung=step.rung, step=1, n_seen_tokens=50, train_loss=3.0, dev_loss=2.9, is_best=True)
    write_table(step.folder / "tuned.parquet", [tuned], TunedModel)
    write_table(step.folder / "curve.parquet", [point], CurvePoint)
    finish_stage(
        step.folder, stage=step.name, version=step.version, settings_sha256=hash_settings(step.settings),
        inputs=step.inputs(), counts={"steps": 2}, seconds=1.0,
        outputs=("adapter_model.safetensors", "adapter_config.json", "tuned.parquet", "curve.parquet"),
    )  # fmt: skip


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_show(folder)
    run_show(open_show(folder), Silent(), until="select")
    finish_training(folder)
    (folder / ".lock").unlink(missing_ok=True)
