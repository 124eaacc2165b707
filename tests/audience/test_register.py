"""People one by one, on both databases: added, removed, forgotten without a trace."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from pipeline.audience import register
from pipeline.audience.consent import Consent, Kind
from pipeline.audience.queries import count_people
from pipeline.audience.secret import read_secret, require_keys
from pipeline.audience.states import Event, State
from pipeline.errors import InputError
from pipeline.store.engine import reading, writing
from pipeline.store.tables import metadata
from tests.audience.lists import NOW, SECRET, everybody, import_text, log, person

ADDED = Consent(
    kind=Kind.ADDED, at=NOW, source="stand", wording="Je m’inscris.", wording_version="1"
)


def add(engine: Engine, address: str, **facts: str) -> register.Subscriber:
    newcomer = register.Newcomer(address=address, segments=frozenset({"x"}), **facts)
    return register.add_subscriber(engine, newcomer, ADDED, secret=SECRET)


def test_who_is_added_is_active_with_the_consent_they_gave(engine: Engine) -> None:
    zoe = add(engine, " Zoe@Café.Example ", first_name="Zoé\n ", language="fr")

    assert (zoe.address, zoe.first_name, zoe.language) == ("Zoe@xn--caf-dma.example", "Zoé", "fr")
    assert (zoe.state, sorted(zoe.segments), zoe.created_at) == (State.ACTIVE, ["x"], NOW)
    assert len(zoe.public_id) == 22
    assert log(engine, "zoe@café.example") == [ADDED]


@pytest.mark.parametrize(
    ("facts", "said"),
    [({"language": "mandarin simplifié"}, "not a language"), ({"first_name": "x" * 201}, "200"),
     ({"first_name": "a\x1bb"}, "control character")],
)  # fmt: skip
def test_what_cannot_be_kept_of_a_person_is_told(
    engine: Engine, facts: dict[str, str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        add(engine, "zoe@lettre.example", **facts)
    assert everybody(engine) == []


def test_nobody_is_added_twice(engine: Engine) -> None:
    add(engine, "zoe@lettre.example")
    with pytest.raises(InputError, match="is here already"):
        add(engine, "ZOE@lettre.example")


def test_who_left_is_not_added_by_others(engine: Engine) -> None:
    add(engine, "zoe@lettre.example")
    register.remove(engine, "zoe@lettre.example", now=NOW, source="test")
    with pytest.raises(InputError, match=r"left on 2026-11-20 \(unsubscribed\)"):
        add(engine, "zoe@lettre.example")
    register.forget(engine, "zoe@lettre.example", secret=SECRET, now=NOW, source="test")
    with pytest.raises(InputError, match="asked to be forgotten"):
        add(engine, "zoe@lettre.example")


def test_who_is_removed_is_unsubscribed_and_the_log_says_so_once(engine: Engine) -> None:
    add(engine, "zoe@lettre.example")
    later = NOW + timedelta(days=1)
    moves = [
        register.remove(engine, "Zoe@lettre.example", now=later, source="test") for _ in range(2)
    ]
    assert moves == [(State.ACTIVE, State.UNSUBSCRIBED), (State.UNSUBSCRIBED, State.UNSUBSCRIBED)]
    assert person(engine, "zoe@lettre.example").state_at == later
    assert [entry.kind for entry in log(engine, "zoe@lettre.example")] == [
        Kind.ADDED,
        Kind.UNSUBSCRIBED,
    ]


def test_who_asks_again_and_confirms_is_back_and_the_log_tells_it_all(engine: Engine) -> None:
    add(engine, "zoe@lettre.example")
    for happens in (Event.LEAVE, Event.ASK, Event.CONFIRM):
        zoe = person(engine, "zoe@lettre.example")
        with writing(engine) as connection:
            register.move(connection, zoe, happens, now=NOW, source="form")
    assert person(engine, "zoe@lettre.example").state is State.ACTIVE
    kinds = [entry.kind.value for entry in log(engine, "zoe@lettre.example")]
    assert kinds == ["added", "unsubscribed", "asked", "confirmed"]


def test_nobody_here_is_told(engine: Engine) -> None:
    with pytest.raises(InputError, match="nobody here has"):
        register.remove(engine, "zoe@lettre.example", now=NOW, source="test")


def everything(engine: Engine) -> str:
    with reading(engine) as connection:
        rows = [
            tuple(row)
            for table in metadata.sorted_tables
            for row in connection.execute(select(table))
        ]
    return repr(rows)


def test_who_is_forgotten_is_in_no_table_and_not_in_the_bytes(
    engine: Engine, tmp_path: Path
) -> None:
    people = "".join(f"personne{n}@lettre.example,Nom{n},Ville{n}\n" for n in range(3000))
    import_text(engine, tmp_path, f"email,nom,ville\n{people}", batch=500)
    kept = everybody(engine)[1500]

    for number in (0, 7, 1234, 2999):
        address = f"personne{number}@lettre.example"
        register.forget(engine, address, secret=SECRET, now=NOW, source="test")

    for number in (0, 7, 1234, 2999):
        for trace in (f"personne{number}@", f"'Nom{number}'", f"'Ville{number}'"):
            assert trace not in everything(engine)
        if engine.dialect.name == "sqlite":
            for file in tmp_path.glob("test.db*"):
                data = file.read_bytes().lower()
                assert f"personne{number}@lettre.example".encode() not in data, file
                assert f'"ville{number}"'.encode() not in data
    assert person(engine, kept.address) == kept
    stats = count_people(engine)
    assert (stats.states[State.ACTIVE], stats.states[State.FORGOTTEN]) == (2996, 4)
    assert stats.suppressed == 4


def test_the_forgetting_itself_is_logged_without_the_person(engine: Engine) -> None:
    zoe = add(engine, "zoe@lettre.example")
    register.forget(engine, "zoe@lettre.example", secret=SECRET, now=NOW, source="command")

    with reading(engine) as connection:
        [row] = connection.execute(select(metadata.tables["subscriber"]))
        [entry] = register.consents_of(connection, zoe)
        with pytest.raises(InputError, match="asked to be forgotten on 2026-11-20"):
            register.get_subscriber(connection, "zoe@lettre.example", SECRET)
    assert entry == Consent(kind=Kind.FORGOTTEN, at=NOW, source="command")
    assert (row.address, row.address_key, row.attributes) == (None, None, {})
    assert row.public_id != zoe.public_id


def test_one_who_is_not_here_can_be_kept_out_and_twice_is_as_once(engine: Engine) -> None:
    for spelling in ("Zoe@lettre.example", "zoe@LETTRE.example"):
        register.forget(engine, spelling, secret=SECRET, now=NOW, source="test")
    assert count_people(engine).suppressed == 1
    with pytest.raises(InputError, match="asked to be forgotten"):
        add(engine, "zoe@lettre.example")


def test_two_who_add_the_same_person_at_once_make_one_row(engine: Engine) -> None:
    def try_to_add(_: int) -> bool:
        try:
            add(engine, "zoe@lettre.example")
        except InputError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(try_to_add, range(4))) == [False, False, False, True]
    assert len(everybody(engine)) == 1


def test_the_key_comes_from_the_environment_and_is_named_where_it_is_missing() -> None:
    assert read_secret({}) == b""
    assert require_keys({"INFOLETTRE_SECRET": "x" * 16}).current == b"x" * 16
    for environ in ({}, {"INFOLETTRE_SECRET": "court"}):
        with pytest.raises(InputError, match="INFOLETTRE_SECRET") as told:
            require_keys(environ)
        assert "court" not in str(told.value)


def test_what_happened_meanwhile_counts(engine: Engine) -> None:
    seen_before = add(engine, "zoe@lettre.example")
    for happens in (Event.COMPLAIN, Event.LEAVE):
        with writing(engine) as connection:
            state = register.move(connection, seen_before, happens, now=NOW, source="test")
        assert state is State.COMPLAINED
    kinds = [entry.kind for entry in log(engine, "zoe@lettre.example")]
    assert kinds == [Kind.ADDED, Kind.COMPLAINED]
