"""A line to a service that speaks Tinker's protocol, through the `tinker` package; faults are told in our words.

The package repeats what fails for minutes, waits out a 402 for an hour and a stuck answer for two. So nothing here
waits for it longer than we say. Its reports of errors to its makers are switched off.

Source: the package tinker 0.38.0, read and driven.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from econchatr.errors import EconChatRError, InputError, MissingExtraError, RefusedError
from econchatr.hosted.loop_plan import LoopStep
from econchatr.hosted.protocol import Hyperparameters
from econchatr.hosted.service_calls import CallFault, ServiceCalls
from econchatr.prompts import EncodedExample

if TYPE_CHECKING:
    import tinker

T = TypeVar("T")

ASK_SECONDS: Final = 60.0
"""For a question about what is there."""
WORK_SECONDS: Final = 900.0
"""For one step, or for saving or loading weights: a service that is short of machines lets them wait."""
_CLOSE_SECONDS: Final = 10.0
_STATE_SECONDS: Final = 14 * 24 * 3600
"""After so long the service deletes a saved state by itself."""
_N_PAGES: Final = 20
_PAGE: Final = 100
_WRONG: Final = (400, 413, 422)
_REFUSED: Final = (401, 402, 403)


class OfferedModel(NamedTuple):
    """A model on the service's list."""

    name: str
    max_tokens: int | None
    """Of one example; `None`: not told."""
    is_trainable: bool


class SavedState(NamedTuple):
    """Weights and optimizer as the service kept them after a step."""

    step: int
    path: str
    """The service's name of it: `tinker://RUN/weights/NAME`."""


def name_state(mark: str, step: int) -> str:
    """What a state is called, so that it is found again by our mark."""
    return f"{mark}-{step:06d}"


