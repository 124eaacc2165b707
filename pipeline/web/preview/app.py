"""The preview's routes: the page, its events, the six documents, their pictures. GET only."""

import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.web.preview.bell import Bell, heard
from pipeline.web.preview.desk import Preview, PreviewDesk
from pipeline.web.preview.guard import LETTER_POLICY, Guard
from pipeline.web.preview.panel import (
    letter_key,
    page_title,
    render_page,
    render_pieces,
    render_view,
    state_of,
)
from pipeline.web.preview.views import VIEWS, Reader, View

#: A silent stream still says a word now and then, so that a browser that went away is noticed.
KEEP_ALIVE_S: Final = 15.0
RETRY_MS: Final = 500
_TYPES: Final = {".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif"}


def make_app(
    desk: PreviewDesk,
    *,
    bell: Bell | None = None,
    language: str = "fr",
    bound_to: str = "127.0.0.1",
) -> Starlette:
    """Return the application that shows what lies on ``desk``, in the editor's ``language``.

    ``bell`` tells when to look again; ``bound_to`` is the address that the server listens on.
    """
    rung = bell or Bell()

    def page(request: Request) -> Response:
        view, reader = _view(request.query_params.get("view")), _reader(request)
        return HTMLResponse(render_page(desk.current, view=view, reader=reader, language=language))

    def letter(request: Request) -> Response:
        view = _view(request.path_params["view"])
        shown = render_view(desk.current, view=view, reader=_reader(request), language=language)
        return HTMLResponse(shown, headers={"Content-Security-Policy": LETTER_POLICY})

    def picture(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            data = desk.picture(name)
        except (KeyError, OSError, ValueError):  # unknown, or its file is gone or broken
            raise HTTPException(404) from None
        kind = _TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
        # Named by its content: the frames that take turns need not ask for it again.
        return Response(data, media_type=kind, headers={"Cache-Control": "private, max-age=600"})

    async def events(request: Request) -> Response:
        tell = partial(_message, reader=_reader(request), language=language)
        stream = _stream(desk, rung, tell)
        return StreamingResponse(stream, media_type="text/event-stream")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/events", events),
            Route("/letter/images/{name}", picture),
            Route("/letter/{view}", letter),
            Mount("/static", _Static(directory=Path(__file__).parent / "static")),
        ],
        middleware=[Middleware(Guard, bound_to=bound_to)],
    )


class _Static(StaticFiles):
    """Style and script; kept for a while, for a frame that is swapped should not ask again."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "private, max-age=300"
        return response


async def _stream(
    desk: PreviewDesk, bell: Bell, tell: Callable[[Preview], str]
) -> AsyncIterator[str]:
    """Yield the current state at once, then each new one, until the bell is closed."""
    yield f"retry: {RETRY_MS}\n\n"
    told: Preview | None = None
    while not bell.is_closed:
        turn = bell.turn()
        if desk.current is not told:
            told = desk.current
            yield await run_in_threadpool(tell, told)
        elif not await heard(turn, within=KEEP_ALIVE_S):
            yield ": still here\n\n"


def _message(preview: Preview, *, reader: Reader, language: str) -> str:
    told = {
        "title": page_title(preview, language),
        "state": state_of(preview),
        "letter": letter_key(preview),
        "pieces": render_pieces(preview, reader=reader, language=language),
    }
    return f"event: preview\nid: {preview.version}\ndata: {json.dumps(told)}\n\n"


def _view(asked: str | None) -> View:
    for view in VIEWS:
        if view == (asked or VIEWS[0]):
            return view
    raise HTTPException(404)


def _reader(request: Request) -> Reader:
    asked = request.query_params.get("reader")
    return "nobody" if asked == "nobody" else "named"
