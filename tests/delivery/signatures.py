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


def is_verified(message: bytes, key: Key, *, at: str = "lettre._domainkey.example.org.") -> bool:
    """Let dkimpy judge a message; ``at`` is where the record stands."""
    records = {at.encode(): record_of(key)}
    return bool(dkim.verify(message, dnsfunc=lambda name, **_: records.get(name)))
