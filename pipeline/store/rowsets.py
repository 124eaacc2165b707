"""Many rows in one statement, on both databases: a list of values, a table out of JSON.

One statement for each row would be a round trip on PostgreSQL, and on SQLite hand the interpreter
to other threads, and wait for it, at every row. What the rows mean is the caller's concern.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Table,
    Text,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSON

#: Kinds of columns: as PostgreSQL declares them, and how it reads them.
_KINDS: Final = {
    "int": ("bigint", "{name}"),
    "text": ("text", "{name}"),
    "json": ("json", "{name}"),
    "time": ("text", "CAST({name} || '+00' AS timestamptz)"),
}


def insert_new(connection: Connection, table: Table) -> Any:
    """Return an INSERT into ``table`` that may say what to do where a row is there already.

    Both dialects have ``on_conflict_do_nothing`` and ``on_conflict_do_update``, each its own.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


def among(
    connection: Connection, column: ColumnElement[Any], values: Iterable[object]
) -> ColumnElement[bool]:
    """Return the condition that ``column`` (a whole number or a text) is one of ``values``.

    However many they are: a list of parameters ends at 32,766 on SQLite.
    """
    given = json.dumps(list(values))
    if connection.dialect.name == "sqlite":
        return column.in_(select(func.json_each(given).table_valued("value").c.value))
    found = func.json_array_elements_text(cast(literal(given, Text), JSON)).column_valued("one")
    kind = Text if isinstance(column.type, Text) else BigInteger
    return column.in_(select(cast(found, kind)))


def table_of(dialect: str, columns: Mapping[str, str]) -> str:
    """Return the query that makes a table of the JSON in ``:rows``; ``columns`` names their kinds.

    Kinds are ``int``, ``text``, ``json`` (an array or an object) and ``time`` (as :func:`spelled`).
    """
    if dialect == "sqlite":
        # LIMIT has it read the rows first, and then for each the row of the table by its key
        parts = (f"json_extract(value, '$.{name}') AS {name}" for name in columns)
        return f"SELECT {', '.join(parts)} FROM json_each(:rows) LIMIT -1"  # noqa: S608
    read = (f"{_KINDS[kind][1].format(name=name)} AS {name}" for name, kind in columns.items())
    declared = ", ".join(f"{name} {_KINDS[kind][0]}" for name, kind in columns.items())
    rows = f"json_to_recordset(CAST(:rows AS json)) AS r({declared})"
    return f"SELECT {', '.join(read)} FROM {rows}"  # noqa: S608
