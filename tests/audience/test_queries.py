"""Who is meant: rules in SQL mean what they mean in Python, segments are the active alone."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine

from pipeline.audience.queries import (
    Asked,
    audience,
    count_found,
    drop_filter,
    each_subscriber,
    save_filter,
    saved_filters,
)
from pipeline.audience.register import remove
from pipeline.audience.segments import Rule, matches, parse_rule
from pipeline.audience.states import State
from pipeline.errors import InputError
from pipeline.store.engine import reading, writing
from tests.audience.lists import NOW, everybody, import_text
from tests.audience.test_segments import rules

PEOPLE = """email,prénom,nom,langue,segments,ville,abc
zoe@café.example,Zoé,Le Goff,fr,benevoles x,Le Mans,
ana@lettre.example,Ana,"L""Orme",en,benevoles,Lille,1
leo@lettre.example,,,,,,0
100%_@lettre.example,Cléo,,fr-CA,x,\\,\\
"""


@pytest.fixture
def people(engine: Engine, tmp_path: Path) -> Engine:
    report, told = import_text(engine, tmp_path, PEOPLE)
    assert (report.added, told) == (4, [])
    return engine


def found(engine: Engine, asked: Asked) -> list[str]:
    with reading(engine) as connection:
        return [one.address.partition("@")[0] for one in each_subscriber(connection, asked)]


def check(engine: Engine, rule: Rule) -> None:
    everyone = everybody(engine)
    with reading(engine) as connection:
        by_sql = list(each_subscriber(connection, Asked(rule=rule)))
    assert by_sql == [one for one in everyone if matches(rule, one)], str(rule)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules())
def test_a_rule_means_the_same_in_the_database(people: Engine, rule: Rule) -> None:
    check(people, rule)


@pytest.mark.parametrize(
    "rule",
    [
        "language = fr", "language != fr", "segment = benevoles and not segment = x",
        'attribute.ville = "Le Mans"', "attribute.ville != Lille", "attribute.rien != x",
        "attribute.abc = 1", "not (attribute.abc = 1 or attribute.abc = 0)",
        "domain = café.example", "domain = LETTRE.example", "domain != lettre.example",
        'last_name = "L\\"Orme"', 'first_name = ""', "segment = XX or language = en",
        'attribute.abc = "\\\\"',
    ],
)  # fmt: skip
def test_a_rule_of_each_kind_means_the_same_in_the_database(people: Engine, rule: str) -> None:
    check(people, parse_rule(rule))


def test_a_segment_is_a_tag_a_saved_rule_or_all_and_never_one_who_left(people: Engine) -> None:
    remove(people, "ana@lettre.example", now=NOW, source="test")
    with writing(people) as connection:
        save_filter(connection, "francophones", parse_rule("language = en or language = fr"))
        sizes = {
            name: len(connection.execute(audience(connection, name)).all())
            for name in ("all", "benevoles", "francophones", "x", "inconnu")
        }
    assert sizes == {"all": 3, "benevoles": 1, "francophones": 1, "x": 2, "inconnu": 0}


def test_rules_are_saved_replaced_and_dropped(engine: Engine) -> None:
    with writing(engine) as connection:
        for text in ("language = fr", "language = en"):
            save_filter(connection, "langue", parse_rule(text))
        assert saved_filters(connection) == {"langue": parse_rule("language = en")}
        assert drop_filter(connection, "langue")
        assert not drop_filter(connection, "langue")
        for name in ("all", " "):
            with pytest.raises(InputError, match="cannot be called"):
                save_filter(connection, name, parse_rule("language = fr"))


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (Asked(), ["zoe", "ana", "leo", "100%_"]),
        (Asked(search="LETTRE.example"), ["ana", "leo", "100%_"]),
        (Asked(search="%"), ["100%_"]),
        (Asked(search="goff"), ["zoe"]),
        (Asked(segment="x"), ["zoe", "100%_"]),
        (Asked(segment="all", rule=parse_rule("segment = benevoles")), ["zoe", "ana"]),
        (Asked(state=State.BOUNCED), []),
    ],
)
def test_people_are_found_in_the_order_in_which_they_came(
    people: Engine, asked: Asked, names: list[str]
) -> None:
    assert found(people, asked) == names
    with reading(people) as connection:
        assert count_found(connection, asked) == len(names)


def test_pages_hold_everybody_once(engine: Engine, tmp_path: Path) -> None:
    rows = "".join(f"p{n}@lettre.example\n" for n in range(2001))
    import_text(engine, tmp_path, f"email\n{rows}", batch=1000)
    with reading(engine) as connection:
        assert len({one.id for one in each_subscriber(connection, Asked())}) == 2001
        assert len(list(each_subscriber(connection, Asked(), limit=1500))) == 1500
        assert list(each_subscriber(connection, Asked(), limit=0)) == []
