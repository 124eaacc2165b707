"""The webhooks on a free port, and requests signed as SendGrid signs them."""

import base64
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from sqlalchemy import Engine

from pipeline.delivery.providers.sendgrid import API_KEY
from pipeline.delivery.sendgrid_events import WEBHOOK_KEY
from pipeline.settings import Settings
from pipeline.web.webhooks.routes import add_webhooks
from tests.servers import LOOPBACK

OURS: Final = ec.generate_private_key(ec.SECP256R1())
PATH: Final = "/webhooks/sendgrid"


def public_of(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the public half as SendGrid shows it."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


ENVIRON: Final = {API_KEY: "SG.test", WEBHOOK_KEY: public_of(OURS)}


def sign_events(body: bytes, *, at: datetime, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Return the two headers of a request, as SendGrid writes them."""
    timestamp = str(int(at.timestamp()))
    signature = key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }


@contextmanager
def serving(
    engine: Engine,
    root: Path,
    *,
    settings: Settings | None = None,
    environ: Mapping[str, str] = ENVIRON,
) -> Iterator[str]:
    """Serve the webhooks alone from a thread; yield where."""
    app = FastAPI(openapi_url=None)
    add_webhooks(app, engine=engine, settings=settings or Settings(), root=root, environ=environ)
    sock = socket.create_server((LOOPBACK, 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        sock.close()
        assert not thread.is_alive(), "the server did not stop"


def post(
    at: str,
    *events: Any,
    body: bytes | None = None,
    key: ec.EllipticCurvePrivateKey = OURS,
    signed_at: datetime | None = None,
    path: str = PATH,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send ``events``, or else ``body``, signed now and with our key where nothing else is said."""
    data = json.dumps(events).encode() if body is None else body
    signed = sign_events(data, at=signed_at or datetime.now(UTC), key=key)
    given = {"Content-Type": "application/json", **signed, **(headers or {})}
    return httpx.post(at + path, content=data, headers=given, timeout=20)
