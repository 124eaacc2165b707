"""The index: the newest letter, then the years."""

from dataclasses import replace
from itertools import pairwise

import lxml.html
from lxml.html import HtmlElement

from pipeline.archive.pages import index_page
from pipeline.archive.past import PastLetter
from pipeline.settings import Settings
from tests.archive.letters import NO_SITE, SETTINGS, Workshop, a_past_letter


def an_index(workshop: Workshop, *letters: PastLetter) -> HtmlElement:
    page = lxml.html.document_fromstring(index_page(letters, workshop.press()).html)
    assert isinstance(page, HtmlElement)
    return page


def texts(page: HtmlElement, path: str) -> list[str]:
    return [" ".join(one.text_content().split()) for one in page.iterfind(path)]


def test_the_newest_letter_stands_first_and_the_others_by_year(workshop: Workshop) -> None:
    page = an_index(
        workshop,
        a_past_letter("2025-01-10-b", number=2, title="Deux"),
        a_past_letter("2026-11-20-d", number=4, title="Quatre"),
        a_past_letter("2026-01-02-c", number=3, title="Trois"),
        a_past_letter("2024-12-01-a", number=1, title="Un"),
    )
    assert texts(page, ".//h1") == ["Le Cercle & les cafés"]
    assert texts(page, ".//h2") == ["Quatre", "2026", "2025", "2024"]
    assert texts(page, ".//h3") == ["Trois", "Deux", "Un"]
    assert texts(page, ".//time") == [
        "vendredi 20 novembre 2026",
        "2 janvier",
        "10 janvier",
        "1er décembre",
    ]


def test_two_letters_of_one_day_stand_in_the_order_of_their_numbers(workshop: Workshop) -> None:
    letters = [a_past_letter(f"2026-01-02-{n}", number=n, title=f"L{n}") for n in (9, 11, 10)]
    page = an_index(workshop, *letters)
    assert texts(page, ".//h2")[0] == "L11"
    assert texts(page, ".//h3") == ["L10", "L9"]


def test_links_lead_to_a_file_so_that_they_work_without_a_server(workshop: Workshop) -> None:
    page = an_index(workshop, a_past_letter("2026-11-20 déjà #1"))
    assert page.xpath("//h2/a/@href") == ["2026-11-20%20d%C3%A9j%C3%A0%20%231/index.html"]


def test_years_get_links_once_there_are_three(workshop: Workshop) -> None:
    letters = [a_past_letter(f"{year}-01-02-a") for year in (2026, 2025, 2024, 2023)]
    assert an_index(workshop, *letters).xpath("//nav//a/@href") == ["#y2025", "#y2024", "#y2023"]
    assert not an_index(workshop, *letters[:3]).xpath("//nav")


def test_a_letter_in_another_language_says_so(workshop: Workshop) -> None:
    page = an_index(
        workshop, a_past_letter(title="Cafés"), a_past_letter("2026-01-02-a", language="en")
    )
    assert page.get("lang") == "fr"
    assert page.xpath("//*[@lang='en']//h3")
    assert not page.xpath("//h2[@lang]")


def test_what_an_editor_types_is_text(workshop: Workshop) -> None:
    title = "<script>alert('1')</script> & {{ site }} \" onx="
    page = an_index(workshop, a_past_letter(title=title, subtitle=title))
    assert not page.xpath("//script")
    assert texts(page, ".//h2") == [title]


def test_an_archive_without_letters_says_so(workshop: Workshop) -> None:
    page = an_index(workshop)
    assert page.xpath("count(//h1)") == 1
    assert len(texts(page, ".//main/p")) == 1


def test_the_index_has_landmarks_a_skip_link_and_headings_in_order(workshop: Workshop) -> None:
    page = an_index(workshop, a_past_letter(), a_past_letter("2026-01-02-a"))
    assert page.xpath("//a[@class='skip']/@href") == ["#contenu"]
    assert page.get_element_by_id("contenu").tag == "main"
    levels = [int(one.tag[1]) for one in page.iter("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_canonical_address_needs_a_site(workshop: Workshop) -> None:
    def canonical(settings: Settings) -> object:
        workshop.settings = settings
        return an_index(workshop, a_past_letter()).xpath("//link[@rel='canonical']/@href")

    assert canonical(SETTINGS) == ["https://lettres.example/cercle/"]
    assert canonical(NO_SITE) == []


def test_an_english_site_speaks_english(workshop: Workshop) -> None:
    workshop.settings = replace(SETTINGS, site=replace(SETTINGS.site, language="en"))
    page = an_index(workshop, a_past_letter())
    assert page.get("lang") == "en"
    assert texts(page, ".//time") == ["Friday 20 November 2026"]
    assert "The latest letter" in texts(page, ".//p")


def test_a_site_without_a_logo_shows_none(workshop: Workshop) -> None:
    workshop.logo = False
    made = index_page([a_past_letter()], workshop.press())
    assert made.pictures == ()
    assert "<img" not in made.html
