"""A pull over a real server into a real database: new, unchanged, failing, claimed, moved."""

import json
import multiprocessing
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from pipeline.errors import InputError, WorldError
from pipeline.store.engine import open_engine, reading, writing
from pipeline.store.entries import entry, feed
from pipeline.veille.claims import LEASE, claim_feeds, extend_claims, feeds_once, release_claims
from pipeline.veille.pull import FeedOutcome, Report, next_due
from pipeline.veille.watchlists import Feed, Watchlist
from tests.veille.builders import NOW, rss, rss_item
from tests.veille.pulling import brought, entries, feed_row, feeds, only, pull
from tests.veille.server import Answer, Site, serving

LATER = NOW + timedelta(hours=2)


def test_rss_atom_and_json_are_pulled_and_stored(engine: Engine, site: Site) -> None:
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>B</title><link href="https://b.example/"/></entry></feed>'
    body = {
        "version": "https://jsonfeed.org/version/1",
        "items": [{"url": "https://c.example/", "title": "C"}],
    }
    urls = [
        site.put("/a", rss(rss_item()), Content_Type="application/rss+xml"),
        site.put("/b", atom, Content_Type="application/atom+xml"),
        site.put("/c", json.dumps(body), Content_Type="application/feed+json"),
    ]

    report = pull(engine, feeds(*urls))

    found = entries(engine)
    assert (report.new, report.failed) == (3, ())
    assert {row.title for row in found} == {"Des communs", "B", "C"}
    assert {row.source for row in found} == {"Flux /a", "Flux /b", "Flux /c"}
    assert {(row.watchlist, row.state, row.seen_at) for row in found} == {("Presse", "new", NOW)}
    assert {(row.id, row.feed_id) for row in found} == brought(engine)


def test_a_second_pull_asks_whether_anything_changed(engine: Engine, site: Site) -> None:
    def answer(headers: Mapping[str, str]) -> Answer:
        if headers.get("If-None-Match") == '"1"':
            return Answer(status=304, headers={"ETag": '"1"'})
        return Answer(body=rss(rss_item()), headers={"ETag": '"1"'})

    site.answers["/f"] = answer
    pull(engine, feeds(site.url("/f")))

    outcome = only(pull(engine, feeds(site.url("/f")), now=LATER))

    row = feed_row(engine)
    assert outcome.is_unchanged
    assert (outcome.new, outcome.changed, len(entries(engine))) == (0, 0, 1)
    assert (row.checked_at, row.answered_at, row.parsed_at) == (LATER, LATER, NOW)


def test_a_body_that_is_byte_for_byte_the_same_is_not_parsed_again(
    engine: Engine, site: Site
) -> None:
    url = site.put("/f", rss(rss_item()))
    pull(engine, feeds(url))

    assert only(pull(engine, feeds(url), now=LATER)).is_unchanged
    assert feed_row(engine).parsed_at == NOW


def test_processes_start_only_when_there_is_something_to_parse(engine: Engine, site: Site) -> None:
    watchlist = feeds(site.put("/f", rss(rss_item())))
    alive: list[int] = []

    def count(outcome: FeedOutcome) -> None:
        alive.append(len(multiprocessing.active_children()))

    pull(engine, watchlist, on_feed=count)
    pull(engine, watchlist, on_feed=count, now=LATER)

    assert alive == [1, 0]


def test_one_bad_feed_is_one_outcome_and_never_a_stop(engine: Engine, site: Site) -> None:
    site.answers["/gone"] = Answer(status=410)
    site.answers["/slow"] = Answer(body=b"x" * 50, drip=0.05)
    urls = [
        site.url("/gone"),
        site.url("/missing"),
        site.put("/html", "<html><title>x</title>"),
        site.put("/empty", ""),
        site.put("/large", b"x" * 60_000),
        site.url("/slow"),
        "http://10.0.0.1/f",
        site.put("/good", rss(rss_item())),
    ]

    report = pull(engine, feeds(*urls), timeout=0.4, max_bytes=50_000)

    assert report.new == 1
    assert [outcome.feed.url for outcome in report.outcomes] == urls
    said = [str(outcome.error) for outcome in report.failed]
    expected = ["gone", "does not exist", "web page", "nothing", "larger", "within", "private"]
    assert len(said) == len(expected)
    assert all(word in one for word, one in zip(expected, said, strict=True))


def test_a_feed_has_a_limit_of_its_own(engine: Engine, site: Site) -> None:
    url = site.put("/f", rss(rss_item(description="x" * 5_000)))

    small = only(pull(engine, feeds(url, max_bytes=1_000)))
    large = only(pull(engine, feeds(url, max_bytes=50_000), max_bytes=1_000, now=LATER))

    assert "larger than 1000 bytes" in str(small.error)
    assert large.new == 1


