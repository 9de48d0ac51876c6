"""Programs as modules of Python: they run with NumPy alone, and give the interpreter's bits."""

import numpy as np
import pytest

import mixgrad as mg
import mixgrad.rules.special
from mixgrad.core.interpret import interpret
from mixgrad.core.op import TABLE, Kind
from mixgrad.program.to_python import to_python
from mixgrad.program.writing.spelling import is_spelled

from ..rules.cases import COMPLEX128, FLOAT32, FLOAT64, cases, is_random
from .written import PROGRAMS, agree, body, load, same_bits

rules = mixgrad.rules

COMPLEX = ("conjugate", "real", "imag")
TRUTHS = [name for name in TABLE if name.startswith(("logical", "bitwise"))]
ROWS = sorted(name for name, op in TABLE.items() if op.kind is not Kind.NESTED)


# The table ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_row_has_a_spelling(name):
    assert is_spelled(name), f"say in mixgrad.program.writing.spelling how {name} is written"


def trace(function, args):
    return mg.trace(lambda *floats: function(*floats))(*args)


@pytest.mark.parametrize("name", ROWS)
def test_rows(name):
    tried = 0
    for dtype in (FLOAT64, FLOAT32, COMPLEX128):
        if (dtype == COMPLEX128) != (name in COMPLEX):
            continue
        for case in cases(TABLE[name], dtype):
            ways = [(case.outputs, case.floats)] if case.floats else []
            if not any(np.asarray(arg).dtype.kind == "b" for arg in case.args[1:]) or name in ("where", *TRUTHS):
                ways.append((lambda *args, case=case: applied(case.op, args, case.static), case.args))
            for function, args in ways:
                with np.errstate(all="ignore"):
                    program = trace(function, args)
                agree(program, args)
                tried += len(program) > 0
    assert tried


def applied(op, args, static):
    out = op(*args, **static)
    return list(out) if op.multiple else [out]


@pytest.mark.parametrize("name", [name for name in ROWS if TABLE[name].kind not in (Kind.ZERO, Kind.DISCRETE)])
def test_derivatives_of_rows(name):
    for case in cases(TABLE[name], COMPLEX128 if name in COMPLEX else FLOAT64):
        if not is_random(case):
            continue
        check_derivatives_of(case)


def check_derivatives_of(case):
    v = tuple(np.ones_like(x) for x in case.floats)
    u = [np.ones_like(out) for out in case.value()]
    n = len(v)

    def push(*xv):
        return mg.jvp(case.outputs, xv[:n], xv[n:])[1]

    def pull(*xu):
        return mg.vjp(case.outputs, *xu[:n])[1](list(xu[n:]))

    agree(trace(push, (*case.floats, *v)), (*case.floats, *v))
    agree(mg.simplify(trace(pull, (*case.floats, *u))), (*case.floats, *u))


# Whole functions ------------------------------------------------------------------------------------------------------


