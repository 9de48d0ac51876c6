"""Which columns of a table: by name, or by number counted from one."""

import csv
import shlex
from collections.abc import Sequence
from difflib import get_close_matches

from mixgrad._errors import DataError


def split_names(option: str | None) -> list[str] | None:
    """Split the value of an option such as `--columns a,b`; a name that holds a comma stands in double quotes."""
    if option is None:
        return None
    names = [name.strip() for name in next(csv.reader([option], skipinitialspace=True), [])]
    if not names or "" in names:
        raise DataError(f"expected names or numbers of columns with commas between them, got {option!r}")
    return names


def as_option(names: Sequence[str]) -> str:
    """Write names of columns as the value of an option, quoted for the shell; the inverse of `split_names`."""
    return shlex.quote(",".join(f'"{name}"' if "," in name else name for name in names))


def suggest(name: str, known: Sequence[str]) -> str:
    """Return "; did you mean ...?" for the close names among those known, or the known names if none is close."""
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(candidate.casefold(), candidate)
    close = [folded[match] for match in get_close_matches(name.casefold(), folded, n=3)]
    if close:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    shown = ", ".join(map(repr, known[:10])) + (", ..." if len(known) > 10 else "")
    return f"; there are {shown}" if known else ""


def label(names: Sequence[str], has_header: bool, index: int) -> str:
    """Name a column in a message."""
    if has_header and names[index]:
        return f"column {names[index]!r} ({index + 1})"
    return f"column {index + 1}"


def handle(names: Sequence[str], has_header: bool, index: int) -> str:
    """Return what selects a column in an option: its name if that is unique, else its number."""
    unique = has_header and names[index] and list(names).count(names[index]) == 1
    return names[index] if unique else str(index + 1)


def select(
    names: Sequence[str], has_header: bool, columns: Sequence[str] | None, exclude: Sequence[str] | None
) -> list[int]:
    """Return the positions of the chosen columns.

    Parameters
    ----------
    names : sequence of str
        The names of all columns.
    has_header : bool
        Whether these names stand in the file; otherwise columns are chosen by number alone.
    columns, exclude : sequence of str or None
        Names, or numbers counted from one, of the columns to take (None: all) and to leave out.

    Raises
    ------
    DataError
        If a name is unknown or stands for several columns, if a column is chosen twice, or if none is left.
    """
    if columns is None:
        chosen = list(range(len(names)))
    else:
        chosen = [_position(names, has_header, name) for name in columns]
        twice = next((index for index in chosen if chosen.count(index) > 1), None)
        if twice is not None:
            raise DataError(f"{label(names, has_header, twice)} is chosen twice")
    left_out = {_position(names, has_header, name) for name in exclude or ()}
    chosen = [index for index in chosen if index not in left_out]
    if not chosen:
        raise DataError("no column is left; --exclude leaves all of them out")
    if has_header:
        _check_names(names, chosen)
    return chosen


def _position(names: Sequence[str], has_header: bool, name: str) -> int:
    found = [index for index, known in enumerate(names) if has_header and known == name]
    if len(found) > 1:
        numbers = " and ".join(str(index + 1) for index in found)
        raise DataError(f"columns {numbers} are both named {name!r}; choose by number")
    if found:
        return found[0]
    if name.isascii() and name.isdigit():
        if 1 <= int(name) <= len(names):
            return int(name) - 1
        raise DataError(f"there is no column {name}; the table has {len(names)}")
    if not has_header:
        raise DataError(f"there is no column {name!r}; the table has no header, so choose by number, from 1")
    raise DataError(f"there is no column {name!r}{suggest(name, [known for known in names if known])}")


def _check_names(names: Sequence[str], chosen: Sequence[int]) -> None:
    taken: dict[str, int] = {}
    for index in chosen:
        name = names[index]
        if not name:
            raise DataError(
                f"column {index + 1} has no name in the header (row numbers?); "
                f"leave it out with --exclude {index + 1} or name it"
            )
        if name in taken:
            raise DataError(
                f"columns {taken[name] + 1} and {index + 1} are both named {name!r}; "
                f"rename one or leave it out with --exclude {index + 1}"
            )
        taken[name] = index
