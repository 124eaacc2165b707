"""Signed tokens for links: what they carry says nothing, and nobody else can make one.

A token names a subject, the random ``public_id`` of a person: no address travels in a link, nor
can one be guessed from it. One that expires says until when inside the bytes that are signed; the
links to leave do not, since they have to work for as long as people keep their mail (T6). The
clock, and who the subject is, are elsewhere.
"""

import base64
import binascii
import hmac
import struct
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final

MIN_SECRET: Final = 16  # bytes
_TAG: Final = 16  # bytes of the HMAC kept: half, the least that RFC 2104 §5 advises
_UNTIL: Final = struct.Struct(">I")  # minutes since 1970: enough for some 8,000 years
_MAX: Final = 1_000  # characters of a token; we make shorter ones

#: One key, or several of which the first is the newest, as ``secret.Keys`` are.
Secrets = bytes | Iterable[bytes]


def each_secret(secrets: Secrets) -> tuple[bytes, ...]:
    """Return the keys, the one that signs first; none where there is none."""
    found = (secrets,) if isinstance(secrets, bytes) else tuple(secrets)
    return tuple(one for one in found if one)


def make_token(secret: bytes, *, purpose: str, subject: str, until: datetime | None = None) -> str:
    """Return a token for ``subject`` that is good for ``purpose`` alone: letters, digits, ``-_``.

    It is good to the end of the minute of ``until`` (aware), or for ever. The same four give the
    same token. Raises ValueError where the secret is shorter than 16 bytes.
    """
    body = subject.encode()
    if until is not None:
        body = _UNTIL.pack(int(until.timestamp()) // 60) + body
    return _encode(_sign(secret, purpose, body, expires=until is not None) + body)


def read_token(
    secrets: Secrets, token: str, *, purpose: str, now: datetime | None = None
) -> str | None:
    """Return the subject of a token that we made for ``purpose``, with any of the keys, else None.

    ``now`` (aware) is given where the tokens of a purpose expire, and only there: a token without
    an end is none there, and one with an end is none elsewhere.
    """
    expires = now is not None
    try:
        raw = base64.b64decode(_padded(token), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    tag, body = raw[:_TAG], raw[_TAG:]
    if _encode(raw) != token:  # base64 has several spellings for some bytes: one of them is ours
        return None
    signed = (_sign(one, purpose, body, expires=expires) for one in each_secret(secrets))
    if not any(hmac.compare_digest(one, tag) for one in signed):
        return None
    return _subject(body, now)


def _padded(token: str) -> bytes:
    """Return a token as base64 has it. Raises ValueError where it cannot be one of ours."""
    if len(token) > _MAX:
        raise ValueError("no token of ours is so long")
    return token.encode("ascii") + b"=" * (-len(token) % 4)


def _subject(body: bytes, now: datetime | None) -> str | None:
    """Return what a body that we signed names, or None where its time is over."""
    if now is None:
        return body.decode()
    [until] = _UNTIL.unpack_from(body)
    return body[_UNTIL.size :].decode() if int(now.timestamp()) // 60 <= until else None


def suppression_hash(key: str, secret: bytes) -> str:
    """Return what is kept of a forgotten address, given by its ``Address.key``: 22 characters."""
    return _encode(_sign(secret, "suppression", key.encode()))


def _sign(secret: bytes, purpose: str, body: bytes, *, expires: bool = False) -> bytes:
    if len(secret) < MIN_SECRET:
        raise ValueError(f"the secret has {len(secret)} bytes, at least {MIN_SECRET} are needed")
    # In one call, which a sending to a million people makes three million times.
    return hmac.digest(secret, _prefix(purpose, expires) + body, "sha256")[:_TAG]


@lru_cache(maxsize=64)
def _prefix(purpose: str, expires: bool) -> bytes:
    """Return what a signature covers besides the body: the length keeps "ab" + "c" apart from
    "a" + "bc", the mark after it a token that ends from one that does not."""
    return f"{len(purpose)}{'!' if expires else ':'}{purpose}".encode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
