"""The figures of a week, read from both databases: what counts when, and by whom."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select, update

from pipeline.store.engine import reading, writing
from pipeline.store.entries import entry, feed
from pipeline.veille import triage
from pipeline.veille.entries import put_page
from pipeline.veille.letter import write_cards
from pipeline.veille.report import Report, Span
from pipeline.veille.states import State
from pipeline.veille.watchlists import Feed, Watchlist
from pipeline.veille.week import read_week
from tests.veille.builders import a_letter, a_workspace, an_entry

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = Span(since=MONDAY, until=MONDAY + timedelta(days=7))
TUESDAY, FRIDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=4)
LAST_WEEK = MONDAY - timedelta(days=3)


def arrive(engine: Engine, name: str, *, at: datetime = TUESDAY, **changes: Any) -> str:
    """Put an entry on the desk as it is when it arrives; return its id."""
    found = an_entry(f"https://revue.example/{name}", title=name, seen_at=at, **changes)
    return put_page(engine, found, by="", now=at).entry.id


def read(engine: Engine, *watchlists: Watchlist) -> Report:
    return read_week(engine, watchlists, WEEK, now=FRIDAY)


def by_rule(engine: Engine, ref: str, name: str) -> None:
    """Let an entry be kept on arrival: a rule writes no event."""
    kept = {"state": State.KEPT.value, "rule": name, "state_by": ""}
    with writing(engine) as connection:
        connection.execute(update(entry).where(entry.c.ref == ref).values(**kept))


def test_what_arrived_is_counted_by_source_and_language(engine: Engine) -> None:
    arrive(engine, "a")
    arrive(engine, "b", language="fr-CA")
    arrive(engine, "c", source="AOC", language="")
    arrive(engine, "before", at=LAST_WEEK)
    arrive(engine, "behind", at=WEEK.until)
    report = read(engine)
    assert report.brought == 3
    assert [(one.name, one.brought) for one in report.sources] == [("La Revue", 2), ("AOC", 1)]
    assert [(one.name, one.brought) for one in report.languages] == [("fr", 2), ("", 1)]


def test_what_a_person_kept_counts_when_they_did_with_their_reasons(engine: Engine) -> None:
    ref = arrive(engine, "a", at=LAST_WEEK)
    triage.keep(engine, [ref], by="Ada", now=TUESDAY)
    triage.tag(engine, [ref], add=["école", "communs"], by="Bob", now=FRIDAY)
    triage.write_note(engine, ref, "À lire !", by="Bob", now=FRIDAY)
    (kept,) = read(engine).kept
    assert (kept.at, kept.by, kept.rule) == (TUESDAY, "Ada", "")
    assert (set(kept.tags), kept.note) == ({"communs", "école"}, "À lire !")


def test_what_a_rule_kept_counts_when_it_arrived(engine: Engine) -> None:
    by_rule(engine, arrive(engine, "a"), "communs")
    by_rule(engine, arrive(engine, "b", at=LAST_WEEK), "communs")
    (kept,) = read(engine).kept
    assert (kept.title, kept.rule, kept.at) == ("a", "communs", TUESDAY)


def test_what_was_kept_last_week_and_written_now_counts_for_the_letter_alone(
    engine: Engine, tmp_path: Path
) -> None:
    workspace = a_workspace(tmp_path / "atelier")
    folder = a_letter(workspace, "2026-11-30-des-cafes")
    old, new = arrive(engine, "old", at=LAST_WEEK), arrive(engine, "new")
    triage.keep(engine, [old], by="Ada", now=LAST_WEEK)
    write_cards(engine, workspace, [old, new], folder, by="Bob", now=FRIDAY)
    report = read(engine)
    assert [(one.title, one.by) for one in report.kept] == [("new", "Bob")]
    (letter,) = report.letters
    assert letter.issue == "2026-11-30-des-cafes"
    assert {one.title for one in letter.choices} == {"old", "new"}


def test_what_was_put_back_and_kept_again_counts_once_from_then(engine: Engine) -> None:
    ref = arrive(engine, "a")
    for act, at in ((triage.keep, 1), (triage.put_back, 2), (triage.keep, 3)):
        act(engine, [ref], by=f"who {at}", now=MONDAY + timedelta(hours=at))
    (kept,) = read(engine).kept
    assert (kept.at, kept.by) == (MONDAY + timedelta(hours=3), "who 3")


def test_what_was_undone_does_not_count(engine: Engine) -> None:
    ref = arrive(engine, "a")
    triage.keep(engine, [ref], by="Ada", now=TUESDAY)
    triage.undo(engine, by="Ada", now=TUESDAY)
    assert read(engine).kept == ()


def test_what_is_discarded_does_not_count(engine: Engine) -> None:
    ref = arrive(engine, "a")
    triage.discard(engine, [ref], by="Ada", now=TUESDAY)
    report = read(engine)
    assert (report.brought, report.kept) == (1, ())


def test_feeds_in_trouble_are_named_with_their_last_error(engine: Engine) -> None:
    watched = Feed(title="Partie", url="https://partie.example/flux.xml")
    error = {"message": "{url} answers {status}", "facts": {"url": watched.url, "status": 404}}
    row = {
        "url": watched.url,
        "checked_at": FRIDAY,
        "failing_since": TUESDAY,
        "failures": 40,
        "error": error,
    }
    with writing(engine) as connection:
        connection.execute(insert(feed).values(**row))
    well = Feed(title="La Revue", url="https://revue.example/flux.xml")
    (trouble,) = read(engine, Watchlist(title="Essai", feeds=(watched, well))).feeds
    assert (trouble.title, trouble.watchlist) == ("Partie", "Essai")
    assert trouble.failing_since == TUESDAY
    assert trouble.error is not None
    assert "404" in str(trouble.error)


def test_an_empty_desk_makes_an_empty_report(engine: Engine) -> None:
    report = read(engine)
    assert (report.brought, report.kept, report.sources, report.feeds) == (0, (), (), ())
    with reading(engine) as connection:
        assert connection.execute(select(entry.c.id)).all() == []
