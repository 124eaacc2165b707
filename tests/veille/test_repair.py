"""Bytes of feeds mended before they are parsed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.veille.feeds import parse_feed
from pipeline.veille.repair import cut_entries, repair_feed
from tests.veille.builders import NOW, rss, rss_item


def title_of(body: bytes, content_type: str = "application/xml") -> str:
    feed = parse_feed(body, url="https://flux.example/", content_type=content_type, now=NOW)
    return feed.entries[0].title


LONG = rss(
    *(rss_item(link=f"https://revue.example/{i}", title="Démontage d’été") for i in range(40))
)


def test_a_few_bad_bytes_do_not_spoil_a_utf_8_feed() -> None:
    broken = LONG.replace(b"Un texte.", b"Un \xe9texte.", 1)

    assert title_of(broken) == "Démontage d’été"


def test_a_feed_that_says_utf_8_and_is_windows_1252_is_read_as_such() -> None:
    assert title_of(LONG.decode().encode("windows-1252")) == "Démontage d’été"


@pytest.mark.parametrize(
    "content_type",
    ["", "text/xml", "application/xml; charset=iso-8859-1", "text/html; charset=ascii"],
)
def test_what_is_utf_8_is_utf_8_whatever_the_header_says(content_type: str) -> None:
    assert title_of(LONG, content_type) == "Démontage d’été"


def test_what_is_utf_8_is_utf_8_whatever_the_prolog_says() -> None:
    assert title_of(LONG.replace(b'"UTF-8"', b'"ISO-8859-1"')) == "Démontage d’été"


def test_latin_1_by_its_prolog_is_read() -> None:
    text = LONG.decode().replace('"UTF-8"', '"ISO-8859-1"').replace("’", "'")

    assert title_of(text.encode("latin-1")) == "Démontage d'été"


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be", "utf-16-le"])
def test_utf_16_is_read_with_and_without_a_mark(codec: str) -> None:
    text = LONG.decode().replace(' encoding="UTF-8"', "")

    assert title_of(text.encode(codec)) == "Démontage d’été"


@pytest.mark.parametrize("before", [b"\n\n  ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_what_stands_before_the_prolog_is_dropped(before: bytes) -> None:
    repaired, _ = repair_feed(before + LONG, content_type="")

    assert repaired.startswith(b"<?xml")
    assert title_of(before + LONG) == "Démontage d’été"


def test_a_doubled_prolog_is_read_as_one() -> None:
    doubled = LONG.replace(
        b'<?xml version="1.0" encoding="UTF-8"?>', b'<?xml?xml version="1.0" encoding="UTF-8"??>'
    )

    assert repair_feed(doubled, content_type="")[0] == LONG


def test_control_characters_do_not_make_a_feed_ill_formed() -> None:
    assert (
        title_of(LONG.replace(b"D\xc3\xa9montage", b"D\x0b\xc3\xa9montage\x00"))
        == "Démontage d’été"
    )


def test_japanese_in_seven_bits_is_left_to_the_parser() -> None:
    text = LONG.decode().replace("UTF-8", "iso-2022-jp").replace("Démontage d’été", "日本語")

    assert title_of(text.encode("iso-2022-jp")) == "日本語"


def test_what_follows_the_last_entry_that_counts_is_cut_and_the_end_stays() -> None:
    items = "".join(f"<item><title>{one}</title></item>" for one in range(5))
    body = f"<rss><channel>{items}</channel></rss>".encode()

    cut = cut_entries(body, limit=2)

    assert cut == (
        b"<rss><channel><item><title>0</title></item><item><title>1</title></item></channel></rss>"
    )
    assert cut_entries(body, limit=5) == body
    assert cut_entries(b"<feed></a:entry ></ENTRY></feed>", limit=1) == b"<feed></a:entry ></feed>"
    assert cut_entries(b"", limit=1) == b""


@given(st.lists(st.sampled_from(["<item>", "</item>", "x", "</entry>", "<"])), st.integers(1, 5))
def test_cutting_leaves_no_more_ends_than_it_may(parts: list[str], limit: int) -> None:
    body = "".join(parts).encode()

    cut = cut_entries(body, limit=limit)

    assert cut.count(b"</item>") + cut.count(b"</entry>") <= limit
    assert len(cut) <= len(body)
