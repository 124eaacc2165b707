"""From a feed on the web to an item of a letter that was sent, with the command alone."""

import difflib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from pipeline.store.engine import reading
from pipeline.store.upgrade import open_store
from tests.cli.feeds import FEED, HERE, OPML, feeding, write_lists, write_rules
from tests.delivery.mailings import add_people
from tests.delivery.workers import shared, until
from tests.journeys.test_sending import by_smtp
from tests.journeys.workshop import COMMAND, NEWEST, Done, copy_workspace, run
from tests.servers import smtp_server
from tests.veille.server import Answer, Site

__all__ = ["shared"]

PATIENCE = 60.0  # seconds for a line of a worker's diary


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = copy_workspace(tmp_path / "cercle", NEWEST)
    (folder / "watchlists.opml").unlink()
    write_rules(folder)
    return folder


@pytest.fixture
def site() -> Iterator[Site]:
    with feeding() as found:
        yield found


def do(folder: Path, *arguments: str, code: int = 0, **environ: str) -> Done:
    done = run(folder, *arguments, **HERE | environ)
    assert "Traceback" not in done.err
    assert done.code == code, done.err
    return done


def told(folder: Path, *arguments: str, **environ: str) -> Any:
    return json.loads(run(folder, *arguments, "--json", **HERE | environ).out)


def take_in(folder: Path, site: Site) -> Done:
    return do(folder, "veille", "import", str(write_lists(folder, site)))


def find(folder: Path, title: str, *arguments: str) -> dict[str, Any]:
    listed = told(folder, "veille", "list", *arguments)
    found: dict[str, Any] = next(one for one in listed if one["title"] == title)
    return found


def added_lines(before: list[str], after: list[str]) -> str:
    """Return what is new; fail where anything else moved."""
    changes = difflib.SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes()
    assert {kind for kind, *_ in changes} == {"equal", "insert"}
    return "\n".join(
        line for kind, _, _, i, j in changes if kind == "insert" for line in after[i:j]
    )


def test_an_entry_goes_from_a_list_of_feeds_into_a_letter_that_is_sent(
    workspace: Path, site: Site
) -> None:
    file = workspace / "issues" / NEWEST / "issue.yaml"
    before = file.read_text().splitlines()

    imported = take_in(workspace, site)
    assert "3 feeds are new" in imported.out
    assert "line 1" in imported.err  # the & that was mended

    pulled = do(workspace, "veille", "pull")
    assert "✓ La Revue: " in pulled.out
    assert "Feeds: 3 · new entries: 3 · out of reach: 1" in pulled.out
    assert "✗ Partie" in pulled.err

    listed = told(workspace, "veille", "list")
    assert {one["title"] for one in listed} == {"Le café qui éteint", "Deux cafés"}
    chosen = find(workspace, "Le café qui éteint")
    assert chosen["tags"] == ["café"]
    assert {chosen["source"], *chosen["also_in"]} == {"La Revue", "Le Relais"}
    sponsored = find(workspace, "Un article sponsorisé", "--state", "discarded")
    assert sponsored["rule"] == "sponsors"

    short = chosen["id"][:8]
    do(workspace, "veille", "note", short, "Le café du jour, *éteint*.")
    kept = do(workspace, "veille", "keep", short, "--issue", NEWEST)
    assert "“Le café qui éteint” is now in" in kept.out
    added = added_lines(before, file.read_text().splitlines())
    assert "- title: Le café qui éteint" in added
    assert "Le café du jour, *éteint*." in added
    assert "utm_source" not in added
    do(workspace, "validate", NEWEST)
    again = do(workspace, "veille", "keep", short, "--issue", NEWEST, code=1)
    assert "letter already" in again.err

    subscribe(workspace)
    do(workspace, "send", NEWEST, "--to", "all", "--yes")  # into the outbox: a rehearsal
    find(workspace, "Le café qui éteint", "--state", "written")
    with smtp_server() as server:
        sent = run(workspace, "send", NEWEST, "--to", "all", "--yes", **HERE | by_smtp(server))
        assert (sent.code, len(server.taken)) == (0, 2), sent.err
    assert find(workspace, "Le café qui éteint", "--state", "published")["issue"] == NEWEST
    assert "published" in do(workspace, "veille", "history", short).out

    report = told(workspace, "veille", "report")
    (one,) = report["kept"]
    assert (one["title"], one["by"], one["tags"]) == ("Le café qui éteint", "Ada", ["café"])
    assert one["note"] == "Le café du jour, *éteint*."
    assert report["letters"] == [{"issue": NEWEST, "ids": [chosen["id"]]}]
    assert [feed["title"] for feed in report["feeds"]] == ["Partie"]
    spoken = do(workspace, "veille", "report").out
    assert f"All of it comes from one source, {chosen['source']}." in spoken
    assert "Partie" in spoken


