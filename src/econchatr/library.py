"""A show and its models for notebooks and programs; tables come as polars frames, errors as `econchatr.errors`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from econchatr.ask.asker import GenerationLog
from econchatr.ask.exam import OpenRung, render_question
from econchatr.display import escape_html, label_imitation
from econchatr.errors import InputError, ShowFolderError
from econchatr.pipeline import Narrator, RunResult, Silent, run_show, status_of
from econchatr.pipeline import Show as ShowFolder
from econchatr.pipeline import open_show as open_folder
from econchatr.pipeline.choosing import answer_best_of
from econchatr.records import Question, Reply, Sampling, Variant
from econchatr.talk.session import ChatSession, TalkSettings

if TYPE_CHECKING:
    import polars as pl

_VARIANTS: tuple[Variant, ...] = ("base", "persona", "tuned")
_DRAWN = TalkSettings()


@dataclass(frozen=True)
class ModelReply:
    """A model's reply, with the label that goes with it wherever it is shown."""

    text: str
    label: str
    """Whom the model imitates, and that it is not that person."""
    variant: Variant
    seed: int
    reply: Reply

    def __str__(self) -> str:
        return f"{self.label} ({self.variant}): {self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        said = "<br>".join(escape_html(line) for line in self.text.split("\n"))
        return f"<p>{said}</p><p><small>{escape_html(self.label)} ({self.variant})</small></p>"


class Show:
    """One podcast's folder."""

    def __init__(self, opened: ShowFolder) -> None:
        self.opened = opened
        """The same show, as `econchatr.pipeline` takes it."""

    def __repr__(self) -> str:
        done = sum(not why for why in self.status().values())
        return f"Show({self.name!r}, host {self.host!r}, {done} of {len(self.status())} steps done)"

    @property
    def name(self) -> str:
        """The show's name."""
        return self.opened.voice.show

    @property
    def host(self) -> str:
        """Who is imitated."""
        return self.opened.voice.host

    def status(self) -> dict[str, str]:
        """Every step, with the reason why it must run; the reason is empty where the step is done."""
        return {state.name: state.why for state in status_of(self.opened)}

    def run(self, *, until: str = "report", rung: str = "", narrator: Narrator | None = None) -> RunResult:
        """Run every stage that is not done yet, as `econchatr run` does.

        Raises:
            EconChatRError: A stage failed; the stages finished before it stay done.
        """
        return run_show(self.opened, narrator or Silent(), until=until, rung=rung)

    def questions(self) -> tuple[Question, ...]:
        """The exam.

        Raises:
            InputError: questions.toml is missing or wrong.
        """
        return self.opened.questions()

    def episodes(self) -> pl.DataFrame:
        """Every episode that was parsed.

        Raises:
            ShowFolderError: `parse` is not done. The methods below raise it for their own steps.
        """
        return self._table("parse", "episodes")

    def turns(self) -> pl.DataFrame:
        """Everything that was said, turn by turn."""
        return self._table("parse", "turns")

    def pairs(self) -> pl.DataFrame:
        """Every pair, kept or dropped, with the reason."""
        return self._table("pair", "pairs")

    def selections(self) -> pl.DataFrame:
        """What each rung's budget bought."""
        return self._table("select", "selections")

    def reasons(self) -> pl.DataFrame:
        """Every pair that could be selected: the rung that took it, its place in the order, and the reason."""
        return self._table("select", "reasons")

    def answers(self, rung: str = "") -> pl.DataFrame:
        """One rung's answers to the exam; an empty name takes the first rung."""
        return self._table("ask", "answers", self.opened.rung(rung).name)

    def scores(self, rung: str = "") -> pl.DataFrame:
        """Every score of one rung; an empty name takes the first rung."""
        return self._table("score", "scores", self.opened.rung(rung).name)

    def _table(self, stage: str, name: str, rung: str = "") -> pl.DataFrame:
        import polars as pl

        path = self.opened.folder(stage, rung) / f"{name}.parquet"
        if not path.is_file():
            raise ShowFolderError(f"{stage} is not done yet.", hint="`.run()` does all that is not.")
        try:
            return pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as exc:
            reason = str(exc).splitlines()[0]
            raise ShowFolderError(f"cannot read the table {path}: {reason}.", hint="Run the show again.") from exc


