"""The checks of the conformance test, to first order. Each takes a `Case`; a failure shows its arguments and seed.

None of them knows a derivative: the oracles are mpmath, complex steps and difference quotients of plain NumPy
functions (`oracles.py`), and identities that hold for every linear map. Higher orders are in `higher.py`, batches in
`batches.py`.
"""

from __future__ import annotations

import numpy as np
from mpmath import mp

from mixgrad.core.bind import Traced
from mixgrad.core.op import Kind
from mixgrad.derivatives import jvp, linearize, vjp

from . import oracles
from . import special_oracles as special
from .cases import Case, direction

VALUE_ULPS = 16  # of NumPy's own functions, which are not the subject here
FIRST_ULPS = 4

LOOSER = {
    "cbrt": 6,  # three roundings after that of the root, which counts twice
    "power": 8,  # y * x**(y - 1): the rounding of y - 1 counts log(x) times; z * log(x) has three
    "tanh": 6,  # the square of a quotient
    **special.LOOSER,
}
"""Units in the last place by which a first derivative may differ from the oracle, where `FIRST_ULPS` is too few."""

COMPLEX_ULPS = 32  # tan: 1 + z**2 near z = i


def fail(case: Case, what: str) -> None:
    """Fail with the arguments and the seed."""
    raise AssertionError(f"{case}\n  {what}")


def epsilon(dtype: np.dtype) -> float:
    """Return the distance from 1 to the next number."""
    return float(np.finfo(dtype).eps)


def ulps(got, exact, dtype: np.dtype) -> float:
    """Return the error of `got` in units of the last place of the exact number."""
    single = np.finfo(dtype).dtype.type
    if not np.isfinite(got):
        with np.errstate(over="ignore"):
            same = not np.isnan(got) and not isinstance(exact, mp.mpc) and single(float(exact)) == got
        return 0.0 if same else float("inf")
    unit = np.spacing(np.abs(single(abs(complex(exact)) if isinstance(exact, mp.mpc) else abs(float(exact)))))
    return float(abs(mp.mpmathify(complex(got) if np.iscomplexobj(got) else float(got)) - exact) / mp.mpf(float(unit)))


def close(case: Case, what: str, got, want, relative: float, scale: float = 0.0) -> None:
    """Compare arrays: the error may be `relative` times the largest number there is."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        fail(case, f"{what}: shape {got.shape}, expected {want.shape}")
    if not np.isfinite(got).all():
        fail(case, f"{what}: not finite: {got!r}, expected {want!r}")
    size = max(scale, float(np.max(np.abs(want), initial=0.0)))
    error = float(np.max(np.abs(got.astype(np.result_type(got, np.float64)) - want), initial=0.0))
    if error > relative * size:
        fail(case, f"{what}: error {error:.3g}, allowed {relative * size:.3g}\n  got      {got!r}\n  expected {want!r}")


def dtype_of(case: Case) -> np.dtype:
    """Return the dtype of the floats of a case."""
    return np.result_type(np.float32, *case.floats) if case.floats else np.dtype(float)


def directions(case: Case, purpose: str) -> tuple:
    rng = case.rng(purpose)
    return tuple(direction(rng, x) for x in case.floats)


def cotangents(case: Case, purpose: str = "u") -> list:
    rng = case.rng(purpose)
    return [direction(rng, out) for out in case.value()]


def wide(case: Case) -> tuple:
    return tuple(np.asarray(x, np.float64) for x in case.floats)


# Value, shape, dtype ------------------------------------------------------------------------------------------------


def check_value(case: Case) -> None:
    """Plain, boxed and NumPy's own value are the same."""
    plain = [np.asarray(part) for part in case.outputs(*case.floats)]
    if case.floats:
        boxed = jvp(case.outputs, case.floats, directions(case, "v"))[0]
        for defined, part, other in zip(case.value(), plain, boxed):
            if isinstance(other, Traced):
                fail(case, "a box is left in the value")
            same = np.array_equal(part, other, equal_nan=part.dtype.kind in "fc")
            if not same or part.dtype != np.asarray(other).dtype or np.shape(defined) != np.shape(other):
                fail(case, f"value: plain {part!r}, in dual numbers {other!r}")
    if case.op.name in oracles.MPMATH:
        check_elements(case, plain[0], (), special.VALUES.get(case.op.name, VALUE_ULPS), "value")
        return
    for table in (oracles.NUMPY, oracles.CONSTANT, oracles.COMPLEX_PARTS):
        if case.op.name in table:
            want = case.reference(table[case.op.name], *(wide(case) if table is oracles.NUMPY else case.floats))
            for part, expected in zip(plain, want if case.op.multiple else [want]):
                exact = 0 if part.dtype.kind not in "fc" else 100 * epsilon(dtype_of(case))
                finite = np.isfinite(expected) if part.dtype.kind in "fc" else np.ones(part.shape, bool)
                close(case, "value", part[finite], np.asarray(expected)[finite].astype(float), exact)
            return
    fail(case, "there is no oracle for this row in oracles.py")


