"""The rows whose static data holds programs: what they compute, what they refuse, and their rules as linear maps."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad import rules
from mixgrad.core.op import TABLE, Kind
from mixgrad.core.program import Equation, Program, Var, check
from mixgrad.modes.trace import trace_body
from mixgrad.program.to_text import parse, to_text

assert rules  # importing it fills the table

F64, I64, BOOL = np.dtype(float), np.dtype(int), np.dtype(bool)
cond, loop = TABLE["cond"], TABLE["loop"]


def var(*shape, dtype=F64, name=""):
    return Var(shape, dtype, name)


def body_of(function, *templates):
    program, hoisted = trace_body(function, templates)
    assert not hoisted
    return check(program)


STEP = body_of(
    lambda a, s, n, x: [np.sin(s) * a + x[0], n + 1, s * x * n, n > 1], var(3), var(3), var(dtype=I64), var(2, 1)
)
"""Takes a constant, two carried values and a slice; returns two carried values, and two things to stack."""
SCAN = {"test": None, "body": STEP, "consts": 1, "carry": 2, "length": None, "reverse": False}

SMALL = body_of(lambda a, s: [s[0] < a], var(), var(2))
GROW = body_of(lambda a, s: [s * np.stack([1.5, a]) + 0.1], var(), var(2))
WHILE = {"test": SMALL, "body": GROW, "consts": 1, "carry": 1, "length": None, "reverse": False}

BRANCHES = (body_of(lambda x, y: [x * y, x], var(3), var()), body_of(lambda x, y: [np.exp(x), x + y], var(3), var()))


def python_scan(a, s, n, xs, reverse=False):
    ys, zs = [], []
    for x in xs[::-1] if reverse else xs:
        ys.append(s * x * n)
        zs.append(n > 1)
        s, n = np.sin(s) * a + x[0], n + 1
    order = slice(None, None, -1 if reverse else 1)
    return s, n, np.array(ys[order]), np.array(zs[order])


def python_while(a, s):
    while s[0] < a:
        s = s * np.stack([1.5, a]) + 0.1
    return s


def smooth_scan(reverse):
    def run(function):
        return lambda a, s, xs: [function(a, s, np.int64(0), xs)[i] for i in (0, 2)]

    return run(lambda *args: loop(*args, **(SCAN | {"reverse": reverse}))), run(
        lambda *args: python_scan(*args, reverse=reverse)
    )


MAPS = {
    "scan": (*smooth_scan(False), ((3,), (3,), (4, 2, 1))),
    "scan from the end": (*smooth_scan(True), ((3,), (3,), (4, 2, 1))),
    "while": (lambda a, s: loop(a + 4, s, **WHILE), lambda a, s: [python_while(a + 4, s)], ((), (2,))),
    "cond, true": (lambda x, y: cond(True, x, y, branches=BRANCHES), lambda x, y: [np.exp(x), x + y], ((3,), ())),
    "cond, false": (lambda x, y: cond(False, x, y, branches=BRANCHES), lambda x, y: [x * y, x], ((3,), ())),
}
"""A row as a function of floats, the same in plain Python, and the shapes of its arguments."""
EVERY = pytest.mark.parametrize("name", MAPS)


def test_every_row_with_programs_is_tried():
    assert {name.split(",")[0].split(" ")[0] for name in MAPS} == {"scan", "while", "cond"}
    assert {name for name, op in TABLE.items() if op.kind is Kind.NESTED} == {"loop", "cond", "reversal"}


def arguments(name, random):
    return tuple(np.asarray(random.uniform(0.2, 1.0, shape))[()] for shape in MAPS[name][2])


def directions(random, values):
    return [np.asarray(random.normal(size=np.shape(value)))[()] for value in values]


def dot(us, vs):
    return sum(np.vdot(u, v) for u, v in zip(us, vs, strict=True))


@EVERY
def test_value(name, random):
    row, plain, _ = MAPS[name]
    args = arguments(name, random)
    for got, want in zip(row(*args), plain(*args), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)


@EVERY
def test_forward_mode_by_difference_quotients(name, random):
    row, plain, _ = MAPS[name]
    args = arguments(name, random)
    tangents = directions(random, args)
    h = 1e-5
    ends = [plain(*[x + k * h * v for x, v in zip(args, tangents)]) for k in (-2, -1, 1, 2)]
    dots = mg.jvp(lambda *args: list(row(*args)), args, tuple(tangents))[1]
    for got, a, b, c, d in zip(dots, *ends, strict=True):
        np.testing.assert_allclose(got, (a - 8 * b + 8 * c - d) / (12 * h), rtol=1e-6, atol=1e-7)


@EVERY
def test_reverse_is_the_transpose_of_forward_at_each_order(name, random):
    row = MAPS[name][0]

    def outputs(*args):
        return list(row(*args))

    args = arguments(name, random)
    for _ in range(3):
        values, pull = mg.vjp(outputs, *args)
        _, push = mg.linearize(outputs, *args)
        v, u = directions(random, args), directions(random, values)
        forward = dot(u, mg.jvp(outputs, args, tuple(v))[1])
        np.testing.assert_allclose(dot(pull(u), v), forward, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(dot(u, push(*v)), forward, rtol=1e-11, atol=1e-11)
        outputs = pulled(outputs, u)


def pulled(outputs, u):
    return lambda *args: list(mg.vjp(outputs, *args)[1](u))


@EVERY
def test_batch_is_a_loop(name, random):
    row = MAPS[name][0]
    members = [arguments(name, random) for _ in range(3)]
    for batched in ([True] * len(members[0]), [i == 0 for i in range(len(members[0]))]):
        args = [np.stack(parts) if flag else parts[0] for parts, flag in zip(zip(*members), batched)]
        axes = [0 if flag else None for flag in batched]
        got = mg.vmap(lambda *args: list(row(*args)), axes)(*args)
        for i, member in enumerate(members):
            mine = [part if flag else members[0][j] for j, (part, flag) in enumerate(zip(member, batched))]
            for part, want in zip(got, row(*mine), strict=True):
                np.testing.assert_allclose(part[i], want, rtol=1e-13)


@EVERY
def test_taylor_coefficients_are_those_of_nested_forward_mode(name, random):
    row = MAPS[name][0]
    x, *rest = arguments(name, random)
    v = directions(random, [x])[0]
    outputs = lambda x: list(row(x, *rest))
    along = lambda f: lambda x: mg.jvp(f, (x,), (v,))[1]
    got = mg.taylor(outputs, x, v, 3)
    derivative, factorial = outputs, 1
    for k in range(4):
        for part, want in zip(got, derivative(x), strict=True):
            np.testing.assert_allclose(part[k] * factorial, want, rtol=1e-9, atol=1e-9)
        derivative, factorial = along(derivative), factorial * (k + 1)


def test_all_results_of_a_scan(random):
    a, s, xs = arguments("scan", random)
    for reverse in (False, True):
        got = loop(a, s, 0, xs, **(SCAN | {"reverse": reverse}))
        for part, want in zip(got, python_scan(a, s, 0, xs, reverse), strict=True):
            np.testing.assert_allclose(part, want, rtol=1e-14)
            assert part.dtype == want.dtype if isinstance(want, np.ndarray) else np.int64


def test_no_steps(random):
    a, s, _ = arguments("scan", random)
    got = loop(a, s, 0, np.ones((0, 2, 1)), **SCAN)
    assert [(part.shape, part.dtype) for part in got[2:]] == [((0, 2, 3), F64), ((0,), BOOL)]
    gradient = mg.grad(lambda s: np.sum(loop(a, s, 0, np.ones((0, 2, 1)), **SCAN)[0]))(s)
    np.testing.assert_array_equal(gradient, np.ones(3))


def test_branches_run_only_if_they_are_taken():
    """An endless loop in the other one does not matter."""
    forever = body_of(
        lambda x: list(loop(x, test=body_of(lambda x: [x == x], var()), body=body_of(lambda x: [x], var()), consts=0,
                            carry=1, length=None, reverse=False)),
        var(),
    )  # fmt: skip
    branches = (forever, body_of(lambda x: [x * x], var()))
    assert mg.grad(lambda x: cond(True, x, branches=branches)[0])(3.0) == 6.0


def test_the_text_of_unknown_lengths_reads_back():
    x = var(-1, 2, name="x")
    total = body_of(lambda s, x: [s + x], var(2), var(2))
    static = {"test": None, "body": total, "consts": 0, "carry": 1, "length": None, "reverse": False}
    out = var(2)
    program = check(Program((x,), (Equation((out,), loop, (np.zeros(2), x), static),), (out,), "total"))
    assert to_text(program).startswith("def total(x: f64[?, 2]):")
    assert to_text(check(parse(to_text(program)))) == to_text(program)


A, X = var(name="a"), var(2, name="x")
ONE = body_of(lambda x: [x * 2], var(2))


def equation(op, args, **static):
    outs = tuple(Var(shape, dtype) for shape, dtype in zip(op.shape(*args, **static), op.result_dtype(*args, **static)))
    inputs = tuple({id(arg): arg for arg in args if isinstance(arg, Var)}.values())
    return Program(inputs, (Equation(outs, op, args, static),), outs)


PLAIN = {"test": None, "body": ONE, "consts": 0, "carry": 1, "length": 3, "reverse": False}
MALFORMED = {
    "loop: body takes 1 values, is given 2": lambda: equation(loop, (X, X), **PLAIN | {"carry": 1, "length": None}),
    r"loop: body takes a value of the type \(\(2,\), dtype\('float64'\)\), is given \(\(\)": lambda: equation(
        loop, (A,), **PLAIN
    ),
    "loop: without test, length and xs it has no end": lambda: equation(
        loop, (X,), **PLAIN | {"length": None, "body": body_of(lambda x: [x], var(2))}
    ),
    "loop: one with a test takes no xs": lambda: equation(
        loop,
        (X, var(3, 2)),
        **PLAIN | {"test": body_of(lambda x: [x[0] < 1], var(2)), "body": body_of(lambda x, y: [x], var(2), var(2))},
    ),
    r"loop: its xs and its length say \[3, 4\] steps": lambda: equation(
        loop, (X, var(4, 2)), **PLAIN | {"body": body_of(lambda x, y: [x], var(2), var(2))}
    ),
    r"loop: body takes .* and returns \(\(\), dtype": lambda: equation(
        loop, (X,), **PLAIN | {"body": body_of(lambda x: [x[0]], var(2))}
    ),
    "loop: body must return one truth value": lambda: equation(
        loop, (X,), **PLAIN | {"length": None, "test": body_of(lambda x: [x[0]], var(2))}
    ),
    "cond has 1 branches, expected two": lambda: equation(cond, (var(dtype=BOOL), X), branches=(ONE,)),
    r"cond: the predicate has the shape \(2,\)": lambda: equation(cond, (X, X), branches=(ONE, ONE)),
    "cond: the branches return the types": lambda: equation(
        cond, (var(dtype=BOOL), X), branches=(ONE, body_of(lambda x: [x[0]], var(2)))
    ),
    "cond: body takes 1 values, is given 2": lambda: equation(cond, (var(dtype=BOOL), X, X), branches=(ONE, ONE)),
}


@pytest.mark.parametrize("message", MALFORMED)
def test_check_refuses(message):
    with pytest.raises(mg.ProgramError, match=message):
        check(MALFORMED[message]())


def test_check_looks_into_nested_programs():
    y = var(2, name="y")
    wrong = Program((X,), (), (y,), "wrong")
    with pytest.raises(mg.ProgramError, match="wrong: output y is never assigned"):
        check(equation(loop, (X,), **PLAIN | {"body": wrong}))


def test_check_refuses_values_of_other_runs():
    found = []

    def f(x):
        found.append(Program((), (), (x,)))
        program = Program((X,), (Equation((var(2),), TABLE["add"], (X, x), {}),), (X,))
        with pytest.raises(mg.ProgramError, match="a value of another run"):
            check(program)
        return x

    mg.grad(f)(1.0)
    assert found


def test_lengths_must_agree_when_a_loop_runs(random):
    two = body_of(lambda s, x, y: [s + x + y], var(), var(), var())
    with pytest.raises(mg.ProgramError, match=r"its xs have \[3, 4\] slices, expected 3 of each"):
        loop(0.0, np.ones(3), np.ones(4), test=None, body=two, consts=0, carry=1, length=None, reverse=False)
