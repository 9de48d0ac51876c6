"""Functions of blocks of rows, in every mode: what a block gives is added up, or stands beside what the others give.

A body takes arrays that are the same for all blocks and a block of the rows of others, and returns two lists of arrays:
sums, which add over blocks, and maps, with the rows of the block as their first axis. In a mode it is again a body: on
dual numbers it takes and returns tangents as well, the cotangents of rows are maps, those of anything else are sums. So
every derivative is a run over blocks of plain arrays, and never holds more than one block's part of a tape.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixgrad._control import is_staged
from mixgrad._errors import DerivativeError, ShapeError
from mixgrad.core.bind import Trace, Traced, bind, innermost
from mixgrad.core.op import Kind, Op
from mixgrad.modes.batch import BatchTrace
from mixgrad.modes.dual import Dual, DualTrace
from mixgrad.modes.lifts import BatchLift, DualLift, TaylorLift, owns
from mixgrad.modes.programs import is_recorded
from mixgrad.modes.tape import Tape, TapeTrace, Variable
from mixgrad.modes.taylor import Taylor, TaylorTrace
from mixgrad.modes.trace import typed

Body = Callable[[list, list], tuple[list, list]]
_WIDER = {np.dtype(narrow): np.dtype(wide) for narrow, wide in (("f2", "f8"), ("f4", "f8"), ("c8", "c16"))}


def over_blocks(body: Body, whole: list, rows: list, size: int) -> tuple[list, list]:
    """Run a body on blocks of `size` rows, one after the other; return the sums and the maps of all of them."""
    trace = innermost([*whole, *rows])
    if trace is None:
        return _loop(body, whole, rows, size)
    if any(map(is_staged, (*whole, *rows))):
        return body(whole, rows)  # programs take all rows at once: what compiles them makes tiles
    if isinstance(trace, TapeTrace):
        return _linear(trace, body, whole, rows, size)
    lift: DualLift | BatchLift | TaylorLift = DualLift()
    if type(trace) is DualTrace:
        if any(is_recorded(leaf.tangent) for leaf in (*whole, *rows) if owns(trace, leaf, Dual)):
            return _recorded(trace, body, whole, rows, size)
    elif isinstance(trace, BatchTrace):
        lift = BatchLift(trace.size)
    elif isinstance(trace, TaylorTrace):
        whole, rows = _of_one_order(trace, whole, rows)
        lift = TaylorLift(_order(trace, (*whole, *rows)))
    else:
        return body(whole, rows)  # such as a run that looks at every operation
    return _lifted(lift, trace, body, whole, rows, size)


# Plain arrays ---------------------------------------------------------------------------------------------------------


def _loop(body: Body, whole: list, rows: list, size: int) -> tuple[list, list]:
    count = len(rows[0])
    sums: list[_Sum] = []
    maps: list[_Map] = []
    for start in range(0, max(count, 1), size):
        parts, mapped = body(whole, [leaf[start : start + size] for leaf in rows])
        if not start:
            if any(map(is_staged, (*parts, *mapped))):  # by a value that the function closes over
                return body(whole, rows)
            sums, maps = [_Sum() for _ in parts], [_Map(count) for _ in mapped]
        if (len(sums), len(maps)) != (len(parts), len(mapped)):
            raise ShapeError("sum_rows: the function returns more arrays for some blocks of rows than for others")
        for total, part in zip(sums, parts):
            total.add(part)
        for result, part in zip(maps, mapped):
            result.put(start, part)
    return [total.result() for total in sums], [result.result() for result in maps]


class _Sum:
    """What blocks add to; numbers of single precision are added in double precision."""

    def __init__(self) -> None:
        self.total: Any = None
        self.dtype = np.dtype(float)
        self.shape: tuple = ()

    def add(self, part: Any) -> None:
        """Add what a block gives."""
        if self.total is None:
            self.dtype, self.shape, self.total = part.dtype, np.shape(part), part
            if not isinstance(part, Traced):
                self.total = np.array(part, _WIDER.get(part.dtype, part.dtype))  # the part may be somebody's array
            return
        if np.shape(part) != self.shape:
            raise ShapeError(
                f"sum_rows: the function returns an array of shape {self.shape} for one block of rows and of shape "
                f"{np.shape(part)} for another. It must return the sum over the rows that it is given, whatever "
                "their number: np.sum(..., axis=0)."
            )
        if any(isinstance(value, Traced) for value in (part, self.total)) or part.dtype != self.dtype:
            self.total, self.dtype = self.total + part, np.result_type(self.dtype, part.dtype)
        else:
            np.add(self.total, part, out=self.total)

    def result(self) -> Any:
        """Return the sum."""
        return (self.total if self.total.dtype == self.dtype else self.total.astype(self.dtype))[()]


class _Map:
    """What has a row for each row of the arguments."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.parts: Any = None

    def put(self, start: int, part: Any) -> None:
        """Keep what a block gives, from a row on."""
        if isinstance(part, Traced) and not isinstance(self.parts, list):
            self.parts = [] if self.parts is None else [self.parts[:start]]
        if isinstance(self.parts, list):
            self.parts.append(part)
        else:
            if self.parts is None:
                self.parts = np.empty((self.count, *part.shape[1:]), part.dtype)
            self.parts[start : start + part.shape[0]] = part

    def result(self) -> Any:
        """Return the rows of all blocks."""
        return np.concatenate(self.parts) if isinstance(self.parts, list) else self.parts


