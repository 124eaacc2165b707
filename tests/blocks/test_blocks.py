"""What holds for every block that ships, also for those that are still to come."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import lxml.html
import pytest

from pipeline.blocks.block import FLAVOURS, FRAME, Block
from pipeline.blocks.registry import BLOCK_FILE_NAME, shipped_blocks
from pipeline.issues.folder import read_images
from pipeline.render.edition import Edition
from pipeline.render.letter import render_edition
from pipeline.text.typography import typeset
from tests.builders import a_library, a_press, an_issue, an_issue_text

DESIGNED: Final = frozenset(
    "edito sommaire article temoignage citation agenda rendez-vous on-en-parle veille appel"
    " recrutement en-bref avant-de-partir credits texte image bouton chiffre video separateur"
    " partenaires".split()
)
NAMES: Final = sorted(file.parent.name for file in shipped_blocks().glob(f"*/{BLOCK_FILE_NAME}"))
LANGUAGES: Final = ("fr", "en")

#: A picture is nothing in plain text: its alternative text, or its owner's name, stands there.
_NO_PICTURES: Final = {
    ("text", "image", "image"),
    ("text", "partenaires", "items.logo"),
    ("text", "temoignage", "portrait"),
    ("text", "temoignage", "portrait_alt"),  # the author's name is told anyway
    ("text", "video", "image"),
}
_VOID: Final = frozenset("area base br col hr img input link meta wbr".split())

every_block = pytest.mark.parametrize("name", NAMES)


def template(name: str, flavour: str) -> str:
    return a_library().templates[f"{name}/{FLAVOURS[flavour]}"]


def fields_of(properties: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, schema) of each field, and of the fields inside a list's items."""
    for name, schema in properties.items():
        yield path + name, schema
        inside = schema.get("items", schema).get("properties", {})
        yield from fields_of(inside, f"{path}{name}.")


def least_of(schema: Mapping[str, Any], value: Any) -> Any:
    """Return of an example only what the schema requires."""
    if isinstance(value, list):
        return [least_of(schema["items"], one) for one in value]
    if isinstance(value, dict):
        required = schema.get("required", ())
        return {name: least_of(schema["properties"][name], value[name]) for name in required}
    return value


@lru_cache(maxsize=256)
def render(name: str, language: str = "fr", *, heading: str = "", least: bool = False) -> Edition:
    """Return a letter that holds the block's example and nothing else but a text."""
    block = a_library()[name]
    values = least_of(block.schema, dict(block.example)) if least else dict(block.example)
    if heading:
        values["heading"] = heading
    text = {"block": "texte", "heading": "Un titre", "body": "Un texte."}
    issue = an_issue(
        an_issue_text({"block": name, **values}, text, language=language),
        images=read_images(Path(block.folder)),
    )
    return render_edition(issue, a_press())


def own_part(name: str, flavour: str, language: str) -> str:
    edition = render(name, language)
    return {"email": edition.html, "web": edition.web, "text": edition.text}[flavour]


