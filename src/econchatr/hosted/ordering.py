"""An order that is sent once, at whatever service: a lost answer is looked for, never sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from econchatr.errors import ModelError, RefusedError
from econchatr.hosted.service_calls import CallFault, ServiceCalls

_N_LOOKS: Final = 4
"""How often a job is looked for whose answer was lost."""
_N_SENDS: Final = 3
"""How often an order is sent that the service certainly did not take."""

NO_ID: Final = CallFault(None, "answered without the id of a job", is_passing=True, may_have_arrived=True)


def order_once(calls: ServiceCalls, send: Callable[[], str | CallFault], find: Callable[[], str | None]) -> str:
    """Start a job once; gives the service's id of it.

    Args:
        send: Sends the order; gives the job's id, or what went wrong.
        find: Looks for the job by our mark.

    Raises:
        ModelError: It is not known whether the job was made.
        RefusedError: The service did not take it, and nothing was made.
    """
    for n_tried in range(1, _N_SENDS + 1):
        answer = send()
        if isinstance(answer, str):
            return answer
        fault = answer
        if known := _look(calls, find, _N_LOOKS if fault.may_have_arrived else 1):
            return known
        if fault.may_have_arrived:
            break
        if not fault.is_passing:
            raise calls.error("the order", fault)
        calls.wait(fault, n_tried)
    else:
        raise RefusedError(calls.error("the order", fault).message, hint="Run again later.")
    raise ModelError(
        f"{calls.error('the order', fault).message} It is not known yet whether the job was made.",
        hint="Run again: the service is asked for the job before anything is sent.",
    )


def _look(calls: ServiceCalls, find: Callable[[], str | None], n_looks: int) -> str | None:
    for n_tried in range(1, n_looks + 1):
        if known := find():
            return known
        if n_tried < n_looks:
            calls.sleep(2.0**n_tried)
    return None


def shorten_mark(mark: str) -> str:
    """Our id as a suffix holds it: 18 letters are the most that some services take."""
    return f"e{mark[-17:]}"
