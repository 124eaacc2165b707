"""When a campaign starts: what an editor types is read, and said again in full."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline.delivery.schedule import is_missed, parse_when, say_when
from pipeline.errors import InputError
from pipeline.text.dates import clock, day_month, long_date, numeric, weekday

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 25, 13, tzinfo=PARIS)  # a Wednesday


def read(text: str, now: datetime = NOW) -> datetime:
    return parse_when(text, now=now, timezone="Europe/Paris")


def refusal(text: str, now: datetime = NOW) -> str:
    with pytest.raises(InputError) as caught:
        read(text, now)
    return str(caught.value)


def paris(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=PARIS)  # type: ignore[misc,arg-type]


FRIDAY = paris(2026, 11, 27, 8)


# --- what can be typed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-27T08:00",
        "2026-11-27 08:00",
        "2026-11-27 8h",
        "2026-11-27T07:00Z",
        "2026-11-27T07:00:00Z",
        "2026-11-27T08:00+01:00",
        "2026-11-27 02:00 -0500",
        "27/11/2026 8h00",
        "27/11 8h",
        "27/11 à 08h00",
        "vendredi 8h",
        "Vendredi à 8 h 00",
        "VENDREDI 8\u00a0H",
        "ven. 8:00",
        "le vendredi 27 novembre, à 8\u202fh\u202f00",
        "vendredi 27 novembre 8h",
        "vendredi 27 nov. 2026 8 heures",
        "27 novembre 8 heures 00",
        "friday 8:00",
        "Friday 27 November 2026 at 8:00",
        "on Fri 27th Nov at 8 am",
        "friday 8:00am",
        " 27/11  8:00\n",
    ],
)
def test_the_same_moment_can_be_typed_in_many_ways(text: str) -> None:
    found = read(text)

    assert found == FRIDAY
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("18:30", paris(2026, 11, 25, 18, 30)),
        ("9:00", paris(2026, 11, 26, 9)),
        ("13:00", paris(2026, 11, 26, 13)),  # now is not to come
        ("aujourd’hui 18h", paris(2026, 11, 25, 18)),
        ("aujourd'hui 18h", paris(2026, 11, 25, 18)),
        ("today 6 pm", paris(2026, 11, 25, 18)),
        ("demain 8h", paris(2026, 11, 26, 8)),
        ("tomorrow 12 am", paris(2026, 11, 26, 0)),
        ("tomorrow 12 pm", paris(2026, 11, 26, 12)),
        ("après-demain 8h", paris(2026, 11, 27, 8)),
        ("mercredi 18h", paris(2026, 11, 25, 18)),
        ("mercredi 8h", paris(2026, 12, 2, 8)),
        ("mar. 8h", paris(2026, 12, 1, 8)),
        ("24/11 8h", paris(2027, 11, 24, 8)),
        ("1er aout 8h", paris(2027, 8, 1, 8)),
        ("1 AOÛT 2027 8h", paris(2027, 8, 1, 8)),
        ("15 mar 8h", paris(2027, 3, 15, 8)),
        ("29/02 8h", paris(2028, 2, 29, 8)),
        ("2026-11-27T08:00:30", paris(2026, 11, 27, 8, 0, 30)),
    ],
)
def test_what_is_left_out_is_what_comes_next(text: str, moment: datetime) -> None:
    assert read(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vendredi",
        "27/11",
        "8",
        "24:00",
        "8:60",
        "13 pm",
        "0 am",
        "31/02 8h",
        "30/02/2027 8h",
        "27/13 8h",
        "vendredi prochain 8h",
        "27 brumaire 8h",
        "27 8h",
        "27/11 8h+01:00",
        "2026-11-27T08:00+25:00",
        "9999-12-31T23:59-12:00",
        "0000-01-01 8:00",
        "8h ou 9h",
    ],
)
def test_what_is_no_moment_is_refused_with_what_could_be_written(text: str) -> None:
    said = refusal(text)

    assert said.startswith(f"“{text}” is no day with an hour")
    for one in ("2026-11-26 08:00", "26/11/2026 8:30", "friday 8:00", "tomorrow 18:00"):
        assert one in said
        assert read(one) > NOW


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("aujourd’hui 8h", "2026-11-25 08:00"),
        ("25/11 8h", "2026-11-25 08:00"),  # not next year's
        ("27/11/2025 8h", "2025-11-27 08:00"),
        ("2026-11-25T11:59Z", "2026-11-25 12:59"),
    ],
)
def test_the_past_is_refused_with_what_was_understood(text: str, understood: str) -> None:
    assert f"{understood} (Europe/Paris), which is past" in refusal(text)


def test_a_date_and_a_day_of_the_week_have_to_agree() -> None:
    assert "2026-11-27 is another day of the week than “jeudi”" in refusal("jeudi 27/11 8h")


def test_a_time_zone_that_is_none_is_told() -> None:
    for name in ("Europe/Nowhere", "../etc/passwd", "Europe", ""):
        with pytest.raises(InputError, match="no time zone"):
            parse_when("8h", now=NOW, timezone=name)


# --- when clocks change -----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["28/03/2027 2h30", "dimanche 02:00", "28 march 2:59"])
def test_an_hour_that_clocks_skip_is_refused_with_those_that_exist(text: str) -> None:
    said = refusal(text, paris(2027, 3, 25, 8))

    assert "on 2027-03-28" in said
    assert "clocks go from 02:00 to 03:00" in said
    assert "before 02:00, or 03:00 and later" in said


def test_the_hours_around_the_one_that_is_skipped_are_an_instant_apart() -> None:
    now = paris(2027, 3, 25, 8)

    assert read("28/03 3h", now) - read("28/03 1:59", now) == timedelta(minutes=1)


def test_a_skipped_hour_that_is_past_is_not_next_weeks() -> None:
    assert read("dimanche 2h30", paris(2027, 3, 28, 10)) == paris(2027, 4, 4, 2, 30)


@pytest.mark.parametrize(
    ("zone", "text", "hours"),
    [
        ("Australia/Lord_Howe", "04/10/2026 2h15", "from 02:00 to 02:30"),
        ("America/New_York", "14/03/2027 2h00", "from 02:00 to 03:00"),
        ("Africa/Cairo", "30/04/2027 0h30", "from 00:00 to 01:00"),
    ],
)
def test_other_zones_skip_other_hours(zone: str, text: str, hours: str) -> None:
    now = datetime(2026, 9, 1, tzinfo=UTC)

    with pytest.raises(InputError, match=hours):
        parse_when(text, now=now, timezone=zone)


def test_a_day_that_a_zone_skipped_is_refused() -> None:
    with pytest.raises(InputError, match="does not exist"):
        parse_when("30/12/2011 8h", now=datetime(2011, 12, 1, tzinfo=UTC), timezone="Pacific/Apia")


def test_an_hour_that_comes_twice_is_the_first_of_both() -> None:
    assert read("25/10/2026 2h30", paris(2026, 10, 20, 8)) == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )
    assert read("31/10/2027 2h30") == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    assert read("2027-10-31T02:30+01:00") == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)


# --- what is said -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "language", "said"),
    [
        ("Europe/Paris", "fr", "vendredi 27 novembre 2026 à 8 h (heure de Paris)"),
        ("Europe/Paris", "en", "Friday 27 November 2026 at 8 am (Paris time)"),
        ("Europe/Paris", "fr-CA", "vendredi 27 novembre 2026 à 8 h (heure de Paris)"),
        ("Europe/Amsterdam", "fr", "vendredi 27 novembre 2026 à 8 h (heure d’Amsterdam)"),
        ("Africa/Cairo", "fr", "vendredi 27 novembre 2026 à 9 h (heure du Caire)"),
        ("Indian/Reunion", "fr", "vendredi 27 novembre 2026 à 11 h (heure de La Réunion)"),
        ("Asia/Kolkata", "fr", "vendredi 27 novembre 2026 à 12 h 30 (heure de Kolkata)"),
        ("America/Argentina/Buenos_Aires", "en", "Friday 27 November 2026 at 4 am (Buenos Aires"),
        ("UTC", "fr", "vendredi 27 novembre 2026 à 7 h (UTC)"),
        ("Etc/GMT+1", "en", "Friday 27 November 2026 at 6 am (Etc/GMT+1)"),
    ],
)
def test_a_moment_is_said_by_the_hour_of_a_city(zone: str, language: str, said: str) -> None:
    found = say_when(FRIDAY, timezone=zone, language=language)

    assert found.replace("\u00a0", " ").startswith(said)


def test_a_start_is_missed_once_its_grace_is_over() -> None:
    grace = timedelta(minutes=60)

    assert not is_missed(FRIDAY, now=FRIDAY + grace, grace=grace)
    assert is_missed(FRIDAY, now=FRIDAY + grace + timedelta(seconds=1), grace=grace)
    assert not is_missed(FRIDAY, now=FRIDAY - timedelta(days=9), grace=grace)


def test_a_grace_is_real_time_also_when_clocks_go_back() -> None:
    at, now = paris(2026, 10, 25, 1, 30), paris(2026, 10, 25, 3, 0)  # two and a half hours

    assert is_missed(at, now=now, grace=timedelta(hours=2))


# --- any moment, any text ---------------------------------------------------------------------


ZONES = st.sampled_from(
    [
        "Europe/Paris",
        "America/New_York",
        "Pacific/Auckland",
        "Asia/Kathmandu",
        "Indian/Reunion",
        "UTC",
    ]
)
SPAN = st.integers(min_value=1, max_value=364 * 24 * 60)  # minutes


@given(
    now=st.datetimes(datetime(2026, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC)),
    minutes=SPAN,
    name=ZONES,
    hours=st.integers(-12, 14),
)
@example(datetime(2026, 10, 24, 11, tzinfo=UTC), 13 * 60 + 30, "Europe/Paris", 0)
@example(datetime(2027, 3, 27, 12, tzinfo=UTC), 13 * 60, "Europe/Paris", 0)
def test_each_form_gives_back_the_moment_that_was_written(
    now: datetime, minutes: int, name: str, hours: int
) -> None:
    now = now.replace(second=0, microsecond=0)
    moment = now + timedelta(minutes=minutes)
    away = moment.astimezone(timezone(timedelta(hours=hours)))
    assert parse_when(away.isoformat(), now=now, timezone=name) == moment
    assert parse_when(f"{moment:%Y-%m-%d %H:%MZ}", now=now, timezone=name) == moment

    local = moment.astimezone(ZoneInfo(name))
    assume(local.fold == 0)  # the second of two equal hours needs its offset
    day, days = local.date(), (local.date() - now.astimezone(ZoneInfo(name)).date()).days
    texts = [
        f"{local:%Y-%m-%dT%H:%M}",
        f"{local:%Y-%m-%d %H:%M}",
        f"{numeric(day, 'fr')} {local.hour}h{local:%M}",
        f"{local:%d/%m %H:%M}",
        f"{local:%d %B %H:%M}",
    ]
    for language, at in (("fr", "à"), ("en", "at")):
        hour = clock(local.time(), language)
        texts += [
            f"{long_date(day, language)} {at} {hour}",
            f"{weekday(day, language)} {day_month(day, language)} {hour}",
            say_when(moment, timezone=name, language=language).partition(" (")[0],
        ]
        if minutes < 7 * 24 * 60 - 60:  # less than a week on the clock of the wall, too
            texts += [f"{weekday(day, language)} {hour}"]
    texts += [f"aujourd’hui {local:%H}h{local:%M}", f"today {local:%H:%M}"] if days == 0 else []
    texts += [f"demain {local:%Hh%M}", f"TOMORROW {local:%H:%M}"] if days == 1 else []
    texts += [f"{local:%H:%M}"] if minutes < 23 * 60 else []
    for text in texts:
        assert parse_when(text, now=now, timezone=name) == moment, text


WORDS = st.sampled_from(
    "vendredi demain today 27 11 2026 / - : h 8 08 30 T Z +01:00 à at am pm novembre mar. 1er"
    " 99 9999 0 ² ٣ ’".split()
    + [" ", "\u00a0"]
)


@given(st.text() | st.lists(WORDS, max_size=12).map("".join), ZONES)
def test_any_text_is_a_moment_to_come_or_refused(text: str, name: str) -> None:
    try:
        found = parse_when(text, now=NOW, timezone=name)
    except InputError as error:
        said = error.say("fr")
    else:
        said = say_when(found, timezone=name, language="fr") if found > NOW else ""
    assert said
