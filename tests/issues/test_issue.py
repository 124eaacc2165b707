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
- {block: image, image: ../lampe.png, image_alt: a}
- {block: image, image: "https://a.example/a.png", image_alt: a}
- {block: image, image: lampe.png}
- nothing
"""


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    assert mistakes_of(WRONG, a=Image(path="lampes.png")) == [
        "issue.yaml:1:1: the field “number” is missing here",
        "issue.yaml:1:8: a text is expected here: put “12” in quotes",
        "issue.yaml:2:7: “13/03” is not a day: write it as 2025-03-13",
        "issue.yaml:3:9: infolettre.toml has no sender “personne”; it has: redaction",
        "issue.yaml:4:1: there is no field “langue” here; did you mean: language",
        "issue.yaml:6:10: there is no block “agnda”; did you mean: agenda",
        "issue.yaml:9:12: “2026-02-30” is not a day: write it as 2025-03-13",
        'issue.yaml:9:30: “midi” is not an hour: write it as "13:30"',
        "issue.yaml:9:51: “javascript:alert(1)” is not a link:"
        " it begins with https://, http://, mailto: or tel:",
        "issue.yaml:10:5: the field “date” is missing here",
        "issue.yaml:10:5: the field “title” is missing here",
        "issue.yaml:10:6: there is no field “titre” here; did you mean: title",
        "issue.yaml:11:40: there is no merge tag “firstname”; did you mean: first_name",
        "issue.yaml:12:22: the id “x” is already that of the block on line 11",
        "issue.yaml:12:31: expected a text, found a list (lines that begin with “- ”)",
        "issue.yaml:13:25: “../lampe.png” is outside the letter's folder: copy the image into it",
        "issue.yaml:14:25: “https://a.example/a.png” is on the web:"
        " save the image in the letter's folder",
        "issue.yaml:15:3: the field “image_alt” is missing here",
        "issue.yaml:15:25: there is no image “lampe.png” in the letter's folder;"
        " it has: lampes.png",
        "issue.yaml:16:3: each entry of “blocks” begins with “block: name”;"
        f" names: {', '.join(a_library())}",
    ]


@pytest.mark.parametrize("text", ["", "- a\n", "bonjour\n", "12\n"])
def test_a_file_that_is_no_letter_says_what_one_is(text: str) -> None:
    assert mistakes_of(text)[0].endswith(
        "a letter begins with its fields, such as “number: 1”; this is not one"
    )


def test_blocks_that_are_no_list_are_refused() -> None:
    assert "found fields" in mistakes_of(HEAD + "blocks: {block: texte, body: a}\n")[0]


def test_an_unknown_field_inside_an_item_is_told_at_its_key() -> None:
    text = (
        HEAD
        + "blocks:\n- block: veille\n  items:\n  - {title: A, url: https://a.example, auteur: B}\n"
    )
    assert mistakes_of(text) == [
        "issue.yaml:8:40: there is no field “auteur” here; did you mean: authors"
    ]


@pytest.mark.parametrize(
    ("url", "is_right"),
    [("https://a.example/b", True), ("mailto:a@b.example", True), ("tel:+33102030405", True)]
    + [("{{online_url}}", True), ("{{first_name}}", False), ("//a.example", False)]
    + [("www.a.example", False), ("data:text/html,x", False), ("https://", False)]
    + [("file:///etc/passwd", False), ("https://a b.example", False), ("ftp://a.example", False)],
)
def test_only_safe_links_pass(url: str, is_right: bool) -> None:
    text = HEAD + f'blocks:\n- {{block: bouton, label: A, url: "{url}"}}\n'
    if is_right:
        assert read(text).parts[0].fields["url"] == url
    else:
        assert len(mistakes_of(text)) == 1


def test_segments_that_matter_are_those_of_the_blocks() -> None:
    text = HEAD + "blocks:\n- {block: texte, only: [benevoles, presse], body: a}\n"
    issue = read(text)
    assert issue.segments == {"benevoles", "presse"}
    assert issue.parts[0].is_shown_to(frozenset({"presse"}))
    assert not issue.parts[0].is_shown_to(frozenset())


def test_a_markdown_link_that_leads_nowhere_is_told_at_its_place() -> None:
    text = HEAD + (
        "blocks:\n- block: texte\n  body: |\n"
        "    [a](https://a.example) [b](www.b.example) `[c](x)` [d]({{online_url}})\n"
        "    [e](javascript:alert(1)) [f]() [g](#ancre) [h]({{first_name}})\n"
    )
    told = [one.partition(": th")[0::2] for one in mistakes_of(text)]
    assert [(place, said.split("”")[0]) for place, said in told] == [
        ("issue.yaml:8:30", "e link “www.b.example"),
        ("issue.yaml:9:7", "e link “javascript:alert(1)"),
        ("issue.yaml:9:32", "is link has no address: write it between the parentheses"),
        ("issue.yaml:9:50", "e link “{{first_name}}"),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("titre", "heading"), ("texte", "body"), ("boddy", "body"), ("prénom", "")],
)
def test_a_french_name_of_a_field_is_understood(written: str, meant: str) -> None:
    (told,) = [
        one
        for one in mistakes_of(HEAD + f"blocks:\n- block: texte\n  {written}: a\n")
        if written in one
    ]
    assert told.endswith(f"did you mean: {meant}") == bool(meant)
