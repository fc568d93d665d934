"""Places are given to one group at a time, and everybody gets one."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.errors import BusyError
from econchatr.models.engines.llama_server import Turns

VISITS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), max_size=12)


@given(VISITS, st.integers(1, 4))
def test_never_too_many_never_two_groups_and_nobody_is_forgotten(
    visits: list[tuple[str, int, bool]], n_places: int
) -> None:
    """Whoever comes, stays or gives up: the places hold one group, and in the end all are free."""
    inside: list[str] = []

    async def visit(turns: Turns, group: str, n_steps: int) -> None:
        async with turns.take(group):
            inside.append(group)
            assert len(inside) <= n_places
            assert len(set(inside)) == 1
            try:
                for _ in range(n_steps):
                    await asyncio.sleep(0)
            finally:
                inside.remove(group)

    async def hold() -> None:
        turns = Turns(n_places, max_waiting=99)
        tasks = [asyncio.create_task(visit(turns, group, n_steps)) for group, n_steps, _ in visits]
        await asyncio.sleep(0)
        for task, (_, _, gives_up) in zip(tasks, visits, strict=True):
            if gives_up:
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), timeout=5)
        assert (turns.n_busy, turns.n_waiting, inside) == (0, 0, [])

    asyncio.run(hold())


def test_another_group_gets_its_turn_before_those_who_came_later() -> None:
    order: list[str] = []

    async def visit(turns: Turns, name: str) -> None:
        async with turns.take(name[0]):
            order.append(name)
            await asyncio.sleep(0.01)

    async def hold() -> None:
        turns = Turns(2, max_waiting=9)
        await asyncio.gather(*(visit(turns, name) for name in ("a1", "b1", "a2", "b2", "a3")))

    asyncio.run(hold())
    assert order == ["a1", "b1", "b2", "a2", "a3"]


def test_a_line_that_is_too_long_is_refused_and_a_free_place_is_not() -> None:
    async def hold() -> None:
        turns = Turns(1, max_waiting=0)
        async with turns.take("a"):
            with pytest.raises(BusyError, match="waiting"):
                async with turns.take("a"):
                    pass
        async with turns.take("b"):
            assert turns.n_busy == 1

    asyncio.run(hold())