class _Balance(HTMLParser):
    """Notes what opens and never closes; what stands in Outlook's comments is no element."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> on line {self.getpos()[0]}")


def unbalanced(html: str) -> list[str]:
    balance = _Balance()
    balance.feed(html)
    balance.close()
    return balance.faults + balance.open


def known_classes() -> set[str]:
    """Return the classes of e-mail: those that the frame gives, styles, or MJML makes."""
    frame = template(FRAME, "email")
    styled = re.findall(
        r"\.([a-z][\w-]*)", " ".join(re.findall(r"(?s)<mj-style>.*?</mj-style>", frame))
    )
    given = " ".join(re.findall(r'(?:css-)?class="([^"{]*)"', frame)).split()
    return {*styled, *given}


def test_every_block_of_the_design_ships() -> None:
    assert set(NAMES) >= DESIGNED
    assert set(a_library()) == set(NAMES)


@every_block
def test_a_block_speaks_both_languages(name: str) -> None:
    block = a_library()[name]
    said: dict[str, Mapping[str, str]] = {"label": block.label, "description": block.description}
    said |= {f"words.{word}": both for word, both in block.words.items()}
    for path, schema in fields_of(block.properties):
        english = schema["x-en"]
        said[f"{path} title"] = {"fr": schema["title"], "en": english.get("title", "")}
        if "description" in schema or "description" in english:
            both = {"fr": schema.get("description", ""), "en": english.get("description", "")}
            said[f"{path} description"] = both
    missing = [
        f"{where} in {language}"
        for where, both in said.items()
        for language in LANGUAGES
        if not both.get(language, "").strip()
    ]
    assert missing == []


@every_block
def test_what_a_block_says_in_french_is_typeset(name: str) -> None:
    block = a_library()[name]
    said = [
        block.label["fr"],
        block.description["fr"],
        *(one["fr"] for one in block.words.values()),
    ]
    for _, schema in fields_of(block.properties):
        said += [schema["title"], schema.get("description", "")]
    assert said == [typeset(text, language="fr") for text in said]


@every_block
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_example_is_rendered_in_every_flavour(name: str, language: str) -> None:
    edition = render(name, language)
    for output in (edition.html, edition.text, edition.web):
        assert "Un texte." in output
        assert "None" not in output
        assert "Undefined" not in output


@every_block
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_least_that_an_editor_may_write_is_rendered_too(name: str, language: str) -> None:
    edition = render(name, language, least=True)
    for output in (edition.html, edition.text, edition.web):
        assert "Un texte." in output
        assert "None" not in output
    assert unbalanced(edition.html) == []
    assert unbalanced(edition.web) == []


@every_block
@pytest.mark.parametrize("flavour", ["email", "web"])
def test_the_page_balances(name: str, flavour: str) -> None:
    assert unbalanced(own_part(name, flavour, "fr")) == []


@every_block
def test_nothing_of_mjml_is_left_in_the_mail(name: str) -> None:
    html = render(name).html
    assert re.findall(r"</?mj-[\w-]*", html) == []
    assert "\\u{" not in html


@every_block
def test_a_layout_table_says_that_it_is_one(name: str) -> None:
    tables = re.findall(r"<table[^>]*>", render(name).html)  # those in Outlook's comments too
    assert [one for one in tables if 'role="presentation"' not in one] == []


@every_block
@pytest.mark.parametrize("flavour", ["email", "web"])
def test_an_image_has_its_alternative_text_and_its_size(name: str, flavour: str) -> None:
    page = lxml.html.document_fromstring(own_part(name, flavour, "fr"))
    for image in page.iter("img"):
        assert image.get("alt") is not None
        assert image.get("width")
        assert image.get("height")


@every_block
@pytest.mark.parametrize("flavour", ["email", "web"])
def test_a_link_has_a_name(name: str, flavour: str) -> None:
    page = lxml.html.document_fromstring(own_part(name, flavour, "fr"))
    for link in page.iter("a"):
        pictured = "".join(image.get("alt", "") for image in link.iter("img"))
        assert ("".join(map(str, link.itertext())) + pictured + link.get("aria-label", "")).strip()


@every_block
@pytest.mark.parametrize("flavour", ["email", "web"])
def test_under_its_heading_a_block_skips_no_level(name: str, flavour: str) -> None:
    edition = render(name, heading="✦ Le titre du bloc")
    page = lxml.html.document_fromstring(edition.html if flavour == "email" else edition.web)
    levels = [int(one.tag[1]) for one in page.iter("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@every_block
@pytest.mark.parametrize("flavour", ["email", "web"])
def test_an_id_stands_once(name: str, flavour: str) -> None:
    page = lxml.html.document_fromstring(own_part(name, flavour, "fr"))
    counted = Counter(one.get("id") for one in page.iter() if one.get("id"))
    assert [one for one, times in counted.items() if times > 1] == []


@every_block
def test_a_mail_wears_only_classes_that_the_frame_knows(name: str) -> None:
    page = lxml.html.document_fromstring(render(name).html)
    worn = {word for one in page.iter() for word in (one.get("class") or "").split()}
    assert {word for word in worn if not word.startswith("mj-")} <= known_classes()


@every_block
def test_a_colour_of_the_light_palette_is_on_an_element_that_darkens(name: str) -> None:
    source = template(name, "email")
    painted = re.findall(r"<[a-z][^<>]*theme\.light\.(?!ink)[^<>]*>", source)
    assert [tag for tag in painted if "class=" not in tag] == []


@every_block
def test_plain_text_keeps_to_its_width_and_holds_no_markup(name: str) -> None:
    text = render(name).text
    wide = [line for line in text.splitlines() if len(line) > 76 and "://" not in line]
    assert [line for line in wide if "merge" not in line] == []
    assert re.findall(r"</?[a-z][^>]*>|&\w+;", text) == []
    assert text == re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


@every_block
def test_every_link_of_the_plain_text_is_listed_under_it(name: str) -> None:
    text = render(name).text
    cited = set(re.findall(r"\[(\d+)\]", text))
    assert set(re.findall(r"^\[(\d+)\] \S+$", text, flags=re.MULTILINE)) == cited


@every_block
def test_every_word_of_a_block_is_used_and_every_used_one_is_there(name: str) -> None:
    templates = "".join(template(name, flavour) for flavour in FLAVOURS)
    assert set(re.findall(r"\bwords\.(\w+)", templates)) == set(a_library()[name].words)


@every_block
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_field_is_shown(name: str, flavour: str) -> None:
    block = a_library()[name]
    source = re.sub(r"(?s)\{#.*?#\}", "", template(name, flavour))
    code = " ".join(re.findall(r"(?s)\{[{%](.*?)[%}]\}", source))
    forgotten = {
        path
        for path, _ in fields_of(block.properties)
        if not re.search(rf"\.{path.rpartition('.')[2]}\b" if "." in path else rf"\b{path}\b", code)
    }
    excused = {path for kind, of, path in _NO_PICTURES if (kind, of) == (flavour, name)}
    assert forgotten <= excused


@every_block
def test_no_template_looks_inside_python(name: str) -> None:
    for flavour in FLAVOURS:
        assert "__" not in template(name, flavour)
        assert "|safe" not in template(name, flavour).replace(" ", "")


def _weight(block: Block) -> int:
    text: dict[str, Any] = {"block": "texte", "body": "a"}
    images = list(read_images(Path(block.folder)))
    with_it = an_issue(an_issue_text(text, {"block": block.name, **block.example}), images=images)
    without = an_issue(an_issue_text(text))
    press = a_press()
    return sum(
        sign * len(render_edition(issue, press).html.encode())
        for sign, issue in ((1, with_it), (-1, without))
    )


@every_block
def test_a_block_is_light(name: str) -> None:
    assert _weight(a_library()[name]) < 6_000  # fifteen of them stay under Gmail's 102 KB
