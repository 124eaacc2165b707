"""Lists come in, on both databases: once each, nobody brought back, memory flat."""

import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from pipeline.audience import register
from pipeline.audience.consent import Consent, Kind
from pipeline.audience.importing import Import, find_encoding, import_people
from pipeline.audience.queries import count_people
from pipeline.audience.states import Event, State
from pipeline.errors import InputError
from pipeline.store.engine import open_engine, writing
from tests.audience.lists import LISTS, NOW, SECRET, everybody, import_text, log, person

THREE = "email,prénom,segments\na@b.example,Ana,x\nc@d.example,Cléo,x y\ne@f.example,,\n"


def test_a_list_comes_in_with_names_segments_and_consents(engine: Engine, tmp_path: Path) -> None:
    report, told = import_text(engine, tmp_path, THREE)

    assert (report.added, report.rows, told) == (3, 3, [])
    assert report.added_states == {State.ACTIVE: 3}
    cleo = person(engine, "C@D.example")
    assert (cleo.first_name, sorted(cleo.segments), cleo.state) == (
        "Cléo",
        ["x", "y"],
        State.ACTIVE,
    )
    assert log(engine, "c@d.example") == [
        Consent(
            kind=Kind.IMPORTED, at=NOW, source="import:csv",
            wording="J’accepte de recevoir la lettre.", wording_version="2",
            proof={"file": "liste.csv", "line": 3, "imported_at": NOW.isoformat()},
        )
    ]  # fmt: skip
    assert len({one.public_id for one in everybody(engine)}) == 3


@pytest.mark.parametrize("file", sorted(LISTS.iterdir()), ids=lambda file: file.stem)
def test_each_export_comes_in_and_a_second_time_changes_nothing(
    engine: Engine, tmp_path: Path, file: Path
) -> None:
    first, told = import_text(engine, tmp_path, file.read_bytes())
    before = everybody(engine)
    second, _ = import_text(engine, tmp_path, file.read_bytes(), now=NOW + timedelta(days=1))

    assert (first.added, first.faulty, told) == (len(before), 0, [])
    assert (second.same, second.rows) == (len(before), len(before))
    assert everybody(engine) == before


def test_the_date_of_a_consent_is_that_of_the_export(engine: Engine, tmp_path: Path) -> None:
    import_text(engine, tmp_path, (LISTS / "mailchimp-abonnes.csv").read_bytes())
    [entry] = log(engine, "maelle.quentric@boite-aux-lettres.example")
    assert entry.at.isoformat() == "2021-03-05T08:30:00+00:00"
    assert entry.proof["confirmed_at"] == "2021-03-05T08:34:12+00:00"


def test_a_dry_run_counts_the_same_and_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    import_text(engine, tmp_path, "email\na@b.example\n")
    before, people = count_people(engine), everybody(engine)
    both = "email,prénom\na@b.example,Ana\nc@d.example,Cléo\nC@D.example,Cléo\nfaux,\n"

    dry, dry_told = import_text(engine, tmp_path, both, dry_run=True)

    assert (dry.added, dry.changed, dry.faulty) == (1, 1, 2)
    assert (count_people(engine), everybody(engine)) == (before, people)
    assert import_text(engine, tmp_path, both) == (dry, dry_told)


def test_the_second_row_of_an_address_is_at_fault_also_in_another_batch(
    engine: Engine, tmp_path: Path
) -> None:
    rows = "".join(f"p{number}@b.example\n" for number in range(7))
    report, [mistake] = import_text(engine, tmp_path, f"email\n{rows}P1@B.example\n")
    assert (report.added, report.faulty) == (7, 1)
    assert mistake.say("en").endswith(
        "liste.csv:9:1: “P1@b.example” is already on line 3: keep one of the two"
    )


@pytest.mark.parametrize(
    ("happens", "state"),
    [(Event.LEAVE, State.UNSUBSCRIBED), (Event.BOUNCE, State.BOUNCED),
     (Event.COMPLAIN, State.COMPLAINED)],
)  # fmt: skip
def test_nobody_who_left_is_brought_back(
    engine: Engine, tmp_path: Path, happens: Event, state: State
) -> None:
    import_text(engine, tmp_path, THREE)
    ana = person(engine, "a@b.example")
    with writing(engine) as connection:
        register.move(connection, ana, happens, now=NOW, source="test")
    before = log(engine, "a@b.example")

    report, [told] = import_text(engine, tmp_path, "email,prénom,status\nA@b.example,Anna,active\n")

    assert (report.left, report.changed) == (1, 0)
    assert "stay as they are" in told.what("en")
    after = person(engine, "a@b.example")
    assert (after.state, after.first_name) == (state, "Ana")
    assert log(engine, "a@b.example") == before


def test_nobody_who_was_forgotten_is_brought_back(engine: Engine, tmp_path: Path) -> None:
    import_text(engine, tmp_path, THREE)
    register.forget(engine, "a@b.example", secret=SECRET, now=NOW, source="test")

    report, _ = import_text(engine, tmp_path, THREE)

    assert (report.left, report.same) == (1, 2)
    assert [one.address for one in everybody(engine)] == ["c@d.example", "e@f.example"]


