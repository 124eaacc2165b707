"""What is read of a request: no more than so much, no longer than so long, and nothing half."""

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from pipeline.web.public import forms

URLENCODED = [(b"content-type", b"application/x-www-form-urlencoded")]


def request(*messages: Message) -> Request:
    """Return a request whose body comes in these pieces; after them nothing comes any more."""
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return Request({"type": "http", "method": "POST", "headers": URLENCODED}, receive)


def piece(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_the_last_field_of_a_name_counts_in_whatever_pieces_it_comes() -> None:
    sent = request(piece(b"email=zo%C3%A9%40x&what=a&wh", more=True), piece(b"at=b"))
    assert asyncio.run(forms.read_form(sent)) == {"email": "zoé@x", "what": "b"}


@pytest.mark.parametrize("read", [forms.read_form, forms.drain])
@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([piece(b"a=" + b"x" * forms.MAX_BODY)], 413),
        ([piece(b"x" * 1000, more=True)] * 20, 413),
        ([piece(b"a=", more=True), {"type": "http.disconnect"}], 400),
        ([piece(b"a=", more=True)], 408),
    ],
)
def test_what_is_too_large_too_slow_or_cut_off_is_refused(
    read: object, pieces: list[Message], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "MAX_SECONDS", 0.05)
    with pytest.raises(HTTPException) as told:
        asyncio.run(read(request(*pieces)))  # type: ignore[operator]
    assert told.value.status_code == status


def test_a_body_at_the_limit_is_read() -> None:
    text = b"a=" + b"x" * (forms.MAX_BODY - 2)
    assert len(asyncio.run(forms.read_form(request(piece(text))))["a"]) == forms.MAX_BODY - 2
