"""The heart of a worker: it renews the leases of what is held, whatever else takes its time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from pipeline.delivery.ledger import Claim
from pipeline.errors import WorldError

BEAT: Final = 10.0  # seconds


class Heart:
    """Calls ``beat`` for each claim that is held, every ten seconds, in a thread of its own."""

    def __init__(self, beat: Callable[[Claim], None], *, seconds: float = BEAT) -> None:
        self._beat = beat
        self._seconds = seconds
        self._held: set[Claim] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[None]:
        """Keep a claim alive for as long as the block runs."""
        with self._lock:
            self._held.add(claim)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="heart", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(claim)

    def holds(self, claim: Claim) -> bool:
        """Say whether somebody here works on a claim."""
        with self._lock:
            return claim in self._held

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            with self._lock:
                held = list(self._held)
            for claim in held:
                try:
                    self._beat(claim)
                except WorldError:
                    continue  # the database is away: the next beat tries again
