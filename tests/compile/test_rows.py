"""Every row of the table, and its derivatives, as machine code: what the interpreter gives, up to rounding."""

import numpy as np
import pytest

import mixgrad as mg
import mixgrad.rules.special
from mixgrad.compile.executable import Executable
from mixgrad.core.interpret import interpret
from mixgrad.core.op import TABLE, Kind

from ..rules.cases import COMPLEX128, FLOAT32, FLOAT64, cases, is_random

rules = mixgrad.rules

COMPLEX = ("conjugate", "real", "imag")
TRUTHS = [name for name in TABLE if name.startswith(("logical", "bitwise"))]
ROWS = sorted(name for name, op in TABLE.items() if op.kind is not Kind.NESTED)
ROUNDINGS = 64
COARSE = {"ndtr": 512}  # SciPy's own errors, far from zero
SOME = 3


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


def some(found):
    """Return a few cases, the first and the last among them: each is compiled, which takes time."""
    found = list(found)
    return [found[i] for i in sorted({round(k * (len(found) - 1) / (SOME - 1)) for k in range(SOME)})] if found else []


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


@pytest.mark.parametrize("name", [name for name in ROWS if TABLE[name].kind not in (Kind.ZERO, Kind.DISCRETE)])
def test_derivatives(name):
    for case in some(
        case for case in cases(TABLE[name], COMPLEX128 if name in COMPLEX else FLOAT64) if is_random(case)
    ):
        v = tuple(np.ones_like(x) for x in case.floats)
        u = [np.ones_like(out) for out in case.value()]
        n = len(v)
        push = lambda *xv, case=case, n=n: mg.jvp(case.outputs, xv[:n], xv[n:])[1]
        pull = lambda *xu, case=case, n=n: mg.vjp(case.outputs, *xu[:n])[1](list(xu[n:]))
        agree(trace(push, (*case.floats, *v)), (*case.floats, *v))
        agree(mg.simplify(trace(pull, (*case.floats, *u)), "all"), (*case.floats, *u))
