"""What a browser or a mail program sends, read with a limit of size and of time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

MAX_BODY: Final = 16_384  # bytes
MAX_SECONDS: Final = 10.0
_MAX_FIELDS: Final = 20


async def read_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form, urlencoded or multipart, the last of each name; no files.

    Raises HTTPException: 413 where it is too large, 408 too slow, 400 none that can be read.
    """
    limited = Request(request.scope, _limited(request.receive))
    async with _in_time():
        form = await limited.form(max_files=0, max_fields=_MAX_FIELDS, max_part_size=MAX_BODY)
    return {name: "" if isinstance(one, UploadFile) else one for name, one in form.items()}


async def drain(request: Request) -> None:
    """Read a body to its end and let it go. Raises HTTPException as :func:`read_form` does."""
    limited = Request(request.scope, _limited(request.receive))
    async with _in_time():
        async for _ in limited.stream():
            pass


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Give the body ``MAX_SECONDS``, then answer 408; who goes away meanwhile is no fault."""
    try:
        async with asyncio.timeout(MAX_SECONDS):
            yield
    except TimeoutError:
        raise HTTPException(408) from None
    except ClientDisconnect:
        raise HTTPException(400) from None


def _limited(receive: Receive) -> Receive:
    """Return ``receive`` that refuses a body as soon as it is too large."""
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY:
            raise HTTPException(413)
        return message

    return limited
