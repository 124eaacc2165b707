"""Sending by SendGrid's API: a thousand people a call, to a stub on loopback.

``make bench`` sends to 100,000 people, ``python bench/sendgrid_api.py --full`` to 1,000,000, and
to a tenth of them first, for memory has to stay flat. The sender is a process of its own; so is
the stub, which reads each call, checks that it is JSON with at most 1,000 people in it, counts
them and answers 202. What is measured is the sender: the stub's time is in it, a network's is not.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from typing import Final
from urllib.request import urlopen

LOOPBACK: Final = "127.0.0.1"
SMALL, FULL, BATCH = 100_000, 1_000_000, 1000
GOAL: Final = 50_000  # recipients a second


@dataclass(frozen=True)
class Run:
    """One sending: recipients a second, seconds of processor per 1,000, peak memory in MB."""

    rate: float
    cpu: float
    memory: float


# --- the stub, in a process of its own ----------------------------------------------------------


class Stub(BaseHTTPRequestHandler):
    """Takes calls, and tells ``GET /`` how many people were in those that are as they should be.

    It says 202 once it has a call, and reads it then, as SendGrid itself does.
    """

    taken = 0

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        people = len(json.loads(data)["personalizations"])
        if people <= BATCH:
            Stub.taken += people

    def do_GET(self) -> None:
        told = str(Stub.taken).encode()
        Stub.taken = 0
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve() -> None:
    with HTTPServer((LOOPBACK, 0), Stub) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


@contextmanager
def running_stub() -> Iterator[str]:
    """Yield the address of a stub that runs until the end."""
    command = [sys.executable, __file__, "--stub"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stub:
        try:
            port = stub.stdout.readline().strip() if stub.stdout else ""
            yield f"http://{LOOPBACK}:{port}"
        finally:
            stub.terminate()


# --- the sender, in a process of its own --------------------------------------------------------


def send(host: str, count: int) -> float:
    """Send as the pipeline does, in batches; return the seconds that the provider took."""
    from bench.send import make_letter, people
    from pipeline.delivery.ports import State
    from pipeline.delivery.providers.sendgrid import SendgridProvider
    from pipeline.settings import Sendgrid

    provider = SendgridProvider(Sendgrid(host=host), api_key="SG.bench")
    letter, everybody, seconds = make_letter(), people(count), 0.0
    while batch := list(islice(everybody, BATCH)):
        start = time.perf_counter()
        outcomes = list(provider.send(letter, batch))
        seconds += time.perf_counter() - start
        if {outcome.state for outcome in outcomes} != {State.ACCEPTED}:
            raise SystemExit(str(outcomes[0]))
    return seconds


def take_turn(host: str, count: int) -> Run:
    """Run the sender, and check what the stub counted."""
    command = [sys.executable, __file__, "--sender", host, str(count)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    told = child.stdout.read() if child.stdout else ""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    with urlopen(host) as answer:
        taken = int(answer.read())
    if child.returncode or taken != count:
        raise SystemExit(f"the sender failed: {taken} of {count} arrived")
    cpu = (usage.ru_utime + usage.ru_stime) / count * 1000
    return Run(count / float(told), cpu, usage.ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} people")
    parser.add_argument("--stub", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--sender", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stub:
        serve()
        return
    if asked.sender:
        host, count = asked.sender
        print(send(host, int(count)))
        return
    most = FULL if asked.full else SMALL
    print(f"by SendGrid, {BATCH:,} people a call; load {os.getloadavg()[0]:.1f}")
    print(f"  {'people':>12}{'people/s':>12}{'goal':>10}{'CPU s/1k':>10}{'peak MB':>9}")
    with running_stub() as host:
        for count in (most // 10, most):
            run = take_turn(host, count)
            print(f"  {count:12,}{run.rate:12,.0f}{GOAL:10,}{run.cpu:10.4f}{run.memory:9.0f}")


if __name__ == "__main__":
    main()
