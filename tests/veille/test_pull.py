"""A pull over a real server: new, unchanged, failing."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import InputError
from pipeline.veille.pull import FeedOutcome, Report, pull
from pipeline.veille.shelf import Shelf
from pipeline.veille.watchlists import Feed, Watchlist
from tests.veille.builders import NOW, on_loopback, rss, rss_item
from tests.veille.server import Answer, Site


def feeds(*urls: str, title: str = "Presse") -> Watchlist:
    return Watchlist(
        title=title, feeds=tuple(Feed(title=f"Flux {url[-2:]}", url=url) for url in urls)
    )


def run(shelf: Shelf, *watchlists: Watchlist, now: Any = NOW, **settings: Any) -> Report:
    report = pull(watchlists, shelf, settings=on_loopback(**settings), now=now)
    report.record(shelf)
    return report


def test_rss_atom_and_json_are_pulled_and_put_on_the_shelf(site: Site) -> None:
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
    shelf = Shelf()

    report = run(shelf, feeds(*urls))

    assert report.new == 3
    assert report.failed == ()
    assert {entry.title for entry in shelf.entries.values()} == {"Des communs", "B", "C"}
    assert {entry.watchlist for entry in shelf.entries.values()} == {"Presse"}
    assert {entry.source for entry in shelf.entries.values()} == {"Flux /a", "Flux /b", "Flux /c"}
    assert [entry.feed_url for entry in shelf.entries.values()] == urls


def test_a_second_pull_asks_whether_anything_changed(site: Site) -> None:
    def answer(headers: Mapping[str, str]) -> Answer:
        if headers.get("If-None-Match") == '"1"':
            return Answer(status=304, headers={"ETag": '"1"'})
        return Answer(body=rss(rss_item()), headers={"ETag": '"1"'})

    site.answers["/f"] = answer
    shelf = Shelf()
    run(shelf, feeds(site.url("/f")))

    (outcome,) = run(shelf, feeds(site.url("/f")), now=NOW + timedelta(hours=1)).outcomes

    assert outcome.is_unchanged
    assert outcome.changes.new == ()
    assert outcome.state.checked_at == NOW + timedelta(hours=1)
    assert len(shelf.entries) == 1


def test_a_body_that_is_byte_for_byte_the_same_is_not_parsed_again(site: Site) -> None:
    url = site.put("/f", rss(rss_item()))
    shelf = Shelf()
    run(shelf, feeds(url))

    (outcome,) = run(shelf, feeds(url)).outcomes

    assert outcome.is_unchanged


def test_a_new_title_changes_the_entry(site: Site) -> None:
    shelf = Shelf()
    run(shelf, feeds(site.put("/f", rss(rss_item(title="Un")))))

    report = run(
        shelf, feeds(site.put("/f", rss(rss_item(title="Deux")))), now=NOW + timedelta(days=1)
    )

    assert (report.new, report.changed) == (0, 1)
    (entry,) = shelf.entries.values()
    assert (entry.title, entry.seen_at) == ("Deux", NOW)


def test_one_bad_feed_is_one_outcome_and_never_a_stop(site: Site) -> None:
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

    report = run(Shelf(), feeds(*urls), timeout=0.4, max_bytes=50_000)

    assert report.new == 1
    assert [outcome.feed.url for outcome in report.outcomes] == urls
    said = [str(outcome.error) for outcome in report.failed]
    expected = ["gone", "does not exist", "web page", "nothing", "larger", "within", "private"]
    assert len(said) == len(expected)
    assert all(word in one for word, one in zip(expected, said, strict=True))


def test_a_failing_feed_is_known_since_when_and_until_it_works_again(site: Site) -> None:
    shelf, later, url = Shelf(), NOW + timedelta(days=1), site.url("/f")
    run(shelf, feeds(url))
    run(shelf, feeds(url), now=later)

    state = shelf.feeds[url]
    assert (state.failing_since, state.checked_at) == (NOW, later)
    assert "404" in state.last_error

    site.put("/f", rss(rss_item()))
    run(shelf, feeds(url), now=later)
    assert (shelf.feeds[url].failing_since, shelf.feeds[url].last_error) == (None, "")


def test_a_feed_that_cannot_be_read_is_read_again_though_its_bytes_are_the_same(site: Site) -> None:
    url = site.put("/f", "<html>", ETag='"1"')
    shelf = Shelf()
    run(shelf, feeds(url))

    (outcome,) = run(shelf, feeds(url)).outcomes

    assert outcome.error is not None
    assert "If-None-Match" not in site.requests[1][1]


def test_a_server_that_asks_to_be_left_alone_is_left_alone(site: Site) -> None:
    site.answers["/f"] = Answer(status=429, headers={"Retry-After": "600"})
    shelf, watchlist = Shelf(), feeds(site.url("/f"))
    run(shelf, watchlist)

    (soon,) = run(shelf, watchlist, now=NOW + timedelta(minutes=9)).outcomes
    assert soon.is_skipped
    assert len(site.requests) == 1

    (later,) = run(shelf, watchlist, now=NOW + timedelta(minutes=11)).outcomes
    assert not later.is_skipped
    assert len(site.requests) == 2


def test_one_article_in_two_feeds_is_one_entry_of_the_first(site: Site) -> None:
    site.answers["/a"] = Answer(body=rss(rss_item("https://x.example/1?utm_source=a")), drip=0.0005)
    second = site.put("/b", rss(rss_item("http://www.x.example/1")))
    shelf = Shelf()

    report = run(shelf, feeds(site.url("/a")), feeds(second, title="Ailleurs"))

    assert report.new == 1
    (entry,) = shelf.entries.values()
    assert (entry.watchlist, entry.url) == ("Presse", "https://x.example/1?utm_source=a")


def test_a_feed_in_two_watchlists_is_fetched_once_for_the_first(site: Site) -> None:
    url = site.put("/f", rss(rss_item()))
    shelf = Shelf()

    report = run(shelf, feeds(url), feeds(url, title="Ailleurs"))

    assert len(report.outcomes) == len(site.requests) == 1
    assert {entry.watchlist for entry in shelf.entries.values()} == {"Presse"}


def test_a_moved_feed_keeps_its_address_in_the_watchlist_and_is_reported(site: Site) -> None:
    site.put("/new", rss(rss_item()))
    site.answers["/old"] = Answer(status=301, headers={"Location": "/new"})
    shelf = Shelf()

    (outcome,) = run(shelf, feeds(site.url("/old"))).outcomes

    assert outcome.moved_to == site.url("/new")
    assert {entry.feed_url for entry in shelf.entries.values()} == {site.url("/old")}


def test_entries_that_lead_nowhere_are_counted(site: Site) -> None:
    url = site.put("/f", rss(rss_item("javascript:alert(1)"), rss_item()))

    (outcome,) = run(Shelf(), feeds(url)).outcomes

    assert (len(outcome.changes.new), outcome.dropped) == (1, 1)


def test_each_feed_is_told_in_the_order_of_the_watchlists(site: Site) -> None:
    site.answers["/1"] = Answer(body=rss(), drip=0.001)
    urls = [site.url("/1"), site.put("/2", rss()), site.url("/3")]
    told: list[FeedOutcome] = []

    report = pull([feeds(*urls)], Shelf(), settings=on_loopback(), now=NOW, on_feed=told.append)

    assert [outcome.feed.url for outcome in told] == urls
    assert tuple(told) == report.outcomes


def test_a_fault_in_the_settings_stops_the_pull() -> None:
    with pytest.raises(InputError, match="is no network"):
        run(Shelf(), feeds("https://a.example/"), allow_private=("bureau",))


def test_no_watchlist_is_no_work() -> None:
    assert run(Shelf()) == Report()
