"""Tokens: made by us alone, good for one purpose and one time, silent about whom they are for."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.register import new_public_id
from pipeline.audience.secret import Keys
from pipeline.audience.tokens import make_token, read_token, suppression_hash

SECRET = b"0123456789abcdef"
OTHER = b"fedcba9876543210"
NOW = datetime(2026, 11, 20, 9, 30, 30, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(st.text(max_size=80), st.text(max_size=20))
def test_a_token_gives_its_subject_back(subject: str, purpose: str) -> None:
    token = make_token(SECRET, purpose=purpose, subject=subject)

    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert read_token(SECRET, token, purpose=purpose) == subject
    assert read_token(OTHER, token, purpose=purpose) is None
    assert read_token(SECRET, token, purpose=purpose + "x") is None


@given(st.text(max_size=80), st.text(max_size=20), MOMENTS)
def test_one_that_ends_is_good_to_the_end_of_its_minute(
    subject: str, purpose: str, until: datetime
) -> None:
    token = make_token(SECRET, purpose=purpose, subject=subject, until=until)
    minute = until.replace(second=0, microsecond=0)

    for now in (until, minute + timedelta(seconds=59), minute - timedelta(days=365)):
        assert read_token(SECRET, token, purpose=purpose, now=now) == subject
    assert read_token(SECRET, token, purpose=purpose, now=minute + timedelta(minutes=1)) is None


@given(st.text(max_size=40), st.text(max_size=20), MOMENTS)
def test_one_without_an_end_never_passes_for_one_with_an_end(
    subject: str, purpose: str, moment: datetime
) -> None:
    endless = make_token(SECRET, purpose=purpose, subject=subject)
    ending = make_token(SECRET, purpose=purpose, subject=subject, until=moment)

    assert read_token(SECRET, endless, purpose=purpose, now=moment) is None
    assert read_token(SECRET, ending, purpose=purpose) is None


@given(st.binary(min_size=16, max_size=40), st.lists(st.binary(min_size=16, max_size=40)))
def test_keys_of_before_are_read_and_a_dropped_one_is_not(
    newest: bytes, previous: list[bytes]
) -> None:
    tokens = [make_token(one, purpose="p", subject="s") for one in (newest, *previous)]
    keys = Keys(current=newest, previous=tuple(previous))

    assert all(read_token(keys, token, purpose="p") == "s" for token in tokens)
    assert all(read_token(list(keys), token, purpose="p") == "s" for token in tokens)
    assert read_token(Keys(), tokens[0], purpose="p") is None
    for one, token in zip(previous, tokens[1:], strict=True):
        assert (read_token(newest, token, purpose="p") == "s") == (one == newest)


@given(st.text(max_size=120), st.sampled_from([None, NOW]))
def test_no_text_of_somebody_else_is_a_token(text: str, now: datetime | None) -> None:
    assert read_token(SECRET, text, purpose="unsubscribe", now=now) is None


@given(st.data(), st.sampled_from([None, NOW]))
def test_a_token_with_one_changed_character_is_none(
    data: st.DataObject, until: datetime | None
) -> None:
    token = make_token(SECRET, purpose="unsubscribe", subject="abc", until=until)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(exclude_characters=token[at]))
    changed = token[:at] + other + token[at + 1 :]

    assert read_token(SECRET, changed, purpose="unsubscribe", now=until) is None


@pytest.mark.parametrize("subject", ["", "a", "ab", "abc"])  # base64 of each length modulo 3
def test_only_one_spelling_of_a_token_is_good(subject: str) -> None:
    token = make_token(SECRET, purpose="unsubscribe", subject=subject)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    good = [
        one
        for one in letters
        if read_token(SECRET, token[:-1] + one, purpose="unsubscribe") is not None
    ]
    assert good == [token[-1]]
    for other in (
        token + "=",
        token[:-1],
        token + "\n",
        " " + token,
        token.replace("-", "+") + "A",
    ):
        assert read_token(SECRET, other, purpose="unsubscribe") is None
    assert read_token(SECRET, "A" * 5000, purpose="unsubscribe") is None


def test_purpose_and_subject_do_not_run_into_each_other() -> None:
    assert make_token(SECRET, purpose="ab", subject="c") != make_token(
        SECRET, purpose="a", subject="bc"
    )


def test_a_link_for_a_person_is_short() -> None:
    token = make_token(SECRET, purpose="desabonnement", subject=new_public_id())
    assert len(token) == 51


def test_a_short_secret_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="16"):
        make_token(b"short", purpose="unsubscribe", subject="abc")
    with pytest.raises(ValueError, match="16"):
        suppression_hash("zoe@example.org", b"")