def check_shape(case: Case) -> None:
    """The rules for shape and dtype say what comes out."""
    shapes, dtypes = case.op.shape(*case.args, **case.static), case.op.result_dtype(*case.args, **case.static)
    if not case.op.multiple:
        shapes, dtypes = (shapes,), (dtypes,)
    for out, shape, dtype in zip(case.value(), shapes, dtypes, strict=True):
        out = np.asarray(out)
        if tuple(shape) != out.shape:
            fail(case, f"shape rule: {shape}, actual shape {out.shape}")
        if dtype != out.dtype:
            fail(case, f"dtype rule: {dtype}, actual dtype {out.dtype}")


def check_types(case: Case) -> None:
    """Every tangent has shape and dtype of its value, every cotangent those of its primal; nothing is widened."""
    outs, dots = jvp(case.outputs, case.floats, directions(case, "v"))
    for out, dot in zip(outs, dots):
        if np.shape(out) != np.shape(dot) or (out.dtype != dot.dtype and out.dtype.kind in "fc"):
            fail(case, f"tangent of shape {np.shape(dot)}, {dot.dtype} of shape {np.shape(out)}, {out.dtype}")
        if out.dtype.kind in "fc" and "dtype" not in case.static and np.finfo(out.dtype).eps != epsilon(dtype_of(case)):
            fail(case, f"{dtype_of(case)} became {out.dtype}")
    bars = vjp(case.outputs, *case.floats)[1](cotangents(case))
    for x, bar in zip(case.floats, bars):
        if np.shape(x) != np.shape(bar) or x.dtype != bar.dtype:
            fail(case, f"cotangent of shape {np.shape(bar)}, {bar.dtype} of a primal of shape {np.shape(x)}, {x.dtype}")


# First derivatives --------------------------------------------------------------------------------------------------


def check_elements(case: Case, got, places: tuple, allowed: float, what: str, absolute: float = 0.0) -> None:
    """Compare each element with mpmath's value or partial derivative."""
    args = np.broadcast_arrays(*case.args)
    got = np.asarray(got)
    if got.shape != args[0].shape:
        fail(case, f"{what}: shape {got.shape}, expected {args[0].shape}")
    for index in np.ndindex(got.shape):
        exact = oracles.partial(case.op.name, tuple(arg[index].item() for arg in args), *places)
        if got.dtype.kind == "f" and not oracles.is_real(exact):
            continue  # beyond the domain on one side, as x**y where x is zero
        error = ulps(got[index], exact, got.dtype)
        if error > allowed and not abs(got[index] - complex(exact)) <= absolute:
            fail(case, f"{what} at {index}: {got[index]!r}, expected {mp.nstr(exact, 20)}, {error:.3g} ulp")


def check_forward_elements(case: Case) -> None:
    """Each partial derivative of an elementwise row is that of mpmath, in units of the last place."""
    for k, place in enumerate(case.places):
        got = jvp(lambda x, k=k: case.call(*case.floats[:k], x, *case.floats[k + 1 :]), *_unit(case.floats[k]))[1]
        check_elements(case, got, (place,), LOOSER.get(case.op.name, FIRST_ULPS), f"derivative by argument {place}")


