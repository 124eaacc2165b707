import pytest

from pipeline.errors import LetterError
from pipeline.issues.issue import Image, Issue, make_issue
from pipeline.text.document import parse_document
from tests.builders import a_library

HEAD = """\
number: 46
title: Des cafés
date: 2026-11-20
sender: redaction
"""


def read(text: str, **images: Image) -> Issue:
    return make_issue(
        parse_document(text.encode(), path="issue.yaml"),
        slug="des-cafes",
        library=a_library(),
        images={image.path: image for image in images.values()},
        senders=["redaction"],
    )


def mistakes_of(text: str, **images: Image) -> list[str]:
    with pytest.raises(LetterError) as caught:
        read(text, **images)
    return [mistake.say("en") for mistake in caught.value.mistakes]


def test_a_right_letter_has_its_defaults() -> None:
    issue = read(HEAD + "blocks:\n- {block: texte, heading: ☕ Un café, body: a}\n")
    assert issue.language == "fr"
    assert issue.subject == "Des cafés"
    assert issue.preheader == "☕ Un café"
    assert issue.parts[0].id == "un-cafe"


def test_the_preheader_is_the_subtitle_or_the_headings() -> None:
    blocks = (
        "blocks:\n- {block: texte, heading: A, body: a}\n- {block: texte, heading: B, body: b}\n"
    )
    assert read(HEAD + "subtitle: Sous\n" + blocks).preheader == "Sous"
    assert read(HEAD + blocks).preheader == "A ✦ B"


def test_two_blocks_with_one_heading_have_two_anchors() -> None:
    one = "- {block: texte, heading: Café, body: a}\n"
    issue = read(HEAD + "blocks:\n" + one + one + "- {block: texte, id: cafe-3, body: b}\n" + one)
    assert [part.id for part in issue.parts] == ["cafe", "cafe-2", "cafe-3", "cafe-4"]


def test_a_hidden_block_is_checked_but_not_shown() -> None:
    hidden = "blocks:\n- {block: texte, hidden: true, body: a}\n"
    assert read(HEAD + hidden).parts == ()
    assert "2:" not in mistakes_of(HEAD + hidden.replace("body: a", "corps: a"))[0]


WRONG = """\
title: 12
date: 13/03
sender: personne
langue: fr
blocks:
- block: agnda
- block: agenda
  events:
  - {date: 2026-02-30, time: midi, title: A, url: "javascript:alert(1)"}
  - {titre: B}
- {block: texte, id: x, body: "Bonjour {{firstname}}"}
- {block: texte, id: x, body: [a]}
- {block: image, image: ../lampe.png, image_alt: ""}
- {block: image, image: lampe.png, image_alt: ""}
- {block: image, image: lampe.png}
- nothing
"""


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    assert mistakes_of(WRONG, a=Image(path="lampes.png")) == []
