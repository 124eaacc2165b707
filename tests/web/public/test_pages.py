"""What the pages are made of: languages, masks, and mails that carry nobody else's words."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.optin import Mail
from pipeline.errors import InputError
from pipeline.settings import Organisation, Sender, Settings, Site, Subscription
from pipeline.web.public.mails import Order, sender_of, write_mail
from pipeline.web.public.pages import choose_language, mask_address, request_of, wording_of

LETTER = Sender(name="La lettre", email="lettre@cercle.example")
HELLO = Sender(name="Inscription", email="inscription@cercle.example", reply_to="b@cercle.example")


@pytest.mark.parametrize(
    ("accepted", "site", "language"),
    [
        ("", "fr", "fr"),
        ("", "en", "en"),
        ("", "en-GB", "en"),
        ("", "de", "fr"),
        ("en", "fr", "en"),
        ("fr-CA,fr;q=0.8,en;q=0.5", "en", "fr"),
        ("de, en-GB;q=0.8, fr;q=0.5", "fr", "en"),
        ("en;q=0.5, fr", "en", "fr"),
        ("en;q=0", "fr", "fr"),
        ("de", "en", "en"),
        ("*", "en", "en"),
        ("en;q=x", "fr", "fr"),
    ],
)
def test_a_page_speaks_what_the_browser_asks_for_else_what_the_site_does(
    accepted: str, site: str, language: str
) -> None:
    assert choose_language(accepted, site) == language


@given(st.text(max_size=600), st.text(max_size=10))
def test_whatever_a_browser_asks_for_there_is_a_language(accepted: str, site: str) -> None:
    assert choose_language(accepted, site) in ("fr", "en")


def test_a_masked_address_is_known_by_its_owner_alone() -> None:
    assert mask_address("marie.curie@lettre.example") == "m…@lettre.example"


def test_the_log_gets_the_text_of_the_settings_else_that_of_the_form() -> None:
    own = Settings(subscription=Subscription(wording="Oui.", wording_version="2026-1"))
    asked = request_of({"email": "zoe@lettre.example"}, own, "fr")
    assert (asked.wording, asked.wording_version, asked.language) == ("Oui.", "2026-1", "fr")

    plain = Settings(site=Site(name="Le Cercle"))
    asked = request_of({"email": "zoe@lettre.example"}, plain, "en")
    assert asked.wording == wording_of(plain, "en")
    assert asked.wording.startswith("I agree to receive Le Cercle by e-mail.")


def test_who_confirms_is_named_by_the_settings_else_is_the_first_profile() -> None:
    senders = {"redaction": LETTER, "bonjour": HELLO}
    assert sender_of(Settings(senders=senders)) is LETTER
    named = Settings(senders=senders, subscription=Subscription(sender="bonjour"))
    assert sender_of(named) is HELLO
    with pytest.raises(
        InputError, match=r"“x”, which is no profile; there are: redaction, bonjour"
    ):
        sender_of(Settings(senders=senders, subscription=Subscription(sender="x")))
    with pytest.raises(InputError, match="senders"):
        sender_of(Settings())


@pytest.mark.parametrize("mail", list(Mail))
@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_mail_is_no_letter_of_the_list_and_says_who_writes(mail: Mail, language: str) -> None:
    settings = Settings(
        site=Site(name="Le Cercle <b>"),
        organisation=Organisation(
            name="Le Cercle", address="Amiens", contact="bonjour@cercle.example",
            legal_url="https://cercle.example/mentions",
        ),
        senders={"bonjour": HELLO},
    )  # fmt: skip
    link = "https://lettre.example/confirmation/abc"
    letter = write_mail(
        Order(mail=mail, language=language, link=link, day=date(2026, 11, 20)), settings
    )

    text, html = "".join(map(str, letter.text)), "".join(map(str, letter.html))
    assert [name for name, _ in letter.frame.fields] == ["Auto-Submitted"]
    assert (letter.frame.address, letter.frame.reply_to) == (HELLO.email, HELLO.reply_to)
    for said in (text, html):
        for one in (link, "Amiens", "bonjour@cercle.example", "https://cercle.example/mentions"):
            assert one in said
    assert f'lang="{language}"' in html
    assert "Le Cercle &lt;b&gt;" in html
    assert "Le Cercle <b>" in text
    assert all(len(line) <= 78 for line in text.splitlines())
    for remote in ("<img", "<script", "src=", "@import"):
        assert remote not in html