def check_forward(case: Case) -> None:
    """The derivative in forward mode is that of the oracle: one argument at a time, then all together."""
    if case.op.kind is Kind.ELEMENTWISE:
        check_forward_elements(case)
    check_directional(case)


def _unit(x) -> tuple:
    return (x,), (np.ones_like(x),)


def check_directional(case: Case) -> None:
    """The derivative in a random direction is that of the oracle."""
    tangents = directions(case, "v")
    want = first_derivative(case, case.floats, tangents)
    scale = max(largest(want), 1e-25)  # the third power of a complex step is smaller
    for got, part in zip(jvp(case.outputs, case.floats, tangents)[1], want):
        close(case, f"derivative in the direction {tangents}", got, part, 400 * epsilon(dtype_of(case)), scale)


def first_derivative(case: Case, floats: tuple, tangents: tuple) -> list:
    """Return the oracle's derivative in a direction, in double precision."""
    name = case.op.name
    if name in oracles.NUMPY:
        return oracles.complex_step(lambda *x: case.reference(oracles.NUMPY[name], *x), floats, tangents)
    if name in oracles.MPMATH:
        terms = [elements(case, floats, (place,)) * np.asarray(v, float) for place, v in zip(case.places, tangents)]
        return [sum(terms)]
    return [np.zeros(np.shape(out)) for out in case.value()]


def elements(case: Case, floats: tuple, places: tuple) -> np.ndarray:
    """Return mpmath's partial derivatives as an array of doubles."""
    args = np.broadcast_arrays(*floats)
    values = np.zeros(args[0].shape)
    for index in np.ndindex(values.shape):
        exact = oracles.partial(case.op.name, tuple(arg[index].item() for arg in args), *places)
        values[index] = np.nan if isinstance(exact, mp.mpc) else float(exact)
    return values


def largest(arrays) -> float:
    return max((float(np.max(np.abs(a), initial=0.0)) for a in arrays), default=0.0)


def inner(first, second) -> tuple[float, float]:
    """Return the inner product Re sum(conj(u) v) of lists of arrays, and the sum of its terms' sizes."""
    terms = [np.real(np.conjugate(np.asarray(a, complex)) * b) for a, b in zip(first, second)]
    return sum(float(np.sum(t)) for t in terms), sum(float(np.sum(np.abs(t))) for t in terms)


def check_transpose(case: Case) -> None:
    """<u, J v> = <J' u, v>, and the linearised function is J."""
    v, u = directions(case, "v"), cotangents(case)
    dots = jvp(case.outputs, case.floats, v)[1]
    pull = vjp(case.outputs, *case.floats)[1]
    bars = pull(u)
    (left, size), (right, other) = inner(u, dots), inner(bars, v)
    allowed = 100 * epsilon(dtype_of(case)) * (size + other)
    if not abs(left - right) <= allowed:
        fail(case, f"<u, Jv> = {left!r}, <J'u, v> = {right!r}, u = {u}, v = {v}, difference allowed {allowed:.3g}")
    for first, again in zip(bars, pull(u)):
        if not np.array_equal(first, again):
            fail(case, f"the pullback gives {first!r} at first and {again!r} when it is called again")
    for dot, pushed in zip(dots, linearize(case.outputs, *case.floats)[1](*v)):
        close(case, "linearised function against jvp", pushed, dot, 100 * epsilon(dtype_of(case)), largest(dots))


# Linearity ----------------------------------------------------------------------------------------------------------


def _linear_groups(case: Case) -> list[tuple[int, ...]]:
    """Return the sets of arguments in which, together, a row says it is linear."""
    op = case.op
    if op.name == "weighted_sum":
        return [tuple(range(0, len(case.args), 2)), tuple(range(1, len(case.args), 2))]
    places = tuple(range(len(case.args))) if op.linear_in is None else op.linear_in
    together = op.kind is Kind.LINEAR or not any(callable(p) for p in op.partials)
    if op.kind is Kind.MULTILINEAR or op.kind is Kind.GENERAL or not together:
        return [(i,) for i in places]
    return [places] if places else []


