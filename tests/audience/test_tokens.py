"""Tokens: made by us alone, good for one purpose, and silent about whom they are for."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.tokens import make_token, read_token, subject_of
from pipeline.errors import InputError

SECRET = b"0123456789abcdef"
OTHER = b"fedcba9876543210"


@given(st.text(max_size=80), st.text(max_size=20))
def test_a_token_gives_its_subject_back(subject: str, purpose: str) -> None:
    token = make_token(SECRET, purpose=purpose, subject=subject)

    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert read_token(SECRET, token, purpose=purpose) == subject
    assert read_token(OTHER, token, purpose=purpose) is None
    assert read_token(SECRET, token, purpose=purpose + "x") is None


@given(st.text(max_size=120))
def test_no_text_of_somebody_else_is_a_token(text: str) -> None:
    assert read_token(SECRET, text, purpose="unsubscribe") is None


def test_a_token_changed_in_any_place_is_none() -> None:
    token = make_token(SECRET, purpose="unsubscribe", subject="abc")

    for at in range(len(token)):
        for other in "AZaz09-_=":
            changed = token[:at] + other + token[at + 1 :]
            assert (read_token(SECRET, changed, purpose="unsubscribe") is None) == (
                changed != token
            )
    assert read_token(SECRET, token + "=", purpose="unsubscribe") is None
    assert read_token(SECRET, token[:-1], purpose="unsubscribe") is None


def test_purpose_and_subject_do_not_run_into_each_other() -> None:
    assert make_token(SECRET, purpose="ab", subject="c") != make_token(
        SECRET, purpose="a", subject="bc"
    )


def test_no_address_travels_and_one_mailbox_is_one_subject() -> None:
    subject = subject_of("Zoe@Café.example", SECRET)

    assert subject == subject_of("zoe@xn--caf-dma.example", SECRET)
    assert subject != subject_of("zoe@cafe.example", SECRET)
    assert subject != subject_of("Zoe@Café.example", OTHER)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", subject)
    with pytest.raises(InputError):
        subject_of("zoe", SECRET)


def test_a_short_secret_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="16"):
        make_token(b"short", purpose="unsubscribe", subject="abc")
    with pytest.raises(ValueError, match="16"):
        subject_of("zoe@example.org", b"")
