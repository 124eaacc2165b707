"""Signed tokens for links: what they carry says nothing, and nobody else can make one.

A token names a subject, which is itself a keyed hash of an address: no address travels in a link,
nor can one be guessed from it. Who the subject is, and how long a link lives, are elsewhere; one
in a mail already sent has to work for as long as people keep their mail (T6).
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from pipeline.audience.address import normalise_address

MIN_SECRET: Final = 16  # bytes
_TAG: Final = 16  # bytes of the HMAC kept: half, the least that RFC 2104 §5 advises


def make_token(secret: bytes, *, purpose: str, subject: str) -> str:
    """Return a token for ``subject`` that is good for ``purpose`` alone: letters, digits, ``-_``.

    The same three give the same token. Raises ValueError where the secret is shorter than 16
    bytes.
    """
    return _encode(_sign(secret, purpose, subject) + subject.encode())


def read_token(secret: bytes, token: str, *, purpose: str) -> str | None:
    """Return the subject of a token that we made for ``purpose``, else None."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        subject = raw[_TAG:].decode()
    except (binascii.Error, ValueError):
        return None
    # The whole token is compared: base64 has several spellings for some bytes.
    expected = make_token(secret, purpose=purpose, subject=subject)
    return subject if hmac.compare_digest(expected.encode(), token.encode()) else None


def subject_of(address: str, secret: bytes) -> str:
    """Return the keyed hash that stands for an address: 22 characters.

    Two spellings of one mailbox give the same. Raises InputError where it is no address,
    ValueError where the secret is too short.
    """
    return _encode(_sign(secret, "subject", normalise_address(address).key))


def suppression_hash(key: str, secret: bytes) -> str:
    """Return what is kept of a forgotten address, given by its ``Address.key``: 22 characters.

    It is another than :func:`subject_of` gives: a link in an old mail does not tell who it was.
    """
    return _encode(_sign(secret, "suppression", key))


def _sign(secret: bytes, purpose: str, text: str) -> bytes:
    if len(secret) < MIN_SECRET:
        raise ValueError(f"the secret has {len(secret)} bytes, at least {MIN_SECRET} are needed")
    # The length keeps "ab" + "c" apart from "a" + "bc".
    message = f"{len(purpose)}:{purpose}{text}".encode()
    return hmac.new(secret, message, hashlib.sha256).digest()[:_TAG]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
