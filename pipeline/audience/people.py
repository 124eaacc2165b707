"""People, and how a list of them is read from CSV. Values in, values out: no file is opened.

A row at fault becomes a Mistake named by its line, and the rest goes on. Consent, and what is
stored of a person, are elsewhere.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.audience.address import normalise_address
from pipeline.errors import InputError, Mistake
from pipeline.words import mark

DELIMITERS: Final = (",", ";", "\t")
MAX_LINE: Final = 20_000  # characters: a longer one is no row of people
MAX_NAME: Final = 200  # characters

# Written without accents, spaces, dashes and capitals; "Adresse e-mail" is "adresseemail".
HEADINGS: Final[dict[str, str]] = {
    **dict.fromkeys(
        "email mail adresse adresseemail adressemail adresseelectronique adressecourriel courriel"
        " emailaddress address".split(),
        "address",
    ),
    **dict.fromkeys("prenom firstname givenname".split(), "first_name"),
    **dict.fromkeys("nom nomdefamille lastname surname familyname".split(), "last_name"),
    **dict.fromkeys("segment segments groupe groupes tags".split(), "segments"),
}
SEGMENT_BREAK: Final = re.compile(r"[\s,;|]+")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One row: ``address`` in its one spelling; ``line`` is 1-based, in the file."""

    address: str
    first_name: str = ""
    last_name: str = ""
    segments: frozenset[str] = frozenset()
    line: int = 0

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


def read_people(lines: Iterable[str], *, path: str) -> Iterator[Person | Mistake]:
    """Yield a Person or a Mistake for each row, in the order of the file.

    The first line names the columns, in French or English; commas, semicolons or tabs part them.
    Segments are parted by spaces, commas, semicolons or bars. Columns with other names are left
    alone. Each line is a row: a cell that goes over two lines is at fault, and nothing after it
    is swallowed. Of two rows with the same address the second is at fault.
    """
    table = _Table(path)
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\n").removesuffix("\r")
        if number == 1:
            if mistake := table.read_heading(line.removeprefix("\ufeff")):
                yield mistake
                return
        elif line.strip(" \t,;"):
            yield table.read_row(line, number)
    if not table.columns:
        yield table.no_address(found="")


class _Table:
    """What is known of the file so far: its columns, and who was on which line."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.delimiter = ","
        self.width = 0
        self.columns: dict[str, int] = {}
        self.seen: dict[str, int] = {}

    def read_heading(self, line: str) -> Mistake | None:
        """Find the columns; return what is wrong where none holds addresses, or two do."""
        outside = re.sub(r'"[^"]*"', "", line)
        self.delimiter = max(DELIMITERS, key=outside.count)
        try:
            cells = self.cells(line)
        except InputError as error:
            return self.mistake(error, line=1)
        self.width = len(cells)
        for at, cell in enumerate(cells):
            kind = HEADINGS.get(plain_heading(cell))
            if kind and kind in self.columns:
                message = mark("the column “{name}” says the same as the one before it: keep one")
                return self.mistake(
                    InputError(message, name=cell.strip()), line=1, column=self.place(line, at)
                )
            if kind:
                self.columns[kind] = at
        return None if "address" in self.columns else self.no_address(found=line)

    def no_address(self, *, found: str) -> Mistake:
        shown = ", ".join(one.strip() for one in found.split(self.delimiter))[:200] or "—"
        message = mark(
            "no column holds addresses: the first line is “{found}”, expected a column"
            " “email” (or: adresse, courriel), and maybe first_name (prénom), last_name (nom),"
            " segments"
        )
        return self.mistake(InputError(message, found=shown), line=1)

    def read_row(self, line: str, number: int) -> Person | Mistake:
        at = 0
        try:
            cells = self.cells(line)
            if len(cells) > self.width:
                at = self.width
                message = mark("{found} cells in a row, where the first line has {expected}")
                raise InputError(message, found=len(cells), expected=self.width)
            cells += [""] * (self.width - len(cells))
            at = self.columns["address"]
            address = self.new_address(cells[at], number)
            for kind in ("first_name", "last_name"):
                at = self.columns.get(kind, at)
                if len(self.cell(cells, kind)) > MAX_NAME:
                    raise InputError(mark("a name has more than {most} characters"), most=MAX_NAME)
        except InputError as error:
            return self.mistake(error, line=number, column=self.place(line, at))
        return self.person(cells, address, number)

    def person(self, cells: list[str], address: str, number: int) -> Person:
        segments = SEGMENT_BREAK.split(self.cell(cells, "segments"))
        return Person(
            address=address,
            first_name=self.cell(cells, "first_name"),
            last_name=self.cell(cells, "last_name"),
            segments=frozenset(one for one in segments if one),
            line=number,
        )

    def new_address(self, cell: str, number: int) -> str:
        address = normalise_address(cell)
        first = self.seen.setdefault(address.key, number)
        if first != number:
            raise InputError(
                mark("“{address}” is already on line {first}: keep one of the two"),
                address=str(address),
                first=first,
            )
        return str(address)

    def cell(self, cells: list[str], kind: str) -> str:
        return cells[self.columns[kind]].strip() if kind in self.columns else ""

    def cells(self, line: str) -> list[str]:
        """Part a line. Raises InputError where that cannot be done."""
        if len(line) > MAX_LINE:
            message = mark("the line has {found} characters: at most {most} are read")
            raise InputError(message, found=len(line), most=MAX_LINE)
        if _CONTROLS.search(line):
            raise InputError(mark("a cell holds a line break or a control character: remove it"))
        try:
            return next(csv.reader([line], delimiter=self.delimiter, strict=True))
        except (csv.Error, StopIteration):
            raise InputError(
                mark(
                    "the quotation marks do not match: a cell begins and ends with one on the"
                    " same line, and one inside it is doubled"
                )
            ) from None

    def place(self, line: str, at: int) -> int:
        """Return the 1-based column, in characters, where the cell number ``at`` begins."""
        quoted, left = False, at
        for column, character in enumerate(line, 1):
            if left == 0:
                return column
            quoted ^= character == '"'
            left -= character == self.delimiter and not quoted
        return len(line) + 1 if at else 1

    def mistake(self, error: InputError, *, line: int, column: int = 1) -> Mistake:
        return Mistake(
            path=self.path, line=line, column=column, message=error.message, facts=error.facts
        )


#: The first line of a file that :func:`read_people` reads.
HEADING: Final = "email,first_name,last_name,segments\r\n"


def person_line(person: Person) -> str:
    """Return one line of such a file, its line break included."""
    row = io.StringIO()
    cells = (person.address, person.first_name, person.last_name)
    csv.writer(row).writerow([*cells, " ".join(sorted(person.segments))])
    return row.getvalue()


def plain_heading(heading: str) -> str:
    """Return a heading without accents, spaces, dashes, digits and capitals."""
    bare = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z]", "", bare.lower())
