"""A build writes what changed, keeps what is not its own, and no letter stops another."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import Render
from tests.archive.letters import (
    FIRST,
    NO_SITE,
    RESERVED,
    SECOND,
    SETTINGS,
    TODAY,
    Workshop,
    files_in,
    two_letters,
)


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    found = {file: file.stat() for file in folder.rglob("*") if file.is_file()}
    return {str(file): (one.st_ino, one.st_mtime_ns) for file, one in found.items()}


def test_a_build_writes_index_letters_feed_site_map_images_and_calendars(
    workshop: Workshop,
) -> None:
    workshop.letter(SECOND)
    built = workshop.build()
    kinds = sorted(Path(path).suffix for path in files_in(workshop.out))
    assert kinds == sorted([".html"] * 2 + [".ics"] * 2 + [".png"] * 3 + [".xml"] * 2 + [".json"])
    assert {*built.written, ".infolettre.json"} == set(files_in(workshop.out))
    assert [one.slug for one in built.letters] == [SECOND]
    assert not any((built.mistakes, built.notices, built.waiting, built.removed))


def test_a_second_build_touches_nothing(workshop: Workshop) -> None:
    two_letters(workshop)
    before = stamps(workshop.out)
    built = workshop.build()
    assert stamps(workshop.out) == before
    assert built.written == built.removed == built.rendered == ()
    assert len(built.letters) == 2


def test_the_same_letters_give_the_same_bytes_in_any_folder(workshop: Workshop) -> None:
    two_letters(workshop)
    workshop.build(workshop.root / "other" / "place")
    assert files_in(workshop.out) == files_in(workshop.root / "other" / "place")


def test_an_incremental_build_gives_what_a_fresh_one_gives(workshop: Workshop) -> None:
    two_letters(workshop)
    workshop.letter(FIRST, number=1, title="Un, corrigé")
    workshop.letter("2026-11-06-zero", number=0)
    built = workshop.build()
    assert built.rendered == ("2026-11-06-zero", FIRST)
    workshop.build(workshop.root / "fresh")
    assert files_in(workshop.out) == files_in(workshop.root / "fresh")


def test_only_the_letter_that_changed_is_rendered_and_its_pictures_stay(
    workshop: Workshop,
) -> None:
    two_letters(workshop)
    workshop.letter(SECOND, number=2, title="Deux, mieux")
    built = workshop.build()
    assert built.rendered == (SECOND,)
    assert set(built.written) == {"index.html", "feed.xml", f"{SECOND}/index.html"}


def test_another_setting_renders_every_letter_anew(workshop: Workshop) -> None:
    two_letters(workshop)
    workshop.settings = replace(SETTINGS, site=replace(SETTINGS.site, name="Autre nom"))
    assert workshop.build().rendered == (FIRST, SECOND)


def test_a_page_that_was_lost_or_spoilt_is_made_again(workshop: Workshop) -> None:
    two_letters(workshop)
    before = files_in(workshop.out)
    (workshop.out / FIRST / "index.html").unlink()
    (workshop.out / SECOND / "index.html").write_text("spoilt")
    workshop.build()
    assert files_in(workshop.out) == before


def test_a_letter_with_mistakes_stops_no_other_and_keeps_its_last_good_page(
    workshop: Workshop,
) -> None:
    two_letters(workshop)
    before = files_in(workshop.out)
    workshop.letter(FIRST, number=1, title="Un", more="colour: red\n")
    workshop.letter("2026-11-22-trois", number=3)
    built = workshop.build()
    assert [(Path(one.path).parent.name, one.line) for one in built.mistakes] == [(FIRST, 5)]
    assert [one.slug for one in built.letters] == ["2026-11-22-trois", SECOND, FIRST]
    after = files_in(workshop.out)
    assert {path: after[path] for path in before if FIRST in path} == {
        path: data for path, data in before.items() if FIRST in path
    }
    assert b"2026-11-13-un" in after["feed.xml"]


def test_a_letter_that_was_never_good_is_not_in_the_archive(workshop: Workshop) -> None:
    workshop.letter(FIRST, number=1, more="colour: red\n")
    workshop.letter(SECOND, number=2)
    built = workshop.build()
    assert [one.slug for one in built.letters] == [SECOND]
    assert not (workshop.out / FIRST).exists()
    assert len(built.mistakes) == 1


def test_a_letter_with_mistakes_whose_page_is_lost_is_not_listed(workshop: Workshop) -> None:
    two_letters(workshop)
    workshop.letter(FIRST, number=1, more="colour: red\n")
    (workshop.out / FIRST / "index.html").unlink()
    assert [one.slug for one in workshop.build().letters] == [SECOND]


def test_an_image_that_cannot_be_made_is_a_mistake_of_its_letter(workshop: Workshop) -> None:
    folder = workshop.letter(FIRST)
    data = (folder / "cafe.png").read_bytes()
    (folder / "cafe.png").write_bytes(data[: len(data) // 2])  # its header is fine
    workshop.letter(SECOND, number=2)
    built = workshop.build()
    assert [Path(one.path).name for one in built.mistakes] == ["cafe.png"]
    assert [one.slug for one in built.letters] == [SECOND]
    assert not (workshop.out / FIRST).exists()


def test_a_letter_of_tomorrow_waits_unless_drafts_are_asked_for(workshop: Workshop) -> None:
    workshop.letter(FIRST, number=1)
    workshop.letter(SECOND, number=2)
    eve = date(2026, 11, 19)
    built = workshop.build(today=eve)
    assert built.waiting == (SECOND,)
    assert SECOND.encode() not in b"".join(files_in(workshop.out).values())
    assert len(workshop.build(today=eve, drafts=True).letters) == 2
    assert len(workshop.build(today=eve).letters) == 1
    assert not (workshop.out / SECOND).exists()
    assert len(workshop.build(today=date(2026, 11, 20)).letters) == 2


def test_a_letter_that_is_being_sent_is_out_before_its_date_and_no_other(
    workshop: Workshop,
) -> None:
    workshop.letter(FIRST, number=1)
    workshop.letter(SECOND, number=2)
    built = workshop.build(today=date(2026, 1, 1), also=SECOND)
    assert ([one.slug for one in built.letters], built.waiting) == ([SECOND], (FIRST,))


def test_two_letters_with_one_number_are_a_notice_at_the_newer_one(workshop: Workshop) -> None:
    workshop.letter(FIRST, number=7)
    workshop.letter(SECOND, number=7)
    built = workshop.build()
    assert len(built.letters) == 2
    assert built.mistakes == ()
    [notice] = built.notices
    assert Path(notice.path).parent.name == SECOND
    assert FIRST in notice.what("en")


def test_a_block_of_a_segment_is_in_no_file(workshop: Workshop) -> None:
    workshop.letter(FIRST)
    workshop.build()
    plain = files_in(workshop.out)
    folder = workshop.letter(FIRST)
    text = (folder / "issue.yaml").read_text(encoding="utf-8")
    (folder / "issue.yaml").write_text(text + RESERVED, encoding="utf-8")
    workshop.build()
    after = files_in(workshop.out)
    assert after.keys() == plain.keys()
    for data in after.values():
        assert b"anticonstitutionnellement" not in data
        assert "Réunion secrète".encode() not in data


def test_a_reserved_block_that_the_archive_may_show_brings_its_calendar(
    workshop: Workshop,
) -> None:
    folder = workshop.letter(FIRST)
    text = (folder / "issue.yaml").read_text(encoding="utf-8")
    shown = RESERVED.replace("[benevoles]", "[benevoles]\n    archive: true")
    (folder / "issue.yaml").write_text(text + shown, encoding="utf-8")
    workshop.build()
    assert f"{FIRST}/reunion-secrete.ics" in files_in(workshop.out)


def test_mail_that_links_to_its_images_finds_those_of_every_variant(workshop: Workshop) -> None:
    blocks = "  - block: image\n    image: cafe.png\n    image_alt: x\n    only: [benevoles]\n"
    workshop.letter(FIRST, blocks=blocks + "  - block: texte\n    body: Bonjour.\n")
    workshop.logo = False
    workshop.build()
    assert not [path for path in files_in(workshop.out) if path.endswith(".png")]
    workshop.settings = replace(SETTINGS, render=Render(images="linked"))
    workshop.build()
    assert [path for path in files_in(workshop.out) if path.endswith(".png")]


def test_merge_tags_are_told_for_all_in_calendars_index_and_feed(workshop: Workshop) -> None:
    workshop.letter(
        FIRST, number=46, title="Lettre {{number}}", more="preheader: '{{email|À lire}}'\n"
    )
    workshop.build()
    files = files_in(workshop.out)
    assert "Atelier n°\u00a046".encode() in b"".join(files.values())
    assert "Lettre 46" in files["index.html"].decode()
    assert "<summary>À lire</summary>" in files["feed.xml"].decode()
    assert not [path for path, data in files.items() if b"{{" in data or b"mergeq" in data]


def test_without_a_site_there_is_no_site_map_and_one_of_before_goes(workshop: Workshop) -> None:
    workshop.letter(FIRST)
    workshop.build()
    assert (workshop.out / "sitemap.xml").exists()
    workshop.settings = NO_SITE
    assert "sitemap.xml" in workshop.build().removed


def test_an_empty_workspace_makes_an_empty_archive(workshop: Workshop) -> None:
    built = workshop.build(today=TODAY)
    assert built.letters == ()
    assert {"index.html", "feed.xml", "sitemap.xml"} <= files_in(workshop.out).keys()


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../../etc/passwd", "Europe"])
def test_an_unknown_time_zone_is_a_mistake_of_the_settings(workshop: Workshop, name: str) -> None:
    workshop.settings = replace(SETTINGS, site=replace(SETTINGS.site, timezone=name))
    with pytest.raises(SettingsError, match="Europe/Paris"):
        workshop.build()
