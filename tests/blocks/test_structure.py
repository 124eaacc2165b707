"""Templates that do not balance are refused before any letter meets them."""

import pytest
from jinja2 import Environment

from pipeline.blocks.block import FRAME
from pipeline.blocks.structure import KNOWN_TAGS, check_structure
from tests.builders import a_library

PATH = "blocks/essai/email.mjml"


def mistakes_of(source: str) -> list[str]:
    return [mistake.say("en") for mistake in check_structure(source, path=PATH)]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("<mj-text>", ["1: “mj-text” is opened here and never closed"]),
        ("a\n\n</mj-text>", ["3: </mj-text> closes nothing that is open here"]),
        (
            "<mj-text>\n<p>a</mj-text>\n</p>",
            [
                "2: </mj-text> stands where <p> of line 2 should be closed",
                "3: </p> stands where <mj-text> of line 1 should be closed",
            ],
        ),
        (
            "<mj-section></mj-column>",
            ["1: </mj-column> stands where <mj-section> of line 1 should be closed"],
        ),
        ("<b>a<b>", ["1: “b” is opened here and never closed"] * 2),
        ("{% if a %}<p>{% endif %}</p>", None),
        ("<p>{% if a %}</p>{% endif %}", None),
        ("{% if a %}<p>{% else %}</p>{% endif %}", None),
        (
            "{% if a %}<a>{% else %}<span>{% endif %}x{% if a %}</a>{% else %}</span>{% endif %}",
            None,
        ),
        ("{% for a in b %}<li>{% endfor %}</li>", None),
        ("{% call parts.section(block) %}<p>{% endcall %}</p>", None),
        ("{% macro a() %}</p>{% endmacro %}", None),
        ("{% set a %}<i>{% endset %}</i>", None),
        ("{% if a %}\n<p>a</p>", ["1: “if” is opened here and never closed"]),
        ("<p>a</p>\n{% endif %}", ["2: “endif” closes nothing"]),
        ("{% else %}", None),
        ("{%- if a -%}<p>{%- endif -%}</p>", None),
        ("a < b", ["1: a “<” here opens no tag: write &lt;"]),
        ("\n<>", ["2: a “<” here opens no tag: write &lt;"]),
        ("<p <b>a</b></p>", None),
        ('<a href="a>b</a>', None),
    ],
)
def test_what_does_not_balance_is_refused(source: str, told: list[str] | None) -> None:
    found = mistakes_of(source)
    assert found
    if told is not None:
        assert found == [f"{PATH}:{one.replace(':', ':1:', 1)}" for one in told]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "just words, 3 &lt; 4 and R&amp;D",
        "<mj-text><p>a</p></mj-text>",
        "<mj-image src='a.png' alt='' />",
        "a<br>b<br />c<hr>",
        '<img src="a.png" alt="2 > 1" />',
        "<p title='a < b'>a</p>",
        '<mj-button href="{{ url }}"{% if wide %} width="100%"{% endif %}>{{ label }}</mj-button>',
        '<td class="{{ "a" if b else "c" }}">d</td>',
        "{{ '<p>' if a else '</b>' }}",
        "{# <p> and {% if %} #}<p>a</p>",
        "<!-- <p> --><p>a</p>",
        "{% if a %}<p>a</p>{% elif b %}<b>b</b>{% else %}c{% endif %}",
        "{% for a in b %}<li>{% if c %}<i>d</i>{% endif %}</li>{% else %}<li>e</li>{% endfor %}",
        "{% set a = '<p>' %}<p>b</p>",
        "{% set a %}<i>b</i>{% endset %}",
        "{% macro a(b) %}<i>{{ b }}</i>{% endmacro %}{{ a(1) }}",
        "{% call parts.section(block) %}\n<mj-text>a</mj-text>\n{% endcall %}",
        "{% filter upper %}<b>a</b>{% endfilter %}{% with a = 1 %}<b>c</b>{% endwith %}",
        "{%- if a -%}<p>a</p>{%- endif -%}",
    ],
)
def test_what_balances_passes(source: str) -> None:
    assert mistakes_of(source) == []


@pytest.mark.parametrize("tag", ["mj-foo", "mj-body", "mj-include", "mj-style", "mj-head"])
def test_a_tag_that_a_block_may_not_use_is_named_with_its_line(tag: str) -> None:
    assert mistakes_of(f"<p>a</p>\n<{tag}></{tag}>")[0] == (
        f"{PATH}:2:1: MJML has no <{tag}> that a block may use"
    )


@pytest.mark.parametrize("tag", sorted(KNOWN_TAGS))
def test_every_tag_that_is_allowed_passes(tag: str) -> None:
    assert mistakes_of(f"<{tag}>a</{tag}>") == []


@pytest.mark.parametrize(
    "opened",
    "if a;for a in b;macro a();call a();filter upper;set a;with a = 1;autoescape true;block a;trans"
    ";raw".split(";"),
)
def test_every_branch_of_jinja_is_a_wall_for_tags(opened: str) -> None:
    name = opened.partition(" ")[0]
    closed = f"{{% {opened} %}}<p>a</p>{{% end{name} %}}"
    Environment(autoescape=True, extensions=["jinja2.ext.i18n"]).parse(closed)  # it is Jinja
    assert mistakes_of(closed) == []
    assert mistakes_of(closed.replace("</p>", "")) == [
        f"{PATH}:1:1: “p” is opened here and never closed"
    ]


@pytest.mark.parametrize(
    "attributes", ["class=a", 'class="a"id="b"', '@click="a"', "a='b'c", 'a="b" =c', "{{ a }}=b"]
)
def test_an_attribute_that_mrml_cannot_read_is_refused(attributes: str) -> None:
    assert mistakes_of(f"<p {attributes}>a</p>") == [
        f'{PATH}:1:1: write each attribute of <p> as name="value", after a space'
    ]


@pytest.mark.parametrize(
    "attributes",
    ["", "hidden", 'a = "b"', "a='b'", '\na="b"\n', 'xml:lang="fr" data-a.b="1"', '{{ a }} b="c"'],
)
def test_an_attribute_that_mrml_can_read_passes(attributes: str) -> None:
    assert mistakes_of(f"<p {attributes}>a</p>") == []


def test_every_mistake_is_told_at_once() -> None:
    assert len(mistakes_of("<mj-foo>\n</mj-foo>\n<p>\n{% endif %}\n< ")) == 5


@pytest.mark.parametrize("name", sorted(a_library()))
def test_the_blocks_that_ship_balance(name: str) -> None:
    assert mistakes_of(a_library().templates[f"{name}/email.mjml"]) == []


def test_the_parts_that_the_frame_offers_balance() -> None:
    assert mistakes_of(a_library().templates[f"{FRAME}/parts.mjml"]) == []
