"""Running a function on a stranger's bytes in a process of its own, with limits on both.

A parser that loops or fills the memory is stopped with its process; ours goes on.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import Any, Final, TypeVar

from pebble import ProcessExpired, ProcessPool

_MEGABYTE: Final = 1 << 20

T = TypeVar("T")


def run_apart(function: Callable[..., T], *values: Any, seconds: float, megabytes: int) -> T | None:
    """Return what ``function`` returns, or None where it broke, took too long or too much.

    Function and values have to be picklable. ``seconds`` count from the start of the work;
    ``megabytes`` limit the process's whole address space. Starting it takes some 0.4 s.
    """
    # spawn: ours may have threads, and a fork would copy their locks
    context = multiprocessing.get_context("spawn")
    with ProcessPool(
        max_workers=1, context=context, initializer=_limit_memory, initargs=(megabytes,)
    ) as pool:
        try:
            result: T = pool.schedule(function, args=values, timeout=seconds).result()
        except (FutureTimeoutError, ProcessExpired, MemoryError):
            return None
        except Exception:  # others' code on anybody's bytes: whatever breaks, nothing was read
            return None
    return result


def _limit_memory(megabytes: int) -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * _MEGABYTE, most))