# Modes on another payload ---------------------------------------------------------------------------------------------


def _lifted(
    lift: DualLift | BatchLift | TaylorLift, trace: Trace, body: Body, whole: list, rows: list, size: int
) -> tuple[list, list]:
    """Run a body in a mode: over blocks of the parts of its values."""
    flags = [[lift.parts(trace, leaf) is not None for leaf in leaves] for leaves in (whole, rows)]

    def run(whole: list, rows: list) -> tuple[list, list]:
        with lift.trace() as inner:
            sums, maps = body(_boxed(lift, inner, whole, flags[0]), _boxed(lift, inner, rows, flags[1], lift.axis))
            return _parts(lift, inner, sums), _parts(lift, inner, maps, lift.axis)

    whole, rows = _parts(lift, trace, whole, full=False), _parts(lift, trace, rows, lift.axis, full=False)
    sums, maps = over_blocks(run, whole, rows, size)
    _refuse_hidden(trace, (*sums, *maps))
    return _boxed(lift, trace, sums), _boxed(lift, trace, maps, axis=lift.axis)


def _boxed(lift: Any, trace: Any, parts: list, flags: list[bool] | None = None, axis: int = 0) -> list:
    """Return the values of a run that have these parts, or all; rows of parts are their first axis."""
    width = 2 if isinstance(lift, DualLift) else 1
    flags = flags or [True] * (len(parts) // width)
    rest = iter(parts)
    result = []
    for flag in flags:
        if not flag:
            result.append(next(rest))
            continue
        own = [np.moveaxis(part, 0, axis) if axis else part for part in (next(rest) for _ in range(width))]
        constant = width == 2 and own[0].dtype.kind not in "fc"  # an integer has no tangent
        result.append(own[0] if constant else lift.box(trace, own))
    return result


def _parts(lift: Any, trace: Any, values: Sequence[Any], axis: int = 0, full: bool = True) -> list:
    """Return the parts of values, with rows as their first axis; constants are filled up, or left as they are."""
    result: list = []
    for value in values:
        own = lift.parts(trace, value)
        if own is None and full:
            own = lift.full(typed(value))
        if own is None:
            result.append(value)
        else:
            result += [np.moveaxis(part, axis, 0) if axis else part for part in own]
    return result


def _order(trace: TaylorTrace, leaves: Sequence[Any]) -> int:
    return min(len(leaf.coefficients) for leaf in leaves if owns(trace, leaf, Taylor)) - 1


def _of_one_order(trace: TaylorTrace, *groups: list) -> list[list]:
    end = _order(trace, [leaf for leaves in groups for leaf in leaves]) + 1
    cut = lambda leaf: Taylor(trace, leaf.coefficients[:end]) if owns(trace, leaf, Taylor) else leaf
    return [list(map(cut, leaves)) for leaves in groups]


class HiddenArgument(DerivativeError):
    """A body uses a value that varies in the same run as its arguments, or in one within, and is none of them."""

    def __init__(self) -> None:
        super().__init__(
            "sum_rows: the function uses a differentiated value that is not among its arguments (a variable of an "
            "enclosing function). Pass it as an argument."
        )


def _refuse_hidden(trace: Trace, leaves: Sequence[Any]) -> None:
    """Refuse results that are no values of runs around this one."""
    if any(isinstance(leaf, Traced) and leaf._trace.number >= trace.number for leaf in leaves):
        raise HiddenArgument


# Reverse mode ---------------------------------------------------------------------------------------------------------


class _NotOneNumber(Exception):
    """A body does not return one real number: there is no gradient to be had with its value."""


@dataclass
class _Varying:
    """Which arguments of a body vary, in reverse mode, and its derivative on one block."""

    body: Body
    whole: list[int]
    rows: list[int]

    def on_tape(self, whole: list, rows: list) -> tuple[list, list, Tape]:
        """Return the sums and maps of a block, and the tape of their tangents."""
        whole, rows, variables = list(whole), list(rows), []
        with DualTrace() as dual, TapeTrace() as recording:
            for leaves, places in ((whole, self.whole), (rows, self.rows)):
                for i in places:
                    variables.append(recording.input(leaves[i]))
                    leaves[i] = Dual(dual, leaves[i], variables[-1])
            sums, maps = ([dual.unpack(out) for out in outs] for outs in self.body(whole, rows))
        tape = Tape(recording, variables, [dot for _, dot in (*sums, *maps)])
        return [out for out, _ in sums], [out for out, _ in maps], tape

    def pull(self, tape: Tape, bars: list) -> tuple[list, list]:
        """Return the cotangents of what varies: those of `whole` are sums, those of `rows` maps."""
        pulled = [
            np.zeros(variable.shape, variable.dtype) if bar is None else bar
            for bar, variable in zip(tape.pull(bars, last=True), tape.inputs)
        ]
        return pulled[: len(self.whole)], pulled[len(self.whole) :]

    def with_slopes(self, whole: list, rows: list) -> tuple[list, list]:
        """Return the value of a block and its gradient."""
        sums, maps, tape = self.on_tape(whole, rows)
        value = typed(sums[0]) if len(sums) == 1 else None
        if maps or value is None or np.shape(value) or value.dtype.kind != "f":
            raise _NotOneNumber
        slopes, row_slopes = self.pull(tape, [value.dtype.type(1)])
        return [value, *slopes], row_slopes

    def transposed(self, given: list[bool], counts: tuple[int, int], whole: list, rows: list) -> tuple[list, list]:
        """Return cotangents; those of sums and maps, if there are any, follow the arguments."""
        bars = iter((*whole[counts[0] :], *rows[counts[1] :]))
        _, _, tape = self.on_tape(whole[: counts[0]], rows[: counts[1]])
        return self.pull(tape, [next(bars) if flag else None for flag in given])

    def tangents(self, counts: tuple[int, int], whole: list, rows: list) -> tuple[list, list]:
        """Return the tangents of the results; those of what varies follow the arguments."""
        (whole, w_dots), (rows, r_dots) = ((x[:n], x[n:]) for x, n in zip((whole, rows), counts))
        with DualTrace() as dual:
            for leaves, places, dots in ((whole, self.whole, w_dots), (rows, self.rows, r_dots)):
                for i, dot in zip(places, dots):
                    leaves[i] = Dual(dual, leaves[i], dot)
            outs = self.body(whole, rows)
            sums, maps = ([DualLift().parts(dual, out) or DualLift().full(typed(out)) for out in part] for part in outs)
        return [dot for _, dot in sums], [dot for _, dot in maps]


def _recorded(trace: DualTrace, body: Body, whole: list, rows: list, size: int) -> tuple[list, list]:
    """Run a body in reverse mode. The gradient of a number comes with its value, in one run over the blocks."""
    unpacked = [[trace.unpack(leaf) for leaf in leaves] for leaves in (whole, rows)]
    places = [[i for i, (_, dot) in enumerate(leaves) if dot is not None] for leaves in unpacked]
    dots = [leaves[i][1] for leaves, own in zip(unpacked, places) for i in own]
    whole, rows = ([leaf for leaf, _ in leaves] for leaves in unpacked)
    varying = _Varying(body, *places)
    try:
        (value, *slopes), row_slopes = over_blocks(varying.with_slopes, whole, rows, size)
    except _NotOneNumber:
        sums, maps = over_blocks(body, whole, rows, size)
        _refuse_hidden(trace, (*sums, *maps))
        tangents = _linear_part(varying, whole, rows, (sums, maps), dots, size)
        outs = [Dual(trace, out, dot) if out.dtype.kind in "fc" else out for out, dot in zip((*sums, *maps), tangents)]
        return outs[: len(sums)], outs[len(sums) :]
    _refuse_hidden(trace, (value, *slopes, *row_slopes))
    terms = [_product(slope, dot) for slope, dot in zip((*slopes, *row_slopes), dots)]
    return [Dual(trace, value, np.astype(functools.reduce(np.add, terms), value.dtype))], []


def _product(slope: Any, dot: Any) -> Any:
    return np.real(np.sum(np.conj(slope) * dot)) if slope.dtype.kind == "c" else np.sum(slope * dot)


def _linear(trace: TapeTrace, body: Body, whole: list, rows: list, size: int) -> tuple[list, list]:
    """Record a body that is linear in variables of a tape: it is its own derivative, at zero as elsewhere."""
    mine = [[owns(trace, leaf, Variable) for leaf in leaves] for leaves in (whole, rows)]
    dots = [leaf for leaves, flags in zip((whole, rows), mine) for leaf, flag in zip(leaves, flags) if flag]
    whole, rows = (
        [np.zeros(leaf.shape, leaf.dtype)[()] if flag else leaf for leaf, flag in zip(leaves, flags)]
        for leaves, flags in zip((whole, rows), mine)
    )
    varying = _Varying(body, *([i for i, flag in enumerate(flags) if flag] for flags in mine))
    sums, maps = over_blocks(body, whole, rows, size)
    tangents = _linear_part(varying, whole, rows, (sums, maps), dots, size)
    return tangents[: len(sums)], tangents[len(sums) :]


def _linear_part(varying: _Varying, whole: list, rows: list, outs: tuple[list, list], dots: list, size: int) -> list:
    """Return the tangents of the results, which a tape records as one equation with several results."""
    counts = len(whole), len(rows)
    first, second = len(varying.whole), len(varying.whole) + len(varying.rows)
    templates = [typed(out) for part in outs for out in part]

    def split(args: Sequence[Any]) -> tuple[list, list, list, list]:
        primals = args[second:]
        return [*args[:first]], [*args[first:second]], [*primals[: counts[0]]], [*primals[counts[0] :]]

    def value(*args: Any, linear: Any) -> tuple:
        w_dots, r_dots, w, r = split(args)
        tangents = over_blocks(functools.partial(varying.tangents, counts), [*w, *w_dots], [*r, *r_dots], size)
        return (*tangents[0], *tangents[1])

    def transpose(bars: list, args: tuple, places: list[int], transform: Any, linear: Any) -> list:
        _, _, w, r = split(args)
        given = [bar is not None for bar in bars]
        sums, maps = ([bar for bar in part if bar is not None] for part in (bars[: len(outs[0])], bars[len(outs[0]) :]))
        pull = functools.partial(varying.transposed, given, counts)
        pulled = over_blocks(pull, [*w, *sums], [*r, *maps], size)
        return [[*pulled[0], *pulled[1]][place] for place in places]

    op = Op(
        "tangents of sum_rows",
        Kind.NESTED,
        value,
        transpose=transpose,
        lifted=functools.partial(_lifted_op, value),
        expand=value,
        shape=lambda *args, linear: tuple(np.shape(out) for out in templates),
        dtype=lambda *args, linear: tuple(out.dtype for out in templates),
        multiple=True,
    )
    return list(bind(op, *dots, *whole, *rows, linear=tuple(range(second))))


def _lifted_op(value: Callable, args: list, flags: tuple, lift: Any, transform: Any, **static: Any) -> tuple:
    """Run the op in a mode: its value knows what to do with boxes."""
    with lift.trace() as trace:
        boxes = [lift.box(trace, arg) if flag else arg for arg, flag in zip(args, flags)]
        outs = value(*boxes, **static)
        parts = [lift.parts(trace, out) for out in outs]
    return [out if own is None else own for out, own in zip(outs, parts)], [own is not None for own in parts]
