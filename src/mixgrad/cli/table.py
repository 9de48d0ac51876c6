"""Reads tables of numbers from text: any usual delimiter, header or none.

Nothing is dropped or repaired in silence: a missing, infinite or malformed cell stops the reading, and the message says
in which line and column it stands.
"""

import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from operator import itemgetter
from typing import NoReturn

import numpy as np

from mixgrad._errors import DataError
from mixgrad.cli.columns import as_option, handle, label, select, suggest
from mixgrad.cli.dialect import Dialect, decode, detect_dialect, is_blank, kind_of, split_rows

_CHUNK_ROWS = 8192
_DATASETS = ("faithful",)


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers read from a table.

    Attributes
    ----------
    data : ndarray of shape (n_rows, n_columns), float64
        The chosen columns; every number is finite.
    names : tuple of str
        Their names, or "column 1" and so on where the file has no header.
    has_header : bool
        Whether the names stand in the file.
    """

    data: np.ndarray
    names: tuple[str, ...]
    has_header: bool


@dataclass(frozen=True)
class Sheet:
    """A table as text: what it is called, how it is written, and what its columns are named.

    Attributes
    ----------
    source : str
        Where the text is from, for messages.
    text : str
        The content of the file.
    dialect : Dialect
        How it is written.
    names : tuple of str
        The names of all columns, or "column 1" and so on where the file has no header.
    """

    source: str
    text: str
    dialect: Dialect
    names: tuple[str, ...]

    def select(self, columns: Sequence[str] | None = None, exclude: Sequence[str] | None = None) -> list[int]:
        """Return the positions of the columns to take: those named (None: all) without those excluded."""
        try:
            return select(self.names, self.dialect.has_header, columns, exclude)
        except DataError as error:
            raise DataError(f"{self.source}: {error}") from None

    def read(self, chosen: Sequence[int], observe: Callable[[float], object] | None = None) -> Table:
        """Read the numbers in the chosen columns.

        Parameters
        ----------
        chosen : sequence of int
            Positions of the columns.
        observe : callable or None
            Called now and then with the fraction of the text that has been read.

        Raises
        ------
        DataError
            If a cell is missing, infinite or no number, or if rows differ in length.
        """
        pick = itemgetter(*chosen)
        reader = split_rows(self.text, self.dialect.delimiter)
        blocks, body = [], not self.dialect.has_header
        total_lines = max(self.text.count("\n"), 1)
        while True:
            lines, rows = self._next_rows(reader)
            if not lines:
                break
            start = 0 if body else 1
            body = True
            if len(rows) > start:
                blocks.append(self._convert(lines[start:], rows[start:], chosen, pick))
            if observe is not None:
                observe(min(reader.line_num / total_lines, 1.0))
        if not blocks:
            raise DataError(f"{self.source}: the table has a header but no rows")
        names = tuple(self.names[index] for index in chosen)
        return Table(np.concatenate(blocks), names, self.dialect.has_header)

    def _next_rows(self, reader) -> tuple[list[int], list[list[str]]]:
        """Return the next rows and the line that each of them ends on; none at the end of the text."""
        lines: list[int] = []
        rows: list[list[str]] = []
        try:
            for row in reader:
                if is_blank(row):
                    continue
                lines.append(reader.line_num)
                rows.append(row)
                if len(rows) == _CHUNK_ROWS:
                    break
        except csv.Error as error:
            raise malformed(self.source, reader.line_num, error) from None
        return lines, rows

    def _convert(self, lines: list[int], rows: list[list[str]], chosen: Sequence[int], pick) -> np.ndarray:
        for line, row in zip(lines, rows):
            if len(row) != len(self.names):
                expected = "the header" if self.dialect.has_header else "the first row"
                row_names = self.dialect.has_header and len(rows[0]) == len(self.names) + 1
                hint = " (row names? in R, write.csv(table, file, row.names = FALSE))" if row_names else ""
                raise DataError(
                    f"{self.source}: line {line} has {count(len(row), 'cell')}, "
                    f"but {expected} has {len(self.names)}{hint}"
                )
        cells = list(map(pick, rows))
        if self.dialect.decimal == ",":
            # A point that stays a point would be read as the decimal mark (see `kind_of`).
            trade = str.maketrans({",": ".", ".": "#"})
            cells = [[row[index].translate(trade) for index in chosen] for row in rows]
        try:
            block = np.array(cells, dtype=np.float64).reshape(len(rows), len(chosen))
        except ValueError:
            self._refuse(lines, rows, chosen)
        # Python's own spelling of numbers allows 1_000, which no table means.
        if not np.isfinite(block).all() or any("_" in "".join(row) for row in cells):
            self._refuse(lines, rows, chosen)
        return block

    def _refuse(self, lines: list[int], rows: list[list[str]], chosen: Sequence[int]) -> NoReturn:
        """Say what is wrong: which columns are not numeric, or which cell is the first that is not a finite number."""
        decimal = self.dialect.decimal
        line, row, index = next(
            (line, row, index)
            for line, row in zip(lines, rows)
            for index in chosen
            if kind_of(row[index], decimal) != "number" or not _is_finite(row[index], decimal)
        )
        cell, kind = row[index], kind_of(row[index], decimal)
        column = label(self.names, self.dialect.has_header, index)
        texts = [i for i in chosen if 2 * sum(kind_of(row[i], decimal) == "text" for row in rows) > len(rows)]
        if texts:
            self._refuse_columns(texts, lines, rows)
        option = as_option([handle(self.names, self.dialect.has_header, index)])
        if kind == "missing":
            problem, remedy = f"a missing value ({_show(cell)})", "leave out the row, fill the cell, or"
        elif kind == "text":
            problem, remedy = f"{_show(cell)}, which is not a number", "correct it, or"
        else:
            problem, remedy = f"{_show(cell)}, which is not a finite number", "leave out the row, or"
        raise DataError(
            f"{self.source}: {column} holds {problem} in line {line}; "
            f"{remedy} leave out the column with --exclude {option}"
        )

    def _refuse_columns(self, found: Sequence[int], lines: list[int], rows: list[list[str]]) -> NoReturn:
        labels = [label(self.names, self.dialect.has_header, index).removeprefix("column ") for index in found]
        option = as_option([handle(self.names, self.dialect.has_header, index) for index in found])
        subject = f"column {labels[0]} is" if len(found) == 1 else f"columns {', '.join(labels)} are"
        number, row = next(
            (number, row) for number, row in enumerate(rows) if kind_of(row[found[0]], self.dialect.decimal) == "text"
        )
        raise DataError(
            f"{self.source}: {subject} not numeric: line {lines[number]} holds {_show(row[found[0]])}; "
            f"leave {'it' if len(found) == 1 else 'them'} out with --exclude {option} or choose columns with --columns"
        )


def open_sheet(source: str, header: bool | None = None) -> Sheet:
    """Open a table.

    Parameters
    ----------
    source : str
        The name of a data set that ships with mixgrad, the path of a file, or `-` for the standard input.
    header : bool or None
        Whether the first row is a header; None to find out.

    Raises
    ------
    DataError
        If there is no such table, or if it is not text.
    """
    if source in _DATASETS:
        text = files("mixgrad.datasets").joinpath(f"{source}.csv").read_text(encoding="utf-8")
    else:
        text = decode(_read_bytes(source), source)
    dialect = detect_dialect(text, source, header)
    try:
        first = next(islice(filter(lambda row: not is_blank(row), split_rows(text, dialect.delimiter)), 1))
    except csv.Error as error:
        raise malformed(source, 1, error) from None
    names = tuple(cell.strip() if dialect.has_header else f"column {i}" for i, cell in enumerate(first, start=1))
    return Sheet(source, text, dialect, names)


def read_table(
    source: str,
    columns: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    header: bool | None = None,
    observe: Callable[[float], object] | None = None,
) -> Table:
    """Read the numbers of a table; see `open_sheet`, `Sheet.select` and `Sheet.read`."""
    sheet = open_sheet(source, header)
    return sheet.read(sheet.select(columns, exclude), observe)


def _read_bytes(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        with open(source, "rb") as file:
            return file.read()
    except FileNotFoundError:
        hint = suggest(source, _DATASETS) if "/" not in source and "." not in source else ""
        raise DataError(f"{source}: there is no such file{hint}") from None
    except IsADirectoryError:
        raise DataError(f"{source}: this is a directory, not a table") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{source}: the file cannot be read ({reason})") from None


def _is_finite(cell: str, decimal: str) -> bool:
    return bool(np.isfinite(float(cell.replace(decimal, "."))))


def _show(cell: str) -> str:
    cell = cell.strip()
    return repr(cell if len(cell) <= 40 else cell[:37] + "...") if cell else "an empty cell"


def malformed(source: str, line: int, error: csv.Error) -> DataError:
    """Return the error for text that `csv` cannot split."""
    if "unexpected end" in str(error):
        return DataError(f"{source}: a quotation mark that opens a cell is never closed")
    return DataError(f"{source}: line {line} is not well-formed ({error})")


def count(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
