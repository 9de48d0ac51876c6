"""`mixgrad predict`."""

import csv
import io
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from mixgrad._errors import DataError
from mixgrad._files import replacing
from mixgrad.cli.columns import suggest
from mixgrad.cli.output import check_destination
from mixgrad.cli.progress import PatientProgress
from mixgrad.cli.table import Sheet, count, open_sheet

_CHUNK_ROWS = 8192


@dataclass(frozen=True)
class PredictOptions:
    """The options of `mixgrad predict`; see its help."""

    model: str
    table: str
    out: str | None
    columns: list[str] | None
    exclude: list[str] | None
    header: bool | None
    quiet: bool


def run_predict(options: PredictOptions) -> None:
    """Read the model and the table, and write the labels."""
    if options.out is not None:
        check_destination(options.out, (options.model, options.table))
    from mixgrad.mixture import model_file

    model = model_file.load(options.model)
    sheet = open_sheet(options.table, options.header)
    chosen = choose_columns(options, model, sheet)
    with PatientProgress(enabled=not options.quiet) as progress:
        data = sheet.read(chosen, lambda fraction: progress.show("reading", fraction)).data
    if options.out is None:
        _write(sys.stdout, model, data)
        return
    with replacing(options.out) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        _write(text, model, data)
        text.flush()
        text.detach()  # the file is closed by its owner


def choose_columns(options: PredictOptions, model: Any, sheet: Sheet) -> list[int]:
    """Return the columns that are the model's features: those asked for, else by name, else all.

    Raises
    ------
    DataError
        If the names or the number of columns do not fit the model.
    """
    known = getattr(model, "feature_names_in_", None)
    names = None if known is None else [str(name) for name in known]
    d = np.shape(model.means_)[1]
    by_name = names is not None and sheet.dialect.has_header and options.columns is None
    if names is not None and by_name:
        missing = [name for name in names if name not in sheet.names]
        if missing:
            raise DataError(
                f"{options.table}: the model has features that the table lacks: {', '.join(map(repr, missing))}; "
                "give the columns in the model's order with --columns"
                f"{suggest(missing[0], [name for name in sheet.names if name])}"
            )
        return _in_header(sheet, names, options)
    chosen = sheet.select(options.columns, options.exclude)
    if len(chosen) != d:
        described = f" ({', '.join(names)})" if names is not None else ""
        raise DataError(
            f"{options.table}: the model has {count(d, 'feature')}{described}, but the table has "
            f"{count(len(chosen), 'column')} to use; choose {d} with --columns, in the model's order"
        )
    return chosen


def _in_header(sheet: Sheet, names: list[str], options: PredictOptions) -> list[int]:
    excluded = sorted(set(names) & set(options.exclude or ()))
    if excluded:
        raise DataError(f"{options.table}: --exclude leaves out a feature of the model, {excluded[0]!r}")
    return sheet.select(names)


def _write(file: TextIO, model: Any, data: np.ndarray) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["label", "uncertainty", *(f"responsibility_{i}" for i in range(1, len(model.weights_) + 1))])
    for start in range(0, len(data), _CHUNK_ROWS):
        writer.writerows(_label(model, data[start : start + _CHUNK_ROWS]))


def _label(model: Any, data: np.ndarray) -> Iterator[list[float]]:
    with warnings.catch_warnings():
        # The names have been matched with the columns.
        warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
        responsibilities = np.asarray(model.predict_proba(data), dtype=np.float64)
    best = responsibilities.argmax(axis=1)
    # The sum of the others keeps the digits that 1 minus the largest loses.
    others = responsibilities.copy()
    others[np.arange(len(data)), best] = 0.0
    uncertainty = others.sum(axis=1)
    for label, doubt, row in zip(best.tolist(), uncertainty.tolist(), responsibilities.tolist()):
        yield [label + 1, doubt, *row]