def test_a_failing_feed_is_asked_less_and_less_often_until_it_works_again(
    engine: Engine, site: Site
) -> None:
    url, now, pauses = site.url("/f"), NOW, []
    for _ in range(3):
        pull(engine, feeds(url), now=now)
        row = feed_row(engine)
        pauses.append((row.next_at - now).total_seconds() / 3600)
        now = row.next_at
    assert (row.failing_since, row.failures) == (NOW, 3)
    assert "404" in row.error["message"]
    assert all(0.9 <= pause / hours <= 1.1 for pause, hours in zip(pauses, (2, 4, 8), strict=True))

    site.put("/f", rss(rss_item()))
    pull(engine, feeds(url), now=now)

    row = feed_row(engine)
    assert (row.failing_since, row.failures, row.error) == (None, 0, None)


def test_a_feed_that_cannot_be_read_is_read_again_though_its_bytes_are_the_same(
    engine: Engine, site: Site
) -> None:
    url = site.put("/f", "<html>", ETag='"1"')
    pull(engine, feeds(url))

    assert only(pull(engine, feeds(url), now=LATER)).error is not None
    assert "If-None-Match" not in site.requests[1][1]


def test_a_server_that_asks_to_be_left_alone_is_left_alone_also_by_hand(
    engine: Engine, site: Site
) -> None:
    site.answers["/f"] = Answer(status=429, headers={"Retry-After": "600"})
    watchlist = feeds(site.url("/f"))
    pull(engine, watchlist)

    assert only(pull(engine, watchlist, now=NOW + timedelta(minutes=9))).is_skipped
    assert len(site.requests) == 1
    assert not only(pull(engine, watchlist, now=NOW + timedelta(minutes=11))).is_skipped
    assert len(site.requests) == 2


def test_a_feed_is_due_after_its_interval_and_by_hand_at_any_time(
    engine: Engine, site: Site
) -> None:
    watchlist = feeds(site.put("/f", rss(rss_item())), interval=30)
    assert next_due(engine, [watchlist], now=NOW) == NOW
    pull(engine, watchlist, is_due_only=True)

    due = next_due(engine, [watchlist], now=NOW)
    assert due is not None
    assert NOW + timedelta(minutes=27) <= due <= NOW + timedelta(minutes=33)
    soon = only(pull(engine, watchlist, now=due - timedelta(seconds=1), is_due_only=True))
    by_hand = only(pull(engine, watchlist, now=due - timedelta(seconds=1)))
    assert (soon.is_skipped, by_hand.is_skipped) == (True, False)
    assert next_due(engine, [], now=NOW) is None


def test_an_answer_that_holds_longer_than_the_interval_puts_the_next_pull_off(
    engine: Engine, site: Site
) -> None:
    url = site.put("/f", rss(rss_item()), Cache_Control="public, max-age=36000")

    pull(engine, feeds(url))

    assert feed_row(engine).next_at == NOW + timedelta(hours=10)


def test_one_article_in_two_feeds_is_one_entry_of_the_one_that_came_first(
    engine: Engine, site: Site
) -> None:
    first = feeds(site.put("/a", rss(rss_item("https://x.example/1?utm_source=a"))))
    second = feeds(
        site.put("/b", rss(rss_item("http://www.x.example/1", title="Autre"))), title="B"
    )
    pull(engine, first)

    report = pull(engine, first, second, now=LATER)

    (row,) = entries(engine)
    assert (report.new, report.changed) == (0, 0)
    assert (row.watchlist, row.url, row.title) == (
        "Presse",
        "https://x.example/1?utm_source=a",
        "Des communs",
    )
    assert len(brought(engine)) == 2


def test_of_two_feeds_that_are_new_at_once_the_first_in_the_watchlists_is_the_owner(
    engine: Engine, site: Site
) -> None:
    late = rss(rss_item("https://x.example/1"), title="La première")
    site.answers["/late"] = Answer(body=late, drip=0.1 / len(late))
    early = site.put("/early", rss(rss_item("https://x.example/1"), title="La seconde"))

    pull(engine, feeds(site.url("/late"), early))

    with reading(engine) as connection:
        query = select(feed.c.url).join_from(entry, feed)
        assert connection.scalars(query).all() == [site.url("/late")]
    assert len(brought(engine)) == 2


