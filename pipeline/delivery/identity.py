"""Who a worker is, and whether its process is still there, where this machine can tell.

A name holds the machine and its start, its process namespace (a container has its own), the process
and when that one began, so that another of the same name or number is not taken for it (Linux,
proc(5), random(4)).
"""

import os
import secrets
import socket
from pathlib import Path

_PROC = Path("/proc")


def worker_name() -> str:
    """Return a name that no other worker has, ever."""
    pid = os.getpid()
    return f"{_machine()}/{pid}/{_began(pid) or 0}/{secrets.token_hex(4)}"


def is_dead(name: str) -> bool | None:
    """Say whether the worker of this name is gone, at once and whatever clocks say.

    None where it is another machine's, and only :mod:`pipeline.delivery.watch` can tell.
    """
    machine, _, rest = name.rpartition("/")[0].partition("//")
    pid, _, began = rest.partition("/")
    if f"{machine}/" == _machine() and pid.isdecimal() and (_PROC / "self" / "stat").exists():
        return _began(int(pid)) != began
    return None


def _machine() -> str:
    """Return the name of this machine, of its start and of its process namespace.

    Machines that were copied share their name, and the first namespace has the same number on all.
    """
    try:
        start = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(_PROC / "self" / "ns" / "pid")
    except OSError:
        start = namespace = ""
    return f"{socket.gethostname()}|{start}|{namespace}/"


def _began(pid: int) -> str | None:
    """Return when a process began, in ticks since the machine did; None where there is none."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="latin-1")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may hold anything
    return None if fields[0] in ("Z", "X") else fields[19]