def check_linear(case: Case) -> None:
    """Where a row says that it is linear, it is: op(a x + b y) = a op(x) + b op(y)."""
    for group in _linear_groups(case):
        rng = case.rng(f"linear {group}")
        x = list(case.args)
        y = [direction(rng, arg) if i in group else arg for i, arg in enumerate(x)]
        mixed = [(0.5 * a - 2 * b).astype(a.dtype)[()] if i in group else a for i, (a, b) in enumerate(zip(x, y))]
        got, one, two = (case.op.value(*args, **case.static) for args in (mixed, x, y))
        eps = epsilon(np.result_type(dtype_of(case), np.float32))
        close(case, f"linearity in {group}", got, 0.5 * one - 2 * two, 100 * eps, largest([one, two]))


def check_accumulate(case: Case) -> None:
    """The rule that adds in place adds what the transpose gives."""
    op = case.op
    if op.accumulate is None:
        return
    for i in case.places if op.linear_in is None else op.linear_in:
        bar, total = cotangents(case)[0], direction(case.rng("total"), case.args[i])
        want = total + op.transpose(bar, case.args, i, **case.static)
        total = np.array(total)
        op.accumulate(total, bar, case.args, i, **case.static)
        close(case, f"accumulate in argument {i}", total, want, 10 * epsilon(dtype_of(case)), 1.0)


# Rows without a derivative ------------------------------------------------------------------------------------------


def check_constant(case: Case) -> None:
    """A piecewise constant row has zero derivatives of every order, and does not change near its sample."""
    tangents = directions(case, "v")
    if case.op.name != "stop_gradient":
        moved = case.reference(case.op.value, *[x + 1e-6 * v for x, v in zip(wide(case), tangents)])
        if case.op.name != "spacing" and not np.array_equal(moved, case.reference(case.op.value, *wide(case))):
            fail(case, f"it is declared piecewise constant, but changes in the direction {tangents}")
    if not case.floats:
        return
    out, dot = jvp(case.call, case.floats, tangents)
    if case.op.kind is Kind.DISCRETE and out.dtype.kind not in "iub":
        fail(case, f"it is declared discrete, but its result is {out.dtype}")
    if dot.shape != out.shape or np.any(dot):
        fail(case, f"its tangent is {dot!r}")
    bars = vjp(case.call, *case.floats)[1](np.ones_like(out))
    for x, bar in zip(case.floats, bars):
        if bar.shape != x.shape or bar.dtype != x.dtype or np.any(bar):
            fail(case, f"its cotangent is {bar!r}")


# Complex numbers ----------------------------------------------------------------------------------------------------


def check_complex(case: Case, v: tuple | None = None) -> None:
    """For complex arguments: the derivative in complex directions, and the adjoint that belongs to Re <u, v>."""
    v = directions(case, "v") if v is None else v
    out, dots = jvp(case.outputs, case.floats, v)
    for part, dot in zip(out, dots):
        if part.dtype != dot.dtype:
            fail(case, f"a tangent of dtype {dot.dtype} of a value of dtype {part.dtype}")
    if case.op.name in oracles.MPMATH:
        for k, place in enumerate(case.places):
            got = jvp(lambda x, k=k: case.call(*case.floats[:k], x, *case.floats[k + 1 :]), *_unit(case.floats[k]))[1]
            check_elements(case, got, (place,), COMPLEX_ULPS, f"complex derivative by argument {place}")
    want = oracles.five_points(lambda *x: _listed(case.reference(case.op.value, *x)), case.floats, v)
    for dot, part in zip(dots, want):
        close(case, f"derivative in the direction {v}", dot, part, 1e-8, max(largest(want), largest(out)))
    bars = vjp(case.outputs, *case.floats)[1](u := cotangents(case))
    for x, bar in zip(case.floats, bars):
        if bar.dtype != x.dtype or bar.shape != x.shape:
            fail(case, f"a cotangent of dtype {bar.dtype}, shape {bar.shape} of {x.dtype}, shape {x.shape}")
    (left, size), (right, other) = inner(u, dots), inner(bars, v)
    if not abs(left - right) <= 1e-13 * (size + other):
        fail(case, f"Re <u, Jv> = {left!r}, Re <J'u, v> = {right!r}, u = {u}, v = {v}")


def _listed(out) -> list:
    return list(out) if isinstance(out, tuple) else [out]
