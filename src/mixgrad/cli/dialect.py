"""How a table is written as text: encoding, delimiter, decimal mark, header. Guessed from the first lines.

`csv.Sniffer` looks at single characters and is easily misled by text columns; here each candidate delimiter is tried in
earnest, and the one whose rows agree best on their number of cells, and whose cells are most often numbers, is taken.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mixgrad._errors import DataError

# Earlier ones win ties. The blank stands for any run of blanks and tabs.
_DELIMITERS = (",", ";", "\t", "|", " ")
_SAMPLE_LINES = 200
_SAMPLE_CHARACTERS = 1_000_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r'(?:^|[;\r\n])[ "]*[+-]?\d*,\d+(?:[eE][+-]?\d+)?[ "]*(?:$|[;\r\n])', re.ASCII)
_MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "+nan", "-nan", "null", "none", "missing", "?", ".", "-"})
_INFINITE = frozenset({"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})
# The first bytes of files that people take for CSV.
_SIGNATURES = {
    b"PK\x03\x04": "a spreadsheet or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
    b"\x93NUMPY": "a NumPy file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


@dataclass(frozen=True)
class Dialect:
    """How the table is written.

    Attributes
    ----------
    delimiter : str
        One of `,`, `;`, tab, `|`, or a blank, which stands for any run of blanks and tabs.
    decimal : str
        The decimal mark: a point, or a comma in tables delimited by semicolons.
    has_header : bool
        Whether the first row holds the names of the columns.
    """

    delimiter: str
    decimal: str
    has_header: bool


def decode(content: bytes, source: str) -> str:
    """Return the text of a UTF-8 file, without its byte order mark; refuse anything else."""
    for signature, kind in _SIGNATURES.items():
        if content.startswith(signature):
            raise DataError(f"{source}: this is {kind}, not a CSV file; save the table as CSV in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise DataError(
            f"{source}: line {line} is not UTF-8 text (byte 0x{content[error.start]:02x}); save the file in UTF-8"
        ) from None


def detect_dialect(text: str, source: str, header: bool | None = None) -> Dialect:
    """Find out how a table is written.

    Parameters
    ----------
    text : str
        The content of the file.
    source : str
        The name of the file, for messages.
    header : bool or None
        Whether the first row is a header; None to find out.

    Raises
    ------
    DataError
        If the text holds no rows, or if its first row may be a header or data.
    """
    sample = list(islice(io.StringIO(text[:_SAMPLE_CHARACTERS], newline=""), _SAMPLE_LINES))
    if len(text) > _SAMPLE_CHARACTERS and len(sample) > 1:
        sample.pop()  # perhaps only the beginning of a line
    delimiter = _detect_delimiter(sample)
    decimal = "," if delimiter == ";" and _DECIMAL_COMMA.search(text) else "."
    rows = _sample_rows(sample, delimiter)
    if not rows:
        raise DataError(f"{source}: the file is empty")
    if header is None:
        header = _detect_header(rows, decimal, source)
    return Dialect(delimiter, decimal, header)


def split_rows(text: str, delimiter: str) -> Any:
    """Return a `csv.reader` over the rows of a text."""
    return _reader(io.StringIO(text, newline=""), delimiter, strict=True)


def is_blank(row: list[str]) -> bool:
    """Tell whether a row is that of an empty line."""
    return not row or (len(row) == 1 and not row[0].strip())


def kind_of(cell: str, decimal: str = ".") -> str:
    """Tell what a cell holds: "number", "missing", "infinite" or "text"."""
    cell = cell.strip(" \t")
    if decimal == ",":
        # A point beside a decimal comma could only separate thousands; one reading or the other would be a guess.
        cell = cell.replace(".", "#").replace(",", ".") if cell != "." else cell
    if _NUMBER.fullmatch(cell):
        return "number"
    lowered = cell.lower()
    return "missing" if lowered in _MISSING else "infinite" if lowered in _INFINITE else "text"


def _reader(lines: Iterable[str], delimiter: str, strict: bool) -> Any:
    if delimiter == " ":
        lines = (line.replace("\t", " ").strip() for line in lines)
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=strict)


def _sample_rows(sample: list[str], delimiter: str) -> list[list[str]]:
    def until_broken() -> Iterator[list[str]]:
        try:
            yield from _reader(sample, delimiter, strict=False)
        except csv.Error:  # the reading proper says what is wrong, and where
            return

    return [row for row in until_broken() if not is_blank(row)]


def _detect_delimiter(sample: list[str]) -> str:
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        rows = _sample_rows(sample, delimiter)
        if not rows:
            continue
        # Numbers hold no delimiter but the true one; names in a header may.
        body = rows[1:] or rows
        width = Counter(map(len, body)).most_common(1)[0][0]
        if width < 2:
            continue
        decimal = "," if delimiter == ";" else "."
        agreeing = sum(len(row) == width for row in rows)
        cells = [cell for row in body if len(row) == width for cell in row]
        numbers = sum(kind_of(cell, decimal) == "number" or kind_of(cell) != "text" for cell in cells)
        # The small constant lets agreement decide among tables without numbers, which are refused later, by name.
        score = agreeing / len(rows) * (numbers / max(len(cells), 1) + 0.01)
        if score > best_score * (1 + 1e-9):
            best, best_score = delimiter, score
    return best


def _detect_header(rows: list[list[str]], decimal: str, source: str) -> bool:
    """Tell whether the first row is a header, or refuse to guess: data taken for a header would be lost in silence.

    A row of text alone is a header; a row without text is data. One with both is data if its text stands over text
    (`5.1,3.5,setosa`); over numbers it is either a header with a number in it, or data with a typing error.
    """
    first, body = rows[0], rows[1:]
    kinds = [kind_of(cell, decimal) for cell in first]
    if "text" not in kinds:
        return False
    if "number" not in kinds and "infinite" not in kinds:
        return True
    for column, kind in enumerate(kinds):
        below = [kind_of(row[column], decimal) for row in body if column < len(row)]
        if kind == "text" and "number" in below and "text" not in below:
            number = first[kinds.index("number" if "number" in kinds else "infinite")]
            raise DataError(
                f"{source}: the first row has both a number ({number!r}) and text over numbers ({first[column]!r}); "
                "say --header if it holds names, --no-header if it holds data"
            )
    return False
