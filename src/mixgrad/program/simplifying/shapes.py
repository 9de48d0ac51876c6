"""Axes: transposes of transposes, sums over nothing, and broadcasting that the next equation does by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixgrad.core.op import TABLE, Kind
from mixgrad.core.program import Equation, Var, type_of
from mixgrad.program.simplifying.building import Builder, type_of_atom, with_args

_BROADCASTING = frozenset(
    (
        *("add", "subtract", "multiply", "divide", "weighted_sum", "where", "maximum", "minimum"),
        *("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"),
    )
)


def transposed(equation: Equation, builder: Builder) -> Any:
    """``transpose`` of a transpose, or one that leaves the axes where they are."""
    (x,) = equation.args
    axes = equation.static["axes"]
    if axes == tuple(range(len(axes))):
        return x
    inner = builder.definition(x, "transpose")
    if inner is None:
        return None
    axes = tuple(inner.static["axes"][axis] for axis in axes)
    return Equation(equation.outs, equation.op, inner.args, {"axes": axes})


def summed(equation: Equation, builder: Builder) -> Any:
    """``sum`` over no axes, or over axes of length one that stay: NumPy adds to zero."""
    (x,) = equation.args
    shape, dtype = type_of_atom(x)
    if shape != equation.outs[0].shape or -1 in shape or any(shape[axis] != 1 for axis in equation.static["axis"]):
        return None
    return Equation(equation.outs, TABLE["add"], (x, 0.0)) if dtype.kind in "fc" else x


def reshaped(equation: Equation, builder: Builder) -> Any:
    """``reshape`` of the reshape of a broadcast number; ``broadcast_to`` of what only got axes in front."""
    (x,) = equation.args
    if equation.op.name != "broadcast_to":
        return None
    plain = _without_leading(x, builder)
    return None if plain is x else Equation(equation.outs, equation.op, (plain,), equation.static)


def _without_leading(atom: Any, builder: Builder) -> Any:
    """Return the array that has been given axes of length one in front, if it is one."""
    inner = builder.definition(atom, "reshape")
    if inner is None:
        return atom
    old, new = type_of_atom(inner.args[0])[0], inner.outs[0].shape
    count = len(new) - len(old)
    return inner.args[0] if count > 0 and new[:count] == (1,) * count and new[count:] == old else atom


def loosened(equation: Equation, builder: Builder) -> Equation | None:
    """Let an op that broadcasts do so: constants that are one number, and arrays that were stretched before."""
    if equation.op.name not in _BROADCASTING or not equation.args:
        return None
    (out,) = equation.outs
    if -1 in out.shape:
        return None
    result = equation
    for i, arg in enumerate(equation.args):
        loose = _loose(arg, builder)
        if loose is not arg:
            args = (*result.args[:i], loose, *result.args[i + 1 :])
            if type_of(equation.op, args, equation.static) == [(out.shape, out.dtype)]:
                result = with_args(result, args)
    return None if result is equation else result


def _loose(arg: Any, builder: Builder) -> Any:
    if not isinstance(arg, Var):
        number = builder.uniform(arg) if np.ndim(arg) else None
        return arg if number is None else number
    inner = builder.definition(arg, "broadcast_to")
    return inner.args[0] if inner is not None else _without_leading(arg, builder)


def constant_product(equation: Equation, builder: Builder) -> Any:
    """Strong products whose signs cancel, and those with a finite constant that is not zero: plain products."""
    args = list(equation.args)
    for i in range(0, len(args), 2):
        args[i : i + 2] = _signs(args[i], args[i + 1], builder)
    if any(a is not b for a, b in zip(args, equation.args)):
        return Equation(equation.outs, equation.op, tuple(args), equation.static)
    if len(args) != 2:
        return None
    constants = [arg for arg in args if not isinstance(arg, Var)]
    if len(constants) != 1 or not np.all(np.isfinite(constants[0])) or not np.all(constants[0]):
        return None
    (out,), product = equation.outs, TABLE["multiply"]
    return Equation(equation.outs, product, tuple(args)) if _fits(product, args, out) else None


def _fits(op: Any, args: list, out: Var) -> bool:
    try:
        return type_of(op, tuple(args), {}) == [(out.shape, out.dtype)]
    except ValueError:
        return False


def _signs(weight: Any, term: Any, builder: Builder) -> tuple[Any, Any]:
    first, second = (builder.definition(atom, "negative") for atom in (weight, term))
    if first is not None and second is not None:
        return first.args[0], second.args[0]
    if second is not None and _signed(weight):
        return -weight, second.args[0]
    if first is not None and _signed(term):
        return first.args[0], -term
    return weight, term


def _signed(atom: Any) -> bool:
    return type(atom) is int or (not isinstance(atom, Var) and np.asarray(atom).dtype.kind in "fc")


def divided(equation: Equation, builder: Builder) -> Any:
    """``divide`` by a power of two: the product with its reciprocal, which is one, too."""
    x, y = equation.args
    (out,) = equation.outs
    number = builder.uniform(y)
    if number is None or out.dtype.kind != "f" or np.asarray(number).dtype.kind not in "fiu" or not number:
        return None
    mantissa, exponent = np.frexp(float(number))
    if abs(mantissa) != 0.5 or abs(exponent) > np.finfo(out.dtype).maxexp - 3:
        return None
    reciprocal = np.asarray(1 / np.asarray(y), out.dtype)[()] if hasattr(y, "dtype") else 1 / y
    args = (x, reciprocal)
    return Equation(equation.outs, TABLE["multiply"], args) if _fits(TABLE["multiply"], list(args), out) else None


def real_already(equation: Equation, builder: Builder) -> Any:
    """``conjugate`` and ``real`` of real numbers."""
    (x,) = equation.args
    return x if type_of_atom(x)[1].kind == "f" and equation.op.kind is Kind.LINEAR else None
