"""Keys and their public halves, and a judge of signatures that is not ours: dkimpy."""

from base64 import b64encode

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

Key = RSAPrivateKey | Ed25519PrivateKey


def pem_of(key: Key) -> str:
    """Return a private key as its owner keeps it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def record_of(key: Key) -> bytes:
    """Return the DNS record of a key's public half (RFC 6376 §3.6.1, RFC 8463 §4)."""
    if isinstance(key, RSAPrivateKey):
        kind, form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, form = (Encoding.Raw, PublicFormat.Raw)
    public = b64encode(key.public_key().public_bytes(kind, form)).decode()
    name = "rsa" if isinstance(key, RSAPrivateKey) else "ed25519"
    return f"v=DKIM1; k={name}; p={public}".encode()


def is_verified(
    message: bytes, key: Key, *, at: str = "lettre._domainkey.example.org.", number: int = 0
) -> bool:
    """Let dkimpy judge one of a message's signatures, the first from the top by default.

    ``at`` is where the key's record stands, the only one of the DNS.
    """
    records = {at.encode(): record_of(key)}
    try:
        judge = dkim.DKIM(message)
        return bool(judge.verify(idx=number, dnsfunc=lambda name, **_: records.get(name)))
    except dkim.DKIMException:
        return False
