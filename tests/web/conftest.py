"""The preview as it really runs: a workspace on disk, uvicorn on a free port, Chromium."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.web.preview.serve import PreviewServer
from tests.web.workshop import Room


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room.build(tmp_path)


@contextmanager
def serving(room: Room, *, port: int = 0) -> Iterator[str]:
    """Serve ``room`` from a thread and yield its address, in English."""
    server = PreviewServer(room, language="en", host="127.0.0.1", port=port)
    ready = threading.Event()

    def live() -> None:
        asyncio.run(server.run(lambda _: ready.set()))

    thread = threading.Thread(target=live)
    thread.start()
    try:
        assert ready.wait(20), "the preview did not start"
        yield server.address
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive(), "the preview did not stop"


@pytest.fixture
def address(room: Room) -> Iterator[str]:
    with serving(room) as found:
        yield found
