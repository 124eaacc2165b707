"""What arrives, read back by the standard library as a mail program would (T5, T8-T12)."""

import html as html_module
import re
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader, DateHeader
from email.message import EmailMessage
from typing import cast

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipeline.audience.address import needs_smtputf8
from pipeline.delivery.fields import make_message_id
from pipeline.delivery.recipient import Recipient
from pipeline.errors import InputError
from pipeline.text.merge import MergeTag, encode
from tests.delivery.letters import (
    EMAIL,
    FIRST_NAME,
    HTML,
    NOW,
    PNG,
    TEXT,
    UNSUBSCRIBE,
    a_letter,
    a_recipient,
    a_sender,
    an_edition,
    some_settings,
)
from tests.servers import read_message


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    data = body.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data.decode("utf-8").replace("\r\n", "\n")


def assert_well_formed(data: bytes) -> None:
    """CRLF only; body lines of at most 76 octets, header lines of at most 998 (T9)."""
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert b"\n" not in data.replace(b"\r\n", b"")
    head, _, body = data.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) <= 998
    lines = body.split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert not any(line.startswith((b".", b"From ")) for line in lines)
    for one in read_message(data).walk():
        if one.get_content_maintype() == "text":
            encoded = str(one.get_payload())
            assert not re.search(r"[ \t]\r?$", encoded, re.MULTILINE)
            assert not re.search(r"=(?![0-9A-F]{2}|\r?\n)", encoded)


def escaped(value: str) -> str:
    return html_module.escape(value, quote=True)


def test_text_comes_first_and_both_parts_are_exact() -> None:
    recipient = a_recipient(first_name="Zoé & <Léo>")

    message = read_message(a_letter().fill(recipient, date=NOW))

    assert message.get_content_type() == "multipart/alternative"
    kinds = [(one.get_content_type(), one.get_content_charset()) for one in message.iter_parts()]
    assert kinds == [("text/plain", "utf-8"), ("text/html", "utf-8")]
    url, address = recipient.unsubscribe_url, recipient.address
    values = {FIRST_NAME: "Zoé & <Léo>", EMAIL: address, UNSUBSCRIBE: url}
    text, html = TEXT, HTML
    for token, value in values.items():
        text, html = text.replace(token, value), html.replace(token, escaped(value))
    assert part(message, "plain") == text
    assert part(message, "html") == html


@pytest.mark.parametrize("value", ["", "   ", "\t"])
def test_an_empty_value_gives_way_to_the_fallback(value: str) -> None:
    message = read_message(a_letter().fill(a_recipient(first_name=value), date=NOW))

    assert "Bonjour à toutes et tous," in part(message, "plain")
    assert "Bonjour à toutes et tous," in part(message, "html")


def test_each_field_that_must_be_alone_is_there_once() -> None:
    message = read_message(a_letter().fill(a_recipient(), date=NOW))

    for name in ("From", "To", "Date", "Message-ID", "Subject", "MIME-Version", "List-Id"):
        assert len(message.get_all(name, [])) == 1, name
    assert cast(DateHeader, message["Date"]).datetime == NOW
    sender = cast(AddressHeader, message["From"]).addresses[0]
    assert (sender.display_name, sender.addr_spec) == ("La rédaction", "redaction@example.org")
    to = cast(AddressHeader, message["To"]).addresses[0]
    assert (to.display_name, to.addr_spec) == ("Zoë Durand", "zoe1@example.org")


def test_one_click_unsubscribing_has_one_https_address_and_its_post_field() -> None:
    message = read_message(a_letter().fill(a_recipient(), date=NOW))

    assert message.get_all("List-Unsubscribe") == ["<https://lettre.example.org/u/k3Jd-_9=x>"]
    assert message.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    assert "https://lettre.example.org/u/k3Jd-_9=x" in part(message, "plain")
    assert 'href="https://lettre.example.org/u/k3Jd-_9=x"' in part(message, "html")


@pytest.mark.parametrize(
    "url", ["", "http://lettre.example.org/u", "https://a.org/>,<https://b.org/", "https://é.org"]
)
def test_an_address_that_is_not_plain_https_gives_no_unsubscribe_field(url: str) -> None:
    message = read_message(a_letter().fill(a_recipient(unsubscribe_url=url), date=NOW))

    assert "List-Unsubscribe" not in message
    assert "List-Unsubscribe-Post" not in message


