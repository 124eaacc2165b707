"""The desk: what stays when the files break, and when there is something new to say."""

from pathlib import Path

import pytest

from pipeline.errors import WorkspaceError
from pipeline.render.edition import Edition
from pipeline.web.preview.desk import Preview, PreviewDesk
from pipeline.words import mark
from tests.web.workshop import Room


def test_the_first_look_shows_the_letter_and_its_senders_name(room: Room) -> None:
    preview = PreviewDesk(room).refresh()

    assert preview.edition is not None
    assert preview.sender == "Le Cercle des cafés"
    assert preview.mistakes == ()
    assert preview.version == 1


def test_looking_again_at_unchanged_files_is_no_news(room: Room) -> None:
    desk = PreviewDesk(room)
    first = desk.refresh()
    room.write(room.file.read_text(encoding="utf-8"))

    assert desk.refresh() is first


def test_a_broken_file_keeps_the_last_good_edition_and_says_where(room: Room) -> None:
    desk = PreviewDesk(room)
    good = desk.refresh()
    room.replace("block: edito", "block: editoo")
    broken = desk.refresh()

    assert broken.edition is good.edition
    assert broken.is_stale
    assert [(Path(one.path).name, one.line, one.column) for one in broken.mistakes] == [
        ("issue.yaml", 9, 12)
    ]


def test_a_repaired_file_clears_the_mistakes(room: Room) -> None:
    desk = PreviewDesk(room)
    good = desk.refresh()
    room.replace("block: edito", "block: editoo")
    desk.refresh()
    room.replace("block: editoo", "block: edito")
    mended = desk.refresh()

    assert mended.edition == good.edition
    assert mended.mistakes == ()
    assert mended.version == 3


def test_another_sentence_at_the_same_place_is_news(room: Room) -> None:
    desk = PreviewDesk(room)
    desk.refresh()
    room.replace("block: edito", "block: editoo")
    first = desk.refresh()
    room.replace("block: editoo", "block: vieille")

    assert desk.refresh().version == first.version + 1


def test_a_letter_that_is_broken_from_the_start_has_mistakes_and_no_edition(room: Room) -> None:
    room.replace("number: 46", "number: [")
    preview = PreviewDesk(room).refresh()

    assert preview.edition is None
    assert not preview.is_stale
    assert preview.mistakes


class Failing:
    """A workshop that fails as it is told, then renders ``edition``."""

    watched: tuple[Path, ...] = ()

    def __init__(self, *failures: Exception, edition: Edition) -> None:
        self.failures = list(failures)
        self.edition = edition

    def render(self) -> Edition:
        if self.failures:
            raise self.failures.pop(0)
        return self.edition

    def sender_name(self, profile: str) -> str:
        return profile

    def picture(self, name: str) -> bytes:
        raise KeyError(name)


def test_a_file_that_is_away_for_a_moment_gets_a_second_look(room: Room) -> None:
    gone = FileNotFoundError(2, "No such file", "lampe.png")
    preview = PreviewDesk(Failing(gone, edition=room.render())).refresh()

    assert preview.edition is not None
    assert preview.mistakes == ()


def test_a_file_that_stays_away_is_named(room: Room) -> None:
    gone = FileNotFoundError(2, "No such file", "lampe.png")
    preview = PreviewDesk(Failing(gone, gone, edition=room.render())).refresh()

    assert [one.say("en") for one in preview.mistakes] == [
        "lampe.png: this file cannot be read: No such file"
    ]


def test_an_error_without_a_place_is_listed_with_its_sentence(room: Room) -> None:
    lost = WorkspaceError(mark("no letter “{name}”"), name="87")
    preview = PreviewDesk(Failing(lost, edition=room.render())).refresh()

    assert [one.what("en") for one in preview.mistakes] == ["no letter “87”"]


def test_our_own_fault_is_shown_and_logged_and_the_desk_lives_on(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    desk = PreviewDesk(Failing(ZeroDivisionError("oh"), edition=room.render()))

    assert "ZeroDivisionError" in desk.refresh().mistakes[0].what("en")
    assert "Traceback" in caplog.text
    assert desk.refresh().mistakes == ()


def test_a_picture_outlives_its_file_while_the_last_good_letter_shows_it(room: Room) -> None:
    desk = PreviewDesk(room)
    preview = desk.refresh()
    (name,) = preview.picture_names
    before = desk.picture(name)
    (room.folder / "lampe.png").write_bytes(b"half an ima")
    desk.refresh()

    assert desk.picture(name) == before


@pytest.mark.parametrize("name", ["", "issue.yaml", "../issue.yaml", "0000-120.png"])
def test_only_the_editions_own_pictures_are_handed_out(room: Room, name: str) -> None:
    desk = PreviewDesk(room)
    desk.refresh()

    with pytest.raises(KeyError):
        desk.picture(name)


def test_an_empty_desk_has_no_picture() -> None:
    assert Preview().picture_names == frozenset()
