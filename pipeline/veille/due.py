"""What a worker does for the veille: pulls what is due, keeps order, and stops when it has to.

How feeds are pulled is :mod:`pipeline.veille.pull`'s; that letters matter more than feeds is why a
pull has a thread of its own here.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from sqlalchemy import Engine

from pipeline.errors import InfolettreError
from pipeline.veille.entries import purge_entries
from pipeline.veille.following import load_watchlists, move_feed
from pipeline.veille.publication import publish_sent
from pipeline.veille.pull import Report, next_due, pull_feeds
from pipeline.veille.rules import read_rules
from pipeline.workspace import Workspace

DAY: Final = timedelta(days=1)
_GLANCE: Final = 0.2  # seconds between two looks whether a pull has ended
PATIENCE: Final = 5.0  # seconds for a pull to end once it is stopped; its claims end by themselves


def pull_due(
    engine: Engine,
    workspace: Workspace,
    *,
    clock: Callable[[], datetime],
    rng: Random,
    worker: str,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Report | None:
    """Pull the feeds of ``watchlists.opml`` that are due; None where none is, or there is no file.

    ``worker`` names who claims them. Once it ``is_stopped`` the feeds that are not written yet are
    skipped, and given back. Raises what :func:`load_watchlists` and :func:`read_rules` raise,
    and WorldError where the database cannot be used.
    """
    if is_stopped() or not workspace.watchlists.exists():
        return None
    watchlists = load_watchlists(workspace)
    due = next_due(engine, watchlists, now=clock())
    if due is None or due > clock():
        return None
    return pull_feeds(
        engine,
        watchlists,
        settings=workspace.settings,
        rulebook=read_rules(workspace.settings.rules),
        clock=clock,
        rng=rng,
        worker=worker,
        is_due_only=True,
        on_moved=lambda feed, url: move_feed(workspace, feed.url, url),
        is_stopped=is_stopped,
    )


@dataclass(slots=True)
class Upkeep:
    """Keeps the desk in order; meant for once a minute."""

    engine: Engine
    keep_days: int
    purged_at: datetime | None = None

    def do(self, now: datetime) -> None:
        """Call published what was sent; once a day erase what is old and nobody kept.

        Raises WorldError where the database cannot be used.
        """
        publish_sent(self.engine, now=now)
        if self.purged_at is None or now - self.purged_at >= DAY:
            purge_entries(self.engine, now=now, keep_days=self.keep_days)
            self.purged_at = now


class Puller:
    """Pulls beside what else a program does, one pull at a time; for ``with``.

    ``pull`` is called with what says whether to stop, as :func:`pull_due` takes it. What came of
    it is told to ``on_report``, an error of ours to ``on_trouble``: neither stops the program.
    """

    def __init__(
        self,
        pull: Callable[[Callable[[], bool]], Report | None],
        *,
        on_report: Callable[[Report], None],
        on_trouble: Callable[[InfolettreError], None],
    ) -> None:
        self._pull = pull
        self._on_report = on_report
        self._on_trouble = on_trouble
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Puller":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self.wait(PATIENCE)

    def begin(self) -> None:
        """Start a pull in a thread, unless one is under way or it was stopped."""
        if self._stop.is_set() or (self._thread is not None and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self._run, name="veille-pull", daemon=True)
        self._thread.start()

    def begin_and_wait(self, is_over: Callable[[], bool]) -> None:
        """Start a pull and wait until it has ended, or ``is_over``: then it goes on alone."""
        self.begin()
        while not self.wait(_GLANCE) and not is_over():
            pass

    def _run(self) -> None:
        try:
            report = self._pull(self._stop.is_set)
        except InfolettreError as error:
            self._on_trouble(error)
        except BaseException:
            self._stop.set()  # our own fault: told once, with a traceback, and letters are sent
            raise
        else:
            if report is not None:
                self._on_report(report)

    def stop(self) -> None:
        """Let no feed more be taken. May be called by any thread."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the pull under way, if there is one; say whether it has ended."""
        if self._thread is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()
