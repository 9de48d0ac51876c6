"""`mixgrad fit`."""

import json
import math
import os
import time
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import typer

from mixgrad import plot
from mixgrad._errors import DataError
from mixgrad.cli.course import Course
from mixgrad.cli.output import check_destination
from mixgrad.cli.progress import PatientProgress
from mixgrad.cli.table import Table, read_table
from mixgrad.cli.way import Way, check_frames_way
from mixgrad.plot.frames import check_frames, recorder_for, save_frames
from mixgrad.plot.history import Recorder

# Free parameters of the covariances, by type, for K components and d features.
_COVARIANCE_PARAMETERS = {
    "full": lambda k, d: k * d * (d + 1) // 2,
    "tied": lambda k, d: d * (d + 1) // 2,
    "diag": lambda k, d: k * d,
    "spherical": lambda k, d: k,
}

# What to say of a component, by the kind of `mixgrad.mixture.fitting.Diagnostic`.
_DIAGNOSES = {
    "collapsed": "shrank onto a point, line or plane",
    "empty": "has no rows",
}


@dataclass(frozen=True)
class FitOptions:
    """The options of `mixgrad fit`; see its help."""

    table: str
    components: int
    covariance: str
    columns: list[str] | None
    exclude: list[str] | None
    header: bool | None
    seed: int
    way: Way
    max_iter: int
    plot: str | None
    frames: str | None
    save: str | None
    as_json: bool
    quiet: bool


def run_fit(options: FitOptions) -> None:
    """Read the table, fit the mixture, write the files, and print the results."""
    _check_options(options)
    with PatientProgress(enabled=not options.quiet) as progress:

        def observe_reading(fraction: float) -> None:
            progress.show("reading", fraction)

        table = read_table(options.table, options.columns, options.exclude, options.header, observe_reading)
        _check_size(options, table)
        recorder = recorder_for(options.frames) if options.frames is not None else None
        model, seconds = _fit(options, table, progress, recorder)
        document = make_document(options, table, model, seconds)
        _write_files(options, table, model, recorder, progress)
    _print(options, document)


def make_document(options: FitOptions, table: Table, model: Any, seconds: float) -> dict[str, Any]:
    """Collect the results of a fit, as JSON has them."""
    n, d = table.data.shape
    k = options.components
    log_likelihood = float(model.score_samples(table.data).sum())
    parameters = k - 1 + k * d + _COVARIANCE_PARAMETERS[options.covariance](k, d)
    return {
        "table": options.table,
        "rows": n,
        "features": d,
        "feature_names": list(table.names),
        "components": k,
        "covariance_type": options.covariance,
        "log_likelihood": log_likelihood,
        "bic": parameters * math.log(n) - 2 * log_likelihood,
        "aic": 2 * parameters - 2 * log_likelihood,
        "free_parameters": parameters,
        "converged": bool(model.converged_),
        "iterations": int(model.n_iter_),
        "diagnostics": [{"component": found.component + 1, "kind": found.kind} for found in model.diagnostics_],
        "sweeps": int(model.n_sweeps_),
        "gap": model.gap_ * n if math.isfinite(model.gap_) else None,
        "modes": [
            {"log_likelihood": mode.lower_bound * n, "runs": mode.count, "spurious": [k + 1 for k in mode.spurious]}
            for mode in model.modes_
        ],
        "seconds": round(seconds, 6),
        "seed": options.seed,
        **asdict(options.way),
        "max_iter": options.max_iter,
        "weights": np.asarray(model.weights_).tolist(),
        "means": np.asarray(model.means_).tolist(),
        "covariances": np.asarray(model.covariances_).tolist(),
        "log_likelihood_by_iteration": (np.asarray(model.lower_bounds_) * n).tolist(),
        "model_file": options.save,
        "plot_file": options.plot,
        "frames_file": options.frames,
    }


