"""The file of those who have nothing yet: complete, or as it was."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.audience.people import Person, read_people
from pipeline.delivery.leftover import Leftover
from pipeline.errors import WorkspaceError
from tests.delivery.letters import a_recipient


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "send" / "lettre.csv"


def test_it_reads_back_as_the_people_who_were_left(file: Path) -> None:
    zoe = replace(
        a_recipient(1),
        address="zoe@exemple.example",
        values={"first_name": "Zoé", "last_name": "Le, Gall"},
        segments=frozenset({"benevoles"}),
    )
    with Leftover(file) as leftover:
        leftover.add(zoe)

    assert leftover.path == file
    with file.open(encoding="utf-8", newline="") as lines:
        (person,) = read_people(lines, path=str(file))
    assert isinstance(person, Person)
    assert replace(person, line=0) == Person(
        address="zoe@exemple.example",
        first_name="Zoé",
        last_name="Le, Gall",
        segments=frozenset({"benevoles"}),
    )


def test_where_nobody_is_left_there_is_no_file(file: Path) -> None:
    with Leftover(file) as leftover:
        pass

    assert leftover.path is None
    assert not file.parent.exists()


def test_another_sendings_file_is_never_written_over(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("another")
    with pytest.raises(WorkspaceError), Leftover(file) as leftover:
        leftover.add(a_recipient(1))

    assert file.read_text() == "another"


def cut_off(file: Path) -> None:
    with Leftover(file) as leftover:
        leftover.add(a_recipient(1))
        raise KeyboardInterrupt


def test_a_sending_that_is_cut_off_leaves_no_file(file: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        cut_off(file)

    assert list(file.parent.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "send").touch()
    with (
        pytest.raises(WorkspaceError, match="cannot be written"),
        Leftover(tmp_path / "send" / "x.csv") as leftover,
    ):
        leftover.add(a_recipient(1))
