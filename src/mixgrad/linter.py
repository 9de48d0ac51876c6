"""A linter for derivatives: where a nan or inf was born, which branches hang on equality, which inputs do nothing."""

from __future__ import annotations

import functools
import linecache
import pathlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixgrad._arguments import can_vary
from mixgrad._runs import run
from mixgrad._tree import flatten
from mixgrad.core.bind import Traced
from mixgrad.core.op import Op
from mixgrad.modes.dual import Dual, DualTrace
from mixgrad.modes.tape import Accumulator, Tape, TapeTrace, Variable
from mixgrad.rules.row import data_of

_OWN = str(pathlib.Path(__file__).parent)
_NUMPY = str(pathlib.Path(np.__file__).parent)


@dataclass(frozen=True)
class Place:
    """An operation in the user's source."""

    op: str
    file: str
    line: int

    @property
    def source(self) -> str:
        """The line of source, without indentation; empty where there is none."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        where = f"{self.op}, {self.file}:{self.line}"
        return f"{where}: {self.source}" if self.source else where


@dataclass
class Explanation:
    """What `explain` found. Printing it gives a report.

    Attributes
    ----------
    value : object
        What the function returned.
    value_not_finite : Place or None
        The operation that first made a nan or inf from finite numbers.
    value_detail : str
        What it made.
    sweep_not_finite : Place or None
        The operation whose derivative first made a nan or inf in the backward sweep.
    sweep_detail : str
        What it made.
    equality_tests : list of Place
        Comparisons by == or != of values that vary: the derivative is that of the branch taken, and the other branch is
        not seen.
    without_influence : list of str
        Inputs that cannot change the result.
    """

    value: Any = None
    value_not_finite: Place | None = None
    value_detail: str = ""
    sweep_not_finite: Place | None = None
    sweep_detail: str = ""
    equality_tests: list[Place] = field(default_factory=list)
    without_influence: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        found = (self.value_not_finite, self.sweep_not_finite, self.equality_tests, self.without_influence)
        return not any(found)

    def __str__(self) -> str:
        if self.clean:
            return "nothing to report: value and sweep are finite, no equality tests, every input has an effect"
        lines = []
        if self.value_not_finite:
            lines.append(f"value: {self.value_detail} first from {self.value_not_finite}")
        if self.sweep_not_finite:
            lines.append(f"sweep: {self.sweep_detail} first from the derivative of {self.sweep_not_finite}")
        lines += [f"equality test of a value that varies: {place}" for place in self.equality_tests]
        lines += [f"no influence on the result: {name}" for name in self.without_influence]
        return "\n".join(lines)

    __repr__ = __str__


def explain(fun: Callable, *args: Any, **kwargs: Any) -> Any:
    """Run `fun` and its backward sweep and report what spoils derivatives; say how a compiled function works.

    Parameters
    ----------
    fun : callable
        Returns arrays, numbers or containers of them.
    *args, **kwargs
        The arguments of `fun`. Without any a function is returned that takes them: ``mg.explain(f)(x)``.

    Returns
    -------
    Explanation or str
        For what `mg.jit` returns it is the text of its loops, tiles and temporary arrays: ``print(mg.explain(g, x))``.
        To look at its derivatives, explain the function that was compiled.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> report = mg.explain(lambda x: np.sum(np.sqrt(x)))(np.array([0.0, 1.0]))
    >>> report.sweep_not_finite.op
    'sqrt'
    """
    if args or kwargs:
        return explain(fun)(*args, **kwargs)
    if hasattr(fun, "explain"):
        return fun.explain

    @functools.wraps(fun)
    def explained(*args: Any, **kwargs: Any) -> Explanation:
        report = Explanation()
        leaves, structure = flatten(args)
        paths = [f"argument {path.lstrip('[').replace(']', '', 1)}" for path in structure.paths()]
        places = [i for i, leaf in enumerate(leaves) if can_vary(leaf)]
        recording = _WatchedRecording()
        with _WatchedRun(report, recording) as dual, recording:
            boxes = list(leaves)
            for i in places:
                leaf = np.asarray(leaves[i])[()]
                boxes[i] = Dual(dual, leaf, recording.input(leaf))
            variables = [boxes[i].tangent for i in places]
            result, out = flatten(run(fun, structure.unflatten(boxes), kwargs))
            unpacked = [dual.unpack(leaf) for leaf in result]
        report.value = out.unflatten([primal for primal, _ in unpacked])
        tape = _WatchedTape(recording, variables, [variable for _, variable in unpacked])
        tape.report = report
        tape.optimistic = False  # a nan that strong zeros take away is not worth a report
        reached = {variable.serial for variable in tape.equations}
        report.without_influence = [paths[i] for i, v in zip(places, variables) if v.serial not in reached]
        tape.pull([np.ones(np.shape(primal), getattr(primal, "dtype", float)) for primal, _ in unpacked])
        return report

    return explained


def _user_frame(op: str) -> Place:
    """Return the innermost line of code that is neither ours nor NumPy's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_OWN, _NUMPY)):
        frame = frame.f_back
    return Place(op, frame.f_code.co_filename, frame.f_lineno)


