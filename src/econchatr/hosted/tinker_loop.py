"""The training loop that runs in this program, because Tinker has no jobs: one start, from the newest saved state.

Each step is written down before it is sent, so that what is paid is known after any kill. The state is saved on a
schedule. The next start goes on from it, and what was sent after it is sent and paid again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any, Final, NamedTuple

from econchatr.errors import EconChatRError, InputError, ModelError
from econchatr.hosted.loop_journal import JournalFile, LoopJournal
from econchatr.hosted.loop_plan import LoopStep
from econchatr.hosted.protocol import Hyperparameters
from econchatr.hosted.tinker_line import SavedState, TinkerLine, TinkerSession

_MAX_EVENTS: Final = 200


class LoopPlan(NamedTuple):
    """All that a loop does."""

    model: str
    steps: Sequence[LoopStep]
    hyperparameters: Hyperparameters
    """Complete."""
    seed: int
    save_every: int
    """Steps between two saves."""
    saves_weights: bool
    """Whether the adapter is kept in the form in which it can be downloaded."""

    def count_tokens(self, first: int, last: int) -> int:
        """Tokens of the steps from `first` on and before `last`."""
        return sum(step.n_tokens for step in self.steps[first:last])


class TinkerLoop:
    """One start of a loop, in a thread of its own."""

    def __init__(
        self, line: TinkerLine, file: JournalFile, plan: LoopPlan, *, now: Callable[[], float] = time.time
    ) -> None:
        self._line, self._file, self._plan, self._now = line, file, plan, now
        self._stop = Event()
        self._thread = Thread(target=self._run, name="tinker-loop", daemon=True)
        self.fault: EconChatRError | None = None
        """Why it ended before the training did."""
        self.is_elsewhere = False
        """Whether another run of this program holds the journal."""
        self.has_saved = False
        """Whether this start got a state saved that is newer than what it began from."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it still trains."""
        return self._thread.is_alive()

    def stop(self, seconds: float) -> bool:
        """Let it save its state after the step that runs, and end; whether it did within that time."""
        self._stop.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with self._file.claim() as is_mine:
            if not is_mine:
                self.is_elsewhere = True
                return
            try:
                self._train()
            except InputError as exc:
                journal = self._need()
                self._note(journal.model_copy(update={"state": "failed", "error": exc.message}), "failed")
            except EconChatRError as exc:
                self.fault = exc

    # --- one start

    def _train(self) -> None:
        journal, newest = self._need(), next(iter(self._line.list_states(self._need().mark)), None)
        reached = newest.step if newest else 0
        if reached < journal.saved_step:
            gone = {"saved_step": reached, "saved_path": newest.path if newest else ""}
            self._file.write(journal.model_copy(update=gone))
            raise ModelError(
                f"the state saved at step {journal.saved_step} is gone at the service; it has step {reached}.",
                hint="Run again to go on from there; what comes after it is paid again.",
            )
        with self._line.open_session(journal.mark) as session:
            self._begin(session, newest)
            for number in range(reached, len(self._plan.steps)):
                if self._stop.is_set():
                    self._save(session)
                    return
                self._step(session, number)
            self._finish(session)

    def _begin(self, session: TinkerSession, newest: SavedState | None) -> None:
        """Put a new adapter on the base, or go on from what was saved."""
        journal, reached = self._need(), newest.step if newest else 0
        if newest is None:
            session.start(self._line.find_model(self._plan.model).name, self._plan.hyperparameters, self._plan.seed)
            told = f"begun, {len(self._plan.steps)} steps"
        else:
            session.resume(newest.path)
            told = f"goes on from step {reached} of {len(self._plan.steps)}"
        lost = journal.n_sent_tokens - self._plan.count_tokens(0, reached) - journal.n_repeated_tokens
        if lost > 0:
            told += f"; {lost:,} tokens that were trained after it are trained and paid again"
        changes: dict[str, Any] = {
            "state": "running",
            "step": reached,
            "saved_step": reached,
            "saved_path": newest.path if newest else "",
            "n_repeated_tokens": journal.n_repeated_tokens + max(0, lost),
            "n_starts": journal.n_starts + 1,
            "started_at": int(self._now()),
            "runs": (*journal.runs, session.run_id),
        }
        self._note(journal.model_copy(update=changes), told)

    def _step(self, session: TinkerSession, number: int) -> None:
        journal, step = self._need(), self._plan.steps[number]
        sent = journal.n_sent_tokens + step.n_tokens
        self._file.write(journal.model_copy(update={"n_sent_tokens": sent}))
        loss = session.step(step, self._plan.hyperparameters)
        done, changes = number + 1, {"n_sent_tokens": sent, "step": number + 1}
        is_last, is_due = done == len(self._plan.steps), done % self._plan.save_every == 0
        losses = journal.losses
        if loss is not None and (number == 0 or is_last or is_due):
            losses = (*[row for row in losses if row[0] < done], (done, loss))
        self._file.write(journal.model_copy(update={**changes, "losses": losses}))
        if is_last or is_due:
            self._save(session)

    def _save(self, session: TinkerSession) -> None:
        """Save the state, and take the one before it away."""
        journal = self._need()
        if journal.step == journal.saved_step:
            return
        saved = session.save(journal.step)
        self.has_saved = True
        loss = f", loss {journal.losses[-1][1]:.3f}" if journal.losses and journal.losses[-1][0] == saved.step else ""
        changed = journal.model_copy(update={"saved_step": saved.step, "saved_path": saved.path})
        self._note(changed, f"step {saved.step} of {journal.n_steps} is saved{loss}")
        if journal.saved_path:
            self._line.delete(journal.saved_path)

    def _finish(self, session: TinkerSession) -> None:
        """Keep what was trained where it can be asked, and fetched."""
        journal = self._need()
        model = session.save_model(f"{journal.mark}-tuned-{journal.n_starts}")
        weights = session.save_weights(f"{journal.mark}-weights-{journal.n_starts}") if self._plan.saves_weights else ""
        changes = {"state": "succeeded", "tuned_model": model, "weights_path": weights}
        self._note(journal.model_copy(update=changes), "done")

    # --- the journal

    def _need(self) -> LoopJournal:
        journal = self._file.read()
        if journal is None:
            raise ModelError(f"{self._file.path} is gone.", hint="Run again: the service is asked for what it has.")
        return journal

    def _note(self, journal: LoopJournal, told: str) -> None:
        events = (*journal.events, (int(self._now()), told))[-_MAX_EVENTS:]
        self._file.write(journal.model_copy(update={"events": events}))
