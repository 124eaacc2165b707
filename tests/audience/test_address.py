"""An address is checked, spelled one way, and refused with a sentence that helps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.address import needs_smtputf8, normalise_address, spell_address
from pipeline.errors import InputError


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("zoe@example.org", "zoe@example.org"),
        ("  Zoe.Durand+lettre@Example.ORG \n", "Zoe.Durand+lettre@example.org"),
        ("o'neil@sub.example.org", "o'neil@sub.example.org"),
        ("zoe@Café.Example", "zoe@xn--caf-dma.example"),
        ("zoe@straße.example", "zoe@xn--strae-oqa.example"),
        ("zoë@example.org", "zoë@example.org"),
        ("zoe\u0308@example.org", "zoë@example.org"),  # one letter, not two
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_an_address_gets_its_one_spelling(written: str, spelled: str) -> None:
    assert str(normalise_address(written)) == spelled
    assert spell_address(written) == spelled
    assert str(normalise_address(spelled)) == spelled


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "missing"),
        ("   ", "missing"),
        ("zoe", "has 0 “@”"),
        ("zoe@a@example.org", "has 2 “@”"),
        ("zoe durand@example.org", "space"),
        ("zoe@exa mple.org", "space"),
        ("zoe\r\n@example.org", "line break"),
        ("zoe\0@example.org", "control character"),
        ("@example.org", "before “@”"),
        (".zoe@example.org", "before “@”"),
        ("zoe.@example.org", "before “@”"),
        ("zo..e@example.org", "before “@”"),
        ('"zoe"@example.org', "before “@”"),
        ("zoe,anne@example.org", "before “@”"),
        ("<zoe@example.org>", "before “@”"),
        ("zoe@example.org>", "not a domain"),
        ("zoe@", "not a domain"),
        ("zoe@example", "not a domain"),
        ("zoe@.example.org", "not a domain"),
        ("zoe@example..org", "not a domain"),
        ("zoe@-example.org", "not a domain"),
        ("zoe@exam_ple.org", "not a domain"),
        ("zoe@[192.0.2.1]", "not a domain"),
        ("zoe@192.0.2.1", "not a domain"),
        ("zoe@\u2603.example", "not a domain"),
        ("zoe@" + "a" * 64 + ".org", "not a domain"),
        ("a" * 65 + "@example.org", "65 bytes, at most 64"),
        ("é" * 33 + "@example.org", "66 bytes, at most 64"),
        ("zoe@" + ".".join(["a" * 60] * 5), "bytes, at most 254"),
    ],
)
def test_what_is_no_address_is_refused_with_what_is_wrong(written: str, reason: str) -> None:
    for check in (normalise_address, spell_address):
        with pytest.raises(InputError, match=reason) as raised:
            check(written)
        assert str(raised.value).isprintable()


def test_two_spellings_of_one_mailbox_have_one_key() -> None:
    assert normalise_address("Zoe@Café.example").key == normalise_address("zoe@CAFÉ.example").key
    assert normalise_address("zoe@a.org").key != normalise_address("zoe@b.org").key


@pytest.mark.parametrize(
    ("address", "needs"), [("zoë@a.org", True), ("zoe@a.org", False), ("zoe@café.org", False)]
)
def test_only_a_local_part_beyond_ascii_needs_smtputf8(address: str, needs: bool) -> None:
    assert needs_smtputf8(address) is needs


@given(st.one_of(st.emails(), st.text(max_size=80), st.text("a@.\r\n é-", max_size=12)))
def test_any_text_is_an_address_for_good_or_refused(text: str) -> None:
    try:
        spelled = spell_address(text)
    except InputError:
        return

    assert spell_address(spelled) == spelled
    assert str(normalise_address(text)) == spelled
    assert spelled.isprintable()
    local, _, domain = spelled.rpartition("@")
    assert "@" not in local
    assert not set(spelled) & set(' <>,;:"')
    assert domain.isascii()
    assert domain == domain.lower()
    assert len(spelled.encode()) <= 254
