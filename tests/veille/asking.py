"""Fetching for tests: what an address answers, or the error it gives."""

import asyncio
import ssl
from typing import Any

from pipeline.errors import FetchError
from pipeline.veille.fetch import Fetched, Request, open_fetcher
from tests.veille.builders import on_loopback
from tests.veille.server import Answer


def fetch(
    *urls: str, tls: ssl.SSLContext | None = None, **settings: Any
) -> list[Fetched | FetchError]:
    """Fetch side by side; what was raised is returned."""

    async def run() -> list[Fetched | FetchError]:
        veille = settings.pop("veille", None) or on_loopback(**settings).veille
        async with open_fetcher(veille, tls=tls) as fetcher:
            tasks = [asyncio.create_task(fetcher.fetch(Request(url=url))) for url in urls]
            found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, Fetched | FetchError) for one in found), found
        return found  # type: ignore[return-value]

    return asyncio.run(run())


def good(url: str, **more: Any) -> Fetched:
    (found,) = fetch(url, **more)
    assert isinstance(found, Fetched), found
    return found


def bad(url: str, **more: Any) -> FetchError:
    (found,) = fetch(url, **more)
    assert isinstance(found, FetchError), found
    return found


def redirect(target: str, status: int = 302) -> Answer:
    return Answer(status=status, headers={"Location": target})
