"""The archive's folder: only our own files change or go, and a refusal says what to do."""

import os
from pathlib import Path

import pytest

from pipeline.errors import WorkspaceError
from tests.archive.letters import FIRST, SECOND, Workshop, files_in, two_letters


def test_a_letter_that_is_gone_leaves_but_the_files_of_others_stay(workshop: Workshop) -> None:
    two_letters(workshop)
    for name in ("CNAME", f"{FIRST}/note.txt", ".well-known/x"):
        (workshop.out / name).parent.mkdir(exist_ok=True)
        (workshop.out / name).write_text("mine")
    os.rename(workshop.root / "issues" / FIRST, workshop.root / "away")
    built = workshop.build()
    assert {path for path in files_in(workshop.out) if FIRST in path} == {f"{FIRST}/note.txt"}
    assert {"CNAME", ".well-known/x"} <= files_in(workshop.out).keys()
    assert f"{FIRST}/index.html" in built.removed
    assert FIRST.encode() not in b"".join(files_in(workshop.out).values())


def test_the_folder_of_a_letter_that_is_gone_goes_too(workshop: Workshop) -> None:
    two_letters(workshop)
    os.rename(workshop.root / "issues" / FIRST, workshop.root / "away")
    workshop.build()
    assert sorted(one.name for one in workshop.out.iterdir() if one.is_dir()) == [SECOND, "images"]


def test_a_page_of_a_letter_that_is_gone_stays_where_a_person_changed_it(
    workshop: Workshop,
) -> None:
    two_letters(workshop)
    (workshop.out / FIRST / "index.html").write_text("by hand")
    os.rename(workshop.root / "issues" / FIRST, workshop.root / "away")
    built = workshop.build()
    assert (workshop.out / FIRST / "index.html").read_text() == "by hand"
    assert [str(workshop.out / FIRST / "index.html")] == [one.path for one in built.notices]


def test_a_file_that_somebody_else_wrote_is_never_overwritten(workshop: Workshop) -> None:
    workshop.letter(FIRST)
    workshop.out.mkdir()
    (workshop.out / "index.html").write_text("my home page")
    with pytest.raises(WorkspaceError, match=r"index\.html.*--out"):
        workshop.build()
    assert (workshop.out / "index.html").read_text() == "my home page"


def test_a_build_that_broke_off_knows_its_own_files_again(workshop: Workshop) -> None:
    workshop.letter(FIRST, number=1, title="Un")
    workshop.out.mkdir()
    (workshop.out / "index.html").write_text("my home page")
    with pytest.raises(WorkspaceError):
        workshop.build()
    (workshop.out / "index.html").unlink()
    workshop.letter(FIRST, number=1, title="Un, corrigé")
    workshop.build()
    assert "Un, corrigé" in (workshop.out / FIRST / "index.html").read_text()


def test_a_lost_manifest_costs_a_build_but_no_file(workshop: Workshop) -> None:
    two_letters(workshop)
    before = files_in(workshop.out)
    (workshop.out / ".infolettre.json").unlink()
    assert workshop.build().written == ()
    assert files_in(workshop.out) == before


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(workshop: Workshop) -> None:
    workshop.letter(FIRST)
    (workshop.root / "file").write_text("no folder")
    out = workshop.root / "file" / "site"
    with pytest.raises(WorkspaceError, match="--out") as raised:
        workshop.build(out)
    assert str(out) in str(raised.value)
    assert "Not a directory" in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_named(workshop: Workshop) -> None:
    workshop.letter(FIRST)
    workshop.out.mkdir(mode=0o500)
    with pytest.raises(WorkspaceError, match="Permission denied"):
        workshop.build()


def test_no_half_written_file_is_left_behind(workshop: Workshop) -> None:
    two_letters(workshop)
    hidden = [path for path in files_in(workshop.out) if Path(path).name.startswith(".")]
    assert hidden == [".infolettre.json"]