def test_a_feed_in_two_watchlists_is_fetched_once_for_the_first(engine: Engine, site: Site) -> None:
    url = site.put("/f", rss(rss_item()))

    report = pull(engine, feeds(url), feeds(url, title="Ailleurs"))

    assert len(report.outcomes) == len(site.requests) == 1
    assert entries(engine)[0].watchlist == "Presse"


def test_a_feed_that_stands_in_another_watchlist_now_takes_its_entries_along(
    engine: Engine, site: Site
) -> None:
    url = site.put("/f", rss(rss_item()))
    pull(engine, feeds(url))

    pull(engine, feeds(url, title="Ailleurs"), now=LATER)

    assert [row.watchlist for row in entries(engine)] == ["Ailleurs"]
    assert feed_row(engine).watchlist == "Ailleurs"


def test_a_feed_without_a_name_has_the_one_it_gives_itself(engine: Engine, site: Site) -> None:
    url = site.put("/f", rss(rss_item()))
    watchlist = Watchlist(title="Presse", feeds=(Feed(title=url, url=url),))

    pull(engine, watchlist)

    assert (feed_row(engine).title, feed_row(engine).site) == ("La Revue", "https://revue.example/")
    assert entries(engine)[0].source == "La Revue"


def test_entries_that_lead_nowhere_are_counted(engine: Engine, site: Site) -> None:
    url = site.put("/f", rss(rss_item("javascript:alert(1)"), rss_item()))

    outcome = only(pull(engine, feeds(url)))

    assert (outcome.new, outcome.dropped) == (1, 1)


def test_each_feed_is_told_once_and_the_report_is_in_the_order_of_the_watchlists(
    engine: Engine, site: Site
) -> None:
    site.answers["/1"] = Answer(body=rss(), drip=0.001)
    urls = [site.url("/1"), site.put("/2", rss()), site.url("/3")]
    told: list[FeedOutcome] = []

    report = pull(engine, feeds(*urls), on_feed=told.append)

    assert [outcome.feed.url for outcome in report.outcomes] == urls
    assert sorted(told, key=lambda one: one.feed.url) == list(report.outcomes)


def test_a_fault_in_the_settings_stops_the_pull_before_anything_is_claimed(engine: Engine) -> None:
    with pytest.raises(InputError, match="is no network"):
        pull(engine, feeds("https://a.example/"), allow_private=("bureau",))

    assert next_due(engine, [feeds("https://a.example/")], now=NOW) == NOW


def test_what_stops_a_pull_is_raised_as_it_is(engine: Engine, site: Site) -> None:
    def fail(outcome: FeedOutcome) -> None:
        raise WorldError("{a} is full", a="disk")

    with pytest.raises(WorldError, match="disk is full"):
        pull(engine, feeds(site.put("/f", rss(rss_item()))), on_feed=fail)


def test_no_watchlist_is_no_work(engine: Engine) -> None:
    assert pull(engine) == Report()


# --- moves ------------------------------------------------------------------------------------


def test_a_permanent_redirect_is_believed_after_a_week_of_the_same_answer(
    engine: Engine, site: Site
) -> None:
    site.put("/new", rss(rss_item()))
    site.answers["/old"] = Answer(status=301, headers={"Location": "/new"})
    moves: list[tuple[str, str]] = []

    def moved(one: Feed, url: str) -> None:
        moves.append((one.url, url))

    for days in (0, 6):
        now = NOW + timedelta(days=days)
        outcome = only(pull(engine, feeds(site.url("/old")), now=now, on_moved=moved))
    assert (outcome.moved_to, moves) == (site.url("/new"), [])
    pull(engine, feeds(site.url("/old")), now=NOW + timedelta(days=7), on_moved=moved)

    assert moves == [(site.url("/old"), site.url("/new"))]
    assert feed_row(engine).url == site.url("/new")
    assert len(entries(engine)) == 1


def test_a_redirect_that_changes_its_mind_begins_a_new_week(engine: Engine, site: Site) -> None:
    moves: list[str] = []
    for path in ("/a", "/b"):
        site.put(path, rss(rss_item()))
    for days, path in ((0, "/a"), (4, "/b"), (9, "/b")):
        site.answers["/old"] = Answer(status=301, headers={"Location": path})
        pull(
            engine,
            feeds(site.url("/old")),
            now=NOW + timedelta(days=days),
            on_moved=lambda one, url: moves.append(url),
        )

    assert moves == []
    assert feed_row(engine).moved_since == NOW + timedelta(days=4)


