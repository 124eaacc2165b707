"""Blocks as folders: which one wins, and how a broken one is told."""

import shutil
from pathlib import Path
from typing import Final

import pytest

from pipeline.blocks.block import FRAME
from pipeline.blocks.registry import load_library, shipped_blocks
from pipeline.errors import BlockError, LetterError
from pipeline.render.edition import Edition
from pipeline.render.letter import render_edition
from tests.builders import a_library, a_press, an_issue, an_issue_text

DEVINETTE: Final = {
    "block.yaml": """\
label: {fr: Devinette, en: Riddle}
description: {fr: Une question et sa réponse., en: A question and its answer.}
icon: 🧩
words:
  answer: {fr: Réponse, en: Answer}
schema:
  required: [question]
  properties:
    question:
      type: string
      title: Question
      x-en: {title: Question}
    answer:
      type: string
      format: markdown
      title: Réponse
      x-en: {title: Answer}
""",
    "email.mjml": """\
{% call parts.section(block) %}
<mj-text>
<p>{{ question }}</p>
{% if answer %}<p>{{ words.answer }}</p>{{ answer }}{% endif %}
</mj-text>
{% endcall %}
""",
    "text.txt": """\
{% call parts.section(block) %}
{{ question | wrap }}
{% if answer %}
{{ words.answer }}
{{ answer }}
{% endif %}
{% endcall %}
""",
    "web.html": """\
{% call parts.section(block) %}
<p>{{ question }}</p>
{% if answer %}
<details><summary>{{ words.answer }}</summary>{{ answer }}</details>
{% endif %}
{% endcall %}
""",
    "example.yaml": "question: Qui dort au guichet ?\nanswer: Le chat.\n",
}


def a_block(folder: Path, name: str = "devinette", **changed: str | None) -> Path:
    """Write the riddle's folder; ``web__html=…`` replaces a file of it, ``None`` leaves it out."""
    made = folder / name
    made.mkdir(parents=True)
    files = DEVINETTE | {file.replace("__", "."): text for file, text in changed.items()}
    for file, text in files.items():
        if text is not None:
            (made / file).write_text(text, encoding="utf-8")
    return made


def mistakes_of(folder: Path) -> list[str]:
    with pytest.raises(BlockError) as caught:
        load_library([folder, shipped_blocks()])
    return [mistake.say("en").replace(f"{folder}/", "") for mistake in caught.value.mistakes]


def render(folder: Path, *, language: str = "fr", name: str = "devinette") -> Edition:
    library = load_library([folder, shipped_blocks()])
    block = {"block": name, "heading": "Une énigme", **library[name].example}
    return render_edition(
        an_issue(an_issue_text(block, language=language), library=library), a_press(library)
    )


def test_a_new_block_is_a_new_folder_and_nothing_else(tmp_path: Path) -> None:
    a_block(tmp_path)
    french, english = render(tmp_path), render(tmp_path, language="en")
    for output in (french.html, french.text, french.web):
        assert "Qui dort au guichet\u202f?" in output
        assert "Le chat." in output
        assert "Réponse" in output
    for output in (english.html, english.text, english.web):
        assert "Answer" in output


def test_the_schema_of_a_new_block_guards_its_letters(tmp_path: Path) -> None:
    a_block(tmp_path)
    library = load_library([tmp_path, shipped_blocks()])
    block = {"block": "devinette", "qestion": "a"}
    with pytest.raises(LetterError) as caught:
        an_issue(an_issue_text(block), library=library)
    said = [mistake.what("en") for mistake in caught.value.mistakes]
    assert sorted(said) == [
        "the field “question” is missing here",
        "there is no field “qestion” here; did you mean: question",
    ]


def test_the_blocks_that_ship_stay_beside_a_workspaces_own(tmp_path: Path) -> None:
    a_block(tmp_path)
    assert set(load_library([tmp_path, shipped_blocks()])) == {"devinette", *a_library()}


def test_a_workspaces_block_wins_over_the_one_that_ships(tmp_path: Path) -> None:
    own = tmp_path / "bouton"
    shutil.copytree(shipped_blocks() / "bouton", own)
    (own / "web.html").write_text("<p class=mine>{{ label }}, {{ url }}</p>\n")
    edition = render(tmp_path, name="bouton")
    assert "<p class=mine>" in edition.web
    both = load_library([tmp_path, shipped_blocks()])
    assert both["bouton"].folder == str(own)
    assert both["texte"].folder == str(shipped_blocks() / "texte")
    assert load_library([shipped_blocks(), tmp_path])["bouton"].folder != str(own)


def test_a_workspaces_frame_wins_too(tmp_path: Path) -> None:
    shutil.copytree(shipped_blocks() / FRAME, tmp_path / FRAME)
    (tmp_path / FRAME / "web.css").write_text("body { color: teal }\n")
    a_block(tmp_path)
    assert "body { color: teal }" in render(tmp_path).web


def test_a_winning_block_is_whole_and_borrows_no_file(tmp_path: Path) -> None:
    a_block(tmp_path, "bouton", text__txt=None)
    assert mistakes_of(tmp_path) == [
        "bouton/text.txt: this block lacks its file text.txt: see “add a block” in the docs"
    ]


