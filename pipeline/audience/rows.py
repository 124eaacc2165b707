"""Rows of a CSV file, each with its line, one at a time. What the cells say is not known here.

A row may go over several lines inside quotation marks; where the marks do not match, that line
alone is at fault and reading goes on with the next, so that nothing is swallowed.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.errors import InputError, Mistake
from pipeline.words import mark

DELIMITERS: Final = (",", ";", "\t")
MAX_LINE: Final = 20_000  # characters: a longer row is none of people
MAX_LINES: Final = 50  # of one row: a note in an export has some
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row, and the line it begins on."""

    cells: list[str]
    line: int


def find_delimiter(heading: str) -> str:
    """Return what parts the columns of the first line: comma, semicolon or tab."""
    outside = re.sub(r'"[^"]*"', "", heading)
    return max(DELIMITERS, key=outside.count)


def read_rows(lines: Iterable[str], *, path: str) -> Iterator[Row | Mistake]:
    """Yield each row, or what is wrong with it; the first one is the heading."""
    reader = _Rows(iter(lines), path)
    while (row := reader.row()) is not None:
        yield row


class _Rows:
    """The lines, of which some were looked at and given back."""

    def __init__(self, lines: Iterator[str], path: str) -> None:
        self.lines = lines
        self.back: deque[str] = deque()
        self.path = path
        self.number = 0
        self.delimiter = ""
        self.width = 0

    def line(self) -> str | None:
        line = self.back.popleft() if self.back else next(self.lines, None)
        self.number += line is not None
        return line

    def row(self) -> Row | Mistake | None:
        """Return the next row that is not empty."""
        while (line := self.line()) is not None:
            if not self.delimiter:
                line = line.removeprefix("\ufeff")
                self.delimiter = find_delimiter(line)
            if line.strip(" \t,;\r\n"):
                return self.read(line)
        return None

    def read(self, line: str) -> Row | Mistake:
        number = self.number
        try:
            if line.count('"') % 2:
                line = self.joined(line)
            cells = self.cells(line)
            if not self.width:
                self.width = len(cells)
            if len(cells) > self.width:
                message = mark("{found} cells in a row, where the first line has {expected}")
                raise InputError(message, found=len(cells), expected=self.width)
        except InputError as error:
            return Mistake(
                path=self.path, line=number, column=1, message=error.message, facts=error.facts
            )
        cells += [""] * (self.width - len(cells))
        return Row(cells, number)

    def joined(self, line: str) -> str:
        """Return the row that ``line`` begins; give the lines back where it does not end well."""
        taken: list[str] = []
        while len(taken) < MAX_LINES and (more := self.line()) is not None:
            taken.append(more)
            if more.count('"') % 2:
                break
        whole = line + "".join(taken)
        try:
            if whole.count('"') % 2 or len(self.cells(whole)) != self.width:
                raise InputError(_QUOTES)
        except InputError:
            self.back.extendleft(reversed(taken))
            self.number -= len(taken)
            raise InputError(_QUOTES) from None
        return whole

    def cells(self, line: str) -> list[str]:
        if len(line) > MAX_LINE:
            message = mark("the line has {found} characters: at most {most} are read")
            raise InputError(message, found=len(line), most=MAX_LINE)
        if _CONTROLS.search(line):
            raise InputError(
                mark("a cell holds a control character or one that cannot be read: remove it")
            )
        try:
            return next(csv.reader([line], delimiter=self.delimiter, strict=True))
        except (csv.Error, StopIteration):
            raise InputError(_QUOTES) from None


_QUOTES: Final = mark(
    "the quotation marks do not match: a cell begins and ends with one, and one inside it is"
    " doubled"
)
