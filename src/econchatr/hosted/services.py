"""Which back end speaks to a service: by the shape of calls that its profile names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from econchatr.hosted.fireworks_training import FireworksTraining
from econchatr.hosted.openai_training import OpenAITraining
from econchatr.hosted.protocol import TrainingService
from econchatr.hosted.service_calls import ServiceCalls
from econchatr.hosted.together_training import TogetherTraining

_BACK_ENDS: Final[dict[str, Callable[[ServiceCalls, str], TrainingService]]] = {
    "openai": OpenAITraining,
    "together": TogetherTraining,
    "fireworks": FireworksTraining,
}


def open_service(calls: ServiceCalls, key: str) -> TrainingService:
    """The back end for a profile's service, over an open line to it."""
    return _BACK_ENDS[calls.profile.api](calls, key)
