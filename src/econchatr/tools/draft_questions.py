"""Draft a show's exam from its own transcripts, and write it where no person's work is lost."""

from __future__ import annotations

from econchatr.ask.drafting import DraftedExam, draft_exam, write_exam
from econchatr.config import QUESTIONS_NAME
from econchatr.errors import InputError
from econchatr.pipeline import Narrator, Show, run_show
from econchatr.pipeline.stage import narrated
from econchatr.tables import write_bytes


def draft_questions(show: Show, narrator: Narrator) -> tuple[DraftedExam, str]:
    """The drafted exam of a show, and the text of its questions.toml; the transcripts are read first where needed.

    Raises:
        EconChatRError: The transcripts are missing or cannot be read.
    """
    run_show(show, narrator, until="parse")
    with narrated(narrator, "questions", "drafted from what the host says") as told:
        draft = draft_exam(show.turns(), show.episodes(), show=show.config.show.name, host=show.config.show.persona)
        told["questions"] = len(draft.questions)
    return draft, write_exam(draft, host=show.voice.host)


def write_questions(show: Show, draft: DraftedExam, text: str, *, may_overwrite: bool) -> None:
    """Write a draft as the show's questions.toml.

    Raises:
        InputError: Nothing was drafted, or the file is there already and may not be overwritten.
        ShowFolderError: The file cannot be written.
    """
    path = show.root / QUESTIONS_NAME
    if not draft.questions:
        raise InputError(f"no questions can be drafted: {draft.lacks}.", hint=f"Write them into {path} by hand.")
    if path.exists() and not may_overwrite:
        raise InputError(f"{path} is there already.", hint="Add --force to replace it, edits and all.")
    write_bytes(path, text.encode())
