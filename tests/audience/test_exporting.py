"""People go out in open formats, and come in again as they were."""

import json
from pathlib import Path

from sqlalchemy import Engine, delete

from pipeline.audience.exporting import export_csv, export_json, person_facts
from pipeline.audience.queries import Asked
from pipeline.audience.register import forget, remove
from pipeline.audience.states import State
from pipeline.store.engine import reading, writing
from pipeline.store.people import subscriber
from tests.audience.lists import LISTS, NOW, SECRET, everybody, import_text, person


def fill(engine: Engine, folder: Path) -> None:
    for file in sorted(LISTS.iterdir()):
        import_text(engine, folder, file.read_bytes())
    formulas = "=1+1@lettre.example,=HYPERLINK(1),'-x\n"
    import_text(engine, folder, f"email,prénom,nom\n{formulas}")
    remove(engine, "abonne@boite-aux-lettres.example", now=NOW, source="test")
    forget(engine, "coupe@boite-aux-lettres.example", secret=SECRET, now=NOW, source="test")


def exported(engine: Engine) -> str:
    with reading(engine) as connection:
        return "".join(export_csv(connection, Asked()))


def test_what_is_exported_as_csv_is_imported_as_it_was(engine: Engine, tmp_path: Path) -> None:
    fill(engine, tmp_path)
    before, written = everybody(engine), exported(engine)
    with writing(engine) as connection:
        connection.execute(delete(subscriber))

    report, told = import_text(engine, tmp_path, written)

    assert (report.format, report.added, told) == ("infolettre", len(before), [])
    for one in before:
        after = person(engine, one.address)
        for name in ("address", "first_name", "last_name", "language", "segments", "attributes",
                     "state"):  # fmt: skip
            assert getattr(after, name) == getattr(one, name), (one, name)
        assert abs(after.created_at - one.created_at).total_seconds() < 1
        assert abs(after.state_at - one.state_at).total_seconds() < 1


def test_no_cell_of_the_csv_is_a_formula(engine: Engine, tmp_path: Path) -> None:
    fill(engine, tmp_path)
    line = next(line for line in exported(engine).splitlines() if "HYPERLINK" in line)
    assert line.startswith("'=1+1@lettre.example,'=HYPERLINK(1),''-x,")


def test_json_holds_everybody_with_their_consents(engine: Engine, tmp_path: Path) -> None:
    with reading(engine) as connection:
        assert json.loads("".join(export_json(connection, Asked()))) == []
    fill(engine, tmp_path)

    with reading(engine) as connection:
        told = json.loads("".join(export_json(connection, Asked())))

    assert [one["address"] for one in told] == [one.address for one in everybody(engine)]
    assert all(one["consents"] for one in told)
    assert "coupe@boite-aux-lettres.example" not in json.dumps(told)


def test_only_those_asked_for_are_exported(engine: Engine, tmp_path: Path) -> None:
    fill(engine, tmp_path)
    with reading(engine) as connection:
        pieces = list(export_csv(connection, Asked(state=State.BOUNCED)))
    assert len(pieces) == 2
    assert "plus-la@quai-vert.example" in pieces[1]


def test_all_that_is_known_of_one_person_is_told(engine: Engine, tmp_path: Path) -> None:
    fill(engine, tmp_path)
    ines = person(engine, "ines@courrier-lent.example")
    with reading(engine) as connection:
        facts = person_facts(connection, ines)
    assert facts["attributes"]["ville"] == "Lille"
    assert facts["created_at"] == "2023-05-01T08:00:00+00:00"
    assert facts["consents"][0]["proof"]["file"] == "liste.csv"
    assert json.loads(json.dumps(facts)) == facts