def test_the_list_is_named_and_its_fields_point_to_people_and_the_archive() -> None:
    message = read_message(a_letter().fill(a_recipient(), date=NOW))

    assert str(message["List-Id"]) == "Café IA <cafe-ia.example.org>"
    assert message["List-Help"] == "<mailto:contact@example.org>"
    assert message["List-Owner"] == "<mailto:contact@example.org>"
    assert message["List-Archive"] == "<https://lettre.example.org>"
    assert message["Precedence"] == "bulk"
    assert "Auto-Submitted" not in message
    assert re.fullmatch(r"[!-~]+::cafe-ia\.example\.org:[0-9a-f]{5,15}", message["Feedback-ID"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("lettre.example.org", "Café IA <lettre.example.org>"),
        ("Ma lettre <lettre.example.org>", "Ma lettre <lettre.example.org>"),
        ('"Ma, lettre" <lettre.example.org>', '"Ma, lettre" <lettre.example.org>'),
        ("lettre.exämple.org", "Café IA <lettre.xn--exmple-cua.org>"),
    ],
)
def test_a_list_id_may_be_given(given: str, expected: str) -> None:
    letter = a_letter(settings=some_settings(list_id=given))

    message = read_message(letter.fill(a_recipient(), date=NOW))

    assert str(message["List-Id"]) == expected


@pytest.mark.parametrize("given", ["lettre", "a b.org", "<>", "x <y>", "é.org", ".org", "a..org"])
def test_a_list_id_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(InputError, match=r"delivery\.list_id"):
        a_letter(settings=some_settings(list_id=given))


@pytest.mark.parametrize("contact", ["https://example.org/aide", "01 23 45 67 89", ""])
def test_a_contact_that_is_no_address_is_no_list_owner(contact: str) -> None:
    letter = a_letter(settings=some_settings(contact=contact))

    message = read_message(letter.fill(a_recipient(), date=NOW))

    assert "List-Owner" not in message
    assert message["List-Help"] == (f"<{contact}>" if contact.startswith("https") else None)


def test_replies_go_where_the_sender_says() -> None:
    letter = a_letter(sender=a_sender(reply_to="Ecrire@Exämple.org"))

    message = read_message(letter.fill(a_recipient(), date=NOW))

    assert message["Reply-To"] == "Ecrire@xn--exmple-cua.org"


def test_a_message_id_is_the_same_for_a_recipient_and_a_campaign_and_for_no_other() -> None:
    def id_of(campaign: str, recipient: str) -> str:
        return make_message_id(campaign, recipient, "example.org")

    assert re.fullmatch(r"<[0-9a-f]{40}@example\.org>", id_of("a", "b"))
    assert id_of("a", "b") == id_of("a", "b")
    assert len({id_of("a", "b"), id_of("a", "c"), id_of("ab", ""), id_of("", "ab")}) == 4
    letter = a_letter()
    message = read_message(letter.fill(a_recipient(), date=NOW))
    assert message["Message-ID"] == letter.message_id(a_recipient())
    assert message["Message-ID"] == id_of("2025-03-07", "r1")


def test_a_message_id_may_come_with_the_recipient() -> None:
    recipient = Recipient(id="1", address="a@example.org", message_id="<abc.1@example.org>")

    assert read_message(a_letter().fill(recipient, date=NOW))["Message-ID"] == "<abc.1@example.org>"


@pytest.mark.parametrize("message_id", ["abc@example.org", "<a b@c.org>", "<a@b>\r\nBcc: x@y.z"])
def test_a_message_id_that_is_none_is_refused(message_id: str) -> None:
    recipient = Recipient(id="1", address="a@example.org", message_id=message_id)

    with pytest.raises(InputError, match="Message-ID"):
        a_letter().fill(recipient, date=NOW)


@pytest.mark.parametrize(
    "subject",
    [
        "Des cafés partout en France\u202f!",
        "☕ L’œuvre — ✦ un cœur à l’ouvrage " * 6 + "…",
        "plain words that go on and on, well past the seventy-eighth column of the line, to fold",
        "a" * 300,
        "é" * 300,
        "🏃🏽‍♀️" * 40,
        "=?utf-8?q?Bonjour?=",
        "two  spaces  stay",
        "100 % = tout",
        "",
    ],
)
def test_a_subject_reads_back_as_it_was_written(subject: str) -> None:
    data = a_letter(an_edition(subject=subject)).fill(a_recipient(), date=NOW)

    assert_well_formed(data)
    assert read_message(data)["Subject"] == subject
    head = data.partition(b"\r\n\r\n")[0].decode("ascii")
    for word in re.findall(r"=\?[^ \r\n]+\?=", head):
        assert len(word) <= 75
        word_alone = f"Subject: {word}\r\n\r\n".encode()
        assert "\N{REPLACEMENT CHARACTER}" not in str(read_message(word_alone)["Subject"])
    if len(subject) < 300 or not subject.isascii():
        assert max(map(len, head.split("\r\n"))) <= 78


