"""Which back end speaks to a service: by the shape of calls that its profile names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from econchatr.errors import InputError
from econchatr.hosted.fireworks_training import FireworksTraining
from econchatr.hosted.openai_training import OpenAITraining
from econchatr.hosted.own_loop import LoopWork
from econchatr.hosted.protocol import TrainingService
from econchatr.hosted.service_calls import ServiceCalls
from econchatr.hosted.tinker_training import TinkerTraining
from econchatr.hosted.together_training import TogetherTraining

_BACK_ENDS: Final[dict[str, Callable[[ServiceCalls, str], TrainingService]]] = {
    "openai": OpenAITraining,
    "together": TogetherTraining,
    "fireworks": FireworksTraining,
}


def open_service(calls: ServiceCalls, key: str, work: LoopWork | None = None) -> TrainingService:
    """The back end for a profile's service, over an open line to it.

    Args:
        work: What a loop of our own needs; no other back end looks at it.

    Raises:
        InputError: The profile's service has no jobs, so that a loop of our own trains there, and `work` is not given.
    """
    if calls.profile.api == "tinker":
        if work is None:
            raise InputError(f"{calls.profile.name} has no jobs of its own.", hint="Train there with `econchatr run`.")
        return TinkerTraining(calls, key, work)
    return _BACK_ENDS[calls.profile.api](calls, key)
