"""DKIM (RFC 6376): signatures over one message, by an RSA key, an Ed25519 one, or one of each.

Values in, values out: the key's text and the time come in. Where a key is kept, and which letters
are signed, is elsewhere.

Headers are signed ``relaxed``, for relays fold and unfold them. Bodies are signed ``simple``: ours
are quoted-printable and base64 on short lines without white space at their ends, so no relay has
a reason to touch them, and the body is hashed as it lies in memory, without a pass over it.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.audience.address import domain_to_ascii
from pipeline.errors import InputError
from pipeline.words import mark

MIN_RSA_BITS: Final = 1024  # RFC 8301 §3.2: a shorter key is as good as no signature
MAX_LINE: Final = 76  # characters of a line of the header

# RFC 6376 §5.4.1, and both unsubscribe fields, without which one click is not offered (RFC 8058
# §4). Feedback-ID, for Gmail counts complaints only where it is signed. Precedence says nothing
# that anybody would forge.
SIGNED: Final = (
    "from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type",
    "list-id", "list-unsubscribe", "list-unsubscribe-post", "list-help", "list-owner",
    "list-archive", "feedback-id",
)  # fmt: skip
_LABELS: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_SPACE: Final = re.compile(rb"[ \t]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key, and where its public half stands: ``<selector>._domainkey.<domain>``."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"Signer({self.selector}._domainkey.{self.domain})"

    def sign(self, message: bytes, *, now: datetime) -> bytes:
        """Return the DKIM-Signature field of ``message``, folded, with its CRLF; it goes on top.

        ``message`` has CRLF line ends; ``now`` is aware. From is named once more than it is there,
        so that a second one cannot be added (RFC 6376 §8.15).
        """
        head, _, body = message.partition(b"\r\n\r\n")
        found = dict(_relaxed_fields(head))
        names = [name for name in SIGNED if name in found]
        tags = [
            "v=1;",
            f"a={self._algorithm};",
            "c=relaxed/simple;",
            f"d={self.domain};",
            f"s={self.selector};",
            f"t={int(now.timestamp())};",
            f"h={'from:' * ('from' in found)}{':'.join(names)};",
            f"bh={b64encode(hash_simple_body(body)).decode('ascii')};",
            "b=",
        ]
        field = _folded(tags)
        own = next(_relaxed_fields(field.encode("ascii")))[1]
        signed = b"".join([*(found[name] + b"\r\n" for name in names), own])
        value = b64encode(self._signature(signed)).decode("ascii")
        lines = (value[at : at + MAX_LINE - 1] for at in range(0, len(value), MAX_LINE - 1))
        return "\r\n ".join([field, *lines, ""]).removesuffix(" ").encode("ascii")

    @property
    def _algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(data, PKCS1v15(), SHA256())
        return self.key.sign(hashlib.sha256(data).digest())  # RFC 8463 §3


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerPair:
    """Two keys for one message: each receiver checks the signature that it can (RFC 8463 §3).

    Every receiver knows RSA, not yet every one Ed25519.
    """

    rsa: Signer
    ed25519: Signer

    def sign(self, message: bytes, *, now: datetime) -> bytes:
        """Return both fields, RSA's on top: some receivers judge by the first one alone."""
        return self.rsa.sign(message, now=now) + self.ed25519.sign(message, now=now)


def pair_signers(first: Signer, second: Signer) -> SignerPair:
    """Make a pair of an RSA and an Ed25519 signer, in either order.

    Raises InputError where both keys are of one kind, or both stand at one place of the DNS.
    """
    if first.selector == second.selector:
        raise InputError(
            mark(
                "“dkim.selector” and “dkim.second_selector” are both “{selector}”: each key needs"
                " its own"
            ),
            selector=first.selector,
        )
    if isinstance(first.key, RSAPrivateKey) == isinstance(second.key, RSAPrivateKey):
        raise InputError(
            mark("both keys of DKIM are of one kind: give one of RSA and one of Ed25519")
        )
    if isinstance(first.key, RSAPrivateKey):
        return SignerPair(rsa=first, ed25519=second)
    return SignerPair(rsa=second, ed25519=first)


def make_signer(
    pem: str, *, domain: str, selector: str, variable: str, setting: str = "dkim.selector"
) -> Signer:
    """Make a Signer of a private key in PEM; ``setting`` is the one that says ``selector``.

    Raises InputError, which names ``variable`` and never what is in it, where that is no key of a
    kind and size that DKIM has, and where ``domain`` or ``selector`` cannot stand in the DNS.
    """
    try:
        ascii_domain = domain_to_ascii(domain)
    except ValueError:
        ascii_domain = ""
    for name, given, spelled in (
        ("dkim.domain", domain, ascii_domain),
        (setting, selector, selector),
    ):
        if not spelled.isascii() or not _LABELS.fullmatch(spelled):
            raise InputError(
                mark("“{setting}” is “{found}”: expected a name of the DNS, such as {example}"),
                setting=name,
                found=given,
                example="example.org" if name == "dkim.domain" else "lettre",
            )
    return Signer(domain=ascii_domain, selector=selector, key=_read_key(pem, variable=variable))


def _read_key(pem: str, *, variable: str) -> RSAPrivateKey | Ed25519PrivateKey:
    # Where a variable has to be one line, people write its line breaks as \n.
    data = pem.replace("\\n", "\n").strip().encode()
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise InputError(
            mark("the key in {variable} is locked by a passphrase: put one there that is not"),
            variable=variable,
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _no_key(variable) from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        raise _no_key(variable)
    if key.key_size < MIN_RSA_BITS:
        raise InputError(
            mark("the key in {variable} has {found} bits: mailboxes want 2048 (RFC 8301)"),
            variable=variable,
            found=key.key_size,
        )
    return key


def _no_key(variable: str) -> InputError:
    return InputError(
        mark("{variable} holds no private key, RSA or Ed25519, in PEM: put the whole file there"),
        variable=variable,
    )


def hash_simple_body(body: bytes) -> bytes:
    """Return the SHA-256 of a body in its "simple" form: one CRLF at its end (RFC 6376 §3.4.3)."""
    end = len(body)
    while body.endswith(b"\r\n\r\n", 0, end):
        end -= 2
    digest = hashlib.sha256(memoryview(body)[:end])
    if not body.endswith(b"\r\n", 0, end):
        digest.update(b"\r\n")
    return digest.digest()


def _relaxed_fields(head: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each field's name and its "relaxed" form (RFC 6376 §3.4.2), without its CRLF.

    In the order of signing: of several fields of a name the last comes last, and wins in a dict.
    """
    for line in head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.rstrip(b" \t").lower()
        if b"  " in value or b"\t" in value:
            value = _SPACE.sub(b" ", value)
        yield name.decode("ascii", "replace"), name + b":" + value.strip(b" ")


def _folded(tags: Iterable[str]) -> str:
    """Return the field, its last tag yet without a value, on lines of at most 76 characters.

    Breaks stand before tags, and after the colons of ``h=`` (RFC 6376 §3.5).
    """
    lines = ["DKIM-Signature:"]
    for tag in tags:
        names = tag.split(":")
        pieces = [f"{name}:" for name in names[:-1]] + names[-1:]
        for number, piece in enumerate(pieces):
            space = "" if number else " "
            if len(lines[-1]) + len(space) + len(piece) <= MAX_LINE:
                lines[-1] += space + piece
            else:
                lines.append(f" {piece}")
    return "\r\n".join(lines)
