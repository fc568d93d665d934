"""Part one stream of several replies into a stream for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from econchatr.models.engines.llama_server import ReplyPiece


@asynccontextmanager
async def part_replies(
    told: AsyncGenerator[tuple[int, ReplyPiece], None], n_replies: int
) -> AsyncIterator[list[AsyncGenerator[ReplyPiece, None]]]:
    """Streams of the pieces of each reply, while the block lasts; its end ends the one stream.

    What the one stream raises, each of the others raises.
    """
    lines = [asyncio.Queue[ReplyPiece | Exception]() for _ in range(n_replies)]

    async def sort() -> None:
        try:
            async with aclosing(told):
                async for place, piece in told:
                    lines[place].put_nowait(piece)
        except Exception as exc:  # noqa: BLE001 - whoever reads a reply raises it
            for line in lines:
                line.put_nowait(exc)

    sorting = asyncio.create_task(sort())
    try:
        yield [_read(line) for line in lines]
    finally:
        sorting.cancel()
        await asyncio.gather(sorting, return_exceptions=True)


async def _read(line: asyncio.Queue[ReplyPiece | Exception]) -> AsyncGenerator[ReplyPiece, None]:
    while True:
        piece = await line.get()
        if isinstance(piece, Exception):
            raise piece
        yield piece
        if piece.stop:
            return
