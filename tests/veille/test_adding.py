"""Adding a page by its address: fetched under guard, read, and put on the desk."""

import json
import ssl

import pytest
from sqlalchemy import Engine

from pipeline.errors import FetchError, InputError
from pipeline.settings import Settings
from pipeline.veille.adding import MAX_MESSAGE, PROPOSED, add_by_hand, add_page, proposed
from pipeline.veille.card import Card, Filter
from pipeline.veille.entries import count_cards
from pipeline.veille.kinds import Kind, kind_of
from pipeline.veille.states import State
from tests.servers import authority
from tests.veille.asking import redirect
from tests.veille.builders import NOW, on_loopback, rss, rss_item
from tests.veille.server import Answer, Site, serving
from tests.veille.test_pdf import a_pdf

PAGE = (
    '<!doctype html><html lang="fr"><head><title>Titre | La Revue</title>'
    '<meta property="og:title" content="Des communs à l’école">'
    '<meta property="og:site_name" content="La Revue"><meta name="author" content="Ada Martin">'
    '<meta name="date" content="2026-11-20"></head><body><p>Bonjour.</p></body></html>'
)


def add(engine: Engine, url: str, settings: Settings | None = None, **more: object) -> Card:
    return add_page(
        engine,
        settings or on_loopback(),
        url,
        by="Gwenola",
        now=NOW,
        **more,  # type: ignore[arg-type]
    )


def test_a_page_is_fetched_read_and_put_on_the_desk(engine: Engine, site: Site) -> None:
    url = site.put("/a", PAGE, Content_Type="text/html; charset=utf-8")

    card = add(engine, f" {url} ", note="À lire", tags=("communs", "école"))

    assert card.entry.title == "Des communs à l’école"
    assert (card.entry.source, card.entry.authors) == ("La Revue", ("Ada Martin",))
    assert card.entry.origins["title"] == "opengraph"
    assert (card.state, card.note, card.tags) == (State.NEW, "À lire", ("communs", "école"))
    assert count_cards(engine, Filter(tag="communs")) == 1


def test_a_page_that_is_on_the_desk_is_its_card_and_is_not_fetched_again(
    engine: Engine, site: Site
) -> None:
    url = site.put("/a", PAGE, Content_Type="text/html")
    first = add(engine, url, note="Un", tags=("a",))

    again = add(engine, f"{url}?utm_source=lettre", note="Deux", tags=("b",))

    assert (again.id, again.entry.title) == (first.id, first.entry.title)
    assert set(again.tags) == {"a", "b"}
    assert "Un" in again.note
    assert "Deux" in again.note
    assert site.paths() == ["/a"]


def test_a_page_behind_a_redirect_over_tls_is_the_page_in_the_end(engine: Engine) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority().configure_trust(trusting)
    with serving(tls=context) as site:
        site.answers["/court"] = redirect("/a")
        url = site.put("/a", PAGE, Content_Type="text/html")

        card = add(engine, site.url("/court"), tls=trusting)

    assert card.entry.url == url


def test_a_feed_is_to_be_followed(engine: Engine, site: Site) -> None:
    url = site.put("/flux", rss(rss_item()), Content_Type="text/html")

    with pytest.raises(FetchError, match=f"infolettre veille follow {url}"):
        add(engine, url)


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (b"\x89PNG\r\n\x1a\n", "text/html", "is an image"),
        (b"<svg/>", "image/svg+xml", "is an image"),
        (b"....ftypisom", "application/octet-stream", "is a recording"),
        (b"?", "audio/mpeg", "is a recording"),
        (b"PK\x03\x04", "", "is a file to download"),
        (
            b"?",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "is a file to download",
        ),
        (b'{"a": 1}', "application/json", "no web page that can be read"),
        (b"a,b", "text/csv", "no web page that can be read"),
    ],
)
def test_what_is_no_page_is_told_with_the_way_out(
    site: Site, body: bytes, kind: str, told: str, engine: Engine
) -> None:
    url = site.put("/x", body, Content_Type=kind)

    with pytest.raises(FetchError, match=told):
        add(engine, url)

    assert count_cards(engine, Filter()) == 0


def test_a_page_that_is_declared_as_anything_is_read(engine: Engine, site: Site) -> None:
    url = site.put("/a", PAGE, Content_Type="application/octet-stream")

    assert add(engine, url).entry.title == "Des communs à l’école"


def test_a_pdf_is_read_whatever_it_is_declared_as(engine: Engine, site: Site) -> None:
    body = a_pdf(7, Title="Rapport sur les communs", Author="Ada Martin")
    url = site.put("/rapport.pdf", body, Content_Type="text/html")

    entry = add(engine, url).entry

    assert (entry.title, entry.authors) == ("Rapport sur les communs", ("Ada Martin",))
    assert (entry.excerpt, entry.origins["title"]) == ("PDF, 7 pages", "pdf")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "http://2130706433/",
        "http://[::ffff:10.0.0.1]/",
        "http://localhost/",
    ],
)
def test_a_private_address_is_not_asked(engine: Engine, url: str) -> None:
    with pytest.raises(FetchError, match="private or reserved"):
        add(engine, url, settings=Settings())


