"""The outbox: a Maildir in the workspace, for a start without any account and for rehearsals.

A message's file is named after its Message-ID, so that the same one is never there twice, and a
worker that died can ask whether it was written. Any mail program opens the folder. What is said
to be accepted is on the disk, and outlives a power cut.
"""

import errno
import hashlib
import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline.delivery.events import Event
from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Capabilities, Outcome, Recipient, State
from pipeline.errors import InputError, ProviderError, WorkspaceError
from pipeline.settings import Settings
from pipeline.words import mark

_FOLDERS: Final = ("tmp", "new", "cur")
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
_NO_FOLDER_SYNC: Final = (errno.EINVAL, errno.ENOTSUP)  # a shared disk, which has its own ways
_GROUP: Final = 100  # messages that wait for the disk together: it is asked seldom, and by many
_ABANDONED: Final = 36 * 3600  # seconds; the Maildir page says that such a draft is nobody's


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """One message in ``tmp``; ``name`` is the one that it will have in ``new``."""

    recipient: str
    name: str
    path: Path


class Outbox:
    """Writes each message to a Maildir (https://cr.yp.to/proto/maildir.html)."""

    name = "outbox"
    capabilities = Capabilities(batch=1000, can_be_asked=True)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._new = folder / "new"
        self._is_stopped = False
        try:
            for one in _FOLDERS:
                (folder / one).mkdir(parents=True, exist_ok=True)
            _sweep(folder / "tmp", before=time.time() - _ABANDONED)
        except OSError as error:
            raise self._explain(error) from None

    def send(self, letter: Letter, recipients: Sequence[Recipient]) -> Iterator[Outcome]:
        """Write one file a recipient; a message that is there already is not written again.

        The outcomes come by the hundred, once their messages are on the disk. Raises
        WorkspaceError where the folder cannot be written, ProviderError (retryable) where the
        disk is full.
        """
        date, read = datetime.now(UTC), self._read()
        for start in range(0, len(recipients), _GROUP):
            group = recipients[start : start + _GROUP]
            outcomes, error = self._send_group(letter, group, date=date, read=read)
            yield from outcomes
            if error is not None:
                raise self._explain(error)

    def held(self, message_ids: Collection[str]) -> frozenset[str]:
        """Return those of the Message-IDs whose message is in the outbox, read or not."""
        names = {one: file_name(one) for one in message_ids}
        # In this order, since a mail program may move a file from "new" to "cur" in between.
        unread = {one for one, name in names.items() if (self._new / name).exists()}
        read = self._read() if len(unread) < len(names) else set()
        return frozenset(one for one, name in names.items() if one in unread or name in read)

    def read_events(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        """Return none: what is in the outbox has not left."""
        return []

    def stop(self) -> None:
        """Write no further file; those that were begun are finished."""
        self._is_stopped = True

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _read(self) -> set[str]:
        """Return what a mail program has opened: it moves to ``cur``, flags behind a colon."""
        try:
            return {name.partition(":")[0] for name in os.listdir(self.folder / "cur")}
        except OSError as error:
            raise self._explain(error) from None

    def _send_group(
        self, letter: Letter, group: Sequence[Recipient], *, date: datetime, read: set[str]
    ) -> tuple[list[Outcome], OSError | None]:
        """Return what became of the recipients, and what ended it before it came to all of them.

        As the Maildir page has it: a message is whole on the disk before it gets its name in
        ``new``, so that no power cut leaves an empty one there.
        """
        outcomes: list[Outcome] = []
        drafts: list[_Draft] = []
        shown: list[Outcome] = []
        failure: OSError | None = None
        try:
            outcomes += self._prepare(letter, group, date=date, read=read, drafts=drafts)
            for draft in drafts:
                _sync(draft.path)
            for draft in drafts:
                shown.append(self._show(draft))
        except OSError as error:
            failure = error
        finally:
            for draft in drafts:
                draft.path.unlink(missing_ok=True)
        try:
            if shown:
                _sync(self._new, needless=_NO_FOLDER_SYNC)
        except OSError as error:
            return outcomes, failure or error
        return outcomes + shown, failure

    def _prepare(
        self,
        letter: Letter,
        group: Sequence[Recipient],
        *,
        date: datetime,
        read: set[str],
        drafts: list[_Draft],
    ) -> list[Outcome]:
        """Write the drafts; return the outcomes of those who need none. Raises OSError."""
        outcomes = []
        for recipient in group:
            if self._is_stopped:
                break
            try:
                name = file_name(letter.message_id(recipient))
                message = letter.fill(recipient, date=date)
            except InputError as error:
                outcomes.append(_refused(recipient, error))
                continue
            if name in read:
                outcomes.append(_accepted(recipient.id, name, is_repeat=True))
                continue
            drafts.append(self._draft(recipient, name, number=len(drafts)))
            drafts[-1].path.write_bytes(message)
        return outcomes

    def _draft(self, recipient: Recipient, name: str, *, number: int) -> _Draft:
        """Return a draft that nobody else writes, whoever else is at the same message."""
        own = f"{name}.{os.getpid()}.{threading.get_ident()}.{number}"
        return _Draft(recipient=recipient.id, name=name, path=self.folder / "tmp" / own)

    def _show(self, draft: _Draft) -> Outcome:
        """Give a draft its name in ``new``, at once or not at all, unless it is there."""
        is_repeat = False
        try:
            os.link(draft.path, self._new / draft.name)  # unlike a rename, never over another
        except FileExistsError:
            is_repeat = True
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            draft.path.replace(self._new / draft.name)  # a disk without hard links
        return _accepted(draft.recipient, draft.name, is_repeat=is_repeat)

    def _explain(self, error: OSError) -> ProviderError | WorkspaceError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ProviderError(
                mark("the disk of {folder} is full: make room, then go on"),
                retryable=True,
                folder=self.folder,
            )
        return WorkspaceError(
            mark(
                "the outbox {folder} cannot be written ({reason}): give yourself the right to"
                " write there, or set “outbox.path” to another folder"
            ),
            folder=self.folder,
            reason=error.strerror or str(error),
        )


def _accepted(recipient: str, name: str, *, is_repeat: bool) -> Outcome:
    return Outcome(recipient=recipient, state=State.ACCEPTED, detail=name, is_repeat=is_repeat)


def _refused(recipient: Recipient, error: InputError) -> Outcome:
    return Outcome(recipient=recipient.id, state=State.FAILED, detail=str(error), error=error)


def _sync(path: Path, *, needless: Collection[int] = ()) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in needless:
            raise
    finally:
        os.close(descriptor)


def _sweep(folder: Path, *, before: float) -> None:
    """Remove the drafts of workers that died; others may be sweeping, too."""
    for draft in folder.iterdir():
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < before:
                draft.unlink()


def file_name(message_id: str) -> str:
    """Return the file's name: from the Message-ID alone, and fit for every file system."""
    return f"{hashlib.sha256(message_id.encode()).hexdigest()[:32]}.infolettre"


def open_provider(*, settings: Settings, root: Path, environ: Mapping[str, str]) -> Outbox:
    """Open the outbox, making its folders; ``outbox.path`` is relative to ``root``."""
    return Outbox(root / settings.outbox.path)
