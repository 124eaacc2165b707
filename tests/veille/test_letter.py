"""Cards go into a real letter, and the desk follows what its file says; on both databases."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, update

from pipeline.errors import InputError, LetterError, WorkspaceError, WorldError
from pipeline.store.campaigns import campaign
from pipeline.store.engine import writing
from pipeline.store.entries import citation, cited_letter
from pipeline.text.document import parse_document
from pipeline.veille.card import Card
from pipeline.veille.changes import hold_cards, write_changes
from pipeline.veille.decisions import Action, Change, move
from pipeline.veille.entries import find_cards, put_page
from pipeline.veille.item import Entry
from pipeline.veille.letter import sync_letter, write_cards
from pipeline.veille.states import State
from pipeline.veille.triage import discard, history, keep, undo, write_note
from pipeline.workspace import Workspace
from tests.delivery.mailings import a_campaign
from tests.veille.builders import LETTER, NOW, a_letter, a_workspace, an_entry

SLUG = "2026-11-30-cafes"
OTHER = "2026-12-07-suite"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return a_workspace(tmp_path)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def put(engine: Engine, *names: str, **changes: Any) -> list[str]:
    """Put pages on the desk, titled by their names, and return their ids."""
    pages = [an_entry(f"https://revue.example/{name}", title=name, **changes) for name in names]
    return [put_page(engine, page, by="", now=NOW).entry.id for page in pages]


def card(engine: Engine, ref: str) -> Card:
    (found,) = find_cards(engine, [ref])
    return found


def items(folder: Path, block: str = "veille") -> list[Any]:
    values = parse_document((folder / "issue.yaml").read_bytes(), path="x").values
    return [
        item for one in values["blocks"] if one["block"] == block for item in one.get("items") or []
    ]


def cite(engine: Engine, entry: Entry, slug: str, number: str) -> None:
    with writing(engine) as connection:
        connection.execute(insert(cited_letter).values(slug=slug, stamp="1:1", number=number))
        row = {"slug": slug, "canonical_url": entry.canonical_url, "title": entry.title}
        connection.execute(insert(citation).values(row))


def test_cards_are_written_with_their_notes_and_stand_in_that_letter(
    engine: Engine, workspace: Workspace
) -> None:
    one, other = put(engine, "un", "deux")
    folder = a_letter(workspace, SLUG)
    write_note(engine, one, "Mon avis.\n\n> Leur phrase.", by="Claire", now=at(1))

    written = write_cards(engine, workspace, [one, other], folder, by="Claire", now=at(2))

    assert (written.file, written.notices) == (folder / "issue.yaml", ())
    assert [item["title"] for item in items(folder)] == ["Une lecture", "un", "deux"]
    assert [item["body"] for item in items(folder)[1:]] == [
        "Mon avis.\n\n> Leur phrase.\n",
        "Une classe, un wiki.\n",
    ]
    assert written.cards == find_cards(engine, [one, other])
    for found in written.cards:
        assert (found.state, found.state_by, found.issue) == (State.WRITTEN, "Claire", SLUG)
        assert history(engine, found.entry.id)[-1].action == "write"


def test_all_is_as_it_was_but_for_the_added_lines(engine: Engine, workspace: Workspace) -> None:
    (ref,) = put(engine, "un")
    folder = a_letter(workspace, SLUG)

    write_cards(engine, workspace, [ref], folder, by="Claire", now=at(1))

    head, tail = LETTER.split("          Un texte.\n")
    found = (folder / "issue.yaml").read_text(encoding="utf-8")
    assert found.startswith(head)
    assert found.endswith(tail)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            "on-en-parle",
            {
                "title": "un",
                "url": "https://revue.example/un",
                "source": "La Revue",
                "date": "2026-11-20",
                "body": "Une classe, un wiki.\n",
            },
        ),
        ("en-bref", "[un](https://revue.example/un) (La Revue)\n"),
    ],
)
def test_other_blocks_take_cards_in_their_own_form(
    engine: Engine, workspace: Workspace, block: str, expected: object
) -> None:
    (ref,) = put(engine, "un")
    folder = a_letter(workspace, SLUG)

    write_cards(engine, workspace, [ref], folder, block=block, by="Claire", now=at(1))

    assert items(folder, block) == [expected]


def test_a_page_in_the_letter_already_writes_none_of_the_cards(
    engine: Engine, workspace: Workspace
) -> None:
    refs = put(engine, "un")
    page = an_entry("https://lecture.example/a?b=1")
    refs.append(put_page(engine, page, by="", now=NOW).entry.id)
    folder = a_letter(workspace, SLUG)

    with pytest.raises(InputError, match="“Une lecture” is in this letter already"):
        write_cards(engine, workspace, refs, folder, by="Claire", now=at(1))

    assert (folder / "issue.yaml").read_text(encoding="utf-8") == LETTER
    assert {one.state for one in find_cards(engine, refs)} == {State.NEW}


def test_a_letter_with_mistakes_or_without_rights_changes_nothing(
    engine: Engine, workspace: Workspace, tmp_path: Path
) -> None:
    (ref,) = put(engine, "un")
    broken = a_letter(workspace, SLUG, "blocks: [\n")

    with pytest.raises(LetterError):
        write_cards(engine, workspace, [ref], broken, by="Claire", now=at(1))
    with pytest.raises(LetterError, match=r"there is no issue\.yaml"):
        write_cards(engine, workspace, [ref], tmp_path, by="Claire", now=at(1))
    assert card(engine, ref).state is State.NEW


def test_a_discarded_card_may_be_written_since_a_person_says_so(
    engine: Engine, workspace: Workspace
) -> None:
    (ref,) = put(engine, "un")
    discard(engine, [ref], by="Marc", now=at(1))

    write_cards(engine, workspace, [ref], a_letter(workspace, SLUG), by="Claire", now=at(2))

    assert card(engine, ref).state is State.WRITTEN


def test_what_other_letters_hold_is_told(engine: Engine, workspace: Workspace) -> None:
    cited, written = put(engine, "un", "deux")
    cite(engine, card(engine, cited).entry, "2026-11-23-avant", "42")
    write_cards(engine, workspace, [written], a_letter(workspace, OTHER), by="Marc", now=at(1))

    found = write_cards(
        engine,
        workspace,
        [cited, written],
        a_letter(workspace, SLUG),
        by="Claire",
        now=at(2),
    )

    assert [notice.say("en") for notice in found.notices] == [
        "“un” was cited already in letter no. 42",
        f"“deux” stands in {OTHER} as well",
    ]
    assert card(engine, written).issue == SLUG


def test_what_was_published_may_be_written_again_and_stays_published(
    engine: Engine, workspace: Workspace
) -> None:
    (ref,) = put(engine, "un")
    with writing(engine) as connection:
        (held,) = hold_cards(connection, [card(engine, ref).id])
        found = move(held, Action.PUBLISH, by="", now=at(1), issue=OTHER)
        assert isinstance(found, Change)
        write_changes(connection, [found], action=Action.PUBLISH, by="", now=at(1))
    before = card(engine, ref)
    folder = a_letter(workspace, SLUG)

    written = write_cards(engine, workspace, [ref], folder, by="Claire", now=at(2))

    assert [notice.say("en") for notice in written.notices] == [
        f"“un” was published with {OTHER} at 9:31\u00a0am: it stays so"
    ]
    assert (card(engine, ref), len(items(folder))) == (before, 2)


def test_undo_of_writing_leaves_the_file_and_says_so(engine: Engine, workspace: Workspace) -> None:
    (ref,) = put(engine, "un")
    folder = a_letter(workspace, SLUG)
    keep(engine, [ref], by="Claire", now=at(1))
    before = card(engine, ref)
    write_cards(engine, workspace, [ref], folder, by="Claire", now=at(2))

    done = undo(engine, by="Claire", now=at(3))

    assert card(engine, ref) == before
    assert [notice.say("en") for notice in done.notices] == [
        f"“un” stands in {SLUG} still: take its item out of the letter"
    ]
    assert [item["title"] for item in items(folder)] == ["Une lecture", "un"]


def test_two_who_write_into_one_letter_at_once_lose_nothing(
    engine: Engine, workspace: Workspace
) -> None:
    refs = put(engine, *"abcdef")
    folder = a_letter(workspace, SLUG)
    barrier = threading.Barrier(len(refs))
    errors: list[BaseException] = []

    def run(ref: str) -> None:
        barrier.wait(10)
        try:
            write_cards(engine, workspace, [ref], folder, by=ref, now=at(1))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[ref]) for ref in refs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert errors == []
    assert sorted(item["title"] for item in items(folder)) == ["Une lecture", *"abcdef"]
    assert {one.state for one in find_cards(engine, refs)} == {State.WRITTEN}


_DEATH = """
CREATE FUNCTION death() RETURNS trigger AS
'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END' LANGUAGE plpgsql;
CREATE TRIGGER death BEFORE INSERT ON entry_event EXECUTE FUNCTION death();
"""


@contextmanager
def dying(engine: Engine) -> Iterator[None]:
    """Let the database die as it writes events: its disk is full, or its server goes away."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _fill_disk)
        engine.dispose()
        yield
        event.remove(engine, "connect", _fill_disk)
        engine.dispose()
        return
    with writing(engine) as connection:
        connection.exec_driver_sql(_DEATH)
    yield
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP FUNCTION death CASCADE")