class TinkerLine:
    """An open line to one service."""

    def __init__(self, calls: ServiceCalls, key: str, *, work_seconds: float = WORK_SECONDS) -> None:
        self.calls, self.work_seconds, self._key = calls, work_seconds, key

    def list_models(self) -> list[OfferedModel]:
        """What the service trains.

        Raises:
            ModelError: It cannot be reached, or refuses.
        """
        told = self._ask("its models", lambda rest: rest.get_server_capabilities())
        rows = [row for row in told.supported_models if row.model_name]
        return [OfferedModel(row.model_name, row.max_context_length, row.trainable is not False) for row in rows]

    def find_model(self, model: str) -> OfferedModel:
        """The service's row of a model, named as there or by the last part of its name: `qwen3-8b`.

        Raises:
            InputError: It has none of that name, or does not train it.
            ModelError: It cannot be reached, or refuses.
        """
        rows = [row for row in self.list_models() if row.is_trainable]
        named = [row for row in rows if row.name == model] or [
            row for row in rows if _last_part(row.name) == _last_part(model)
        ]
        if len(named) == 1:
            return named[0]
        known = ", ".join(row.name for row in rows[:12]) or "none at all"
        profile = self.calls.profile
        raise InputError(
            f"{profile.provider or profile.name} trains no model {model!r}. Nothing was sent.",
            hint=f"It trains: {known}. Name one in the rung's `base`.",
        )

    def list_states(self, mark: str) -> list[SavedState]:
        """Every state with our mark that the service still has, the newest step first.

        Raises:
            ModelError: It cannot be reached, or refuses.
        """
        pattern, found = re.compile(rf"/weights/{re.escape(mark)}-(\d+)$"), dict[str, int]()
        for page in range(_N_PAGES):
            told = self._ask(
                "its saved states",
                partial(_list_page, page),
            )
            for row in told.checkpoints:
                if match := pattern.search(row.tinker_path):
                    found[row.tinker_path] = int(match[1])
            if len(told.checkpoints) < _PAGE:
                break
        return sorted((SavedState(step, path) for path, step in found.items()), reverse=True)

    def list_weights(self, path: str) -> Mapping[str, str]:
        """Where each file of weights that were made to be downloaded can be fetched, by its name.

        Raises:
            ModelError: It cannot be reached, or refuses.
        """
        return dict(self._ask("its weights", lambda rest: rest.get_external_weights_urls(path)).urls)

    def delete(self, path: str) -> None:
        """Take a state or weights away. What cannot be taken away now expires by itself."""
        try:
            self._ask("a deletion", lambda rest: rest.delete_checkpoint_from_tinker_path(path))
        except EconChatRError:
            return

    @contextmanager
    def open_session(self, mark: str) -> Iterator[TinkerSession]:
        """A session there, which ends with the block: well, with an error, or stopped.

        Raises:
            ModelError: The service cannot be reached, or refuses.
        """
        package = open_tinker()
        service = package.ServiceClient(
            user_metadata={"econchatr": mark}, base_url=self.calls.profile.base_url, api_key=self._key
        )
        status = "errored"
        try:
            with self.tell_faults("a session"):
                _within(ASK_SECONDS, lambda: service.holder)
            yield TinkerSession(self, service, mark)
            status = "success"
        except (KeyboardInterrupt, GeneratorExit):
            status = "interrupted"
            raise
        finally:
            self._close(service, status)

    def _close(self, service: tinker.ServiceClient, status: Any) -> None:
        try:
            with self.tell_faults("the end of a session"):
                service.close(status).result(_CLOSE_SECONDS)
        except EconChatRError:
            return  # it ends by itself when its heartbeat stops

    def _ask(self, what: str, act: Callable[[tinker.RestClient], Any]) -> Any:
        package = open_tinker()

        def ask() -> Any:
            rest = package.RestClient(base_url=self.calls.profile.base_url, api_key=self._key)
            return act(rest).result(ASK_SECONDS)

        with self.tell_faults(what):
            return _within(ASK_SECONDS, ask)

    @contextmanager
    def tell_faults(self, what: str) -> Iterator[None]:
        """Give what goes wrong in the package in our words, without the key.

        Raises:
            ModelError: It may pass.
            RefusedError: The key, the account or its money is not enough.
            InputError: What was sent is wrong: no other try will do.
        """
        package = open_tinker()
        from tinker.lib.retryable_exception import RetryableException

        faults = (
            package.TinkerError,
            RetryableException,
            RuntimeError,
            ValueError,
            OSError,
            TimeoutError,
            CancelledError,
        )
        try:
            yield
        except faults as exc:
            raise self._read(what, exc, package) from exc

    def _read(self, what: str, exc: BaseException, package: Any) -> EconChatRError:
        cause = exc.__cause__ if isinstance(exc, RuntimeError | ValueError) and exc.__cause__ else exc
        status = getattr(cause, "status_code", None)
        told = str(cause) or type(cause).__name__
        if isinstance(cause, TimeoutError) and not isinstance(cause, package.TinkerError):
            told = "gave no answer in time; a service without machines or an account without money lets one wait"
        is_wrong = status in _WRONG
        if isinstance(cause, package.RequestFailedError):
            is_wrong = str(cause.category.value).casefold() == "user"
        if status is None and type(cause) is package.TinkerError:
            return RefusedError(self.calls.clean(f"Tinker's package: {told}"), hint="Look at the key.")
        fault = CallFault(status, told, is_passing=status not in _REFUSED, may_have_arrived=True)
        if status in _REFUSED:
            fault = fault._replace(may_have_arrived=False)
        error = self.calls.error(what, fault)
        return InputError(error.message, hint="Mend what it names.") if is_wrong else error


