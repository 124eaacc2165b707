"""An SMTP server in a process of its own that writes each message down before it answers for it.

A line of its log is a recipient and a Message-ID; a line that begins with ``!`` is what it did
wrong. It outlives whoever sends, and misbehaves as its arguments say. Run as a program.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_ID: Final = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How a sink behaves; numbers count messages, 0 is never.

    ``drop`` and ``hang``: at each so manieth full stop it says nothing; every other one of them it
    has taken. ``grey``: each recipient is put off at first. ``most`` connections are welcome at a
    time. ``refused`` is a domain that it does not take. ``pause`` seconds pass before each answer.
    """

    drop: int = 0
    hang: int = 0
    grey: bool = False
    most: int = 0
    refused: str = ""
    pause: float = 0.0


class _Sink:
    """What all connections share."""

    def __init__(self, log: Path, manners: Manners) -> None:
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.manners = manners
        self.count = self.open = 0
        self.seen: set[bytes] = set()

    def write(self, line: bytes) -> None:
        os.write(self.log, line + b"\n")

    def is_welcome(self, to: bytes) -> bytes:
        """Return the answer to RCPT."""
        if self.manners.refused and to.endswith(self.manners.refused.encode()):
            return b"550 5.7.1 not from you\r\n"
        if self.manners.grey and to not in self.seen:
            self.seen.add(to)
            return b"451 4.7.1 come back later\r\n"
        return b"250 fine\r\n"

    def fault(self) -> str:
        """Say what goes wrong at this full stop; empty, nothing."""
        self.count += 1
        for name in ("drop", "hang"):
            every = getattr(self.manners, name)
            if every and self.count % every == 0:
                return name
        return ""


class _Connection(asyncio.Protocol):
    """One client: commands, and after DATA a message (RFC 5321), pipelined or not."""

    transport: asyncio.Transport

    def __init__(self, sink: _Sink) -> None:
        self.sink = sink
        self.buffer = bytearray()
        self.is_message = self.is_silent = False
        self.to = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.sink.open += 1
        if self.sink.manners.most and self.sink.open > self.sink.manners.most:
            self.sink.write(b"! too many")
            transport.write(b"421 too many connections\r\n")
            transport.close()
            return
        transport.write(b"220 sink\r\n")

    def connection_lost(self, error: Exception | None) -> None:
        self.sink.open -= 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while not self.is_silent and self._step():
            pass

    def _step(self) -> bool:
        end = b"\r\n.\r\n" if self.is_message else b"\r\n"
        at = self.buffer.find(end)
        if at < 0:
            return False
        part = bytes(self.buffer[:at])
        del self.buffer[: at + len(end)]
        if self.is_message:
            self._take(part)
        else:
            self._obey(part)
        return True

    def _go_on(self) -> None:
        self.is_silent = False
        self.transport.write(b"250 taken\r\n")
        self.data_received(b"")

    def _obey(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            self.transport.write(b"250-sink\r\n250 PIPELINING\r\n")
        elif verb == b"RCPT":
            to = line.partition(b"<")[2].partition(b">")[0]
            answer = self.sink.is_welcome(to)
            self.to = to if answer.startswith(b"2") else b""
            self.transport.write(answer)
        elif verb == b"DATA":
            self.is_message = bool(self.to)
            self.transport.write(b"354 go on\r\n" if self.to else b"503 5.5.1 to whom\r\n")
        elif verb == b"QUIT":
            self.transport.write(b"221 bye\r\n")
            self.transport.close()
        else:
            self.transport.write(b"250 fine\r\n")

    def _take(self, message: bytes) -> None:
        found = _ID.search(message)
        to, self.to, self.is_message = self.to, b"", False
        fault = self.sink.fault()
        if not fault or self.sink.count % 2:
            self.sink.write(to + b" " + (found[1] if found else b"?"))
        if fault == "drop":
            self.sink.write(b"! drop")
            self.is_silent = True
            self.transport.abort()
        elif fault == "hang":
            self.sink.write(b"! hang")
            self.is_silent = True
        elif self.sink.manners.pause:
            self.is_silent = True  # what was said meanwhile is answered afterwards, in turn
            asyncio.get_running_loop().call_later(self.sink.manners.pause, self._go_on)
        else:
            self.transport.write(b"250 taken\r\n")


@dataclass(frozen=True, kw_only=True)
class Sink:
    """A sink that runs: its port, and what it wrote down."""

    port: int
    log: Path

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def taken(self) -> list[str]:
        """Return the recipients of the messages that it took, each as often as it did."""
        return [line.split()[0] for line in self.lines() if not line.startswith("!")]

    def faults(self) -> int:
        return sum(line.startswith("!") for line in self.lines())

    def size(self) -> int:
        """Return how many lines it wrote down: quickly, and about as many as it took."""
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0


@contextmanager
def sink(folder: Path, manners: Manners | None = None) -> Iterator[Sink]:
    """Run a sink in a process of its own."""
    log = folder / "sink.log"
    command = [sys.executable, "-m", __name__, str(log), json.dumps(asdict(manners or Manners()))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Sink(port=int(process.stdout.readline()), log=log)
        finally:
            process.kill()


async def _serve(log: Path, manners: Manners) -> None:
    shared = _Sink(log, manners)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(shared), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), Manners(**json.loads(sys.argv[2]))))