def _fill_disk(connection: Any, record: object) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_database_that_dies_after_the_file_was_written_is_told_and_mended_by_the_next_look(
    engine: Engine, workspace: Workspace
) -> None:
    refs = put(engine, *(f"article-{number}" for number in range(20)))
    folder = a_letter(workspace, SLUG)

    with dying(engine), pytest.raises(WorldError, match="now holds “article-0”, “article-1”, "):
        write_cards(engine, workspace, refs, folder, by="C" * 120, now=at(1))

    assert len(items(folder)) == 21
    assert {one.state for one in find_cards(engine, refs)} == {State.NEW}
    assert sync_letter(engine, folder, by="Claire", now=at(2)) == 20
    assert {one.state for one in find_cards(engine, refs)} == {State.WRITTEN}


def test_what_the_editor_takes_out_of_the_letter_is_kept_again(
    engine: Engine, workspace: Workspace
) -> None:
    one, other = put(engine, "un", "deux")
    folder = a_letter(workspace, SLUG)
    write_cards(engine, workspace, [one], folder, by="Claire", now=at(1))
    elsewhere = a_letter(workspace, OTHER)
    write_cards(engine, workspace, [other], elsewhere, by="Claire", now=at(1))
    assert sync_letter(engine, folder, by="Marc", now=at(2)) == 0
    (folder / "issue.yaml").write_text(LETTER, encoding="utf-8")

    assert sync_letter(engine, folder, by="Marc", now=at(3)) == 1

    found = card(engine, one)
    assert (found.state, found.state_by, found.issue) == (State.KEPT, "Marc", "")
    assert card(engine, other).state is State.WRITTEN
    assert history(engine, one)[-1].action == "take_out"


