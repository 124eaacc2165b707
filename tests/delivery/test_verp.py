"""An envelope sender of its own for each message, and its way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.tokens import make_token
from pipeline.delivery.verp import PURPOSE, read_verp, verp_address, verp_of, verp_reader
from pipeline.errors import InputError

BASE = "bounce@cercle.example"
SECRET = b"sixteen bytes or more"
ZOE = "public-id-of-zoe-xxxxx"


def test_an_address_finds_its_way_back_to_the_recipient() -> None:
    address = verp_of(ZOE, base=BASE, secret=SECRET)

    assert verp_reader(base=BASE, secret=SECRET)(address) == ZOE
    assert "zoe" not in address


def test_the_address_of_a_recipient_is_one_that_any_server_takes() -> None:
    local, _, domain = verp_of(ZOE, base=BASE, secret=SECRET).rpartition("@")

    assert len(local) <= 64
    assert domain == "cercle.example"


@given(subject=st.from_regex(r"[A-Za-z0-9:-]{1,20}", fullmatch=True))
def test_every_subject_comes_back(subject: str) -> None:
    address = verp_of(subject, base=BASE, secret=SECRET)

    assert verp_reader(base=BASE, secret=SECRET)(address) == subject


def test_the_base_may_come_back_in_other_cases() -> None:
    token = make_token(SECRET, purpose=PURPOSE, subject=ZOE)

    assert read_verp(f"BOUNCE+{token}@Cercle.EXAMPLE", BASE) == token


@pytest.mark.parametrize(
    "address",
    [
        "bounce@cercle.example",
        "bounce+@cercle.example",
        "bounce+a b@cercle.example",
        "other+abc@cercle.example",
        "bounce+abc@ailleurs.example",
        "bounce+abc",
        "@",
        "",
    ],
)
def test_another_address_has_no_token(address: str) -> None:
    assert read_verp(address, BASE) is None


@given(st.text())
def test_no_text_stops_the_reading(text: str) -> None:
    assert verp_reader(base=BASE, secret=SECRET)(text) is None


def test_nobody_else_can_make_one() -> None:
    forged = verp_of(ZOE, base=BASE, secret=b"another secret of theirs")
    for_a_link = verp_address(BASE, make_token(SECRET, purpose="desabonnement", subject=ZOE))

    read = verp_reader(base=BASE, secret=SECRET)
    assert read(forged) is None
    assert read(for_a_link) is None


def test_what_was_sent_before_the_key_was_changed_still_comes_back() -> None:
    new = b"a newer secret of ours"
    read = verp_reader(base=BASE, secret=(new, SECRET))

    assert read(verp_of(ZOE, base=BASE, secret=SECRET)) == ZOE
    assert read(verp_of(ZOE, base=BASE, secret=new)) == ZOE


def test_a_base_that_leaves_no_room_is_told() -> None:
    with pytest.raises(InputError, match="shorten it by 8"):
        verp_address(f"{'b' * 40}@cercle.example", "t" * 31)


def test_a_token_that_cannot_stand_in_an_address_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="token"):
        verp_address(BASE, "a b")