@pytest.mark.parametrize("file", sorted(DEVINETTE))
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    (a_block(tmp_path) / file).unlink()
    assert mistakes_of(tmp_path) == [
        f"devinette/{file}: this block lacks its file {file}: see “add a block” in the docs"
    ]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("icon: 🧩\n", "icon: [\n", "devinette/block.yaml:"),
        ("icon: 🧩\n", "", "devinette/block.yaml:1:1:"),
        ("icon: 🧩", "icon: 3", "devinette/block.yaml:3:7:"),
        ("icon: 🧩", "icon: 🧩\nlayout: wide", "devinette/block.yaml:"),
        ("label: {fr: Devinette, en: Riddle}", "label: Devinette", "devinette/block.yaml:1:8:"),
        ("{fr: Devinette, en: Riddle}", "{fr: Devinette}", "devinette/block.yaml:1:8:"),
        ("answer: {fr: Réponse, en: Answer}", "answer: {en: Answer}", "devinette/block.yaml:5:11:"),
        ("format: markdown", "format: markdwn", "devinette/block.yaml:15:15:"),
        (
            "type: string\n      title: Q",
            "type: text\n      title: Q",
            "devinette/block.yaml:10:13:",
        ),
        ("type: string\n      title: Q", "title: Q", "devinette/block.yaml:10:7:"),
        ("      x-en: {title: Question}\n", "", "devinette/block.yaml:10:7:"),
        ("{title: Question}", "{title: A, in a word}", "devinette/block.yaml:12:13:"),
        (
            "title: Question\n",
            'title: Question\n      pattern: "["\n',
            "devinette/block.yaml:12:16:",
        ),
        (
            "title: Question\n",
            "title: Question\n      minLength: a\n",
            "devinette/block.yaml:12:18:",
        ),
    ],
)
def test_a_broken_block_yaml_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, where: str
) -> None:
    text = DEVINETTE["block.yaml"]
    assert text.count(old) == 1
    a_block(tmp_path, block__yaml=text.replace(old, new))
    assert mistakes_of(tmp_path)[0].startswith(where)


def test_a_field_inside_an_item_is_held_to_the_same_rules(tmp_path: Path) -> None:
    schema = """\
schema:
  properties:
    list:
      type: array
      title: L
      x-en: {title: L}
      items:
        type: object
        properties:
          one: {type: string}
"""
    text = DEVINETTE["block.yaml"].partition("schema:")[0] + schema
    a_block(tmp_path, block__yaml=text)
    assert [one.partition(": ")[0] for one in mistakes_of(tmp_path)] == (
        ["devinette/block.yaml:15:16"] * 2
    )


def test_an_example_that_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    a_block(tmp_path, example__yaml="question: a\nquestion: b\n")
    assert mistakes_of(tmp_path)[0].startswith("devinette/example.yaml:2:1:")


def test_an_unbalanced_template_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    source = DEVINETTE["email.mjml"].replace("</mj-text>", "")
    a_block(tmp_path, email__mjml=source)
    assert mistakes_of(tmp_path) == [
        "devinette/email.mjml:2:1: “mj-text” is opened here and never closed"
    ]


def test_the_mistakes_of_all_blocks_are_told_at_once(tmp_path: Path) -> None:
    a_block(tmp_path, "un", email__mjml="<p>")
    a_block(tmp_path, "deux", block__yaml="- a\n")
    a_block(tmp_path, "trois", web__html=None)
    assert [one.partition("/")[0] for one in mistakes_of(tmp_path)] == ["deux", "trois", "un"]


def test_what_is_no_block_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "_brouillon").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("a\n")
    assert set(load_library([tmp_path, tmp_path / "nowhere", shipped_blocks()])) == set(a_library())


@pytest.mark.parametrize(
    ("file", "source", "line"),
    [
        ("web.html", "<p>\n{{ quesiton }}\n</p>\n", 2),
        ("web.html", "<p>\n\n{% if question %}\n</p>\n", 4),
        ("web.html", "<p>\n{{ question | shout }}\n</p>\n", 2),
        ("text.txt", "\n\n{{ theme.nothing }}\n", 3),
        ("text.txt", "{{ question | safe }}\n", 1),
        ("email.mjml", "<mj-raw>\n{{ words.nothing }}\n</mj-raw>\n", 2),
        ("email.mjml", "\n{{ parts.nothing(1) }}\n", 2),
    ],
)
def test_a_template_that_cannot_be_filled_is_told_with_its_file_and_line(
    tmp_path: Path, file: str, source: str, line: int
) -> None:
    made = a_block(tmp_path, **{file.replace(".", "__"): source})
    with pytest.raises(BlockError) as caught:
        render(tmp_path)
    (mistake,) = caught.value.mistakes
    assert mistake.where() == f"{made / file}:{line}:1"
    assert "cannot be filled" in mistake.what("en")


@pytest.mark.parametrize(
    "source",
    [
        "{{ question.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ parts.__init__.__globals__ }}",
        "{{ block.__dict__ }}",
        "{{ question.format.__globals__ }}",
    ],
)
def test_a_template_cannot_reach_into_python(tmp_path: Path, source: str) -> None:
    a_block(tmp_path, web__html=source)
    with pytest.raises(BlockError):
        render(tmp_path)


def test_what_an_editor_types_is_never_a_template(tmp_path: Path) -> None:
    a_block(tmp_path, example__yaml="question: '{% if %} {# a #} <b>gras</b>'\nanswer: '{% b %}'\n")
    edition = render(tmp_path)
    assert "{% if %} {# a #} &lt;b&gt;gras&lt;/b&gt;" in edition.web
    assert "{% b %}" in edition.html
    assert "{% if %} {# a #} <b>gras</b>" in edition.text