def _check_options(options: FitOptions) -> None:
    """Refuse what can be refused before the work."""
    for option, path, check in (
        ("--plot", options.plot, plot.check_suffix),
        ("--frames", options.frames, check_frames),
    ):
        if path is not None:
            check(path)
            try:
                plot.require_matplotlib()
            except ImportError as error:
                raise DataError(f"{option}: {error}") from None
    if options.frames is not None:
        check_frames_way(options.way)
    outputs = {"--plot": options.plot, "--frames": options.frames, "--save": options.save}
    taken: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        check_destination(path, (options.table,))
        other = taken.setdefault(os.path.realpath(path), option)
        if other != option:
            raise DataError(f"{path}: {other} and {option} name the same file")


def _check_size(options: FitOptions, table: Table) -> None:
    rows = len(table.data)
    if rows < 2:
        raise DataError(f"{options.table}: a mixture needs at least two rows; the table has {rows}")
    if options.components > rows:
        raise DataError(
            f"{options.table}: --components {options.components} exceeds the number of rows, {rows}; ask for fewer"
        )


def _fit(options: FitOptions, table: Table, progress: PatientProgress, recorder: Recorder | None) -> tuple[Any, float]:
    """Return the fitted model, and the seconds that it took; the recorder observes the fit."""
    from sklearn.exceptions import ConvergenceWarning

    from mixgrad._errors import CollapseWarning
    from mixgrad.mixture import GaussianMixture

    model = GaussianMixture(
        options.components,
        covariance_type=options.covariance,
        max_iter=options.max_iter,
        **options.way.arguments(),
        random_state=options.seed,
    )
    course = Course(len(table.data), options.way.starts, options.max_iter, options.way.tol)

    def observe_search(n_runs: int) -> None:
        progress.show(f"searching for the best mode, runs of EM: {n_runs}", None)

    def observe(start: int, iteration: int, lower_bound: float, parameters: Any) -> None:
        progress.show(*course.follow(start, iteration, lower_bound))
        if recorder is not None:
            recorder(start, iteration, lower_bound, parameters)

    began = time.perf_counter()
    with warnings.catch_warnings():
        # The results say whether the fit converged and what collapsed, and what to do.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", CollapseWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            model._fit(table.data, observe=observe, observe_search=observe_search)
        except (ValueError, FloatingPointError, np.linalg.LinAlgError) as error:
            raise DataError(f"{options.table}: the mixture cannot be fitted: {error}") from error
    return model, time.perf_counter() - began


def _write_files(
    options: FitOptions, table: Table, model: Any, recorder: Recorder | None, progress: PatientProgress
) -> None:
    if options.save is not None:
        from mixgrad.mixture import model_file

        if table.has_header:
            model.feature_names_in_ = np.array(table.names, dtype=object)
        model_file.save(model, os.path.realpath(options.save))  # through a link, rather than in its place
    with warnings.catch_warnings():
        # Matplotlib's remarks, on a glyph that its font lacks and the like, are not the user's concern here.
        warnings.simplefilter("ignore")
        if options.plot is not None:
            plot.save(plot.mixture(model, table.data, table.names), options.plot)
        if options.frames is not None and recorder is not None:

            def observe_drawing(fraction: float) -> None:
                progress.show("drawing frames", fraction)

            save_frames(recorder, model, table.data, table.names, options.frames, observe_drawing)


def _print(options: FitOptions, document: dict[str, Any]) -> None:
    if options.as_json:
        typer.echo(json.dumps(document, indent=2, allow_nan=False))
    if options.quiet:
        return
    if not options.as_json:
        from mixgrad.cli.show import show_fit

        show_fit(document)
    if not document["converged"]:
        option, value = ("--gap-tol", options.way.gap_tol) if options.way.tol is None else ("--tol", options.way.tol)
        count = document["iterations"]  # after a search these may be more than --max-iter
        typer.echo(
            f"mixgrad: warning: not converged after {count} iterations; "
            f"raise --max-iter (now {max(options.max_iter, count)}) or {option} (now {value:g})",
            err=True,
        )
    remedy = "try fewer --components" + (", more --starts, or --starts auto" if options.way.starts != "auto" else "")
    for found in document["diagnostics"]:
        typer.echo(f"mixgrad: warning: component {found['component']} {_DIAGNOSES[found['kind']]}; {remedy}", err=True)
