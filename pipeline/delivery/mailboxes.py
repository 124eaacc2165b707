"""The mailbox that bounces come back to: a Maildir, or a folder of an IMAP server.

A mail is put away only after its handler has returned: whatever ends in between, it is read
again, and its events have the same ids. What a mail says is not known here.
"""

import imaplib
import os
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.delivery.bounces import MAX_MAIL
from pipeline.errors import ProviderError, WorkspaceError
from pipeline.words import mark

PASSWORD: Final = "INFOLETTRE_IMAP_PASSWORD"  # noqa: S105 - the variable's name
MOST: Final = 10_000  # mails in one run; the rest waits for the next
HANDLED: Final = "handled"

Handle = Callable[[bytes], None]
_UID: Final = re.compile(rb"\d+")


# --- Maildir ----------------------------------------------------------------------------------


def read_maildir(folder: Path, handle: Handle, *, most: int = MOST) -> int:
    """Hand each mail of a Maildir over, oldest name first; return how many were put away.

    They go to the folder ``.handled`` within it (Maildir++). Raises what ``handle`` raises, with
    that mail still in its place, and WorkspaceError where the folder cannot be read or written.
    """
    handled = folder / f".{HANDLED}" / "cur"
    count = 0
    try:
        waiting = _waiting(folder)[:most]  # first: a folder that is no Maildir is not made one
        _make_handled(handled.parent)
        for file in waiting:
            if (data := _read(file)) is None:  # a mail program moved it
                continue
            with _as_it_is():
                handle(data)
            _put_away(file, handled)
            count += 1
    except _Theirs as passed:
        raise passed.error from None
    except OSError as error:
        raise WorkspaceError(
            mark(
                "the mailbox {folder} cannot be used ({reason}): give yourself the right to read"
                " and write there"
            ),
            folder=folder,
            reason=error.strerror or str(error),
        ) from None
    return count


class _Theirs(Exception):
    """What a handler raised; an OSError of theirs is none of the mailbox."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def _as_it_is() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _Theirs(error) from error


def _waiting(folder: Path) -> list[Path]:
    """Return what is new and what a mail program has looked at: only the handled are handled."""
    found = [folder / place / name for place in ("new", "cur") for name in _names(folder / place)]
    return sorted(found, key=lambda file: file.name)


def _make_handled(folder: Path) -> None:
    """Make a folder of a Maildir, with the file by which Maildir++ knows it for one."""
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "maildirfolder").touch()


def _names(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if not name.startswith(".")]


def _read(file: Path) -> bytes | None:
    try:
        with file.open("rb") as data:
            return data.read(MAX_MAIL)
    except (FileNotFoundError, IsADirectoryError):
        return None


def _put_away(file: Path, handled: Path) -> None:
    with suppress(FileNotFoundError):  # a mail program moved it: it is read once more, and known
        file.rename(handled / f"{file.name.partition(':')[0]}:2,S")


# --- IMAP -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Imap:
    """Where bounces wait on a server, always over TLS; ``handled`` is made where it is missing."""

    host: str
    username: str
    port: int = 993
    folder: str = "INBOX"
    handled: str = HANDLED
    timeout: float = 30.0


def read_imap(
    place: Imap,
    handle: Handle,
    *,
    password: str,
    context: ssl.SSLContext | None = None,
    most: int = MOST,
) -> int:
    """Hand each mail of an IMAP folder over, oldest first; return how many were put away.

    They are moved to ``place.handled`` (RFC 6851, or by copying where the server has no MOVE).
    Raises what ``handle`` raises, with that mail still in its place, and ProviderError where the
    server cannot be reached, refuses the password or breaks off.
    """
    try:
        with _open(place, password=password, context=context) as connection:
            return _read_folder(connection, place, handle, most=most)
    except _Theirs as passed:
        raise passed.error from None
    except (imaplib.IMAP4.error, OSError) as error:
        raise _unreachable(place, error) from None


@contextmanager
def _open(
    place: Imap, *, password: str, context: ssl.SSLContext | None
) -> Iterator[imaplib.IMAP4_SSL]:
    connection = imaplib.IMAP4_SSL(
        place.host,
        place.port,
        ssl_context=context or ssl.create_default_context(),
        timeout=place.timeout,
    )
    try:
        _login(connection, place, password)
        yield connection
    finally:  # imaplib's own "with" leaves the socket open where the server broke off
        with suppress(imaplib.IMAP4.error, OSError):
            connection.logout()
        with suppress(OSError):
            connection.shutdown()


def _login(connection: imaplib.IMAP4_SSL, place: Imap, password: str) -> None:
    try:
        connection.login(place.username, password)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        raise ProviderError(
            mark(
                "{place} refuses the username or the password ({reason}): check both, and the"
                " variable {variable}"
            ),
            place=f"{place.host}:{place.port}",
            reason=_reason(error),
            variable=PASSWORD,
        ) from None


def _read_folder(connection: imaplib.IMAP4_SSL, place: Imap, handle: Handle, *, most: int) -> int:
    _ask(connection.select(_quote(place.folder)))
    connection.create(_quote(place.handled))  # "NO" says that it is there already
    found = _ask(connection.uid("SEARCH", "ALL"))
    can_move = b"MOVE" in _ask(connection.capability())[-1].split()  # said anew after the login
    uids = _UID.findall(found[0] or b"")[:most]
    count = 0
    for uid in map(bytes.decode, uids):
        # PEEK: a mail that was not handled shall not look read (RFC 3501 §6.4.5).
        answer = _ask(connection.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_MAIL}>)"))
        data = next((one[1] for one in answer if isinstance(one, tuple)), None)
        if data is None:  # somebody deleted it
            continue
        with _as_it_is():
            handle(data)
        _move(connection, uid, place.handled, can_move=can_move)
        count += 1
    return count


def _move(connection: imaplib.IMAP4_SSL, uid: str, folder: str, *, can_move: bool) -> None:
    if can_move:
        _ask(connection.uid("MOVE", uid, _quote(folder)))
        return
    _ask(connection.uid("COPY", uid, _quote(folder)))
    _ask(connection.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)"))
    _ask(connection.expunge())


def _ask(answer: tuple[str, list[Any]]) -> list[Any]:
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error(data[0] if data else status)
    return data


def _quote(name: str) -> str:
    """Return a folder's name as a quoted string (RFC 3501 §9)."""
    return '"' + name.replace("\\", r"\\").replace('"', r"\"") + '"'


def _reason(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(error)
    return said[:200] or type(error).__name__


def _unreachable(place: Imap, error: Exception) -> ProviderError:
    return ProviderError(
        mark("the mailbox at {place} cannot be read ({reason}): check its settings, or try later"),
        retryable=True,
        place=f"{place.host}:{place.port}",
        reason=_reason(error),
    )
