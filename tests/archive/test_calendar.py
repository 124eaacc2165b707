"""An .ics file by the letter of RFC 5545, and read back as a calendar would."""

import re
import uuid
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.archive.calendar import MAX_OCTETS, Occasion, calendar_file, escape, fold
from pipeline.render.events import Event

PARIS = Occasion(announced=date(2026, 11, 20), zone=ZoneInfo("Europe/Paris"))
UID = uuid.UUID("1e536355-f4ce-5d07-ae91-efd65dd51526")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def an_event(
    *, title: str = "Veillée", time: str = "", end: str = "", place: str = "", url: str = ""
) -> Event:
    return Event(
        name="agenda-1.ics",
        title=title,
        date=date(2026, 11, 26),
        time=time,
        end=end,
        place=place,
        url=url,
    )


def properties(data: bytes) -> dict[str, str]:
    """Unfold and split, as RFC 5545 §3.1 says."""
    lines = data.decode().replace("\r\n ", "").split("\r\n")
    return dict(line.split(":", 1) for line in lines if line)


def unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda one: "\n" if one[1] in "nN" else one[1], text)


def of(event: Event, occasion: Occasion = PARIS) -> dict[str, str]:
    return properties(calendar_file(event, occasion, uid=UID))


def test_every_line_ends_with_crlf_and_has_75_octets_at_most() -> None:
    event = an_event(title="Où l’on éteint les écrans ☕ " * 12, place="Café, cour" * 20)
    data = calendar_file(event, PARIS, uid=UID)
    assert data.endswith(b"END:VCALENDAR\r\n")
    assert data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r")
    assert max(map(len, data.split(b"\r\n"))) <= MAX_OCTETS


def test_a_file_has_what_the_rfc_requires() -> None:
    found = of(an_event(time="18:30"))
    assert {"VERSION", "PRODID", "UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY"} <= found.keys()
    assert found["UID"] == str(UID)


def test_hours_are_local_ones_written_in_utc() -> None:
    found = of(an_event(time="18:30", end="20:00"))
    assert (found["DTSTART"], found["DTEND"]) == ("20261126T173000Z", "20261126T190000Z")


@pytest.mark.parametrize(
    ("time", "start"),
    [("9:30", "083000"), ("13h30", "123000"), ("09H05", "080500"), ("00:15", "231500")],
)
def test_an_hour_is_read_in_each_way_a_letter_may_write_it(time: str, start: str) -> None:
    assert of(an_event(time=time))["DTSTART"].endswith(f"T{start}Z")


def test_an_event_without_an_end_lasts_an_hour() -> None:
    found = of(an_event(time="18:30"))
    assert (found["DTSTART"], found["DTEND"]) == ("20261126T173000Z", "20261126T183000Z")


def test_an_event_may_go_on_past_midnight() -> None:
    found = of(an_event(time="22:00", end="1:00"))
    assert (found["DTSTART"], found["DTEND"]) == ("20261126T210000Z", "20261127T000000Z")


def test_an_event_without_an_hour_lasts_all_day() -> None:
    found = of(an_event())
    assert found["DTSTART;VALUE=DATE"] == "20261126"
    assert found["DTEND;VALUE=DATE"] == "20261127"


def test_an_hour_that_summer_time_skips_still_makes_an_event() -> None:
    spring = Event(name="a.ics", title="Nuit", date=date(2027, 3, 28), time="02:30")
    assert of(spring)["DTSTART"] == "20270328T013000Z"


def test_the_stamp_is_the_letters_date_not_the_clock() -> None:
    assert of(an_event())["DTSTAMP"] == "20261119T230000Z"


def test_the_place_is_text_and_the_link_is_as_it_was() -> None:
    found = of(an_event(place="Médiathèque, Amiens", url="https://example.org/a?b=1;c=2,3"))
    assert found["LOCATION"] == "Médiathèque\\, Amiens"
    assert found["URL"] == "https://example.org/a?b=1;c=2,3"
    assert unescape(found["DESCRIPTION"]) == found["URL"]


def test_without_a_link_of_its_own_an_event_leads_to_the_letter() -> None:
    occasion = Occasion(
        announced=PARIS.announced, zone=PARIS.zone, page="https://lettres.example/46/"
    )
    found = of(an_event(), occasion)
    assert "URL" not in found
    assert found["DESCRIPTION"] == "https://lettres.example/46/"


def test_a_title_cannot_bring_properties_of_its_own() -> None:
    found = of(an_event(title="Thé\r\nATTENDEE:mailto:x@example.org\x07", url="https://a\r\nX:1"))
    assert "ATTENDEE" not in found
    assert "X" not in found
    assert unescape(found["SUMMARY"]) == "Thé\nATTENDEE:mailto:x@example.org"


@given(TEXTS)
def test_folding_can_be_undone(line: str) -> None:
    folded = fold(line)
    assert all(len(one.encode()) <= MAX_OCTETS for one in folded.split("\r\n"))
    # RFC 5545 takes any CRLF and space for a fold, so a line that holds one is no line
    if "\r" not in line and "\n" not in line:
        assert folded.replace("\r\n ", "") == line


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], include_characters="\n\t"))
)
def test_escaping_can_be_undone(text: str) -> None:
    written = escape(text)
    assert not re.search(r"[\r\n]|(?<!\\)(?:\\\\)*[;,]", written)
    assert unescape(written) == text


@given(TEXTS, TEXTS)
def test_whatever_an_editor_types_makes_a_file_that_reads_back(title: str, place: str) -> None:
    data = calendar_file(an_event(title=title, place=place), PARIS, uid=UID)
    assert all(len(one) <= MAX_OCTETS for one in data.split(b"\r\n"))
    lines = data.decode().replace("\r\n ", "").split("\r\n")
    summaries = [line for line in lines if line.startswith("SUMMARY:")]
    assert len(summaries) == 1
    assert summaries[0] == f"SUMMARY:{escape(title)}"
    assert len(lines) in (13, 12)
