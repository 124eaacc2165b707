"""The shelf's file: what is put there comes back."""

import json
import os
import stat
from pathlib import Path

import pytest

from pipeline.errors import WorkspaceError
from pipeline.veille.shelf import FeedState, Shelf, ShelfFile, write_whole
from tests.veille.builders import NOW, an_entry


@pytest.fixture
def file(tmp_path: Path) -> ShelfFile:
    return ShelfFile(tmp_path / "var" / "veille.json")


def test_a_shelf_that_was_never_saved_is_empty(file: ShelfFile) -> None:
    assert file.load() == Shelf()


def test_what_is_put_on_the_shelf_comes_back(file: ShelfFile) -> None:
    entries = [
        an_entry(),
        an_entry("https://b.example/é", published_at=None, authors=(), excerpt=""),
    ]
    state = FeedState(etag='"1"', sha256="ab", checked_at=NOW, failing_since=NOW, last_error="x")
    shelf = Shelf(
        entries={entry.id: entry for entry in entries}, feeds={"https://b.example/f": state}
    )

    file.save(shelf)

    assert file.load() == shelf
    assert "é" in file.path.read_text(encoding="utf-8")


def test_what_a_later_version_adds_is_passed_over(file: ShelfFile) -> None:
    file.save(Shelf(entries={"x": an_entry()}, feeds={"u": FeedState(etag="1")}))
    found = json.loads(file.path.read_bytes())
    found["entries"][0]["stars"] = 5
    found["feeds"]["u"]["mood"] = "good"
    file.path.write_text(json.dumps(found))

    assert file.load().feeds == {"u": FeedState(etag="1")}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2}',
        '{"version": 1, "entries": 3, "feeds": {}}',
        '{"version": 1, "entries": [{"id": "1"}], "feeds": {}}',
        '{"version": 1, "entries": [], "feeds": {"u": {"checked_at": "hier"}}}',
        '{"version": 1, "entries": [], "feeds": []}',
    ],
)
def test_a_damaged_shelf_is_told_and_left_alone(file: ShelfFile, text: str) -> None:
    file.path.parent.mkdir()
    file.path.write_text(text)

    with pytest.raises(WorkspaceError, match=r"veille\.json cannot be read.*move it away"):
        file.load()
    assert file.path.read_text() == text


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")

    with pytest.raises(WorkspaceError, match="cannot be written"):
        ShelfFile(tmp_path / "var" / "veille.json").save(Shelf())


def test_a_file_written_whole_keeps_its_rights_and_leaves_nothing_beside(tmp_path: Path) -> None:
    file = tmp_path / "issue.yaml"
    file.write_text("old")
    file.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(file)

    write_whole(link, b"new")

    assert file.read_bytes() == b"new"
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["issue.yaml", "link.yaml"]