def _trouble(x: Any) -> str:
    """Return how many entries are nan or inf, in words; empty if none is."""
    if isinstance(x, Variable):
        return ""
    plain = np.asarray(data_of(x))
    if plain.dtype.kind not in "fc":
        return ""
    nan, infinite = int(np.sum(np.isnan(plain))), int(np.sum(np.isinf(plain)))
    words = [f"{count} {name}" for count, name in ((nan, "nan"), (infinite, "inf")) if count]
    return f"{' and '.join(words)} of {plain.size}" if words else ""


class _WatchedRun(DualTrace):
    """A forward run that looks at every value."""

    __slots__ = ("recording", "report")

    def __init__(self, report: Explanation, recording: _WatchedRecording) -> None:
        super().__init__()
        self.report = report
        self.recording = recording

    def process(self, op: Op, args: tuple, static: dict) -> Any:
        """Compute, and look at what comes out."""
        place = _user_frame(op.name)
        if op.name in ("equal", "not_equal") and place not in self.report.equality_tests:
            self.report.equality_tests.append(place)
        self.recording.place = place
        out = super().process(op, args, static)
        if self.report.value_not_finite is None and not any(_trouble(arg) for arg in args if _is_array(arg)):
            detail = next(filter(None, map(_trouble, out if op.multiple else (out,))), "")
            if detail:
                self.report.value_not_finite, self.report.value_detail = place, detail
        return out


def _is_array(arg: Any) -> bool:
    return isinstance(arg, (Traced, np.ndarray, float, complex))


class _WatchedRecording(TapeTrace):
    """A recording in which every variable knows its place in the source."""

    __slots__ = ("place", "places")

    def __init__(self) -> None:
        super().__init__()
        self.place: Place | None = None
        self.places: dict[int, Place | None] = {}

    def process(self, op: Op, args: tuple, static: dict) -> Any:
        """Record the equation and its place."""
        result = super().process(op, args, static)
        if not isinstance(result, tuple):
            return self._placed(result)
        for part in result:  # of a loop, with a variable for all of them together
            if isinstance(part, Variable):
                for variable in (part, *part.args[:1]):
                    if isinstance(variable, Variable):
                        self.places.setdefault(variable.serial, self.place)
        return result

    def process_like(self, op: Op, args: tuple, static: dict, like: Any) -> Variable:
        """Record the equation and its place."""
        return self._placed(super().process_like(op, args, static, like))

    def _placed(self, variable: Variable) -> Variable:
        self.places[variable.serial] = self.place
        return variable


class _WatchedTape(Tape):
    """A tape whose backward sweep looks at every cotangent."""

    report: Explanation

    def _transpose(self, variable: Variable, bar: Any, bars: Accumulator) -> None:
        watched = _WatchedAccumulator(bars)
        super()._transpose(variable, bar, watched)
        known = bar if isinstance(bar, list) else [bar]
        if self.report.sweep_not_finite is None and watched.detail and not any(map(_trouble, known)):
            self.report.sweep_not_finite = self.trace.places[variable.serial]  # type: ignore[attr-defined]
            self.report.sweep_detail = watched.detail


class _WatchedAccumulator(Accumulator):
    """Passes cotangents on, and remembers the first that is not finite."""

    def __init__(self, bars: Accumulator) -> None:
        super().__init__(bars.strict)
        self._bars = bars._bars
        self._owned = bars._owned
        self.detail = ""

    def add(self, variable: Variable, bar: Any, own: bool = False) -> None:
        """Look at a cotangent, and add it."""
        self.detail = self.detail or _trouble(bar)
        super().add(variable, bar, own)
