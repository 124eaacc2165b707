"""Fetching what strangers serve: guarded, bounded, and polite.

Every request is vetted by ``addresses.py`` at three places (its address, what its name resolves
to, the socket's target), redirects are followed by hand, size (as inflated), total time and
concurrency have limits, and no host is asked too often. What the bytes mean is the business of
``feeds.py`` and ``page.py``.
"""

import asyncio
import socket
import ssl
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from pipeline import __version__
from pipeline.errors import FetchError
from pipeline.settings import Veille
from pipeline.veille.addresses import Networks, is_allowed, read_networks, refusal, vet_url
from pipeline.veille.answers import max_age, retry_after, status_error
from pipeline.veille.inflate import ENCODINGS, Body, TooLarge
from pipeline.veille.links import web_url
from pipeline.words import mark

MAX_REDIRECTS: Final = 5
PER_HOST: Final = 2  # connections; more, and small sites answer 429 (facts: politeness)
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_PERMANENT: Final = (301, 308)
_CHUNK: Final = 65_536
_MAX_VALIDATOR: Final = 500  # characters
_ACCEPT: Final = (
    "application/atom+xml, application/rss+xml, application/feed+json;q=0.9,"
    " application/xml;q=0.8, text/xml;q=0.8, text/html;q=0.7, */*;q=0.1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to fetch; ``etag`` and ``last_modified`` are those of the answer already known.

    ``max_bytes`` is its own limit, 0 where the settings decide.
    """

    url: str
    etag: str = ""
    last_modified: str = ""
    max_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer: ``url`` is where it came from in the end, ``body`` is inflated.

    ``is_unchanged`` says 304: there is no body. ``max_age`` is for how many seconds the server
    holds it for fresh. ``moved_to`` is the new address where every redirect on the way was a
    permanent one.
    """

    url: str
    body: bytes = b""
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""
    max_age: float = 0.0
    is_unchanged: bool = False
    moved_to: str = ""


@dataclass(slots=True)
class _Host:
    """What one host is spared: connections at once, and requests too close to each other."""

    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PER_HOST))
    gate: asyncio.Lock = field(default_factory=asyncio.Lock)
    free_at: float = 0.0  # the loop's time


class Fetcher:
    """Fetches within the limits of the settings; opened by :func:`open_fetcher`."""

    def __init__(
        self, session: aiohttp.ClientSession, *, settings: Veille, networks: Networks
    ) -> None:
        self._session = session
        self._settings = settings
        self._networks = networks
        self._slots = asyncio.Semaphore(max(1, settings.concurrency))
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)

    async def fetch(self, request: Request) -> Fetched:
        """Return the answer to one request.

        Raises FetchError: refused, unreachable, too slow, too large, or an answer that says no.
        Waiting for a free slot does not count as time.
        """
        async with self.fetching(request) as found:
            return found

    @asynccontextmanager
    async def fetching(
        self, request: Request, *, on_start: Callable[[], None] | None = None
    ) -> AsyncIterator[Fetched]:
        """Yield the answer as :meth:`fetch` does, and keep its slot until the block ends.

        So no more bodies are in hand at a time than there are slots. ``on_start`` is called when
        the waiting ends.
        """
        host = self._hosts[vet_url(request.url, self._networks).raw_host or ""]
        async with AsyncExitStack() as slot:
            async with host.turns:
                await self._start(host)
                slot.callback(self._slots.release)
                if on_start:
                    on_start()
                found = await self._timed(request)
            yield found

    async def _start(self, host: _Host) -> None:
        """Take a slot when the host may be asked; until then others have the slots."""
        loop = asyncio.get_running_loop()
        async with host.gate:
            if (pause := host.free_at - loop.time()) > 0:
                await asyncio.sleep(pause)
            await self._slots.acquire()
            host.free_at = loop.time() + self._settings.spacing

    async def _timed(self, request: Request) -> Fetched:
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._follow(request)
        except TimeoutError:
            message = mark("{url} was not here within {seconds} s: try again later")
            seconds = f"{self._settings.timeout:g}"
            raise FetchError(message, retryable=True, url=request.url, seconds=seconds) from None
        except aiohttp.ClientError as error:
            raise _connection_error(error, request.url) from error

    async def _follow(self, request: Request) -> Fetched:
        url, is_permanent = request.url, True
        for _ in range(MAX_REDIRECTS + 1):
            target = vet_url(url, self._networks)
            async with self._session.get(
                target, headers=_headers(request), allow_redirects=False
            ) as response:
                if response.status not in _REDIRECTS:
                    moved = url if is_permanent and url != request.url else ""
                    limit = request.max_bytes or self._settings.max_bytes
                    return await self._read(response, url=url, limit=limit, moved_to=moved)
                is_permanent = is_permanent and response.status in _PERMANENT
                location = response.headers.get("Location", "")
            if not (following := web_url(location, base=url)):
                message = mark("{url} redirects to “{target}”, which is no web address")
                raise FetchError(message, url=url, target=location[:200])
            url = following
        message = mark("{url} redirects more than {limit} times: look for its present address")
        raise FetchError(message, url=request.url, limit=MAX_REDIRECTS)

    async def _read(
        self, response: aiohttp.ClientResponse, *, url: str, limit: int, moved_to: str
    ) -> Fetched:
        etag = _validator(response.headers.get("ETag", ""))
        last_modified = _validator(response.headers.get("Last-Modified", ""))
        if response.status == 304:
            return Fetched(
                url=url,
                etag=etag,
                last_modified=last_modified,
                max_age=max_age(response.headers),
                is_unchanged=True,
                moved_to=moved_to,
            )
        if response.status != 200:
            date = response.headers.get("Date", "")
            wait = retry_after(response.headers.get("Retry-After", ""), date=date)
            raise status_error(response.status, url=url, wait=wait)
        return Fetched(
            url=url,
            body=await self._body(response, url=url, limit=limit),
            content_type=response.headers.get("Content-Type", "")[:200],
            etag=etag,
            last_modified=last_modified,
            max_age=max_age(response.headers),
            moved_to=moved_to,
        )

    async def _body(self, response: aiohttp.ClientResponse, *, url: str, limit: int) -> bytes:
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ENCODINGS:
            message = mark("{url} is compressed in a way nobody asked for ({encoding})")
            raise FetchError(message, url=url, encoding=encoding[:40])
        body = Body(encoding=encoding, limit=limit)
        try:
            if (response.content_length or 0) > limit:
                raise TooLarge
            async for chunk in response.content.iter_chunked(_CHUNK):
                body.add(chunk)
        except TooLarge:
            message = mark(
                "{url} is larger than {limit} bytes: leave it out, or raise"
                " veille.max_bytes (infolettre.toml)"
            )
            raise FetchError(message, url=url, limit=limit) from None
        except zlib.error as error:
            message = mark("{url} sends damaged data ({reason}): try again later")
            raise FetchError(message, retryable=True, url=url, reason=str(error)) from None
        if not body.is_complete and body.data:
            message = mark("{url} broke off in the middle: try again later")
            raise FetchError(message, retryable=True, url=url)
        return bytes(body.data)