class Model:
    """The model of a trained rung, open until `close` is called or the `with` block ends."""

    def __init__(self, show: Show, rung: str = "") -> None:
        self.show, self._stack = show, ExitStack()
        chosen = show.opened.rung(rung)
        opened = self._stack.enter_context(chosen.open(n_at_once=1))
        self._opened = opened._replace(speaker=answer_best_of(chosen, opened.speaker))
        self._log = GenerationLog(show.opened.folder("talk") / "generations.jsonl")
        self.rung = self._opened.tuned.rung
        self.label = label_imitation((show.host,))
        self._is_open = True

    def __repr__(self) -> str:
        return f"Model({self.rung!r}, {self.label})"

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the model's memory."""
        self._is_open = False
        self._stack.close()

    def ask(
        self,
        question: str,
        *,
        variant: Variant = "tuned",
        seed: int = 0,
        temperature: float = _DRAWN.temperature,
        max_tokens: int = _DRAWN.max_tokens,
        on_text: Callable[[str], None] | None = None,
    ) -> ModelReply:
        """Ask one question as the exam does; the same arguments give the same answer. The show's log keeps the answer.

        Args:
            variant: `base` before training, `persona` with a written description of the host, `tuned` after training.
            temperature: 0 or more; 0 always takes the likeliest token.
            on_text: Called with each piece of text as the model writes it.

        Raises:
            InputError: The model is closed, nothing was asked, or there is no such variant.
            ModelError: The model failed, or the question is too long for it.
        """
        opened = self._check_open()
        if not question.strip() or variant not in _VARIANTS:
            raise InputError(
                f"cannot ask {question!r} of {variant!r}.", hint=f"Ask something, of {', '.join(_VARIANTS)}."
            )
        reply = opened.speaker.reply(
            render_question(question, variant, self.show.opened.voice, opened.template),
            Sampling(seed, temperature, max_tokens, _DRAWN.repeat_penalty),
            tuned=variant == "tuned",
            on_text=on_text,
        )
        return self._keep(question, variant, seed, reply)

    def chat(self, *, variant: Literal["base", "tuned"] = "tuned", seed: int = 0) -> Conversation:
        """Begin a conversation: the model sees as many of the earlier messages as fit."""
        return Conversation(self, variant=variant, seed=seed)

    def _keep(self, question: str, variant: Variant, seed: int, reply: Reply) -> ModelReply:
        """Log a reply, and label it."""
        model_sha256 = self._opened.identify(variant)
        row = {"variant": variant, "rung": self.rung, "model_sha256": model_sha256, "seed": seed}
        self._log.add("", {**row, "cue": question, "reply": reply.model_dump()})
        return ModelReply(reply.text, self.label, variant, seed, reply)

    def _check_open(self) -> OpenRung:
        if not self._is_open:
            raise InputError("the model is closed.", hint="`open_model` opens it again.")
        return self._opened


class Conversation:
    """A conversation with one model; each message is sent with as many of the earlier ones as fit."""

    def __init__(self, model: Model, *, variant: Literal["base", "tuned"], seed: int) -> None:
        opened = model._check_open()
        self._model, self._variant = model, variant
        self._session = ChatSession(opened.speaker, opened.template, model.show.opened.voice, seed=seed)
        self._session.is_tuned = variant == "tuned"

    def say(self, text: str, *, on_text: Callable[[str], None] | None = None) -> ModelReply:
        """Send a message and give the model's reply. The show's log keeps the reply.

        Raises:
            InputError: The model is closed, nothing was said, or far too much.
            ModelError: The model failed; the conversation is as before.
        """
        self._model._check_open()
        seed, reply = self._session.next_seed, self._session.say(text, on_text=on_text)
        return self._model._keep(text, self._variant, seed, reply)


def open_show(folder: Path | str) -> Show:
    """Open the show in a folder.

    Raises:
        ShowFolderError: No such folder, or no show in it.
        InputError: show.toml is wrong.
    """
    return Show(open_folder(Path(folder)))


def open_model(show: Show | Path | str, rung: str = "") -> Model:
    """Open the trained model of a show's rung; an empty name takes the first rung.

    Raises:
        ShowFolderError: No such folder, no show in it, or the rung is not trained yet.
        InputError: show.toml is wrong, there is no such rung, or the show has no `[rights]`.
        ModelError: The model cannot be opened.
    """
    return Model(show if isinstance(show, Show) else open_show(show), rung)
