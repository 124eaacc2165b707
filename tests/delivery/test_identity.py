"""Who a worker is, and whether it is still there."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from pipeline.delivery.identity import is_dead, worker_name
from tests.delivery.mailings import START

ROOT = Path(__file__).parents[2]
SAY = (
    "from pipeline.delivery.identity import worker_name; print(worker_name(), flush=True); input()"
)


def test_no_two_workers_have_the_same_name() -> None:
    assert worker_name() != worker_name()


def test_here_the_process_says_whether_it_lives_whatever_the_lease() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SAY],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        long_ago, far = START - timedelta(days=9), START + timedelta(days=9)
        assert not is_dead(name, lease_until=long_ago, now=START)
        process.kill()
        process.wait()
        assert is_dead(name, lease_until=far, now=START)


def test_another_process_with_its_number_is_not_taken_for_it() -> None:
    machine, _, rest = worker_name().partition("//")
    pid, began, token = rest.split("/")
    assert not is_dead(f"{machine}//{pid}/{began}/{token}", lease_until=None, now=START)
    assert is_dead(f"{machine}//{pid}/{int(began) - 1}/{token}", lease_until=None, now=START)


def test_of_another_machine_start_or_container_only_the_lease_is_known() -> None:
    machine, _, rest = worker_name().partition("//")
    host, start, namespace = machine.split("|")
    for other in (f"x|{start}|{namespace}", f"{host}|x|{namespace}", f"{host}|{start}|x"):
        name = f"{other}//{rest}"
        assert not is_dead(name, lease_until=START, now=START)
        assert is_dead(name, lease_until=START, now=START + timedelta(seconds=1))
        assert is_dead(name, lease_until=None, now=START)