def test_without_the_key_nothing_comes_in_once_somebody_was_forgotten(
    engine: Engine, tmp_path: Path
) -> None:
    register.forget(engine, "a@b.example", secret=SECRET, now=NOW, source="test")
    with pytest.raises(InputError, match="INFOLETTRE_SECRET"):
        import_text(engine, tmp_path, THREE, secret=b"")
    assert everybody(engine) == []


def test_a_list_of_people_who_left_makes_them_leave(engine: Engine, tmp_path: Path) -> None:
    import_text(engine, tmp_path, THREE)
    report, _ = import_text(
        engine, tmp_path, "email\na@b.example\nneuf@b.example\n", assume=State.BOUNCED
    )
    assert (report.changed, report.added_states) == (1, {State.BOUNCED: 1})
    assert person(engine, "a@b.example").state is State.BOUNCED
    assert [entry.kind for entry in log(engine, "a@b.example")] == [Kind.IMPORTED, Kind.BOUNCED]


def test_a_pending_person_is_not_confirmed_by_a_list(engine: Engine, tmp_path: Path) -> None:
    import_text(engine, tmp_path, "email\na@b.example\n", assume=State.PENDING)
    import_text(engine, tmp_path, "email,prénom\na@b.example,Ana\n")
    assert person(engine, "a@b.example").state is State.PENDING


def test_a_list_adds_to_what_is_known_and_takes_nothing_away(
    engine: Engine, tmp_path: Path
) -> None:
    import_text(
        engine, tmp_path, "email,prénom,nom,segments,ville\na@b.example,Ana,Le Goff,x,Lille\n"
    )
    report, _ = import_text(
        engine, tmp_path, "email,prénom,nom,segments,métier\na@b.example,Anna,,y,juge\n"
    )
    assert report.changed == 1
    ana = person(engine, "a@b.example")
    assert (ana.first_name, ana.last_name, sorted(ana.segments)) == ("Anna", "Le Goff", ["x", "y"])
    assert ana.attributes == {"ville": "Lille", "metier": "juge"}


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [("utf-8", ","), ("utf-8-sig", ";"), ("cp1252", ";"), ("utf-16", "\t"), ("utf-8", "\t")],
)
def test_an_encoding_and_a_separator_are_found(
    engine: Engine, tmp_path: Path, encoding: str, separator: str
) -> None:
    lines = ["email,prénom,nom", "a@b.example,Zoé,L’Œuvre", "c@d.example,Chloé,Noël"]
    written = "\r\n".join(lines).replace(",", separator).encode(encoding)
    report, told = import_text(engine, tmp_path, written)
    assert (report.added, told) == (2, [])
    assert person(engine, "a@b.example").last_name == "L’Œuvre"


def test_a_workbook_is_refused_with_the_way_out(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="CSV UTF-8"):
        import_text(engine, tmp_path, b"PK\x03\x04" + bytes(100))


def test_a_letter_at_the_edge_of_a_block_does_not_change_the_encoding(tmp_path: Path) -> None:
    file = tmp_path / "liste.csv"
    file.write_bytes(b"x" * ((1 << 16) - 1) + "é".encode())
    assert find_encoding(file) == "utf-8-sig"
    file.write_bytes(b"x" * (1 << 16) + "é".encode()[:1])
    assert find_encoding(file) == "cp1252"


def test_an_import_that_was_stopped_goes_on_where_it_was(engine: Engine, tmp_path: Path) -> None:
    import_text(engine, tmp_path, THREE.rpartition("e@f")[0])
    report, _ = import_text(engine, tmp_path, THREE)
    assert (report.same, report.added) == (2, 1)


def test_a_batch_that_fails_leaves_nobody_without_a_consent(engine: Engine, tmp_path: Path) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def stop(_c: object, _k: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO consent"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_text(engine, tmp_path, THREE)
    event.remove(engine, "before_cursor_execute", stop)

    assert everybody(engine) == []
    report, _ = import_text(engine, tmp_path, THREE)
    assert report.added == 3


def many(folder: Path, count: int) -> Path:
    file = folder / f"{count}.csv"
    with file.open("w") as out:
        out.write("email,prénom,segments,ville\n")
        out.writelines(
            f"personne.{number}@boite-{number % 97}.example,Zoé,lettre,Amiens\n"
            for number in range(count)
        )
    return file


def test_a_hundred_thousand_people_come_in_on_flat_memory(
    sqlite_file: Path, tmp_path: Path
) -> None:
    shutil.copy(sqlite_file, tmp_path / "x.db")
    engine = open_engine("sqlite:///x.db", tmp_path)
    import_people(engine, Import(file=many(tmp_path, 5_000), now=NOW))
    before = resident()

    report = import_people(engine, Import(file=many(tmp_path, 100_000), now=NOW))

    assert (report.added, report.same) == (95_000, 5_000)
    assert resident() - before < 40_000_000  # the rows alone are some 100 MB of Python objects
    engine.dispose()
    with sqlite3.connect(tmp_path / "x.db") as raw:
        [counted] = raw.execute("SELECT count(*) FROM consent").fetchone()
    raw.close()
    assert counted == 100_000


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
