"""Keys: one signs, older ones are read, and those who were forgotten stay so when it changes."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from pipeline.audience import register
from pipeline.audience.consent import Consent, Kind
from pipeline.audience.queries import count_people
from pipeline.audience.secret import Keys, read_keys, require_keys
from pipeline.errors import InputError
from tests.audience.lists import NOW, everybody, import_text

OLD, NEW = b"the key of last year", b"the key of this year"
BOTH = Keys(current=NEW, previous=(OLD,))
ADDED = Consent(kind=Kind.ADDED, at=NOW, source="stand")


def test_the_keys_come_from_the_environment() -> None:
    environ = {
        "INFOLETTRE_SECRET": "n" * 16,
        "INFOLETTRE_SECRET_PREVIOUS": f"{'a' * 16}, {'b' * 20},",
    }

    keys = read_keys(environ)
    assert keys == Keys(current=b"n" * 16, previous=(b"a" * 16, b"b" * 20))
    assert list(keys) == [b"n" * 16, b"a" * 16, b"b" * 20]
    assert require_keys(environ) == keys
    assert read_keys({}) == Keys()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"INFOLETTRE_SECRET": "court"}, "INFOLETTRE_SECRET is too short"),
        (
            {"INFOLETTRE_SECRET": "n" * 16, "INFOLETTRE_SECRET_PREVIOUS": "court"},
            "INFOLETTRE_SECRET_PREVIOUS is too short",
        ),
        ({"INFOLETTRE_SECRET_PREVIOUS": "a" * 16}, "into INFOLETTRE_SECRET"),
    ],
)
def test_a_key_that_is_none_is_named_and_not_shown(environ: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said) as told:
        read_keys(environ)
    assert "court" not in str(told.value)
    assert "a" * 16 not in str(told.value)


def test_keys_are_never_printed() -> None:
    assert "year" not in repr(BOTH)


def test_who_was_forgotten_with_the_old_key_is_kept_out_with_the_new_one(
    engine: Engine, tmp_path: Path
) -> None:
    register.forget(engine, "zoe@lettre.example", secret=OLD, now=NOW, source="test")

    newcomer = register.Newcomer(address="Zoe@lettre.example")
    with pytest.raises(InputError, match="asked to be forgotten"):
        register.add_subscriber(engine, newcomer, ADDED, secret=BOTH)
    import_text(engine, tmp_path, "email\nzoe@lettre.example\n", secret=BOTH)
    assert everybody(engine) == []

    register.forget(engine, "zoe@lettre.example", secret=BOTH, now=NOW, source="test")
    assert count_people(engine).suppressed == 1