#: Looks a name up, as :meth:`asyncio.AbstractEventLoop.getaddrinfo` does.
LookUp = Callable[..., Awaitable[list[tuple[Any, Any, int, str, Any]]]]


@asynccontextmanager
async def open_fetcher(
    settings: Veille, *, tls: ssl.SSLContext | None = None, look_up: LookUp | None = None
) -> AsyncIterator[Fetcher]:
    """Open a fetcher for one pull; ``tls`` says whom to trust (default: the system's roots).

    ``look_up`` takes the place of the system's resolver. Raises InputError where
    ``veille.allow_private`` names no network.
    """
    networks = read_networks(settings.allow_private)
    connector = aiohttp.TCPConnector(
        resolver=VettingResolver(networks, look_up),
        socket_factory=_socket_factory(networks),
        limit=0,  # slots are counted before the clock starts, see Fetcher.fetch
        limit_per_host=PER_HOST,
        use_dns_cache=False,
        ssl=tls or True,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        trust_env=False,  # a proxy would connect for us, past the guard (miniflux#4456)
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        headers={
            "User-Agent": f"Infolettre/{__version__} (feed reader)",
            "Accept": _ACCEPT,
            "Accept-Encoding": "gzip, deflate",
        },
    ) as session:
        yield Fetcher(session, settings=settings, networks=networks)


class VettingResolver(AbstractResolver):
    """Resolves a name once and hands out its addresses only if every one of them is allowed.

    The connector connects to what is returned here, so a name cannot be vetted as one address
    and connected as another ("DNS rebinding").
    """

    def __init__(self, networks: Networks, look_up: LookUp | None = None) -> None:
        self._networks = networks
        self._look_up = look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``; raises FetchError for one that leads inside."""
        look_up = self._look_up or asyncio.get_running_loop().getaddrinfo
        try:
            infos = await look_up(host, port, type=socket.SOCK_STREAM, family=family)
        except UnicodeError as error:  # an empty label, or one of more than 63 characters
            raise OSError(f"{host} cannot be a name") from error
        found = [(kind, proto, str(place[0])) for kind, _, proto, _, place in infos]
        if not all(is_allowed(address, self._networks) for _, _, address in found):
            raise refusal(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, proto, address in found
        ]

    async def close(self) -> None:
        """Hold nothing open."""


class _RefusedError(PermissionError):
    """The last gate: a socket was about to connect to an address that is not allowed."""


def _socket_factory(networks: Networks) -> aiohttp.SocketFactoryType:
    def make(info: aiohttp.AddrInfoType) -> socket.socket:
        # the connector skips the resolver for literal addresses: vet what is really connected to
        family, kind, proto, _, place = info
        if not is_allowed(str(place[0]), networks):
            raise _RefusedError(f"{place[0]} is private or reserved")
        return socket.socket(family=family, type=kind, proto=proto)

    return make


def _headers(request: Request) -> dict[str, str]:
    """Return the headers of a conditional request (RFC 9110, section 13)."""
    found = {"If-None-Match": request.etag, "If-Modified-Since": request.last_modified}
    return {name: value for name, value in found.items() if value}


def _validator(text: str) -> str:
    """Return a validator to send back as it came, ``""`` for one that is none."""
    return text if len(text) <= _MAX_VALIDATOR and text.isascii() and text.isprintable() else ""


def _connection_error(error: aiohttp.ClientError, url: str) -> FetchError:
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(
        error.os_error, _RefusedError
    ):
        return refusal(error.host)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        message = mark("{url}: there is no server of that name (or no network): check the address")
        return FetchError(message, retryable=True, url=url)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        message = mark("{url}: the server's certificate is not valid, so it is not fetched")
        return FetchError(message, retryable=True, url=url)
    reason = type(error).__name__.removeprefix("Client").removesuffix("Error")
    message = mark("{url}: the connection failed ({reason}): try again later")
    return FetchError(message, retryable=True, url=url, reason=reason)