class TinkerSession:
    """One session: a base with a LoRA adapter on it that is trained step by step."""

    def __init__(self, line: TinkerLine, service: tinker.ServiceClient, mark: str) -> None:
        self._line, self._service, self._mark = line, service, mark
        self._client: Any = None

    @property
    def run_id(self) -> str:
        """The service's id of the training run."""
        return str(self._client.model_id)

    def start(self, model: str, hyperparameters: Hyperparameters, seed: int) -> None:
        """Put a new adapter on a base.

        Raises:
            ModelError: The service fails, or refuses.
        """
        wanted = {name: hyperparameters[name] for name in ("train_mlp", "train_attn", "train_unembed")}
        with self._line.tell_faults(f"an adapter on {model}"):
            self._client = self._service.create_lora_training_client(
                model,
                rank=int(hyperparameters["lora_rank"]),
                seed=seed,
                user_metadata={"econchatr": self._mark},
                **{name: bool(value) for name, value in wanted.items()},
            ).result(self._line.work_seconds)

    def resume(self, path: str) -> None:
        """Go on from a saved state, with its optimizer.

        Raises:
            ModelError: The service fails, refuses, or no longer has it.
        """
        with self._line.tell_faults(f"the state {path}"):
            self._client = self._service.create_training_client_from_state_with_optimizer(
                path, user_metadata={"econchatr": self._mark}
            ).result(self._line.work_seconds)

    def step(self, step: LoopStep, hyperparameters: Hyperparameters) -> float | None:
        """Train on one batch; gives its mean loss per reply token in nats, before the step; `None`: not told.

        Raises:
            ModelError: The service fails, or refuses.
        """
        package, weight = open_tinker(), 1 / sum(one.n_reply for one in step.examples)
        names = ("beta1", "beta2", "eps", "weight_decay", "grad_clip_norm")
        adam = package.AdamParams(
            learning_rate=step.learning_rate, **{name: float(hyperparameters[name]) for name in names}
        )
        with self._line.tell_faults("a step"):
            # Both are sent before either is waited for: the service would else idle in between.
            told = self._client.forward_backward([_datum(one, weight) for one in step.examples], "cross_entropy")
            moved = self._client.optim_step(adam)
            metrics = told.result(self._line.work_seconds).metrics
            moved.result(self._line.work_seconds)
        loss = metrics.get("loss:sum")
        return float(loss) if loss is not None else None

    def save(self, step: int) -> SavedState:
        """Keep weights and optimizer at the service.

        Raises:
            ModelError: The service fails, or refuses.
        """
        with self._line.tell_faults("a saved state"):
            saved = self._client.save_state(
                name_state(self._mark, step), ttl_seconds=_STATE_SECONDS, user_metadata={"econchatr": self._mark}
            ).result(self._line.work_seconds)
        return SavedState(step, saved.path)

    def save_model(self, name: str) -> str:
        """Keep the tuned model so that it can be asked; gives its name.

        Raises:
            ModelError: The service fails, or refuses.
        """
        with self._line.tell_faults("the tuned model"):
            saved = self._client.save_weights_for_sampler(name, user_metadata={"econchatr": self._mark})
            return str(saved.result(self._line.work_seconds).path)

    def save_weights(self, name: str) -> str:
        """Keep the adapter in the form in which it can be downloaded; gives its name.

        Raises:
            ModelError: The service fails, or refuses.
        """
        with self._line.tell_faults("weights to be downloaded"):
            saved = self._client.save_weights_external(name, ttl_seconds=_STATE_SECONDS)
            return str(saved.result(self._line.work_seconds).path)

    def open_sampler(self, model: str) -> Any:
        """What answers as a base, or as a tuned model by its `tinker://` name.

        Raises:
            ModelError: The service fails, or refuses.
        """
        wanted = {"model_path": model} if model.startswith("tinker://") else {"base_model": model}
        with self._line.tell_faults(f"the model {model}"):
            return self._service.create_sampling_client(**wanted).result(self._line.work_seconds)


def open_tinker() -> Any:
    """The `tinker` package, told to send no reports to its makers unless the user wants it.

    Raises:
        MissingExtraError: It is not installed.
    """
    os.environ.setdefault("TINKER_TELEMETRY", "0")
    try:
        import tinker
    except ImportError as exc:
        raise MissingExtraError("training at Tinker needs the tinker package.", extra="tinker") from exc
    return tinker


def _list_page(page: int, rest: tinker.RestClient) -> Any:
    return rest.list_user_checkpoints(limit=_PAGE, offset=page * _PAGE)


def _last_part(name: str) -> str:
    return name.rpartition("/")[2].casefold()


def _datum(example: EncodedExample, weight: float) -> Any:
    """An example as the service learns it: each token predicts the next, and only the reply's count."""
    package, ids = open_tinker(), list(example.ids)
    weights = [0.0] * (example.n_prompt - 1) + [weight] * example.n_reply
    return package.Datum(
        model_input=package.ModelInput.from_ints(ids[:-1]),
        loss_fn_inputs={"target_tokens": ids[1:], "weights": weights},
    )


def _within(seconds: float, act: Callable[[], T]) -> T:
    """What a call gives that knows no deadline of its own.

    Raises:
        TimeoutError: It took longer, and goes on by itself.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(act())
        except BaseException as exc:  # noqa: BLE001  # it is raised where the result is waited for
            done.set_exception(exc)

    Thread(target=run, daemon=True).start()
    return done.result(seconds)
