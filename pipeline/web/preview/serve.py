"""Runs the preview: one loop with the server and the watcher, until Ctrl-C."""

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import uvicorn

from pipeline.errors import InputError
from pipeline.web.preview.app import make_app
from pipeline.web.preview.bell import Bell
from pipeline.web.preview.desk import PreviewDesk, Workshop
from pipeline.web.preview.watch import follow
from pipeline.words import mark

_GRACE_S: Final = 2


def serve_preview(
    workshop: Workshop,
    *,
    language: str,
    on_ready: Callable[[str], None],
    host: str = "127.0.0.1",
    port: int = 0,
) -> None:
    """Serve the letter of ``workshop`` until Ctrl-C; ``on_ready`` gets the page's address.

    Port 0 takes a free one. Raises InputError where the address cannot be had.
    """
    with suppress(KeyboardInterrupt):  # the usual way to end it
        asyncio.run(PreviewServer(workshop, language=language, host=host, port=port).run(on_ready))


class PreviewServer:
    """The preview of one letter, bound to its address and not yet running."""

    def __init__(self, workshop: Workshop, *, language: str, host: str, port: int) -> None:
        self._socket = _bind(host, port)
        self._desk = PreviewDesk(workshop)
        self._bell = Bell()
        app = make_app(self._desk, bell=self._bell, language=language, bound_to=host)
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = _Server(config, bell=self._bell)
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self._socket.getsockname()[1]}/"

    async def run(self, on_ready: Callable[[str], None]) -> None:
        """Render, then serve and follow the files until :meth:`stop` or a signal."""
        ready = asyncio.Event()
        following = asyncio.create_task(follow(self._desk, self._bell, ready=ready))

        def end(_: object) -> None:
            ready.set()
            self.stop()

        following.add_done_callback(end)  # without its watcher the page would only seem alive
        try:
            await ready.wait()
            if following.done():
                return
            self._server.on_started = lambda: on_ready(self.address)
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    def stop(self) -> None:
        """End :meth:`run` soon; may be called from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Uvicorn, which says when it listens, and ends the event streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, *, bell: Bell) -> None:
        super().__init__(config)
        self.bell = bell
        self.on_started: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.bell.close()
        await super().shutdown(sockets=sockets)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((host, port), family=family)
        # Connections inherit it; asyncio does not set it on a socket that it did not make.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = mark(
                "port {port} is taken, perhaps by another preview: stop that one,"
                " or choose another port with --port"
            )
            raise InputError(message, port=port) from None
        message = mark("{host}:{port} cannot be served ({reason}): choose another --host or --port")
        reason = error.strerror or str(error)
        raise InputError(message, host=host, port=port, reason=reason) from None
