"""The outbox: a Maildir in the workspace, for a start without any account and for rehearsals.

A message's file is named after its Message-ID, so that the same one is never there twice, and a
worker that died can ask whether it was written. Any mail program opens the folder.
"""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
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


class Outbox:
    """Writes each message to a Maildir (https://cr.yp.to/proto/maildir.html)."""

    name = "outbox"
    capabilities = Capabilities(batch=1000, can_be_asked=True)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._is_stopped = False
        for one in _FOLDERS:
            try:
                (folder / one).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise self._unwritable(error) from None

    def send(self, letter: Letter, recipients: Sequence[Recipient]) -> Iterator[Outcome]:
        """Write one file a recipient; a message that is there already is not written again.

        Raises WorkspaceError where the folder cannot be written, ProviderError (retryable) where
        the disk is full.
        """
        date = datetime.now(UTC)
        read = self._read()
        for recipient in recipients:
            if self._is_stopped:
                return
            try:
                name = file_name(letter.message_id(recipient))
                message = letter.fill(recipient, date=date)
            except InputError as error:
                yield Outcome(
                    recipient=recipient.id, state=State.FAILED, detail=str(error), error=error
                )
                continue
            written = name not in read and self._write(name, message)
            yield Outcome(
                recipient=recipient.id, state=State.ACCEPTED, detail=name, is_repeat=not written
            )

    def holds(self, message_id: str) -> bool:
        """Say whether the message is in the outbox, read or not."""
        name = file_name(message_id)
        return (self.folder / "new" / name).exists() or name in self._read()

    def read_events(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        """Return none: what is in the outbox has not left."""
        return []

    def stop(self) -> None:
        """Write no further file."""
        self._is_stopped = True

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _read(self) -> set[str]:
        """Return what a mail program has opened: it moves to ``cur``, flags behind a colon."""
        try:
            return {name.partition(":")[0] for name in os.listdir(self.folder / "cur")}
        except OSError as error:
            raise self._unwritable(error) from None

    def _write(self, name: str, message: bytes) -> bool:
        """Write to ``tmp``, then show in ``new`` at once or not at all; False if it is there."""
        draft = self.folder / "tmp" / f"{name}.{os.getpid()}.{threading.get_ident()}"
        try:
            draft.write_bytes(message)
            try:
                os.link(draft, self.folder / "new" / name)  # unlike a rename, never over another
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                draft.replace(self.folder / "new" / name)  # a disk without hard links
            return True
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ProviderError(
                    mark("the disk of {folder} is full: make room, then go on"),
                    retryable=True,
                    folder=self.folder,
                ) from None
            raise self._unwritable(error) from None
        finally:
            draft.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> WorkspaceError:
        return WorkspaceError(
            mark(
                "the outbox {folder} cannot be written ({reason}): give yourself the right to"
                " write there, or set “outbox.path” to another folder"
            ),
            folder=self.folder,
            reason=error.strerror or str(error),
        )


def file_name(message_id: str) -> str:
    """Return the file's name: from the Message-ID alone, and fit for every file system."""
    return f"{hashlib.sha256(message_id.encode()).hexdigest()[:32]}.infolettre"


def open_provider(*, settings: Settings, root: Path, environ: Mapping[str, str]) -> Outbox:
    """Open the outbox, making its folders; ``outbox.path`` is relative to ``root``."""
    return Outbox(root / settings.outbox.path)
