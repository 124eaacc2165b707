"""The bounce mailbox, read: each mail into events, the events recorded, then the mail put away.

In that order, so that a run that is killed in between reads a mail again and finds its events
there. What a mail says is :mod:`pipeline.delivery.bounces`', what follows is ``feedback``'s.
"""

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from pipeline.audience.secret import read_keys
from pipeline.delivery.bounces import read_bounce
from pipeline.delivery.feedback import Recorded, record_events
from pipeline.delivery.mailboxes import PASSWORD, Imap, read_imap, read_maildir
from pipeline.delivery.verp import verp_reader
from pipeline.errors import InputError
from pipeline.settings import Bounces, Settings
from pipeline.words import mark

SOURCE: Final = "bounce mail"


def read_returns(
    engine: Engine,
    settings: Settings,
    *,
    root: Path,
    environ: Mapping[str, str],
    now: datetime,
    context: ssl.SSLContext | None = None,
) -> Recorded | None:
    """Record what waits in the mailbox of ``settings.bounces``; return None where none is named.

    A Maildir lies below ``root``; an IMAP server is verified with ``context``, by default the
    system's. Where both are named, both are read. Raises InputError where a setting, the password
    or the key is at fault, WorkspaceError, ProviderError and WorldError where the folder, the
    server or the database cannot be used: the mail at hand then stays, and those before it are
    done.
    """
    bounces = settings.bounces
    if not bounces.maildir and not bounces.imap_host:
        return None
    whose = _reader(bounces, environ)
    total = Recorded()

    def handle(mail: bytes) -> None:
        nonlocal total
        events = read_bounce(mail, now=now, whose=whose)
        total += record_events(
            engine, events, now=now, soft_limit=bounces.soft_limit, source=SOURCE
        )

    if bounces.maildir:
        read_maildir(root / bounces.maildir, handle)
    if bounces.imap_host:
        password = _password(bounces, environ)
        read_imap(_place(bounces), handle, password=password, context=context)
    return total


def _reader(bounces: Bounces, environ: Mapping[str, str]) -> Callable[[str], str | None]:
    """Return what tells whose an envelope sender is, made with the key of today or one before."""
    if not bounces.address:  # no envelope sender of ours was ever made
        return lambda address: None
    return verp_reader(base=bounces.address, secret=read_keys(environ))


def _place(bounces: Bounces) -> Imap:
    return Imap(
        host=bounces.imap_host,
        port=bounces.imap_port,
        username=bounces.imap_username,
        folder=bounces.imap_folder,
    )


def _password(bounces: Bounces, environ: Mapping[str, str]) -> str:
    if password := environ.get(PASSWORD, ""):
        return password
    raise InputError(
        mark("the mailbox at {place} needs its password: put it into the variable {variable}"),
        place=f"{bounces.imap_host}:{bounces.imap_port}",
        variable=PASSWORD,
    )
