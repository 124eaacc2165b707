"""An entry as an item of the veille block."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pipeline.veille.item import entry_id, item_of
from tests.veille.builders import an_entry


def test_an_item_has_the_fields_of_the_block_in_their_order() -> None:
    item = item_of(an_entry(language="en-GB"))

    assert list(item.items()) == [
        ("title", "Des communs à l’école"),
        ("url", "https://revue.example/a"),
        ("source", "La Revue"),
        ("authors", ["Ada Martin"]),
        ("date", "2026-11-20"),
        ("language", "en"),
        ("body", "Une classe, un wiki.\n"),
    ]


def test_the_language_is_left_out_where_it_is_the_letters() -> None:
    assert "language" not in item_of(an_entry(language="fr-CA"))
    assert item_of(an_entry(language="fr"), letter_language="en-US")["language"] == "fr"


def test_what_is_not_known_is_left_out() -> None:
    bare = an_entry(source="", authors=(), published_at=None, language="", excerpt="")

    assert set(item_of(bare)) == {"title", "url"}


def test_the_date_is_the_day_where_the_letter_is_written() -> None:
    late = an_entry(published_at=datetime(2026, 11, 20, 23, 30, tzinfo=UTC))

    assert item_of(late)["date"] == "2026-11-20"
    assert item_of(late, timezone=ZoneInfo("Europe/Paris"))["date"] == "2026-11-21"


def test_the_link_shown_tracks_nobody_while_the_entry_keeps_it_as_it_came() -> None:
    url = "https://ailleurs.example/x?utm_source=rss&ref=revue.example&id=2"
    entry = an_entry(url)

    assert entry.url == url
    assert item_of(entry)["url"] == "https://ailleurs.example/x?id=2"


def test_a_feed_cannot_write_a_merge_tag_into_a_letter() -> None:
    item = item_of(an_entry(title="{{email}}", source="{{x}}", authors=("{{y}}",), excerpt="{{z}}"))

    assert "{{" not in str(list(item.values()))


def test_ids_are_stable() -> None:
    assert entry_id("https://example.com/A?b=1") == "9f020f2c88ba"
