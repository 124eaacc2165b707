"""The signature of a webhook: that it comes from whom it says, unchanged, and now.

ECDSA on P-256 over the time and the body, as SendGrid signs
(https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features).
"""

import base64
import binascii
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pipeline.delivery.events import WebhookError
from pipeline.errors import InputError
from pipeline.words import mark

WINDOW: Final = timedelta(minutes=10)  # either way: clocks differ, and a replay comes later


def read_key(text: str, *, variable: str) -> ec.EllipticCurvePublicKey:
    """Return the public key that a setting holds: base64 of DER (RFC 5480), on P-256.

    Raises InputError, naming ``variable``.
    """
    try:
        key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InputError(
            mark("{variable} is not a verification key: copy it again, whole, from the provider"),
            variable=variable,
        )
    return key


def check_signature(
    body: bytes,
    *,
    signature: str,
    timestamp: str,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
) -> None:
    """Raise WebhookError unless ``body`` was signed with the other half of ``key``, just now."""
    try:
        key.verify(
            base64.b64decode(signature, validate=True),
            timestamp.encode() + body,
            ec.ECDSA(SHA256()),
        )
    except (binascii.Error, ValueError, InvalidSignature):
        raise WebhookError(
            mark("the events are not signed with our key: nothing of them was taken")
        ) from None
    # Only now: what is signed was written by the provider.
    is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 15
    seconds = int(timestamp) if is_number else 0
    away = abs(now.timestamp() - seconds)
    if away > WINDOW.total_seconds():
        raise WebhookError(
            mark(
                "the events were signed too long ago, or in the future (allowed: {minutes} minutes"
                " either way): check this machine's clock"
            ),
            minutes=int(WINDOW.total_seconds() // 60),
        )
