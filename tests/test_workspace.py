from pathlib import Path

import pytest

from pipeline.errors import WorkspaceError
from pipeline.workspace import find_workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "infolettre.toml").write_text('[site]\nname = "A"\n')
    for slug in ("2026-11-13-trop-belle", "2026-11-20-sous-la-lampe"):
        (tmp_path / "issues" / slug).mkdir(parents=True)
        (tmp_path / "issues" / slug / "issue.yaml").write_text("number: 1\n")
    return tmp_path


def test_the_workspace_is_found_from_any_folder_in_it(root: Path) -> None:
    inside = root / "issues" / "2026-11-13-trop-belle"
    assert find_workspace(inside).root == root.resolve()


def test_without_a_workspace_the_way_to_make_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="infolettre init"):
        find_workspace(tmp_path)


def test_settings_that_are_not_utf_8_are_told(tmp_path: Path) -> None:
    (tmp_path / "infolettre.toml").write_bytes(b'[site]\nname = "\xe9"\n')
    with pytest.raises(WorkspaceError, match="UTF-8"):
        find_workspace(tmp_path)


@pytest.mark.parametrize("name", ["2026-11-20-sous-la-lampe", "lampe", "2026-11-20"])
def test_a_letter_is_found_by_its_slug_or_a_part_of_it(root: Path, name: str) -> None:
    assert find_workspace(root).find_issue(name).name == "2026-11-20-sous-la-lampe"


def test_a_letter_is_found_by_its_path(root: Path) -> None:
    file = root / "issues" / "2026-11-13-trop-belle" / "issue.yaml"
    assert find_workspace(root).find_issue(str(file)) == file.parent.resolve()


@pytest.mark.parametrize("name", ["2026", "hiver", ""])
def test_a_name_of_no_letter_or_of_several_lists_those_there_are(root: Path, name: str) -> None:
    with pytest.raises(WorkspaceError, match="trop-belle, 2026-11-20-sous-la-lampe"):
        find_workspace(root).find_issue(name)


def test_the_newest_letter_is_the_last_by_date(root: Path) -> None:
    assert find_workspace(root).newest_issue().name == "2026-11-20-sous-la-lampe"


def test_a_workspace_without_letters_says_how_to_start(tmp_path: Path) -> None:
    (tmp_path / "infolettre.toml").touch()
    with pytest.raises(WorkspaceError, match="infolettre new"):
        find_workspace(tmp_path).newest_issue()
