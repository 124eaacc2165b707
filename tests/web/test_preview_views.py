"""The six documents, as text."""

from dataclasses import replace

import pytest

from pipeline.render.edition import Edition, Picture
from pipeline.web.preview.desk import Preview, PreviewDesk
from pipeline.web.preview.panel import page_title, render_pieces, render_view
from pipeline.web.preview.views import letter_page, viewed_preheader
from tests.web.workshop import Room

DARK_PAGE = (
    '<html><head><style media="(prefers-color-scheme: light)">a{}</style><style>'
    "@media screen and (prefers-color-scheme:dark){b{}}</style></head>"
    '<body><p>about (prefers-color-scheme: dark)</p><a href="#a">a</a>'
    '<a class="x" href="https://a.example">b</a>'
    '<img alt="A lamp" src="cid:l.png@infolettre" width="20"></body></html>'
)


@pytest.fixture
def edition(room: Room) -> Edition:
    return room.render()


@pytest.fixture
def dark(edition: Edition) -> Edition:
    picture = Picture(name="l.png", source="l.png", digest="d", max_width=40)
    return replace(edition, html=DARK_PAGE, pictures=(picture,))


def test_the_dark_view_is_dark_on_every_machine(dark: Edition) -> None:
    page = letter_page(dark, "dark", "named")

    assert "@media screen and (min-width:0px){b{}}" in page
    assert '<style media="(max-width:0px)">' in page
    assert "color-scheme:only dark" in page


@pytest.mark.parametrize("view", ["phone", "desktop", "images-off"])
def test_the_other_views_are_light_on_every_machine(dark: Edition, view: str) -> None:
    page = letter_page(dark, view, "named")  # type: ignore[arg-type]

    assert "@media screen and (max-width:0px){b{}}" in page
    assert '<style media="(min-width:0px)">' in page
    assert "color-scheme:only light" in page


def test_a_letter_that_speaks_of_dark_mode_keeps_its_words(dark: Edition) -> None:
    assert "<p>about (prefers-color-scheme: dark)</p>" in letter_page(dark, "dark", "named")


def test_links_inside_the_letter_scroll_and_others_open_beside(dark: Edition) -> None:
    page = letter_page(dark, "phone", "named")

    assert '<base target="_blank">' in page
    assert '<a target="_self" href="#a">' in page
    assert '<a class="x" href="https://a.example">' in page


def test_without_images_only_their_alternative_is_left(dark: Edition) -> None:
    page = letter_page(dark, "images-off", "named")

    assert '<img alt="A lamp" width="20">' in page
    assert "l.png" not in page


def test_embedded_and_linked_pictures_both_come_from_this_server(edition: Edition) -> None:
    (picture,) = edition.pictures
    embedded = replace(
        edition,
        html=edition.html.replace(f"{edition.web_url}images/", "cid:").replace(
            picture.name, f"{picture.name}@infolettre"
        ),
    )

    for one in (edition, embedded):
        assert f'src="images/{picture.name}"' in letter_page(one, "phone", "named")


def test_merge_tags_are_filled_with_a_sample_person_or_their_fallback(edition: Edition) -> None:
    assert "Bonjour Camille" in letter_page(edition, "phone", "named")
    assert "Bonjour à toutes et tous" in letter_page(edition, "phone", "nobody")


def test_the_preheader_is_filled_too(edition: Edition) -> None:
    token = edition.subject.partition(",")[0]
    told = replace(edition, preheader=f"Pour {token}")

    assert viewed_preheader(told, "named") == "Pour Camille"


def test_the_plain_text_is_the_second_part_of_the_mail(edition: Edition) -> None:
    page = render_view(Preview(edition=edition), view="text", reader="named", language="en")

    assert "Bonjour Camille" in page
    assert "<pre" in page


def test_the_inbox_counts_what_it_shows(edition: Edition) -> None:
    preview = Preview(edition=edition, sender="Le Cercle")
    page = render_view(preview, view="inbox", reader="named", language="en")

    assert "Camille, une veillée vous attend" in page
    assert "32 characters" in page


def test_before_the_first_good_letter_there_is_a_word_in_its_place() -> None:
    page = render_view(Preview(), view="phone", reader="named", language="en")

    assert "No letter yet" in page


def test_what_a_letter_says_is_escaped_in_the_page(edition: Edition) -> None:
    sly = replace(edition, subject="<script>x</script>", title="<b>", preheader="&amp;")
    pieces = render_pieces(Preview(edition=sly, sender="<i>"), reader="named", language="en")

    assert "&lt;script&gt;x&lt;/script&gt;" in pieces["strip"]
    assert "&amp;amp;" in pieces["strip"]
    assert "&lt;i&gt;" in pieces["strip"]
    assert "&lt;b&gt;" in pieces["bar"]


def test_the_weight_is_that_of_the_html_and_beyond_gmails_limit_it_warns(
    edition: Edition,
) -> None:
    heavy = replace(edition, html="é" * 60_000)
    bar = render_pieces(Preview(edition=heavy), reader="named", language="en")["bar"]

    assert "117 of 102 KB" in bar
    assert "heavy" in bar


def test_the_windows_title_begins_with_the_count_of_mistakes(room: Room) -> None:
    desk = PreviewDesk(room)
    desk.refresh()
    room.replace("number: 46", "nubmer: 46")

    assert page_title(desk.refresh(), "en").startswith("(2) Des cafés")


def test_a_mistake_shows_its_place_and_the_line_cut_at_the_column(room: Room) -> None:
    room.replace("block: edito", "block: editoo")
    preview = PreviewDesk(room).refresh()
    panel = render_pieces(preview, reader="named", language="en")["mistakes"]

    assert "<b>issue.yaml:9:12</b>" in panel
    assert "<code>- block: <mark>editoo</mark></code>" in panel
