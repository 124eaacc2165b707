"""Which saves are seen, as editors make them; and which movements are nobody's save."""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pipeline.web.preview.bell import Bell, heard
from pipeline.web.preview.desk import PreviewDesk
from pipeline.web.preview.watch import follow, is_scratch
from tests.web.workshop import Room

NEW_TITLE = ("Des cafés sous la lampe", "Des cafés au soleil")


def following(room: Room, act: Callable[[PreviewDesk], Awaitable[None]]) -> None:
    """Run ``act`` while the desk follows the room."""

    async def live() -> None:
        desk, ready = PreviewDesk(room), asyncio.Event()
        task = asyncio.create_task(follow(desk, Bell(), ready=ready))
        try:
            await asyncio.wait_for(ready.wait(), 20)
            await act(desk)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(live())


async def until(claim: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < end, "it was not seen"
        await asyncio.sleep(0.01)


def shows(desk: PreviewDesk, title: str) -> Callable[[], bool]:
    return lambda: desk.current.edition is not None and desk.current.edition.title == title


def test_a_file_that_is_written_in_place_is_seen(room: Room) -> None:
    async def act(desk: PreviewDesk) -> None:
        room.replace(*NEW_TITLE)
        await until(shows(desk, NEW_TITLE[1]))

    following(room, act)


def test_a_file_that_is_renamed_over_the_old_one_is_seen_each_time(room: Room) -> None:
    async def act(desk: PreviewDesk) -> None:
        for title in ("Un", "Deux", "Trois"):
            text = room.file.read_text(encoding="utf-8").splitlines()
            text[1] = f"title: {title}"
            fresh = room.folder / ".issue.yaml.new"
            fresh.write_text("\n".join(text) + "\n", encoding="utf-8")
            os.replace(fresh, room.file)
            await until(shows(desk, title))

    following(room, act)


def test_settings_that_are_renamed_over_the_old_ones_are_seen_each_time(room: Room) -> None:
    async def act(desk: PreviewDesk) -> None:
        for name in ("Un", "Deux"):
            fresh = room.root / "fresh"
            text = room.settings.read_text(encoding="utf-8").splitlines()
            text[1] = f'name = "{name}"'
            fresh.write_text("\n".join(text), encoding="utf-8")
            os.replace(fresh, room.settings)
            await until(
                lambda n=name: (
                    desk.current.edition is not None  # type: ignore[misc]
                    and f">{n}<" in desk.current.edition.html
                )
            )

    following(room, act)


def test_a_half_written_file_is_seen_again_when_it_is_whole(room: Room) -> None:
    async def act(desk: PreviewDesk) -> None:
        text = room.file.read_text(encoding="utf-8").replace(*NEW_TITLE)
        room.write(text[: text.index("edito")])
        await asyncio.sleep(0.15)
        room.write(text)
        await until(lambda: shows(desk, NEW_TITLE[1])() and not desk.current.mistakes)

    following(room, act)


def test_a_folder_that_is_moved_away_and_comes_back_is_followed_again(room: Room) -> None:
    async def act(desk: PreviewDesk) -> None:
        aside = room.root / "aside"
        room.folder.rename(aside)
        await until(lambda: bool(desk.current.mistakes))
        shutil.copytree(aside, room.folder)
        await until(lambda: not desk.current.mistakes)
        room.replace(*NEW_TITLE)
        await until(shows(desk, NEW_TITLE[1]))

    following(room, act)


def test_a_burst_of_saves_ends_with_the_last_one_in_few_looks(room: Room) -> None:
    async def act(desk: PreviewDesk) -> None:
        before = desk.current.version
        text = room.file.read_text(encoding="utf-8")
        for n in range(30):
            room.write(text.replace(NEW_TITLE[0], f"Essai {n}"))
            await asyncio.sleep(0.002)
        await until(shows(desk, "Essai 29"))
        assert desk.current.version - before < 15

    following(room, act)


def test_an_editors_scratch_files_make_nobody_look(room: Room) -> None:
    async def act(_: PreviewDesk) -> None:
        looks = room.looks
        for name in (".issue.yaml.swp", "issue.yaml~", "4913", "#issue.yaml#", ".DS_Store"):
            (room.folder / name).write_text("x", encoding="utf-8")
        await asyncio.sleep(0.3)
        assert room.looks == looks

    following(room, act)


@pytest.mark.parametrize(
    "name", [".issue.yaml.swp", "issue.yaml~", "4913", "#issue.yaml#", ".#issue.yaml", "a.swx"]
)
def test_scratch_files_are_known_by_their_names(name: str) -> None:
    assert is_scratch(name)


@pytest.mark.parametrize("name", ["issue.yaml", "lampe.png", "email.mjml", "web.css", "4913.png"])
def test_what_a_person_saves_is_no_scratch_file(name: str) -> None:
    assert not is_scratch(name)


def test_a_ring_between_the_look_and_the_wait_is_heard() -> None:
    async def live() -> tuple[bool, bool]:
        bell = Bell()
        turn = bell.turn()
        bell.ring()
        return await heard(turn, within=0), await heard(bell.turn(), within=0.01)

    assert asyncio.run(live()) == (True, False)


def test_a_folder_that_cannot_be_watched_is_no_reason_to_hang(tmp_path: Path) -> None:
    room = Room.build(tmp_path)
    shutil.rmtree(room.folder)

    async def act(desk: PreviewDesk) -> None:
        assert desk.current.mistakes

    following(room, act)
