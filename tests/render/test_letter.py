import re
from dataclasses import replace
from pathlib import Path

import lxml.html
import pytest

from pipeline.errors import BlockError
from pipeline.issues.issue import Issue
from pipeline.render.compose import Press
from pipeline.render.letter import render_edition
from pipeline.render.mjml import join_sections
from pipeline.render.view import viewed_html, viewed_text
from pipeline.text.merge import TOKEN
from tests.builders import a_library, a_press, an_issue

LETTER = """\
number: 46
title: "Des cafés : la suite"
date: 2026-11-20
sender: redaction
subject: "{{first_name|Vous}}, la lettre !"
blocks:
- block: edito
  body: "Bonjour {{first_name|à toutes et tous}}, nous sommes le {{date}}, n° {{number}}."
- block: texte
  heading: Un
  body: "[partir]({{unsubscribe_url}}) et [lire](https://a.example/é?a=1&b=2)"
- block: texte
  heading: Réservé
  only: [benevoles]
  body: Entre nous.
- block: texte
  heading: Réservé mais public
  only: [benevoles]
  archive: true
  body: Pour l'archive.
"""
SURFACE = '<mj-section mj-class="surface" padding="16px 32px 12px">'


@pytest.fixture
def issue() -> Issue:
    return an_issue(LETTER)


def test_the_same_letter_gives_the_same_bytes(issue: Issue) -> None:
    first, second = render_edition(issue, a_press()), render_edition(issue, a_press())
    assert first == second
    assert first.digest == second.digest
    assert len(first.digest) == 64


def test_any_change_gives_another_edition(issue: Issue) -> None:
    other = an_issue(LETTER.replace("Un\n", "Deux\n"))
    assert render_edition(issue, a_press()).digest != render_edition(other, a_press()).digest


def test_language_and_direction_stand_on_html_and_on_its_first_child(issue: Issue) -> None:
    html = render_edition(issue, a_press()).html
    for opening in re.findall(r"<html [^>]*>|<div [^>]*role=.article[^>]*>", html):
        assert 'lang="fr"' in opening
        assert 'dir="ltr"' in opening
    assert html.index("<html ") < html.index('role="article"')


def test_what_is_the_same_for_all_is_filled_and_what_differs_stays_open(issue: Issue) -> None:
    edition = render_edition(issue, a_press())
    assert "vendredi 20\u00a0novembre 2026" in edition.html
    assert "n°\u00a046" in edition.html
    assert len(TOKEN.findall(edition.subject)) == 1
    assert TOKEN.search(edition.html)
    assert not TOKEN.search(edition.web)


def test_an_open_place_in_an_address_is_whole(issue: Issue) -> None:
    page = lxml.html.document_fromstring(render_edition(issue, a_press()).html)
    (target,) = [link.get("href") for link in page.iter("a") if link.text == "partir"]
    assert TOKEN.fullmatch(target or "")


def test_a_reserved_block_is_seen_by_its_segment_alone(issue: Issue) -> None:
    everyone = render_edition(issue, a_press())
    helpers = render_edition(issue, a_press(), segments=frozenset({"benevoles", "autres"}))
    assert "Entre nous" not in everyone.html + everyone.text + everyone.web
    assert "Entre nous" in helpers.html
    assert "Entre nous" in helpers.text
    assert helpers.variant == {"benevoles"}
    assert everyone.digest != helpers.digest


def test_a_reserved_block_is_archived_only_when_it_says_so(issue: Issue) -> None:
    helpers = render_edition(issue, a_press(), segments=frozenset({"benevoles"}))
    assert "Entre nous" not in helpers.web
    assert "Pour l’archive" in helpers.web


def test_nobody_in_particular_reads_the_fallbacks(issue: Issue) -> None:
    edition = render_edition(issue, a_press())
    assert "Bonjour à toutes et tous" in viewed_text(edition)
    assert "Bonjour Zoé &amp; Léo" in viewed_html(edition, {"first_name": "Zoé & Léo"})


def test_a_template_at_fault_is_named_with_its_line(issue: Issue, tmp_path: Path) -> None:
    library = a_library()
    name = "texte/email.mjml"
    broken = replace(library, templates={**library.templates, name: "\n\n{{ nothing.here }}"})
    press = Press(library=broken, settings=a_press().settings)
    with pytest.raises(BlockError) as caught:
        render_edition(issue, press)
    (mistake,) = caught.value.mistakes
    assert mistake.path.endswith(name)
    assert mistake.line == 3


def test_what_an_editor_types_is_never_a_template() -> None:
    text = LETTER.replace("Entre nous.", "'{% if x %} {# y #} {{ 7*7 }}'").replace(
        "{{ 7*7 }}", "49?"
    )
    helpers = render_edition(an_issue(text), a_press(), segments=frozenset({"benevoles"}))
    assert "{% if x %} {# y #}" in helpers.text


def test_neighbouring_sections_of_one_look_become_one() -> None:
    one = f"{SURFACE}\n<mj-column>\nA\n</mj-column>\n</mj-section>"
    other = one.replace("surface", "tint")
    joined = join_sections(f"{one}\n{one}\n{other}\n{one}")
    assert joined.count("<mj-section") == 3
    assert joined.count('<mj-spacer height="28px" />') == 1
    assert joined.count("A") == 4


def test_sections_with_something_between_them_stay_apart() -> None:
    one = f"{SURFACE}<mj-column>A</mj-column></mj-section>"
    apart = f"{one}<mj-section><mj-column>B</mj-column></mj-section>{one}"
    assert join_sections(apart).count("<mj-section") == 3


def test_plain_text_keeps_to_seventy_six_columns(issue: Issue) -> None:
    lines = viewed_text(render_edition(issue, a_press())).split("\n")
    long = [line for line in lines if len(line) > 76 and not re.search("https?://", line)]
    assert long == []
