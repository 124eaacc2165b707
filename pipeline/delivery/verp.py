"""VERP: an envelope sender of its own for each message, so that a bounce says whose it is.

``bounce+TOKEN@example.org`` (https://cr.yp.to/proto/verp.txt, with the sub-address of RFC 5233).
The token is signed, so that nobody can have somebody else suppressed; where its subject leads is
the caller's.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from pipeline.audience.address import MAX_LOCAL, Address, normalise_address
from pipeline.audience.tokens import Secrets, make_token, read_token
from pipeline.errors import InputError
from pipeline.words import mark

PURPOSE: Final = "verp"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+")


def verp_address(base: str, token: str) -> str:
    """Return ``base`` with ``token`` behind a ``+`` in its local part.

    Raises InputError where ``base`` is no address, or leaves the token no room (RFC 5321
    §4.5.3.1.1), ValueError where ``token`` cannot stand there.

    >>> verp_address("bounce@example.org", "k3J_d-9")
    'bounce+k3J_d-9@example.org'
    """
    if not _TOKEN.fullmatch(token):
        raise ValueError("a token has letters, digits, “-” and “_”")
    address = _own(base)
    local = f"{address.local}+{token}"
    if len(local.encode()) > MAX_LOCAL:
        raise InputError(
            mark("“{address}” is too long to tell bounces apart: shorten it by {over} before “@”"),
            address=base,
            over=len(local.encode()) - MAX_LOCAL,
        )
    return f"{local}@{address.domain}"


@lru_cache(maxsize=8)
def _own(base: str) -> Address:
    """Return our own address, read once and not for each of a million messages."""
    return normalise_address(base)


def read_verp(address: str, base: str) -> str | None:
    """Return the token of an address made by :func:`verp_address`, else None.

    The base may come back in other cases; the token may not, for they are part of it.

    >>> read_verp("Bounce+k3J_d-9@EXAMPLE.org", "bounce@example.org")
    'k3J_d-9'
    """
    local, _, domain = address.strip().rpartition("@")
    name, _, token = local.rpartition("+")
    own = normalise_address(base)
    fits = name.casefold() == own.local.casefold() and domain.casefold() == own.domain
    return token if fits and _TOKEN.fullmatch(token) else None


def verp_of(subject: str, *, base: str, secret: bytes) -> str:
    """Return the envelope sender of the message to ``subject``: 22 characters or a few more."""
    return verp_address(base, make_token(secret, purpose=PURPOSE, subject=subject))


def verp_reader(*, base: str, secret: Secrets) -> Callable[[str], str | None]:
    """Return a function that says whose an address is, and None for all we did not make.

    ``secret`` may be several, the newest first: mail comes back that was sent with an older one.
    """

    def read(address: str) -> str | None:
        token = read_verp(address, base)
        return read_token(secret, token, purpose=PURPOSE) if token else None

    return read