def test_a_redirect_to_a_private_address_is_not_followed(engine: Engine, site: Site) -> None:
    site.answers["/a"] = redirect("http://10.0.0.1/secret")

    with pytest.raises(FetchError, match="private or reserved"):
        add(engine, site.url("/a"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("javascript:alert(1)", "no web address"),
        ("file:///etc/passwd", "no web address"),
        ("", "no web address"),
        ("https://" + "a" * 3000, "no web address"),
        ("https://[::1", "no web address"),
        ("https://ada:secret@revue.example/a", "user name or password"),
    ],
)
def test_what_is_no_address_is_told_and_no_password_is_repeated(
    engine: Engine, url: str, told: str
) -> None:
    with pytest.raises(FetchError, match=told) as caught:
        add(engine, url)
    assert "secret" not in str(caught.value)
    with pytest.raises(FetchError, match=told):
        add_by_hand(engine, url, title="T", by="Gwenola", now=NOW)
    with pytest.raises(FetchError, match=told):
        proposed(engine, on_loopback(), url, now=NOW)


# --- by hand ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 451])
def test_a_page_that_refuses_programs_is_to_be_added_by_hand(
    engine: Engine, site: Site, status: int
) -> None:
    site.answers["/a"] = Answer(status=status)

    with pytest.raises(FetchError, match=r"with its title \(--title\)"):
        add(engine, site.url("/a"))
    card = add_by_hand(
        engine, site.url("/a"), title=" Un\x07 titre ", by="Gwenola", now=NOW, tags=("a",)
    )

    assert (card.entry.title, card.entry.source) == ("Un titre", "127.0.0.1")
    assert card.entry.origins == {"title": "hand", "source": "address"}
    assert card.tags == ("a",)
    assert add(engine, site.url("/a")).id == card.id  # on the desk: not asked again


def test_a_page_that_is_out_of_order_is_not_said_to_refuse(engine: Engine, site: Site) -> None:
    site.answers["/a"] = Answer(status=503)

    with pytest.raises(FetchError, match="out of order"):
        add(engine, site.url("/a"))


def test_what_is_added_by_hand_needs_a_title_and_may_name_its_source(engine: Engine) -> None:
    url = "https://youtu.be/abcdefghijk?t=3"
    with pytest.raises(InputError, match="needs a title"):
        add_by_hand(engine, url, title=" \x00 ", by="Gwenola", now=NOW)

    card = add_by_hand(engine, url, title="T", source="La Chaîne", by="Gwenola", now=NOW)

    assert card.entry.url == "https://www.youtube.com/watch?v=abcdefghijk"
    assert (card.entry.source, card.entry.origins["source"]) == ("La Chaîne", "hand")


# --- proposals --------------------------------------------------------------------------------


def test_a_proposal_is_tagged_and_brings_its_message_as_plain_text(
    engine: Engine, site: Site
) -> None:
    url = site.put("/a", PAGE, Content_Type="text/html")

    card = proposed(
        engine,
        on_loopback(),
        url,
        name="Cy\nRoy",
        message="À lire !\x00\u202e" + "x" * 5000,
        now=NOW,
    )

    assert card.tags == (PROPOSED,)
    assert card.note.startswith("À lire !xxx")
    assert card.note.endswith("— Cy Roy")
    assert len(card.note) <= MAX_MESSAGE + 20
    assert (card.state, card.state_by) == (State.NEW, "")


def test_nobody_fills_a_card_by_proposing_it_again(engine: Engine, site: Site) -> None:
    url = site.put("/a", PAGE, Content_Type="text/html")
    first = proposed(engine, on_loopback(), url, message="Un", now=NOW)

    for _ in range(3):
        again = proposed(engine, on_loopback(), url, message="Deux", now=NOW)

    assert again == first
    assert len(site.requests) == 1


def test_a_proposal_to_a_private_address_is_refused(engine: Engine) -> None:
    with pytest.raises(FetchError, match="private or reserved"):
        proposed(engine, Settings(), "http://127.0.0.1:9/", message="x", now=NOW)


# --- kinds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (PAGE.encode(), "image/png", Kind.PAGE),
        (PAGE.encode("utf-16"), "text/html", Kind.PAGE),
        (b"<!doctype html><title>%PDF-1.7</title>", "application/pdf", Kind.PAGE),
        (b"\n%PDF-1.4", "", Kind.PDF),
        (rss(), "text/plain", Kind.FEED),
        (
            json.dumps({"version": "https://jsonfeed.org/version/1.1"}).encode(),
            "text/html",
            Kind.FEED,
        ),
        (b"{}", "application/json", Kind.PAGE),
        (b"\xff\xd8\xff\xe0", "text/html", Kind.IMAGE),
        (b"", "", Kind.PAGE),
    ],
)
def test_what_an_answer_is_shows_in_its_first_bytes(
    body: bytes, content_type: str, expected: Kind
) -> None:
    assert kind_of(body, content_type=content_type) is expected
