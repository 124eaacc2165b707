"""What a worker does for the veille: pulls what is due and no more, stops at once, keeps order."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, func, select

from pipeline.errors import InfolettreError, InputError, MistakesError
from pipeline.store.engine import reading
from pipeline.store.entries import entry, feed
from pipeline.veille import triage
from pipeline.veille.due import Puller, Upkeep, pull_due
from pipeline.veille.entries import put_page
from pipeline.veille.pull import Report
from pipeline.workspace import Workspace
from tests.veille.builders import (
    a_workspace,
    an_entry,
    on_loopback,
    opml,
    rss,
    rss_item,
    watchlist,
)
from tests.veille.server import Answer, Site

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    folder = tmp_path / "atelier"
    folder.mkdir()
    return a_workspace(folder)


def follow(workspace: Workspace, *urls: str) -> None:
    workspace.watchlists.write_bytes(opml(watchlist("Essai", *urls)))


def pull(
    engine: Engine,
    workspace: Workspace,
    *,
    now: datetime = NOW,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Report | None:
    return pull_due(
        engine,
        workspace,
        clock=lambda: now,
        rng=Random(1),
        worker="test",
        is_stopped=is_stopped,
    )


def count(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(entry)) or 0


# --- what is due ------------------------------------------------------------------------------


def test_without_watchlists_there_is_nothing_to_pull(engine: Engine, workspace: Workspace) -> None:
    assert pull(engine, workspace) is None


def test_a_feed_is_pulled_when_its_time_has_come_and_not_before(
    engine: Engine, workspace: Workspace, site: Site
) -> None:
    follow(workspace, site.put("/a.xml", rss(rss_item()), content_type="application/rss+xml"))
    report = pull(engine, workspace)
    assert report is not None
    assert (report.new, len(report.failed), count(engine)) == (1, 0, 1)
    assert pull(engine, workspace, now=NOW + timedelta(minutes=5)) is None
    assert site.paths() == ["/a.xml"]
    again = pull(engine, workspace, now=NOW + timedelta(hours=3))
    assert again is not None
    assert again.new == 0
    assert site.paths() == ["/a.xml"] * 2


def test_a_feed_that_is_new_in_the_file_is_due_at_once(
    engine: Engine, workspace: Workspace, site: Site
) -> None:
    first = site.put("/a.xml", rss(rss_item()))
    follow(workspace, first)
    pull(engine, workspace)
    follow(workspace, first, site.put("/b.xml", rss(rss_item("https://b.example/1"))))
    report = pull(engine, workspace, now=NOW + timedelta(minutes=1))
    assert report is not None
    assert site.paths() == ["/a.xml", "/b.xml"]


def test_watchlists_with_a_mistake_are_an_error_to_tell(
    engine: Engine, workspace: Workspace
) -> None:
    workspace.watchlists.write_text("<opml><body><outline xmlUrl='ftp://x'/></body></opml>")
    with pytest.raises(MistakesError):
        pull(engine, workspace)


def test_a_stopped_pull_takes_no_feed(engine: Engine, workspace: Workspace, site: Site) -> None:
    follow(workspace, site.put("/a.xml", rss(rss_item())))
    assert pull(engine, workspace, is_stopped=lambda: True) is None
    assert site.paths() == []


def test_a_pull_that_is_stopped_ends_at_once_and_lets_go_of_its_feeds(
    engine: Engine, tmp_path: Path, site: Site
) -> None:
    (tmp_path / "other").mkdir()
    workspace = a_workspace(tmp_path / "other", on_loopback(timeout=5.0, concurrency=1))
    stopped, asked = threading.Event(), threading.Event()

    def stall(headers: object) -> Answer:
        asked.set()
        return Answer(body=rss(rss_item()), drip=0.2)

    site.answers["/slow.xml"] = stall
    urls = [site.put(f"/{n}.xml", rss(rss_item(f"https://x.example/{n}"))) for n in range(3)]
    follow(workspace, site.url("/slow.xml"), *urls)
    found: list[Report | None] = []
    thread = threading.Thread(
        target=lambda: found.append(pull(engine, workspace, is_stopped=stopped.is_set))
    )
    thread.start()
    assert asked.wait(10)
    began = time.monotonic()
    stopped.set()
    thread.join(20)
    assert time.monotonic() - began < 3  # the feed would take longer, and has 5 s
    (report,) = found
    assert report is not None
    assert [one.is_skipped for one in report.outcomes] == [True] * 4
    with reading(engine) as connection:
        assert connection.scalars(select(feed.c.claimed_by)).all() == [""] * 4
    site.put("/slow.xml", rss())
    later = pull(engine, workspace, now=NOW + timedelta(minutes=1))
    assert later is not None
    assert count(engine) == 3


# --- the thread -------------------------------------------------------------------------------


class Heard:
    """What a puller tells, and when it has told something."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.troubles: list[InfolettreError] = []

    def puller(self, pull: Callable[[Callable[[], bool]], Report | None]) -> Puller:
        return Puller(pull, on_report=self.reports.append, on_trouble=self.troubles.append)