def test_a_subject_may_greet_by_name() -> None:
    letter = a_letter(an_edition(subject=f"Bonjour {FIRST_NAME}\u202f!"))

    def subject_for(name: str) -> str:
        return str(read_message(letter.fill(a_recipient(first_name=name), date=NOW))["Subject"])

    assert subject_for("Zoë") == "Bonjour Zoë\u202f!"
    assert subject_for("") == "Bonjour à toutes et tous\u202f!"
    assert subject_for("A & B") == "Bonjour A & B\u202f!"


@pytest.mark.parametrize("broken", ["a\r\nBcc: x@example.org", "a\nb", "a\rb", "a\0b"])
def test_a_line_break_is_refused_wherever_a_header_could_end(broken: str) -> None:
    with pytest.raises(InputError, match="line break"):
        a_letter(an_edition(subject=broken))
    with pytest.raises(InputError, match="line break"):
        a_letter(sender=a_sender(name=broken))
    with pytest.raises(InputError, match="line break"):
        a_letter(settings=some_settings(list_id=broken))
    with pytest.raises(InputError, match="line break"):
        a_letter(sender=a_sender(email=broken + "@example.org"))
    letter = a_letter()
    with pytest.raises(InputError, match="line break"):
        letter.fill(a_recipient(name=broken), date=NOW)
    with pytest.raises(InputError, match="line break"):
        letter.fill(a_recipient(first_name=broken), date=NOW)
    with pytest.raises(InputError, match="line break"):
        letter.fill(a_recipient(address=broken + "@example.org"), date=NOW)
    assert b"List-Unsubscribe" not in letter.fill(
        a_recipient(unsubscribe_url="https://a.org/\r\nBcc:x").__class__(
            id="1", address="a@example.org"
        ),
        date=NOW,
    )


def test_a_domain_with_accents_travels_as_a_labels_and_a_local_part_never_does() -> None:
    letter = a_letter()

    assert b"<zoe@xn--caf-dma.example>" in letter.fill(
        a_recipient(address="zoe@café.example"), date=NOW
    )
    assert "<zoë@xn--caf-dma.example>".encode() in letter.fill(
        a_recipient(address="zoë@café.example"), date=NOW
    )
    assert needs_smtputf8("zoë@example.org")
    assert not needs_smtputf8("zoe@café.example")


def test_the_size_of_the_html_is_counted_as_it_travels_with_room_for_the_values() -> None:
    letter = a_letter()

    data = letter.fill(a_recipient(), date=NOW)

    html_part = data.partition(b"text/html")[2].partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
    assert len(html_part) <= letter.html_octets <= len(html_part) + 500


def test_a_picture_of_the_web_page_alone_is_not_attached() -> None:
    html = '<p><img src="cid:a1.png@infolettre" alt=""></p>'
    letter = a_letter(an_edition(html=html), pictures={"a1.png": PNG, "web.png": PNG})
    assert list(letter.pictures) == ["a1.png"]
    assert b"web.png" not in letter.fill(a_recipient(), date=NOW)


def test_embedded_pictures_stand_beside_the_html_under_their_cid() -> None:
    html = HTML.replace("✦", '<img src="cid:a1.png@infolettre" alt="">')
    letter = a_letter(an_edition(html=html), pictures={"a1.png": PNG})

    data = letter.fill(a_recipient(), date=NOW)

    assert_well_formed(data)
    plain, related = read_message(data).iter_parts()
    assert plain.get_content_type() == "text/plain"
    assert related.get_content_type() == "multipart/related"
    assert related.get_param("type") == "text/html"
    body, picture = cast(EmailMessage, related).iter_parts()
    assert body.get_content_type() == "text/html"
    assert picture.get_content_type() == "image/png"
    assert picture["Content-ID"] == "<a1.png@infolettre>"
    assert picture.get_content_disposition() == "inline"
    assert picture.get_payload(decode=True) == PNG
    assert 'src="cid:a1.png@infolettre"' in part(read_message(data), "html")


def test_the_same_letter_gives_the_same_bytes() -> None:
    assert a_letter().fill(a_recipient(), date=NOW) == a_letter().fill(a_recipient(), date=NOW)


def test_a_date_without_a_zone_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="aware"):
        a_letter().fill(a_recipient(), date=NOW.replace(tzinfo=None))


# --- any text ---------------------------------------------------------------------------------

