"""Every row of the table, and its derivatives, as machine code: what the interpreter gives, up to rounding."""

import itertools

import numpy as np
import pytest

import mixgrad as mg
import mixgrad.rules.special
from mixgrad.compile.executable import Executable
from mixgrad.core.interpret import interpret
from mixgrad.core.op import TABLE, Kind

from ..rules.cases import COMPLEX128, FLOAT32, FLOAT64, cases, is_random
from ..rules.conformance import cotangents, directions
from ..rules.oracles import partial

rules = mixgrad.rules

COMPLEX = ("conjugate", "real", "imag")
TRUTHS = [name for name in TABLE if name.startswith(("logical", "bitwise"))]
ROWS = sorted(name for name, op in TABLE.items() if op.kind is not Kind.NESTED)
ROUNDINGS = 64
COARSE = {"ndtr": 512}  # SciPy's own errors, far from zero
SOME = 2


def trace(function, args):
    return mg.trace(lambda *floats: function(*floats))(*args)


def agree(program, args, roundings=ROUNDINGS):
    """Compare with the interpreter: signs of infinities, nan, and numbers to some roundings of the largest."""
    with np.errstate(all="ignore"):
        want = interpret(program, *args)
        executable = Executable(program)
        got = executable(*args)
    for a, b in zip(got, want, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        close(np.asarray(a), np.asarray(b), roundings * coarsest([b, *args]))
    return executable


def coarsest(arrays):
    """Return the largest rounding among floating-point arrays."""
    return max((np.finfo(x.dtype).eps for x in map(np.asarray, arrays) if x.dtype.kind in "fc"), default=0.0)


def close(a, b, tolerance):
    if b.dtype.kind not in "fc":
        np.testing.assert_array_equal(a, b)
        return
    finite = np.isfinite(b)
    scale = np.max(np.abs(b), initial=0, where=finite)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


LONG = pytest.mark.long


def some(found, count=SOME):
    """Return a few cases, the first and the last among them: each is compiled, which takes time."""
    found = list(found)
    return (
        [found[i] for i in sorted({round(k * (len(found) - 1) / (count - 1)) for k in range(count)})] if found else []
    )


def applied(op, args, static):
    out = op(*args, **static)
    return list(out) if op.multiple else [out]


@pytest.mark.parametrize("name", ROWS)
def test_values(name):
    tried = 0
    for dtype in (FLOAT64, FLOAT32, COMPLEX128):
        if (dtype == COMPLEX128) != (name in COMPLEX):
            continue
        for case in some(cases(TABLE[name], dtype)):
            ways = [(case.outputs, case.floats)] if case.floats else []
            if not any(np.asarray(arg).dtype.kind == "b" for arg in case.args[1:]) or name in ("where", *TRUTHS):
                ways.append((lambda *args, case=case: applied(case.op, args, case.static), case.args))
            for function, args in ways:
                with np.errstate(all="ignore"):
                    program = trace(function, args)
                agree(program, args, COARSE.get(name, ROUNDINGS))
                tried += len(program) > 0
    assert tried


DIFFERENTIABLE = [name for name in ROWS if TABLE[name].kind not in (Kind.ZERO, Kind.DISCRETE)]
ELEMENTWISE = [name for name in DIFFERENTIABLE if TABLE[name].kind is Kind.ELEMENTWISE]


def every_way(case):
    """Return one function of arguments, directions and weights: forward, reverse, and forward over reverse."""
    v, u = directions(case, "v"), cotangents(case)
    n = len(v)

    def function(*xvu):
        x, v, u = xvu[:n], xvu[n : 2 * n], list(xvu[2 * n :])
        pulled = lambda *x: list(mg.vjp(case.outputs, *x)[1](u))
        bars, second = mg.jvp(pulled, x, v)
        return [*mg.jvp(case.outputs, x, v)[1], *bars, *second]

    return function, (*case.floats, *v, *u)


def compare(case):
    function, args = every_way(case)
    agree(mg.simplify(trace(function, args), "all"), args)


def random_cases(name, dtype):
    return [case for case in cases(TABLE[name], COMPLEX128 if name in COMPLEX else dtype) if is_random(case)]


def mostly_long(names, every=5):
    """Mark most names: what `test_derivatives_of_every_case` covers need not be compiled in every run of the tests."""
    return [name if i % every == 0 else pytest.param(name, marks=LONG) for i, name in enumerate(names)]


@pytest.mark.parametrize("name", mostly_long(DIFFERENTIABLE))
def test_derivatives(name):
    for case in some(random_cases(name, FLOAT64), 2):
        compare(case)


@pytest.mark.parametrize("name", mostly_long([name for name in DIFFERENTIABLE if name not in COMPLEX]))
def test_derivatives_in_single_precision(name):
    compare(random_cases(name, FLOAT32)[-1])


@pytest.mark.long
@pytest.mark.parametrize("dtype", [FLOAT64, FLOAT32], ids=str)
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_of_every_case(name, dtype):
    """Those of the conformance test, with all its shapes and points."""
    for case in cases(TABLE[name], COMPLEX128 if name in COMPLEX else dtype):
        if case.floats:
            compare(case)


@pytest.mark.parametrize("dtype", [FLOAT64, pytest.param(FLOAT32, marks=pytest.mark.long)], ids=str)
@pytest.mark.parametrize("name", mostly_long(ELEMENTWISE, 6))
def test_partial_derivatives_at_every_point(name, dtype):
    """All points at which the conformance test tries a function, as one array: first and second derivatives by each."""
    found = [case for case in cases(TABLE[name], dtype) if case.floats and not case.fixed]
    points = np.concatenate(
        [np.stack([np.ravel(x) for x in np.broadcast_arrays(*case.args)]) for case in found], axis=1
    )
    units = np.eye(len(points), dtype=dtype)

    def function(*x):
        outs = []
        for i, j in itertools.combinations_with_replacement(range(len(x)), 2):
            v, w = ([np.full_like(points[0], k) for k in units[n]] for n in (i, j))
            (value, first), (other, second) = mg.jvp(lambda *x, v=v: mg.jvp(TABLE[name], x, v), x, w)
            outs += [value, first, other, second]
        return outs

    program = mg.simplify(trace(function, tuple(points)), "all")
    with np.errstate(all="ignore"):
        results = zip(Executable(program)(*points), interpret(program, *points), strict=True)
    pairs = itertools.combinations_with_replacement(range(len(points)), 2)
    places = [which for i, j in pairs for which in ((), (i,), (j,), (i, j))]
    for which, (got, want) in zip(places, results, strict=True):
        assert got.dtype == want.dtype
        for index in np.flatnonzero(differing(got, want)):
            at = tuple(x.item() for x in points[:, index])
            exact = partial(name, at, *which)
            worse = abs(got[index] - exact) > 4 * abs(want[index] - exact)  # where terms cancel, their rounding remains
            assert not worse, f"derivative by {which} at {at}: {got[index]!r}, interpreted {want[index]!r}"


def differing(got, want):
    info = np.finfo(want.dtype)
    return ~np.isclose(got, want, rtol=ROUNDINGS * info.eps, atol=info.tiny, equal_nan=True)
