"""How feeds are: failing, silent, moved; with the error said in any language."""

from datetime import timedelta

from sqlalchemy import Engine

from pipeline.veille.health import SILENT_AFTER, list_health
from tests.veille.builders import NOW, rss, rss_item
from tests.veille.pulling import feeds, pull
from tests.veille.server import Answer, Site

LATER = NOW + timedelta(days=1)


def test_a_failing_feed_says_since_when_how_often_and_why(engine: Engine, site: Site) -> None:
    site.answers["/gone"] = Answer(status=410)
    watchlist = feeds(site.url("/gone"), site.put("/good", rss(rss_item())))
    pull(engine, watchlist)
    pull(engine, watchlist, now=LATER)

    bad, good = list_health(engine, [watchlist], now=LATER)

    assert (bad.failing_since, bad.failures, bad.checked_at) == (NOW, 2, LATER)
    assert bad.error is not None
    assert str(bad.error) == (
        f"{site.url('/gone')} is gone for good (410): remove it, or look for its successor"
    )
    assert bad.error.say("fr") != str(bad.error)
    assert site.url("/gone") in bad.error.say("fr")
    assert (good.is_well, bad.is_well) == (True, False)
    assert (good.watchlist, good.feed) == ("Presse", watchlist.feeds[1])


def test_a_feed_that_brings_nothing_new_for_long_is_silent_since_its_last_news(
    engine: Engine, site: Site
) -> None:
    watchlist = feeds(site.put("/f", rss(rss_item())))
    pull(engine, watchlist)
    site.put("/f", rss(rss_item(title="Autre titre")))
    pull(engine, watchlist, now=LATER)

    (one,) = list_health(engine, [watchlist], now=NOW + SILENT_AFTER)
    assert one.silent_since is None
    (one,) = list_health(engine, [watchlist], now=NOW + SILENT_AFTER + timedelta(seconds=1))
    assert one.silent_since == NOW

    site.put("/f", rss(rss_item("https://revue.example/neuf")))
    pull(engine, watchlist, now=NOW + SILENT_AFTER)
    (one,) = list_health(engine, [watchlist], now=NOW + SILENT_AFTER + timedelta(seconds=1))
    assert one.silent_since is None


def test_a_feed_that_never_held_anything_is_silent_since_it_first_answered(
    engine: Engine, site: Site
) -> None:
    watchlist = feeds(site.put("/f", rss()))
    pull(engine, watchlist)

    (one,) = list_health(engine, [watchlist], now=NOW + SILENT_AFTER + timedelta(days=1))

    assert (one.silent_since, one.error) == (NOW, None)


def test_a_feed_that_moved_says_whereto(engine: Engine, site: Site) -> None:
    site.put("/new", rss(rss_item()))
    site.answers["/old"] = Answer(status=301, headers={"Location": "/new"})
    watchlist = feeds(site.url("/old"))
    pull(engine, watchlist)

    (one,) = list_health(engine, [watchlist], now=NOW)

    assert (one.moved_to, one.is_well) == (site.url("/new"), False)


def test_a_feed_that_was_never_pulled_is_known_by_nothing(engine: Engine) -> None:
    (one,) = list_health(engine, [feeds("https://a.example/f")], now=NOW)

    assert (one.checked_at, one.next_at, one.error, one.is_well) == (None, None, None, True)
