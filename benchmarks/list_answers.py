"""The first answers of several shows side by side, as Markdown: what a table of figures cannot tell.

python benchmarks/list_answers.py LABEL=SHOW...     # LABEL stands before the answer: `0.6=ft`, `made by a model=ftm`

Every show must have the same exam, and be asked. For each question it prints the question, then the tuned model's first
draw of each show, whole.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from written_tables import tell_usage

from econchatr.display import escape_markdown
from econchatr.pipeline import open_show
from econchatr.pipeline.show import Show


def read_first_answers(show: Show) -> dict[str, str]:
    """Question -> the first draw of the smallest rung's tuned model."""
    texts = {question.question_id: question.text for question in show.questions()}
    return {
        texts[answer.question_id]: " ".join(answer.reply.text.split()) if answer.reply else f"(failed: {answer.error})"
        for answer in show.rung().answers()
        if answer.variant == "tuned" and answer.sample == 0 and answer.question_id in texts
    }


def write_lines(shows: dict[str, Show]) -> Iterator[str]:
    """Markdown, question by question."""
    said = {label: read_first_answers(show) for label, show in shows.items()}
    for number, question in enumerate(next(iter(shows.values())).questions(), start=1):
        yield f"\n**{number}. {escape_markdown(question.text)}**\n"
        yield from (f"- *{label}*: {escape_markdown(answers[question.text])}" for label, answers in said.items())


def main() -> None:
    """Print the answers of the shows on the command line."""
    shows = {label: open_show(Path(path)) for label, _, path in (one.partition("=") for one in sys.argv[1:])}
    if not shows or not all(show.root.is_dir() for show in shows.values()):
        raise SystemExit(__doc__)
    print("\n".join(write_lines(shows)))


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
