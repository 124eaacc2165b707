"""``POST /webhooks/<provider>``: a provider's events, checked and recorded before it is answered.

Only what is recorded is answered with 204. After any other answer the provider sends the same
again, and an event that is known already changes nothing. Nothing is kept or logged of the machine
that asks, and what is at fault here is told to the server's log, not to who asks.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from pipeline.delivery.events import Event, WebhookError
from pipeline.delivery.feedback import record_events
from pipeline.delivery.ports import Provider
from pipeline.delivery.providers import open_provider
from pipeline.errors import InputError, WorldError
from pipeline.settings import Settings

#: The providers that speak of what became of a letter; of the others bounces come by mail.
SPEAKING: Final = ("sendgrid",)
MAX_BODY: Final = 2_000_000  # bytes; a provider may allow less
READ_S: Final = 30.0  # for a body to arrive

_log = logging.getLogger(__name__)


def add_webhooks(
    app: FastAPI,
    *,
    engine: Engine,
    settings: Settings,
    root: Path,
    environ: Mapping[str, str],
) -> None:
    """Add the address of each provider that has events to ``app``.

    It answers 204 where all events are recorded; 403 to what the provider has not signed just now,
    408 and 413 to a body that is too slow or too long, 415 to what is not JSON; 503 where the
    provider's key is missing or the database cannot be used, and the log says what to do. The
    provider is opened by its first request, and once.
    """
    for name in SPEAKING:
        provider = _Once(name, settings=settings, root=root, environ=environ)
        app.add_api_route(
            f"/webhooks/{name}",
            _endpoint(name, provider.get, engine, soft_limit=settings.bounces.soft_limit),
            methods=["POST"],
            name=f"webhook {name}",
            include_in_schema=False,
            response_class=Response,
        )


class _Once:
    """A provider, opened when it is first asked for; what it needs may be missing until then."""

    def __init__(
        self, name: str, *, settings: Settings, root: Path, environ: Mapping[str, str]
    ) -> None:
        self._open = partial(open_provider, name, settings=settings, root=root, environ=environ)
        self._lock = threading.Lock()
        self._provider: Provider | None = None

    def get(self) -> Provider:
        """Return the provider. Raises InputError where it cannot be opened."""
        with self._lock:
            if self._provider is None:
                self._provider = self._open()
            return self._provider


def _endpoint(
    name: str, provider: Callable[[], Provider], engine: Engine, *, soft_limit: int
) -> Callable[..., Response]:
    # Not async: signatures and databases take their time, so it runs in a thread.
    def hear(request: Request, body: Annotated[bytes, Depends(read_body)]) -> Response:
        events = _read(name, provider, request.headers, body)
        try:
            record_events(
                engine,
                events,
                now=datetime.now(UTC),
                soft_limit=soft_limit,
                source=f"webhook {name}",
            )
        except (WorldError, SQLAlchemyError) as error:
            # SQLAlchemy's own words may hold a statement of ours: no use to who runs the server.
            told = str(error) if isinstance(error, WorldError) else type(error).__name__
            _log.error("%s's events were not recorded, it will send them again: %s", name, told)
            raise HTTPException(503, "not recorded: send it again") from None
        return Response(status_code=204)

    return hear


def _read(
    name: str, provider: Callable[[], Provider], headers: Mapping[str, str], body: bytes
) -> list[Event]:
    try:
        return provider().read_events(headers, body)
    except WebhookError as error:
        _log.warning("what came as %s's events was turned away: %s", name, error)
        raise HTTPException(403, "not believed") from None
    except InputError as error:
        _log.error("%s's events cannot be taken: %s", name, error)
        raise HTTPException(503, "not ready: send it again") from None


async def read_body(request: Request) -> bytes:
    """Return the body of a request, no longer and no slower than is allowed.

    Raises HTTPException where it is, or says that it is not JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "expected application/json")
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > MAX_BODY:
        raise HTTPException(413, "too long")
    body = bytearray()
    try:
        async with asyncio.timeout(READ_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY:
                    raise HTTPException(413, "too long")
    except TimeoutError:
        raise HTTPException(408, "too slow") from None
    except ClientDisconnect:  # nobody hears the answer
        raise HTTPException(400, "broken off") from None
    return bytes(body)