# --- the worker -------------------------------------------------------------------------------


def test_a_worker_pulls_once_what_is_due_and_says_so(workspace: Path, site: Site) -> None:
    take_in(workspace, site)
    first = do(workspace, "worker", "--once")
    assert "Veille. Feeds: 3 · new entries: 3 · out of reach: 1" in first.out
    asked = len(site.requests)
    second = do(workspace, "worker", "--once")
    assert "Veille" not in second.out
    assert len(site.requests) == asked


def test_a_worker_without_watchlists_has_nothing_to_pull(workspace: Path) -> None:
    done = do(workspace, "worker", "--once")
    assert (done.out, done.err) == ("", "")


@contextmanager
def worker(folder: Path, **environ: str) -> Iterator["subprocess.Popen[str]"]:
    """Let a worker run until the block ends, at the latest."""
    base = {name: text for name, text in os.environ.items() if not name.startswith("INFOLETTRE_")}
    process = subprocess.Popen(
        [COMMAND, "worker"],
        cwd=folder,
        env=base | HERE | environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def says(process: "subprocess.Popen[str]", part: str) -> None:
    """Wait for a line of a worker's diary."""
    assert process.stdout is not None
    alarm = threading.Timer(PATIENCE, process.kill)
    alarm.start()
    try:
        for line in process.stdout:
            if part in line:
                return
    finally:
        alarm.cancel()
    raise AssertionError(f"it never said {part!r}")


def stop(process: "subprocess.Popen[str]") -> float:
    """Send SIGTERM; return how many seconds the end took."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    return time.monotonic() - began


def subscribe(folder: Path, url: str = "sqlite:///var/infolettre.db") -> None:
    engine = open_store(url, folder)
    add_people(engine, 2)
    engine.dispose()


def stalling(site: Site) -> threading.Event:
    """Let a feed of the site answer a byte at a time; return what says that it was asked."""
    asked = threading.Event()

    def stall(headers: object) -> Answer:
        asked.set()
        return Answer(body=FEED.encode(), drip=0.5)

    site.answers["/gone.xml"] = stall
    return asked


def test_watchlists_with_a_mistake_keep_no_letter_back(workspace: Path) -> None:
    (workspace / "watchlists.opml").write_text(OPML.replace("Partie", 'P" interval="soon'))
    subscribe(workspace)
    with worker(workspace) as process:
        says(process, "watchlists.opml")
        do(workspace, "send", NEWEST, "--to", "all", "--yes")
        says(process, "is done")
        assert stop(process) < 5


def test_a_letter_leaves_while_a_pull_is_under_way_and_a_stop_takes_seconds(
    workspace: Path, site: Site
) -> None:
    take_in(workspace, site)
    asked = stalling(site)
    subscribe(workspace)
    with worker(workspace) as process:
        assert asked.wait(30)
        do(workspace, "send", NEWEST, "--to", "all", "--yes")
        says(process, "is done")
        assert stop(process) < 8
    assert len(told(workspace, "veille", "list")) == 2  # what came before the stop is there
    site.put("/gone.xml", FEED.format(site=site.url("/other")))
    del site.answers["/gone.xml"]
    done = do(workspace, "veille", "pull")  # nothing is claimed by the dead for long
    assert "Feeds:" in done.out


def test_on_postgresql_two_workers_pull_each_feed_once(
    shared: Engine, workspace: Path, site: Site
) -> None:
    url = shared.url.render_as_string(hide_password=False)
    take_in(workspace, site)
    here = {"INFOLETTRE_DATABASE__URL": url}
    with worker(workspace, **here) as one, worker(workspace, **here) as other:
        until(lambda: len(site.requests) >= 3, seconds=90)
        until(lambda: pulls_of(shared) == [])
        assert (stop(one) < 8, stop(other) < 8) == (True, True)
    assert sorted(site.paths()) == ["/feed.xml", "/gone.xml", "/relais.atom"]
    assert len(told(workspace, "veille", "list", INFOLETTRE_DATABASE__URL=url)) == 2


def test_on_postgresql_batches_leave_beside_a_pull(
    shared: Engine, workspace: Path, site: Site
) -> None:
    url = shared.url.render_as_string(hide_password=False)
    take_in(workspace, site)
    asked = stalling(site)
    subscribe(workspace, url)
    with worker(workspace, INFOLETTRE_DATABASE__URL=url) as process:
        assert asked.wait(70)
        do(workspace, "send", NEWEST, "--to", "all", "--yes", INFOLETTRE_DATABASE__URL=url)
        assert stop(process) < 8
    assert pulls_of(shared) == []


def pulls_of(engine: Engine) -> list[str]:
    """Return the states of the jobs that pull."""
    query = text("SELECT status FROM jobs.procrastinate_jobs WHERE task_name = 'pull'")
    with reading(engine) as connection:
        return list(connection.scalars(query))
