"""A CSV of people: what is right is read, what is wrong is named by its line."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.people import HEADING, Person, person_line, read_people
from pipeline.errors import Mistake


def read(text: str) -> list[Person | Mistake]:
    return list(read_people(re.findall(r"[^\n]*\n|[^\n]+", text), path="abonnes.csv"))


def people(text: str) -> list[Person]:
    found = read(text)
    assert all(isinstance(one, Person) for one in found), found
    return [one for one in found if isinstance(one, Person)]


def mistakes(text: str) -> list[str]:
    return [one.say("en") for one in read(text) if isinstance(one, Mistake)]


@pytest.mark.parametrize(
    "heading",
    [
        "email,first_name,last_name,segments",
        "E-mail;Prénom;Nom;Segments",
        "Adresse e-mail\tprénom\tNOM\tGroupes",
        "\ufeffCourriel,PRENOM,Nom de famille,Tags",
        '"Adresse électronique","First name","Surname","segment"',
    ],
)
def test_the_first_line_names_the_columns_in_french_or_english(heading: str) -> None:
    by = ";" if ";" in heading else "\t" if "\t" in heading else ","
    row = by.join(["Zoe@Example.org", "Zoé", "Durand", "presse maires"])

    (person,) = people(f"{heading}\r\n{row}\r\n")

    assert person == Person(
        address="Zoe@example.org",
        first_name="Zoé",
        last_name="Durand",
        segments=frozenset({"presse", "maires"}),
        line=2,
    )
    assert person.name == "Zoé Durand"


def test_columns_may_stand_in_any_order_and_others_are_left_alone() -> None:
    (person,) = people("téléphone,nom,email\n01 23,Durand,zoe@example.org\n")

    assert (person.address, person.last_name, person.first_name) == (
        "zoe@example.org",
        "Durand",
        "",
    )


def test_one_column_of_addresses_is_enough_and_empty_lines_are_nothing() -> None:
    found = people("email\n\nzoe@example.org\n   \nanne@example.org")

    assert [(one.address, one.line) for one in found] == [
        ("zoe@example.org", 3),
        ("anne@example.org", 5),
    ]


def test_a_short_row_has_empty_cells() -> None:
    (person,) = people("email,prénom,nom\nzoe@example.org\n")

    assert (person.first_name, person.last_name) == ("", "")


def test_cells_may_be_quoted_and_hold_the_delimiter() -> None:
    (person,) = people('email,nom,segments\nzoe@example.org,"Durand, ""dite"" Z","a,b|c; d"\n')

    assert person.last_name == 'Durand, "dite" Z'
    assert person.segments == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("row", "where", "reason"),
    [
        ("Anne,anne@", "3:6", "not a domain"),
        ("Anne,", "3:6", "missing"),
        ("Anne", "3:5", "missing"),
        ("Anne,ZOE@example.ORG", "3:6", "already on line 2"),
        ("Anne,anne@example.org,x,y", "3:23", "4 cells in a row, where the first line has 2"),
        ('"An\rne",anne@example.org', "3:1", "line break"),
        ("An\rne,anne@example.org", "3:1", "line break"),
        ('Anne,"anne@example.org', "3:1", "quotation marks"),
        ('"An,ne",anne@', "3:9", "not a domain"),
        ("A\0nne,anne@example.org", "3:1", "control character"),
        ("x" * 201 + ",anne@example.org", "3:1", "more than 200"),
        ("x" * 20_001, "3:1", "at most 20000"),
    ],
)
def test_a_row_at_fault_is_named_by_its_line_and_the_rest_goes_on(
    row: str, where: str, reason: str
) -> None:
    text = f"prénom,email\nZoé,zoe@example.org\n{row}\nLéa,lea@example.org\n"

    found = read(text)

    assert [one.line for one in found] == [2, 3, 4]
    assert isinstance(found[0], Person)
    assert isinstance(found[2], Person)
    (mistake,) = mistakes(text)
    assert mistake.startswith(f"abonnes.csv:{where}: ")
    assert reason in mistake


def test_a_quotation_mark_left_open_does_not_swallow_what_follows() -> None:
    text = 'email,nom\nzoe@example.org,"Du\nrand"\nlea@example.org,"Petit"\n'

    found = read(text)

    assert [(type(one), one.line) for one in found] == [(Mistake, 2), (Mistake, 3), (Person, 4)]


@pytest.mark.parametrize("text", ["", "prénom,nom\nZoé,Durand\n", "zoe@example.org\nlea@a.org\n"])
def test_without_a_column_of_addresses_there_is_one_mistake_that_says_what_is_allowed(
    text: str,
) -> None:
    (mistake,) = read(text)

    assert isinstance(mistake, Mistake)
    assert mistake.line == 1
    for word in ("email", "adresse", "courriel", "prénom", "segments"):
        assert word in mistake.what("en")


@pytest.mark.parametrize("heading", ["email,courriel", "email,nom,last name", '"email'])
def test_a_heading_that_cannot_be_understood_is_one_mistake(heading: str) -> None:
    (mistake,) = read(f"{heading}\nzoe@example.org,x\n")

    assert isinstance(mistake, Mistake)
    assert mistake.line == 1


def test_a_list_is_read_row_by_row() -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        yield "email\n"
        while True:
            taken += 1
            yield f"zoe{taken}@example.org\n"

    rows = read_people(endless(), path="x")

    assert [next(rows).line for _ in range(3)] == [2, 3, 4]
    assert taken == 3


NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)


@given(st.lists(st.tuples(st.emails(), NAMES), max_size=5), st.sampled_from(",;\t"))
def test_what_a_spreadsheet_writes_is_read_as_it_was(
    rows: list[tuple[str, str]], delimiter: str
) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter)
    writer.writerow(["email", "nom"])
    writer.writerows(rows)

    found = read(written.getvalue())

    assert [one.line for one in found] == list(range(2, len(rows) + 2))
    for (address, name), one in zip(rows, found, strict=True):
        if isinstance(one, Person):
            assert one.address.lower() == address.lower()
            assert one.last_name == name.strip()
        else:
            assert "already" in one.what("en")


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_crash(text: str) -> None:
    for one in read("email,nom\n" + text):
        assert one.line >= 2


@given(
    st.lists(
        st.builds(
            Person,
            address=st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.example", fullmatch=True),
            first_name=st.text("aé'\"; ,-", max_size=6).map(str.strip),
            last_name=st.text("aé'\"; ,-", max_size=6).map(str.strip),
            segments=st.frozensets(st.from_regex(r"[a-z]{1,5}", fullmatch=True), max_size=3),
        ),
        unique_by=lambda person: person.address,
        max_size=5,
    )
)
def test_people_written_to_a_file_are_read_back(people: list[Person]) -> None:
    lines = [HEADING, *(person_line(person) for person in people)]
    back = list(read_people(lines, path="x.csv"))
    assert [replace(one, line=0) for one in back if isinstance(one, Person)] == people
