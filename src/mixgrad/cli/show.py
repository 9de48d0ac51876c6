"""The results of a fit as tables on the terminal."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable

# Wider matrices do not fit any terminal.
_MOST_COLUMNS = 12
_UNLIMITED = 100_000

# What the solvers do, in short.
_SOLVERS = {
    "em": "steps of EM",
    "squarem": "EM, extrapolated",
    "newton": "Newton's method, with the exact Hessian",
    "lbfgs": "L-BFGS, with the exact gradient",
    "auto": "EM, extrapolated, then Newton's method if cheaper",
}


def show_fit(document: dict[str, Any], console: Console | None = None) -> None:
    """Print the components of a mixture and a summary.

    Parameters
    ----------
    document : dict
        See `mixgrad.cli.fit.make_document`.
    console : rich.console.Console, optional
        Where to print; by default the standard output.
    """
    # Names of columns are not markup.
    console = console or Console(markup=False, highlight=False, emoji=False)
    components = _components(document)
    width = Measurement.get(console, console.options.update(max_width=_UNLIMITED), components).maximum
    if width > console.width:
        if console.is_terminal:
            components = _components(document, with_matrices=False)
        else:
            console.width = width
    console.print(components)
    console.print(_summary(document))


def _components(document: dict[str, Any], with_matrices: bool = True) -> RichTable:
    """One row for each component and feature: weight, mean, and what the covariance type has."""
    k, d = document["components"], document["features"]
    names, kind = document["feature_names"], document["covariance_type"]
    matrices = _matrices(document) if with_matrices and d <= _MOST_COLUMNS else None
    table = RichTable(
        title=f"Mixture of {k} Gaussian{'s' if k > 1 else ''}, {kind} covariance",
        caption=None if matrices is not None or kind in ("diag", "spherical") else "covariances: see --json or --save",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
    )
    for title in ("component", "weight"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("feature")
    table.add_column("mean", justify="right", no_wrap=True)
    headings = ["variance"]
    if matrices is not None:
        common = "common " if kind == "tied" else ""
        headings = [f"{common}covariance\nwith {name}" if d > 1 else f"{common}variance" for name in names]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    means = [format_numbers(column) for column in np.array(document["means"]).T]
    spreads = matrices if matrices is not None else _variances(document)[:, :, np.newaxis]
    cells = [[format_numbers(spreads[:, i, j]) for j in range(spreads.shape[2])] for i in range(d)]
    for component in range(k):
        for i, name in enumerate(names):
            first = (str(component + 1), f"{document['weights'][component]:.6f}") if i == 0 else ("", "")
            table.add_row(*first, name, means[i][component], *(column[component] for column in cells[i]))
        if d > 1 and component < k - 1:
            table.add_section()
    return table


def _matrices(document: dict[str, Any]) -> np.ndarray | None:
    """Return the covariance matrices, shape (K, d, d), of types that have them."""
    k, d = document["components"], document["features"]
    if document["covariance_type"] in ("full", "tied"):
        return np.broadcast_to(np.array(document["covariances"]), (k, d, d))
    return None


def _variances(document: dict[str, Any]) -> np.ndarray:
    """Return the variances, shape (K, d)."""
    k, d = document["components"], document["features"]
    matrices = _matrices(document)
    if matrices is not None:
        return np.diagonal(matrices, axis1=1, axis2=2)
    return np.broadcast_to(np.array(document["covariances"]).reshape(k, -1), (k, d))


def _summary(document: dict[str, Any]) -> RichTable:
    table = RichTable.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for row in (
        ("log-likelihood", f"{document['log_likelihood']:.6f}", "total, natural logarithm"),
        ("BIC", f"{document['bic']:.6f}", "lower is better (scikit-learn's sign)"),
        ("AIC", f"{document['aic']:.6f}", "lower is better (scikit-learn's sign)"),
        ("rows", str(document["rows"]), ""),
        ("features", str(document["features"]), ""),
        ("free parameters", str(document["free_parameters"]), ""),
        *_course(document),
        ("seconds", f"{document['seconds']:.3f}", ""),
        ("model", "", document["model_file"]),
        ("picture", "", document["plot_file"]),
        ("frames", "", document["frames_file"]),
    ):
        if row[2] is not None:
            table.add_row(*row)
    return table


def _course(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Say how the fit went: rows of the summary."""
    starts, solver, modes = document["starts"], document["solver"], document["modes"]
    searched = starts == "auto"
    ending = "converged" if document["converged"] else "NOT CONVERGED"
    if searched:
        ending += ", in the best mode of a search"
    elif starts > 1:
        ending += f", best of {starts} starts"
    rows = [("solver", solver, _SOLVERS[solver]), ("iterations", str(document["iterations"]), ending)]
    if solver != "em":  # whose iterations are sweeps
        rows.append(("sweeps", str(document["sweeps"]), f"passes over the rows{', after the search' * searched}"))
    if document["gap"] is not None:
        rows.append(("gap", f"{document['gap']:.1e}", "log-likelihood still to gain, estimated"))
    if (searched or starts > 1) and modes:
        # A search prefers modes without spurious components, starts the highest.
        kept = modes[0] if searched else max(modes, key=lambda mode: mode["log_likelihood"])
        runs = sum(mode["runs"] for mode in modes)
        share = f"{kept['runs']} of {runs} {'runs' if searched else 'starts'}"
        rows.append(("modes", str(len(modes)), f"maxima found; this one by {share}"))
        if kept["spurious"]:
            names = ", ".join(map(str, kept["spurious"]))
            rows.append(("spurious", str(len(kept["spurious"])), f"components on a handful of rows: {names}"))
    return rows


def format_numbers(values: Iterable[float]) -> list[str]:
    """Write numbers of one column with the same decimals, five significant digits for the largest."""
    values = [float(value) for value in values]
    largest = max(map(abs, values), default=0.0)
    exponent = math.floor(math.log10(largest)) if largest > 0 else 0
    if not -5 <= exponent <= 8:
        return [f"{value:.4e}" for value in values]
    return [f"{value:.{max(4 - exponent, 0)}f}" for value in values]
