"""What a build remembers, and what it does not believe."""

import pytest

from pipeline.archive.manifest import Manifest, Remembered, read_manifest, write_manifest
from tests.archive.letters import a_past_letter


def test_a_manifest_reads_back_as_it_was_written() -> None:
    letter = a_past_letter()
    manifest = Manifest(
        files={"index.html": "a", f"{letter.slug}/index.html": "b", "images/logo.png": "d"},
        letters={letter.slug: Remembered(letter=letter, fingerprint="c")},
    )
    assert read_manifest(write_manifest(manifest)) == manifest
    assert manifest.files_by_letter() == {letter.slug: [f"{letter.slug}/index.html"]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"version": 99, "files": {}, "letters": {}}',
        b'{"version": 1, "files": [], "letters": {}}',
        b'{"version": 1, "files": {}, "letters": {"a": {"fingerprint": "b"}}}',
        b'{"version": 1, "files": {}, "letters": {"a": {"fingerprint": "b", "date": "x"}}}',
        b'{"version": 1, "files": {}, "letters": {"a": []}}',
    ],
)
def test_a_damaged_manifest_remembers_nothing(data: bytes) -> None:
    assert read_manifest(data) == Manifest()


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "a/../../b", "..\\\\a"])
def test_a_path_that_leads_out_of_the_archive_is_not_ours(path: str) -> None:
    data = f'{{"version": 1, "files": {{"{path}": "x", "ok": "y"}}, "letters": {{}}}}'
    assert read_manifest(data.encode()).files == {"ok": "y"}
