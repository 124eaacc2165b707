"""Starting and stopping: the address, a taken port, Ctrl-C."""

import asyncio
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pipeline.errors import InputError, WorldError
from pipeline.web.preview.serve import PreviewServer
from tests.web.workshop import Room

PROGRAM = """
import sys
from pathlib import Path
from pipeline.web.preview.serve import serve_preview
from tests.web.workshop import Room

serve_preview(Room(Path(sys.argv[1])), language="en", on_ready=lambda at: print(at, flush=True))
print("stopped")
"""


def test_a_taken_port_says_what_to_do(room: Room) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as caught:
            PreviewServer(room, language="en", host="127.0.0.1", port=port)

    assert str(port) in str(caught.value)
    assert "--port" in str(caught.value)


def test_an_address_that_is_not_this_machines_says_so(room: Room) -> None:
    with pytest.raises(InputError, match="--host"):
        PreviewServer(room, language="en", host="192.0.2.1", port=0)


class Unwatchable(Room):
    @property
    def watched(self) -> tuple[Path, ...]:
        raise WorldError("the system watches no more files")


def test_a_preview_that_cannot_follow_its_files_ends_and_says_why(room: Room) -> None:
    server = PreviewServer(Unwatchable(room.root), language="en", host="127.0.0.1", port=0)
    said: list[str] = []

    with pytest.raises(WorldError, match="watches no more"):
        asyncio.run(server.run(said.append))
    assert said == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_page_open(room: Room, stop: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(room.root)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{address}events", timeout=10) as stream:
            assert stream.readline() == b"retry: 500\n"
            process.send_signal(stop)
            process.wait(10)
        assert "Traceback" not in process.stderr.read()
        if stop == signal.SIGINT:
            assert process.stdout.read() == "stopped\n"
            assert process.returncode == 0
