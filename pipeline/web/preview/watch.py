"""Follows the files of a letter, and has the desk look again when one of them is saved."""

import asyncio
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch

from pipeline.errors import WorldError
from pipeline.web.preview.bell import Bell
from pipeline.web.preview.desk import PreviewDesk
from pipeline.words import mark

#: A save is over when nothing moved for one step; a longer burst is not waited for.
STEP_MS: Final = 15
DEBOUNCE_MS: Final = 60
#: What editors leave beside a file for a moment: .issue.yaml.swp, issue.yaml~, 4913, #issue.yaml#
_SCRATCH: Final = re.compile(r"\..*|.*~|.*\.(?:sw[a-z]|tmp|part)|#.*#|4913")


def is_scratch(name: str) -> bool:
    """Say whether a file of that name is an editor's or a system's own, and not a person's."""
    return _SCRATCH.fullmatch(name) is not None


async def follow(desk: PreviewDesk, bell: Bell, *, ready: asyncio.Event) -> None:
    """Refresh ``desk`` now and after each save, and ring; until cancelled.

    ``ready`` is set after the first look. Saves that come while the desk is busy make one more look
    together.
    """
    while True:
        places = _Places(desk.workshop.watched)
        dirty, stop = asyncio.Event(), asyncio.Event()
        watchers = [
            asyncio.create_task(_watch(places.folders, dirty, stop, only=None)),
            asyncio.create_task(_watch(places.parents, dirty, stop, only=places.watched)),
        ]
        try:
            # The watchers are armed in their first step. Looking after it, not before, means that
            # nothing which is saved meanwhile goes unseen.
            await asyncio.sleep(0)
            await _look(desk, bell)
            ready.set()
            while places.is_still(desk.workshop.watched):
                await _first(dirty, watchers)
                dirty.clear()
                await _look(desk, bell)
        finally:
            stop.set()
            await asyncio.gather(*watchers, return_exceptions=True)


class _Places:
    """What is watched, and how: a folder with all that it holds, a file by its folder.

    A file is often saved by renaming another over it, which a watch on the file itself would not
    survive; its folder sees it. So do the folders around those that may come and go.
    """

    def __init__(self, watched: Iterable[Path]) -> None:
        self.watched = frozenset(Path(os.path.abspath(path)) for path in watched)
        self.folders = sorted(path for path in self.watched if path.is_dir())
        self.parents = sorted({path.parent for path in self.watched if path.parent.is_dir()})
        self._stamp = [_inode(path) for path in (*self.folders, *self.parents)]

    def is_still(self, watched: Iterable[Path]) -> bool:
        """Say whether the same folders stand in the same places: a watch follows the folder."""
        now = _Places(watched)
        return now.watched == self.watched and now._stamp == self._stamp


def _inode(path: Path) -> tuple[Path, int]:
    try:
        return path, path.stat().st_ino
    except OSError:
        return path, 0


async def _watch(
    folders: list[Path],
    dirty: asyncio.Event,
    stop: asyncio.Event,
    *,
    only: frozenset[Path] | None,
) -> None:
    """Set ``dirty`` at each change below ``folders``; or, of ``only`` these, directly in them."""

    def is_news(_change: Change, path: str) -> bool:
        return Path(path) in only if only is not None else not is_scratch(Path(path).name)

    if not folders:
        return
    try:
        async for _ in awatch(
            *folders,
            watch_filter=is_news,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            stop_event=stop,
            recursive=only is None,
        ):
            dirty.set()
    except FileNotFoundError:  # a folder went away while it was being armed: look again
        dirty.set()
    except OSError as error:
        message = mark(
            "the system watches no more files ({reason}): raise fs.inotify.max_user_watches,"
            " or set WATCHFILES_FORCE_POLLING=1"
        )
        raise WorldError(message, reason=error.strerror or str(error)) from error


async def _first(dirty: asyncio.Event, watchers: list[asyncio.Task[None]]) -> None:
    """Wait for a change; raises what a watcher died of, such as too many watched folders."""
    waiting = asyncio.create_task(dirty.wait())
    alive = [one for one in watchers if not one.done()]
    await asyncio.wait([waiting, *alive], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for one in watchers:
        if one.done():
            one.result()


async def _look(desk: PreviewDesk, bell: Bell) -> None:
    before = desk.current
    if await asyncio.to_thread(desk.refresh) is not before:
        bell.ring()