def test_a_feed_that_moves_to_one_that_is_followed_hands_over_its_entries(
    engine: Engine, site: Site
) -> None:
    new = site.put("/new", rss(rss_item("https://x.example/2")))
    old = site.put("/old", rss(rss_item("https://x.example/1")))
    pull(engine, feeds(old, new))
    site.answers["/old"] = Answer(status=308, headers={"Location": "/new"})
    for days in (1, 8):
        pull(
            engine, feeds(old, new), now=NOW + timedelta(days=days), on_moved=lambda one, url: None
        )

    row = feed_row(engine)
    assert row.url == new
    assert {one.feed_id for one in entries(engine)} == {row.id}
    assert {feed_id for _, feed_id in brought(engine)} == {row.id}


# --- two at once ------------------------------------------------------------------------------


def _pull_in_process(database: str, urls: list[str], number: int, start: Any, found: Any) -> None:
    engine = open_engine(database, Path("/"))
    start.wait()
    report = pull(engine, feeds(*urls), worker="même nom")
    found.put((number, report.new, sum(one.is_skipped for one in report.outcomes)))
    engine.dispose()


def test_two_processes_at_once_fetch_no_feed_twice_and_store_every_entry_once(
    engine: Engine,
) -> None:
    """Half of the feeds are in both processes' hands, all of them hold one common article."""
    context = multiprocessing.get_context("spawn")
    common = rss_item("https://commun.example/a")
    with serving() as site:
        urls = [
            site.put(f"/{one}", rss(rss_item(f"https://x.example/{one}"), common))
            for one in range(40)
        ]
        start, found = context.Barrier(2), context.Queue()
        database = engine.url.render_as_string(hide_password=False)
        processes = [
            context.Process(target=_pull_in_process, args=(database, some, number, start, found))
            for number, some in enumerate((urls[:30], urls[10:]))
        ]
        for one in processes:
            one.start()
        results = [found.get(timeout=30) for _ in processes]
        for one in processes:
            one.join()

    assert [one.exitcode for one in processes] == [0, 0]
    assert sorted(site.paths()) == sorted(f"/{one}" for one in range(40))
    assert sum(new for _, new, _ in results) == len(entries(engine)) == 41
    assert sum(skipped for _, _, skipped in results) == 20
    assert len(brought(engine)) == 80


def test_what_another_pull_holds_is_left_until_its_lease_ends(engine: Engine, site: Site) -> None:
    watchlist = feeds(site.put("/f", rss(rss_item())))
    listed = feeds_once([watchlist])
    (claim,) = claim_feeds(engine, listed, worker="morte", now=NOW, is_due_only=False)
    assert claim.feed.url == site.url("/f")

    during = only(pull(engine, watchlist, now=NOW + LEASE - timedelta(seconds=1)))
    afterwards = only(pull(engine, watchlist, now=NOW + LEASE))

    assert (during.is_skipped, during.new) == (True, 0)
    assert (afterwards.is_skipped, afterwards.new) == (False, 1)
    assert (feed_row(engine).claimed_by, feed_row(engine).claimed_until) == ("", None)


def test_a_lease_is_kept_and_let_go_of_by_its_holder_alone(engine: Engine) -> None:
    listed = feeds_once([feeds("https://a.example/f")])
    claim_feeds(engine, listed, worker="a", now=NOW, is_due_only=False)

    extend_claims(engine, worker="b", now=LATER)
    release_claims(engine, worker="b")
    assert feed_row(engine).claimed_until == NOW + LEASE
    extend_claims(engine, worker="a", now=LATER)
    assert feed_row(engine).claimed_until == LATER + LEASE
    release_claims(engine, worker="a")
    assert feed_row(engine).claimed_until is None


def test_a_pull_that_lost_its_claim_changes_nothing_of_the_feed(engine: Engine, site: Site) -> None:
    """Another took over meanwhile: what this one knows of the feed is old."""

    def steal(headers: Mapping[str, str]) -> Answer:
        with writing(engine) as connection:
            connection.execute(update(feed).values(claimed_by="autre", etag="neu"))
        return Answer(body=rss(rss_item()), headers={"ETag": '"alt"'})

    site.answers["/f"] = steal
    pull(engine, feeds(site.url("/f")))

    assert (feed_row(engine).claimed_by, feed_row(engine).etag) == ("autre", "neu")


def test_a_pull_that_is_stopped_lets_go_of_its_feeds(engine: Engine, site: Site) -> None:
    def stop(outcome: FeedOutcome) -> None:
        raise KeyboardInterrupt

    site.answers["/slow"] = Answer(body=b"x" * 100, drip=0.05)
    watchlist = feeds(site.put("/f", rss(rss_item())), site.url("/slow"))

    with pytest.raises(KeyboardInterrupt):
        pull(engine, watchlist, on_feed=stop)

    assert {feed_row(engine, one.url).claimed_by for one in watchlist.feeds} == {""}
