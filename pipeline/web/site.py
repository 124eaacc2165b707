"""The one web application: public pages, webhooks, and the archive; and the server that runs it.

It believes no header of a proxy: its public address is the setting ``site.url``. Who asks is
neither logged nor kept.
"""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pipeline.audience.secret import Keys
from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Outcome, State
from pipeline.delivery.providers import open_provider
from pipeline.delivery.recipient import Recipient
from pipeline.errors import InfolettreError, InputError
from pipeline.settings import Settings
from pipeline.web.public.desk import ASK, Desk
from pipeline.web.public.mails import sender_of
from pipeline.web.public.routes import Counter, public_router
from pipeline.web.webhooks.routes import add_webhooks
from pipeline.words import mark

_log = logging.getLogger(__name__)

_GRACE_S: Final = 5
_IDLE_S: Final = 5
_CONNECTIONS: Final = 500  # at once; more are told to come back
#: A letter is text from elsewhere: it gets its pictures and its styles, and nothing else.
_ARCHIVE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteParts:
    """What the application is made of; ``archive`` may not exist yet."""

    engine: Engine
    settings: Settings
    root: Path
    environ: Mapping[str, str]
    keys: Keys
    archive: Path


def make_site(parts: SiteParts, *, base: str) -> FastAPI:
    """Return the application; ``base`` is its public address, for links in mails.

    Raises InputError where the mails that confirm could not be sent.
    """
    sender_of(parts.settings)
    open_provider(
        parts.settings.delivery.provider,
        settings=parts.settings,
        root=parts.root,
        environ=parts.environ,
    ).close()
    desk = Desk(
        engine=parts.engine,
        settings=parts.settings,
        keys=parts.keys,
        base=base.rstrip("/"),
        post=_poster(parts),
        now=lambda: datetime.now(UTC),
    )
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.include_router(public_router(desk))
    add_webhooks(
        app,
        engine=parts.engine,
        settings=parts.settings,
        root=parts.root,
        environ=parts.environ,
    )
    app.mount("/", _Archive(directory=parts.archive, check_dir=False, html=True))
    _tell_errors(app, Counter(desk))
    return app


def _poster(parts: SiteParts) -> Callable[[Letter, Recipient], Outcome]:
    """Return what sends one mail, over a connection of its own: such mails are few."""

    def post(letter: Letter, recipient: Recipient) -> Outcome:
        provider = open_provider(
            parts.settings.delivery.provider,
            settings=parts.settings,
            root=parts.root,
            environ=parts.environ,
        )
        try:
            unsent = Outcome(recipient=recipient.id, state=State.DEFERRED)
            return next(iter(provider.send(letter, [recipient])), unsent)
        finally:
            provider.close()

    return post


def _tell_errors(app: FastAPI, counter: Counter) -> None:
    """Give every error a page in the reader's language."""

    async def tell_status(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 400
        name = "missing" if status in (404, 405) else "refused"
        page = counter.page(name, counter.language(request), status=status, ask=f"/{ASK}")
        answer = counter.answer(page)
        answer.headers.update(getattr(error, "headers", None) or {})
        return answer

    async def tell_trouble(request: Request, error: Exception) -> Response:
        _log.error("%s", error)
        return counter.answer(counter.page("trouble", counter.language(request), status=503))

    app.add_exception_handler(HTTPException, tell_status)
    app.add_exception_handler(InfolettreError, tell_trouble)


class _Archive(StaticFiles):
    """The folder of the archive, built or not yet; without one the form is what is here."""

    async def check_config(self) -> None:
        """Do without: a folder that is missing holds no file."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            answer = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code == 404 and path == ".":
                return RedirectResponse(f"/{ASK}", 307)
            raise
        answer.headers["Content-Security-Policy"] = _ARCHIVE_POLICY
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer


class SiteServer:
    """The application bound to its address, and not yet running."""

    def __init__(self, parts: SiteParts, *, host: str, port: int) -> None:
        """Port 0 takes a free one. Raises InputError where the address cannot be had."""
        self._socket = _bind(host, port)
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self._socket.getsockname()[1]}"
        try:
            app = make_site(parts, base=parts.settings.site.url or self.address)
        except BaseException:
            self._socket.close()
            raise
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # no address of a person's machine is kept (T17)
            server_header=False,
            proxy_headers=False,  # who speaks for a proxy is for nobody to claim
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = _Server(config)

    async def run(self, on_ready: Callable[[str], None]) -> None:
        """Serve until :meth:`stop` or a signal; requests under way are answered."""
        self._server.on_started = lambda: on_ready(self.address)
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """End :meth:`run` soon; may be called from any thread."""
        self._server.should_exit = True


def serve_site(parts: SiteParts, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; ``on_ready`` gets the address. Raises InputError."""
    server = SiteServer(parts, host=host, port=port)
    # Uvicorn raises again the signal that ended it; by then all is done, and that is success.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with suppress(KeyboardInterrupt):
        asyncio.run(server.run(on_ready))


class _Server(uvicorn.Server):
    """Uvicorn, which says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.on_started: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.on_started()


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((host, port), family=family)
        # Connections inherit it. Asyncio sets it only where the socket was made with a protocol's
        # number; without it each answer waits 40 ms for the client's acknowledgement.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = mark("port {port} is taken: stop what uses it, or choose another with --port")
            raise InputError(message, port=port) from None
        message = mark("{host}:{port} cannot be served ({reason}): choose another --host or --port")
        reason = error.strerror or str(error)
        raise InputError(message, host=host, port=port, reason=reason) from None