def test_a_puller_tells_what_came_and_has_one_pull_at_a_time() -> None:
    heard, going, calls = Heard(), threading.Event(), list[int]()

    def pull(is_stopped: Callable[[], bool]) -> Report:
        calls.append(1)
        assert going.wait(10)
        return Report()

    with heard.puller(pull) as puller:
        puller.begin()
        puller.begin()
        assert not puller.wait(0.01)
        going.set()
        assert puller.wait(10)
        puller.begin()
        assert puller.wait(10)
    assert (len(calls), heard.reports) == (2, [Report(), Report()])


def test_where_nothing_was_due_nothing_is_told() -> None:
    heard = Heard()
    with heard.puller(lambda is_stopped: None) as puller:
        puller.begin()
        assert puller.wait(10)
    assert heard.reports == []


def test_a_pull_that_fails_is_told_and_the_next_one_is_made() -> None:
    heard = Heard()

    def pull(is_stopped: Callable[[], bool]) -> Report:
        if not heard.troubles:
            raise InputError("the watchlists have a mistake")
        return Report()

    with heard.puller(pull) as puller:
        for _ in range(2):
            puller.begin()
            assert puller.wait(10)
    assert [str(one) for one in heard.troubles] == ["the watchlists have a mistake"]
    assert len(heard.reports) == 1


def test_leaving_stops_the_pull_under_way_and_begins_no_other() -> None:
    heard, seen = Heard(), list[bool]()

    def pull(is_stopped: Callable[[], bool]) -> None:
        while not is_stopped():
            time.sleep(0.01)
        seen.append(True)

    with heard.puller(pull) as puller:
        puller.begin()
    assert seen == [True]
    puller.begin()
    assert puller.wait(0)
    assert seen == [True]


def test_who_waits_for_a_pull_may_leave_it_alone() -> None:
    heard = Heard()

    def pull(is_stopped: Callable[[], bool]) -> None:
        while not is_stopped():
            time.sleep(0.01)

    with heard.puller(pull) as puller:
        puller.begin_and_wait(lambda: True)
        assert not puller.wait(0)


# --- order ------------------------------------------------------------------------------------


def old(engine: Engine, name: str) -> str:
    page = an_entry(f"https://x.example/{name}", seen_at=NOW - timedelta(days=400), feed_url="")
    return put_page(engine, page, by="", now=NOW - timedelta(days=400)).entry.id


def test_what_is_old_is_erased_once_a_day_and_what_is_kept_never(engine: Engine) -> None:
    upkeep = Upkeep(engine=engine, keep_days=180)
    old(engine, "a")
    triage.keep(engine, [old(engine, "kept")], by="Ada", now=NOW)
    upkeep.do(NOW)
    assert count(engine) == 1
    old(engine, "b")
    upkeep.do(NOW + timedelta(hours=23))
    assert count(engine) == 2
    upkeep.do(NOW + timedelta(hours=24))
    assert count(engine) == 1
