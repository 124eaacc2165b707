"""What every answer of the preview passes: the Host header's check, and the safety headers.

A page of another site may make the browser ask this server under a name of its own that it has
pointed at 127.0.0.1 (DNS rebinding); such a request says that name in ``Host``.
"""

import ipaddress
import re
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d{1,5})?", re.IGNORECASE)

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: A letter is text from elsewhere: it gets its pictures and its styles, and nothing else.
LETTER_POLICY: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'self';"
    " sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Refuses a request for another host; gives each answer its headers."""

    def __init__(self, app: ASGIApp, *, bound_to: str) -> None:
        self.app = app
        self.bound_to = bound_to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**_HEADERS, "Content-Security-Policy": PAGE_POLICY}.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        app = self.app
        if not is_ours(Headers(scope=scope).get("host", ""), bound_to=self.bound_to):
            app = PlainTextResponse("This preview answers to localhost only.\n", status_code=421)
        await app(scope, receive, send_guarded)


def is_ours(host: str, *, bound_to: str) -> bool:
    """Say whether a Host header names this server.

    Bound to the loopback, it has three names. Bound to the network on request, it also has the
    name it was given, and any bare address: rebinding needs a name.
    """
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match[1].lower()
    if name in LOOPBACK:
        return True
    if bound_to in ("localhost", "127.0.0.1", "::1"):
        return False
    return name == bound_to.lower() or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