TRANSFORMS = {
    "value": lambda f: f,
    "reverse": lambda f: mg.value_and_grad(f),
    "forward": lambda f: lambda x, *rest: mg.jvp(lambda x: f(x, *rest), (x,), (mg._tree.map_leaves(np.ones_like, x),)),
    "second": lambda f: mg.hessian(f),
    "batch": lambda f: (
        lambda x, *r: mg.vmap(lambda s: f(mg._tree.map_leaves(lambda l: l * s, x), *r))(np.array([1.0, 1.1]))
    ),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_give_the_same_bits(name, transform, random):
    function, args = PROGRAMS[name]
    with np.errstate(all="ignore"):
        program = mg.trace(TRANSFORMS[transform](function))(*args)
    leaves = mg._tree.flatten(args)[0]
    others = [np.asarray(leaf) * random.uniform(0.9, 1.1) for leaf in leaves]
    simple = mg.simplify(program)
    agree(program, leaves)
    for inputs in (leaves, others, [np.asarray(leaf)[()].astype(np.float32).astype(float) for leaf in leaves]):
        agree(simple, inputs)


@pytest.mark.parametrize("name", ["logistic", "rosenbrock", "special", "gather", "polynomial", "network"])
@pytest.mark.parametrize("transform", ["reverse", "forward", "second"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -0.0])
def test_strong_zeros_where_asked_for(name, transform, value):
    function, args = PROGRAMS[name]
    program = mg.simplify(mg.trace(TRANSFORMS[transform](function))(*args))
    leaves = [np.array(leaf, float) for leaf in mg._tree.flatten(args)[0]]
    leaves[0].flat[0] = value
    agree(program, leaves, strict=(True,))


def test_plain_products_are_not_strong_and_say_so():
    program = mg.simplify(mg.trace(mg.grad(lambda x: np.where(x > 0, np.sqrt(x), 0.0)))(1.0))
    plain, strict = to_python(program), to_python(program, strict=True)
    with np.errstate(all="ignore"):
        assert np.isnan(load(plain)(np.float64(0.0)))
        assert load(strict)(np.float64(0.0)) == interpret(program, np.float64(0.0))[0] == 0
    assert "Products follow IEEE" in plain
    assert "Products follow IEEE" not in strict
    assert "Products follow IEEE" not in to_python(mg.trace(np.sin)(1.0))


@pytest.mark.parametrize("name", ["rosenbrock", "special", "recurrence", "logistic"])
def test_float32_stays_float32(name):
    function, args = PROGRAMS[name]
    args = tuple(np.asarray(arg)[()].astype(np.float32) for arg in args)
    agree(mg.simplify(mg.trace(mg.value_and_grad(function))(*args)), args)


# Writing into arrays --------------------------------------------------------------------------------------------------


def put(y, value, *index):
    return TABLE["update"](y, value, *index, form=rules.index.Form((rules.index.SLOT,) * len(index)))


ZERO, ONE = np.int64(0), np.int64(1)
ASSIGNMENTS = {
    "a parameter": lambda x: put(put(x, 1.0, ZERO), x[2], ONE),
    "read afterwards": lambda x: (lambda y: (put(y, 1.0, ZERO), y))(x * 2),
    "a view read afterwards": lambda x: (lambda y, v: put(y, 1.0, ZERO) + v[::-1].sum())(
        *(lambda y: (y, y[1:]))(x * 2)
    ),
    "a constant": lambda x: put(np.zeros(3), x[0], ONE) + put(np.arange(30.0), x[0], ONE)[3:6],
    "its own sum": lambda x: (lambda y: put(y, np.sum(y), ZERO))(x * 2),
    "in a loop": lambda x: mg.fori_loop(1, 3, lambda i, y: put(y, np.sin(x[i]) * y[i - 1], i), x),
    "into zeros": lambda x: mg.fori_loop(0, 3, lambda i, y: put(y, x[i] * y[i - 1] + 1.0, i), np.zeros(3)),
    "two loops": lambda x: mg.fori_loop(
        0, 3, lambda i, y: mg.fori_loop(0, 2, lambda j, z: put(z, x[i] + z[i, j], i, j), y), np.zeros((3, 2))
    ),
    "stacked before": lambda x: mg.scan(lambda y, u: (put(y, u, ZERO), y), x * 1.0, x),
    "stacked after": lambda x: mg.scan(lambda y, u: (lambda z: (z, z))(put(y, u, ZERO)), x * 1.0, x),
    "exchanged": lambda x: mg.fori_loop(0, 3, lambda i, s: (s[1], put(s[0], x[i], i)), (x, x + 1)),
    "in a branch": lambda x: mg.fori_loop(
        0, 3, lambda i, y: mg.cond(y[i] > 0.5, lambda y: put(y, 0.5, i), lambda y: y * 2, y), x
    ),
    "the loop's constant": lambda x: mg.fori_loop(0, 3, lambda i, s: s + np.sum(put(x, s, i)), 1.0),
    "in a while": lambda x: (
        mg.while_loop(lambda y: y[0] < 5, lambda y: put(y, y[0] + y[1], ZERO), np.abs(x) + 1)[0] * x
    ),
}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_item_assignment(name, random):
    x = random.normal(size=3).round(3)
    function = ASSIGNMENTS[name]
    before = x.copy()
    for way in (
        function,
        lambda x: mg.grad(lambda x: sum(np.sum(part**2) for part in mg._tree.flatten(function(x))[0]))(x),
    ):
        program = mg.trace(way)(x)
        agree(program, (x,))
        agree(mg.simplify(program), (x,))
        load(to_python(program))(x)
        same_bits(x, before)


def test_a_loop_writes_in_place():
    text = to_python(mg.simplify(mg.trace(ASSIGNMENTS["into zeros"])(np.ones(3))))
    assert (
        body(text)
        == [
            "a = np.zeros(3)",
            "for i in range(3):",
            "    a[i] = x[i] * a[i - 1] + 1",
            "return a",
        ]
        or body(text)[2] == "    a[i] = x[i] * a[i - 1] + 1.0"
    )


def test_constants_of_a_branch_are_there_in_both(random):
    def f(x):
        y = mg.cond(x[0] > 0, lambda x, c: c * x, lambda x, c: x - c, x, np.array([1.0, 2.5, 3.0]))
        return np.sum((1j * y[0]) * np.array([1.0, 2.0j])).real * np.sum(y)

    x = random.normal(size=3).round(3)
    for point in (x, -x):
        agree(mg.simplify(mg.trace(mg.value_and_grad(f))(x)), (point,))
