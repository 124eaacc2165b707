"""Who a worker is, and whether it is still there."""

import subprocess
import sys
from pathlib import Path

from pipeline.delivery.identity import is_dead, worker_name

ROOT = Path(__file__).parents[2]
SAY = (
    "from pipeline.delivery.identity import worker_name; print(worker_name(), flush=True); input()"
)


def test_no_two_workers_have_the_same_name() -> None:
    assert worker_name() != worker_name()


def test_here_the_process_says_whether_it_lives() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SAY],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert is_dead(name) is False
        process.kill()
        process.wait()
        assert is_dead(name) is True


def test_another_process_with_its_number_is_not_taken_for_it() -> None:
    machine, _, rest = worker_name().partition("//")
    pid, began, token = rest.split("/")
    assert is_dead(f"{machine}//{pid}/{began}/{token}") is False
    assert is_dead(f"{machine}//{pid}/{int(began) - 1}/{token}") is True


def test_of_another_machine_start_or_container_nothing_is_known() -> None:
    machine, _, rest = worker_name().partition("//")
    host, start, namespace = machine.split("|")
    for other in (f"x|{start}|{namespace}", f"{host}|x|{namespace}", f"{host}|{start}|x"):
        name = f"{other}//{rest}"
        assert is_dead(name) is None