def test_what_the_editor_pastes_into_the_letter_is_written(
    engine: Engine, workspace: Workspace
) -> None:
    item, mention, discarded, absent = put(engine, "un", "deux", "trois", "quatre")
    discard(engine, [discarded], by="Marc", now=at(1))
    links = (
        "  - block: edito\n    body: Lisez [deux](https://www.revue.example/deux?utm_source=x).\n"
        "  - block: veille\n    items:\n      - {title: t, url: 'https://revue.example/un'}\n"
        "  - block: bouton\n    url: https://revue.example/trois\n    label: l\n"
    )
    folder = a_letter(workspace, SLUG, f"blocks:\n{links}")

    assert sync_letter(engine, folder, by="Claire", now=at(2)) == 3
    assert sync_letter(engine, folder, by="Claire", now=at(3)) == 0

    for found in find_cards(engine, [item, mention, discarded]):
        assert (found.state, found.issue) == (State.WRITTEN, SLUG)
    assert card(engine, absent).state is State.NEW
    assert undo(engine, by="Claire", now=at(4)).changed == ()


def test_a_letter_with_mistakes_is_passed_over_one_that_is_gone_holds_nothing(
    engine: Engine, workspace: Workspace
) -> None:
    (ref,) = put(engine, "un")
    folder = a_letter(workspace, SLUG)
    write_cards(engine, workspace, [ref], folder, by="Claire", now=at(1))

    (folder / "issue.yaml").write_text("blocks: [\n", encoding="utf-8")
    assert sync_letter(engine, folder, by="Claire", now=at(2)) == 0
    assert card(engine, ref).state is State.WRITTEN
    (folder / "issue.yaml").unlink()
    assert sync_letter(engine, folder, by="Claire", now=at(3)) == 1
    assert card(engine, ref).state is State.KEPT


def test_a_letter_that_was_sent_takes_no_more_cards(engine: Engine, workspace: Workspace) -> None:
    (ref,) = put(engine, "un")
    folder = a_letter(
        workspace, SLUG, "blocks:\n  - {block: bouton, url: 'https://revue.example/un'}\n"
    )
    number = a_campaign(engine, slug=SLUG).id
    with writing(engine) as connection:
        values = {"state": "running", "started_at": NOW}
        connection.execute(update(campaign).where(campaign.c.id == number).values(values))

    assert sync_letter(engine, folder, by="Claire", now=at(1)) == 0
    assert card(engine, ref).state is State.NEW


def test_a_file_that_cannot_be_written_changes_nothing(
    engine: Engine, workspace: Workspace
) -> None:
    (ref,) = put(engine, "un")
    folder = a_letter(workspace, SLUG)
    # a name that leaves no room for the name of the file that is to take its place
    real = (folder / "issue.yaml").rename(workspace.root / f"{'x' * 250}.yaml")
    (folder / "issue.yaml").symlink_to(real)

    with pytest.raises(WorkspaceError, match="cannot be written"):
        write_cards(engine, workspace, [ref], folder, by="Claire", now=at(1))

    assert card(engine, ref).state is State.NEW
    assert real.read_text(encoding="utf-8") == LETTER
