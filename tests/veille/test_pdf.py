"""What a PDF says of itself, and what becomes of one that says nothing or is broken."""

import io
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from pipeline.veille.apart import run_apart
from pipeline.veille.item import Entry
from pipeline.veille.pdf import PdfSaid, pdf_entry, read_pdf, readable_name
from tests.veille.builders import NOW

URL = "https://revue.example/docs/rapport_annuel-2025.pdf"
XMP = """<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/'>
<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Un titre en XMP</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>Ada Martin</rdf:li><rdf:li>Bo Lee</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>fr</rdf:li></rdf:Bag></dc:language>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"""


def a_pdf(
    pages: int = 3, *, language: str = "", xmp: str = "", password: str = "", **info: str
) -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    writer.add_metadata({f"/{name}": value for name, value in info.items()})
    if language:
        writer.root_object[NameObject("/Lang")] = TextStringObject(language)
    if xmp:
        writer.xmp_metadata = xmp.encode()
    if password:
        writer.encrypt(password)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def entry(body: bytes, url: str = URL) -> Entry:
    return pdf_entry(read_pdf(body), url=url, now=NOW)


def test_a_pdf_is_called_as_it_says() -> None:
    body = a_pdf(
        12,
        language="fr-FR",
        Title="Les communs numériques",
        Author="Ada Martin; Bo Lee <bo@revue.example>; Cy Roy",
        CreationDate="D:20251103101500+01'00'",
        Subject="Un état des lieux",
    )

    found = entry(body)

    assert found.title == "Les communs numériques"
    assert found.authors == ("Ada Martin", "Cy Roy")
    assert found.published_at == datetime(2025, 11, 3, 9, 15, tzinfo=UTC)
    assert found.language == "fr-FR"
    assert found.excerpt == "Un état des lieux · PDF, 12 pages"
    assert (found.source, found.url) == ("revue.example", URL)
    assert found.origins == {
        "title": "pdf",
        "authors": "pdf",
        "published_at": "pdf",
        "language": "pdf",
        "excerpt": "pdf",
        "source": "address",
    }


def test_what_only_the_xmp_packet_says_is_found() -> None:
    found = entry(a_pdf(1, xmp=XMP))

    assert (found.title, found.authors) == ("Un titre en XMP", ("Ada Martin", "Bo Lee"))
    assert (found.language, found.excerpt) == ("fr", "PDF, 1 page")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("", "Rapport annuel 2025"),
        ("Untitled", "Rapport annuel 2025"),
        ("Présentation PowerPoint", "Rapport annuel 2025"),
        ("Microsoft Word - bilan_des-communs.docx", "Bilan des communs"),
        ("maquette_v2.indd", "Maquette v2"),
        ("A < B & C\u0007\u202e", "A < B & C"),
        ("Rapport 2024-2025", "Rapport 2024-2025"),
    ],
)
def test_what_a_program_wrote_for_a_title_is_none(title: str, expected: str) -> None:
    assert entry(a_pdf(Title=title)).title == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://revue.example/d/%C3%89tude%20sur-les_communs.PDF", "Étude sur les communs"),
        ("https://revue.example/download?id=3", "Download"),
        ("https://www.revue.example/", "revue.example"),
    ],
)
def test_a_pdf_without_title_is_called_by_its_file(url: str, expected: str) -> None:
    found = pdf_entry(PdfSaid(), url=url, now=NOW)

    assert (found.title, found.origins["title"]) == (expected, "address")


def test_an_encrypted_pdf_without_password_is_read_and_one_with_it_is_not() -> None:
    owned = PdfWriter(clone_from=io.BytesIO(a_pdf(Title="Lisible")))
    owned.encrypt(user_password="", owner_password="secret")
    out = io.BytesIO()
    owned.write(out)

    assert read_pdf(out.getvalue()).title == "Lisible"
    assert read_pdf(a_pdf(Title="Fermé", password="secret")) == PdfSaid()


def a_looping_tree() -> bytes:
    """A page tree that is its own child, and says that it has a billion pages."""
    writer = PdfWriter(clone_from=io.BytesIO(a_pdf(Title="Boucle")))
    root: Any = writer.root_object
    tree = root["/Pages"].get_object()
    tree[NameObject("/Kids")] = ArrayObject([root.raw_get("/Pages")])
    tree[NameObject("/Count")] = NumberObject(10**9)
    info = DictionaryObject({NameObject("/A"): TextStringObject("b")})
    root[NameObject("/Lang")] = info
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_page_tree_that_loops_is_not_walked() -> None:
    said = read_pdf(a_looping_tree())

    assert (said.title, said.pages, said.language) == ("Boucle", 0, "")


@pytest.mark.parametrize(
    "body",
    [
        b"%PDF-1.7",
        b"%PDF-1.7\nxref\n0 99999999\ntrailer\n<</Root 1 0 R/Prev 9>>\nstartxref\n9\n%%EOF",
        a_pdf(Title="Coupé")[:400],
        a_pdf(Title="T", CreationDate="hier")[:-20],
    ],
)
def test_a_broken_pdf_is_called_by_its_file(body: bytes) -> None:
    found = entry(body)

    assert found.title in ("Rapport annuel 2025", "T")
    assert found.published_at is None


@given(st.binary(max_size=300), st.integers(min_value=0, max_value=400))
def test_whatever_the_bytes_something_is_said(junk: bytes, place: int) -> None:
    body = a_pdf(1, Title="T")

    assert isinstance(read_pdf(body[:place] + junk + body[place + len(junk) :]), PdfSaid)


def test_work_apart_is_stopped_when_it_takes_too_long_or_too_much() -> None:
    begun = time.perf_counter()

    assert run_apart(time.sleep, 60, seconds=0.2, megabytes=1024) is None
    assert run_apart(bytearray, 4 << 30, seconds=10, megabytes=1024) is None
    assert run_apart(int, "x", seconds=10, megabytes=1024) is None
    assert run_apart(read_pdf, a_pdf(Title="T"), seconds=10, megabytes=1024) == PdfSaid(
        title="T", pages=3
    )
    assert time.perf_counter() - begun < 20


def test_a_name_of_a_file_becomes_words_and_a_title_stays() -> None:
    assert readable_name("compte-rendu_2024-11-25.docx") == "Compte rendu 2024-11-25"
    assert readable_name("Le web, demain. Et après") == "Le web, demain. Et après"