ANY_TEXT = st.text(max_size=300)
ONE_LINE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=200)
SOURCE = st.lists(
    st.one_of(
        st.text(max_size=120),
        st.sampled_from(
            [FIRST_NAME, EMAIL, " ", "\t", "\n", "=", ".", "From ", "a" * 74, "é" * 25]
        ),
    ),
    max_size=12,
).map("".join)


def shown(value: str, fallback: str) -> str:
    """What a reader should see of a value: no control characters, none at all at the ends."""
    kept = "".join(" " if c == "\t" else c for c in value if c == "\t" or ord(c) > 31)
    kept = re.sub("[\x7f-\x9f\u2028\u2029]", "", kept).strip(" ")
    return kept or fallback


@given(first_name=ONE_LINE, name=ONE_LINE, subject=ONE_LINE, text=SOURCE, html=SOURCE)
@example(first_name=".", name="a,b", subject=" x ", text=f"x \n{FIRST_NAME}\t\n", html=FIRST_NAME)
@example(first_name="From here", name='"\\', subject="=?", text=f"a{FIRST_NAME}", html="=" * 80)
@example(first_name="é" * 13, name="a" * 80, subject="a" * 99, text="a" * 76, html="é" * 99)
@settings(deadline=None)
def test_any_words_travel_whole(
    first_name: str, name: str, subject: str, text: str, html: str
) -> None:
    text, html = (re.sub("\r\n?", "\n", one) for one in (text, html))
    assume("<" not in html)  # where a tag begins is another test's affair
    letter = a_letter(an_edition(subject=subject, text=text, html=html))

    data = letter.fill(a_recipient(first_name=first_name, name=name), date=NOW)

    assert_well_formed(data)
    message = read_message(data)
    value, address = shown(first_name, "à toutes et tous"), "zoe1@example.org"
    plain = text.replace(FIRST_NAME, value).replace(EMAIL, address)
    marked = html.replace(FIRST_NAME, escaped(value)).replace(EMAIL, address)
    assert part(message, "plain") == plain
    assert part(message, "html") == marked
    assert [one.get_content_type() for one in message.iter_parts()] == ["text/plain", "text/html"]
    assert message["To"].addresses[0].addr_spec == address
    assert len(message.get_all("To", [])) == 1


@given(subject=ONE_LINE)
@settings(deadline=None)
def test_any_subject_reads_back(subject: str) -> None:
    data = a_letter(an_edition(subject=subject)).fill(a_recipient(), date=NOW)

    assert str(read_message(data)["Subject"]) == shown(subject, "")


def display_name(data: bytes) -> str:
    """Read the name by RFC 2047 alone: the newer parser loses no-break spaces in names."""
    field = data.decode().replace("\r\n ", " ").partition("To: ")[2].partition("\r\n")[0]
    name = field.rpartition("<")[0].rstrip(" ")
    if name.startswith('"'):
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return str(make_header(decode_header(name)))


@given(name=ONE_LINE)
@settings(deadline=None)
def test_any_name_reads_back(name: str) -> None:
    data = a_letter().fill(a_recipient(name=name), date=NOW)

    to = read_message(data)["To"]
    assert display_name(data) == re.sub("  +", " ", shown(name, ""))
    assert [one.addr_spec for one in to.addresses] == ["zoe1@example.org"]


@given(value=ANY_TEXT)
@settings(deadline=None)
def test_no_value_ever_opens_a_header_or_a_tag(value: str) -> None:
    html = f'<p title="{FIRST_NAME}">{FIRST_NAME}</p><a href="https://a.org/?n={FIRST_NAME}">x</a>'
    letter = a_letter(an_edition(html=html, subject=FIRST_NAME))
    try:
        data = letter.fill(a_recipient(first_name=value, name=value), date=NOW)
    except InputError:
        assert re.search("[\r\n\0]", value)
        return

    assert not re.search("[\r\n\0]", value)
    assert_well_formed(data)
    body = part(read_message(data), "html")
    assert body.count("<") == 4
    assert body.count('"') == 4
    assert re.search(r'href="https://a\.org/\?n=[A-Za-z0-9._~%-]*"', body)


def test_a_word_of_the_letter_that_looks_like_a_token_stays() -> None:
    literal = encode(MergeTag("first_name", "x"))[:-3]
    letter = a_letter(an_edition(text=f"see {literal}", html=f"<p>{literal}</p>"))

    message = read_message(letter.fill(a_recipient(), date=NOW))

    assert part(message, "plain") == f"see {literal}"
    assert part(message, "html") == f"<p>{literal}</p>"
