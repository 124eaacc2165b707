"""What sending begins with: a letter frozen, a judge, a worker. Reads, decides nothing.

Apart from ``open``, since commands that only render should not pay for a database.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from sqlalchemy import Engine

from pipeline.cli.open import make_pictures, open_issue
from pipeline.delivery.ears import Ears
from pipeline.delivery.frozen import Frozen, freeze_letter
from pipeline.delivery.objections import Judge
from pipeline.delivery.worker import Worker
from pipeline.issues.folder import folder_digest
from pipeline.render.compose import Press
from pipeline.workspace import Workspace

_MOMENT: Final = 1.0  # seconds in which what is known may still be written


def freeze_folder(workspace: Workspace, folder: Path, press: Press) -> Frozen:
    """Return the letter of ``folder`` as a campaign keeps it. Raises LetterError, InputError."""
    source = folder_digest(folder)  # first: what is edited meanwhile counts as edited
    return freeze_letter(
        open_issue(workspace, folder, press),
        press,
        pictures=lambda edition: make_pictures(edition, folder, workspace),
        source=source,
    )


def open_judge(workspace: Workspace, engine: Engine) -> Judge:
    """Return who may object to a campaign's start, with the letters of this workspace."""
    return Judge(
        engine=engine,
        settings=workspace.settings,
        source_of=lambda slug: folder_digest(workspace.issues / slug),
    )


def open_worker(workspace: Workspace, engine: Engine, ears: Ears) -> Worker:
    """Return a worker of this workspace, for ``with``."""
    return Worker(
        engine=engine,
        settings=workspace.settings,
        root=workspace.root,
        environ=os.environ,
        ears=ears,
    )


@contextmanager
def interruptible(
    stop: Callable[[], None], *, on_stop: Callable[[], None], on_quit: Callable[[], None]
) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM call ``stop``; pressed again, Ctrl-C calls ``on_quit`` and ends it.

    ``stop`` is called by a thread: a handler may have interrupted who holds what it needs. Quitting
    raises KeyboardInterrupt, and ends the process a moment later whoever still waits for a server.
    """

    def begin(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, leave)
        on_stop()
        threading.Thread(target=stop, daemon=True).start()

    def leave(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        on_quit()
        end = threading.Timer(_MOMENT, os._exit, (1,))
        end.daemon = True
        end.start()
        raise KeyboardInterrupt

    before = {one: signal.signal(one, begin) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
