"""The way to the maximum that a command line asks for: how many starts, drawn how, and climbed how, and how far."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from mixgrad._errors import DataError

_TOL, _GAP_TOL = 1e-10, 1e-12


@dataclass(frozen=True)
class Way:
    """The arguments of `GaussianMixture` that say how to fit, and None for what does not apply.

    Attributes
    ----------
    starts : int or 'auto'
        Its `n_init`.
    init : str or None
        Its `init_params`; None in a search, which has starts of its own.
    solver : str
    tol : float or None
        For EM.
    gap_tol : float or None
        For the other solvers.
    """

    starts: int | Literal["auto"]
    init: str | None
    solver: str
    tol: float | None
    gap_tol: float | None

    def arguments(self) -> dict[str, Any]:
        """Return those for the constructor."""
        named = {"init_params": self.init, "tol": self.tol, "gap_tol": self.gap_tol}
        given = {name: value for name, value in named.items() if value is not None}
        return {"n_init": self.starts, "solver": self.solver, **given}


def choose_way(starts: str, init: str | None, solver: str | None, tol: float | None, gap_tol: float | None) -> Way:
    """Fill in what was not given, None; raise DataError where options do not go together."""
    count = _read_starts(starts)
    if count == "auto" and init is not None:
        raise DataError(
            f"--init {init}: it says how single starts are drawn, but --starts auto searches from random partitions of "
            "the rows; drop --init, or give a number of --starts"
        )
    if count == "auto" and solver == "em":
        raise DataError(
            "--solver em: it stops by how little an iteration gains, but --starts auto goes to the very maximum of "
            "what it finds; drop --solver, name another (auto), or give a number of --starts"
        )
    solver = solver or ("auto" if count == "auto" else "em")
    if solver != "em" and tol is not None:
        raise DataError(
            f"--tol {tol:g}: it bounds the gain of one step of EM, but "
            f"{'--starts auto finishes with' if count == 'auto' else 'this fit takes'} --solver {solver}, which stops "
            "by the log-likelihood that is still to gain; give --gap-tol"
        )
    if solver == "em" and gap_tol is not None:
        raise DataError(
            f"--gap-tol {gap_tol:g}: it bounds what is still to gain, but --solver em stops by the gain of one step; "
            "give --tol, or another --solver (auto)"
        )
    for option, value in (("--tol", tol), ("--gap-tol", gap_tol)):
        if value is not None and not math.isfinite(value):
            raise DataError(f"{option}: expected a finite number, got {value}")
    init = None if count == "auto" else init or "kmeans"
    if solver == "em":
        return Way(count, init, solver, _TOL if tol is None else tol, None)
    return Way(count, init, solver, None, _GAP_TOL if gap_tol is None else gap_tol)


def check_frames_way(way: Way) -> None:
    """Raise DataError unless the fit makes iterations of EM, which are what --frames shows."""
    if way.starts == "auto":
        raise DataError(
            "--frames: it shows the iterations of EM from one start, but --starts auto searches by some hundred short "
            "runs; give a number of --starts, or draw the result with --plot"
        )
    if way.solver != "em":
        raise DataError(
            f"--frames: it shows the iterations of EM, but --solver {way.solver} makes others; drop --solver, or draw "
            "the result with --plot"
        )


def _read_starts(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return text
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise DataError(f"--starts: expected a number from 1, or auto to search for the best maximum; got {text!r}")
    return count
