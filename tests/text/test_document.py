import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import LetterError
from pipeline.text.document import MAX_BYTES, parse_document, resolve, walk


def mistakes_of(data: bytes) -> list[str]:
    with pytest.raises(LetterError) as caught:
        parse_document(data, path="issue.yaml")
    return caught.value.say("en").split("\n")


def test_values_keep_dates_and_hours_as_text() -> None:
    document = parse_document(b"date: 2025-03-07\ntime: 13:30\nnumber: 87\nyes: no\n", path="x")
    assert document.values == {"date": "2025-03-07", "time": "13:30", "number": 87, "yes": "no"}


def test_an_address_may_stand_unquoted_in_a_flow_mapping() -> None:
    document = parse_document(b"- {title: A, url: https://a.example/b?c=d}\n", path="x")
    assert document.values == [{"title": "A", "url": "https://a.example/b?c=d"}]


def test_a_value_knows_its_line_and_column_in_characters() -> None:
    document = parse_document("é: 1\nblocks:\n  - titre: « été » # x\n".encode(), path="x")
    span = document.span(("blocks", 0, "titre"))
    assert (span.line, span.column) == (3, 12)
    assert document.text[span.start : span.end] == "« été »"


def test_a_byte_order_mark_shifts_no_place() -> None:
    document = parse_document("\ufefftitle: été\n".encode(), path="x")
    span = document.span(("title",))
    assert document.values == {"title": "été"}
    assert document.text[span.start : span.end] == "été"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: &x [1]\n", "issue.yaml:1:4: anchors (&name) are not allowed: remove this one"),
        (b"a: *x\n", "issue.yaml:1:4: aliases (*name) are not allowed: write the text again"),
        (b"a: !!python/name:os.x 1\n", "issue.yaml:1:4: tags (!name) are not allowed: remove this"),
        (b"a: 1\nb: 2\na: 3\n", "issue.yaml:3:1: “a” stands here twice; it is already on line 1"),
        (b"a:\n\t- b\n", "issue.yaml:2:1: a tab indents this line: YAML wants spaces"),
        (b"a: 1\n\xe9t\xe9: 2\n", "issue.yaml:2:1: this is not UTF-8 (byte 0xE9)"),
        (b"a: b: c\n", "issue.yaml:1:5: a “:” is not expected here"),
        (b"a: 1\nb: 'never\nclosed\n", "issue.yaml:2:4: the quote that opens here is never closed"),
        (b'a: "Des cafes\nb: 2\nc: "x"\n', "issue.yaml:1:4: the quote that opens here is never"),
        (b'a: "on two\n  lines"\nb: c: d\n', "issue.yaml:3:5: a “:” is not expected here"),
        (b"a: \x07\n", "issue.yaml:1:4: a control character (U+0007) stands here: delete it"),
        (b"---\na: 1\n---\nb: 2\n", "issue.yaml:3:1: a letter is one YAML document"),
        (b"? [a]\n: b\n", "issue.yaml:1:3: a list cannot be the name of a field"),
        (b"a: @b\n", "issue.yaml:1:4: a text cannot begin with this character"),
        (b"a: [1, 2\nb: 3\n", "issue.yaml:2:2: the “[” above is never closed"),
        (b"a: 1\n b: 2\n", "issue.yaml:2:3: a “:” is not expected here"),
    ],
)
def test_a_fault_is_told_at_its_place(data: bytes, expected: str) -> None:
    assert mistakes_of(data)[0].startswith(expected)


def test_an_alias_bomb_is_refused_before_it_multiplies() -> None:
    bomb = b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    for level in range(30):
        bomb += b"b%d: &b%d [%s]\n" % (level, level, b",".join([b"*a"] * 9))
    assert len(mistakes_of(bomb)) == 1 + 30 * 10


@pytest.mark.parametrize("data", [b"[" * 100_000, b"{a: " * 50_000, b"- " * 50_000])
def test_nesting_without_end_is_refused_at_once(data: bytes) -> None:
    assert len(mistakes_of(data)) == 1


def test_a_file_of_ten_megabytes_is_refused_unread() -> None:
    assert "10.0 MB" in mistakes_of(b"a" * 10_000_000)[0]
    assert MAX_BYTES < 10_000_000


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("~", None), ("null", None), ("true", True), ("False", False), ("12", 12)]
    + [("-3", -3), ("1.5", 1.5), ("012", "012"), ("1_000", "1_000"), ("0x1F", "0x1F")]
    + [("13:30", "13:30"), ("oui", "oui"), ("on", "on"), ("9" * 30, "9" * 30), (".", ".")],
)
def test_a_plain_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_end_in_anything_but_a_letter_error(data: bytes) -> None:
    try:
        document = parse_document(data, path="x")
    except LetterError:
        return
    assert document.text.encode() == data
    assert all(path in document.spans for path, _ in walk(document.values) if path)


def test_the_nth_occurrence_of_a_text_is_found_in_its_value() -> None:
    document = parse_document(b"a: |\n  x {{no}}\n  y {{no}}\nb: {{no}}\n"[:27], path="x")
    span = document.span_of_text(("a",), "{{no}}", 1)
    assert (span.line, span.column) == (3, 5)
