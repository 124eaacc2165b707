"""The bell that wakes every open page when there is something new to see."""

import asyncio
from contextlib import suppress


class Bell:
    """Rung by who refreshed the desk, heard by the event streams; all in one loop."""

    def __init__(self) -> None:
        self.is_closed = False
        self._turn = asyncio.Event()

    def turn(self) -> asyncio.Event:
        """Return what the next ring sets: take it before looking, and no ring is missed."""
        return self._turn

    def ring(self) -> None:
        """Wake everybody who waits."""
        rung, self._turn = self._turn, asyncio.Event()
        rung.set()

    def close(self) -> None:
        """Wake everybody for the last time: the streams end, and the server can stop."""
        self.is_closed = True
        self.ring()


async def heard(turn: asyncio.Event, *, within: float) -> bool:
    """Wait for a ring, ``within`` seconds at most, and say whether there was one."""
    with suppress(TimeoutError):
        await asyncio.wait_for(turn.wait(), within)
    return turn.is_set()
