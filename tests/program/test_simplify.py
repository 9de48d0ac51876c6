"""Simplification: what is written for known derivatives, each rewrite on special numbers, loops, branches, length."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.core.op import TABLE
from mixgrad.core.program import Equation, Program, Var, check
from mixgrad.program.simplify import EXACT, PASSES, simplify

from ..fuzz.generate import random_program

X = np.array([0.3, -1.2, 2.5])
A = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -2.5, 1e-320, 1e308])
LOGSUMEXP = 17  # with what keeps it right where entries are infinite


def same_bits(got, want):
    got, want = np.asarray(got), np.asarray(want)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_array_equal(got, want)
    if want.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got[~np.isnan(want)]), np.signbit(want[~np.isnan(want)]))


def simplified(function, *args, passes="exact"):
    """Return the simple program of a function, which gives its bits here (with all passes: is near)."""
    program = mg.trace(function)(*args)
    simple = check(simplify(program, passes))
    with np.errstate(all="ignore"):
        for got, want in zip(interpret(simple, *args), interpret(program, *args), strict=True):
            if passes == "all":
                np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
            else:
                same_bits(got, want)
    return simple


def lines(program):
    """Return the equations as text, without types."""
    return [line.split("  #")[0].strip() for line in str(program).splitlines()[1:]]


# Known derivatives --------------------------------------------------------------------------------------------------


def textbook(x1, x2):
    return x1 * x2 + np.sin(x1)


def quadratic(x, a):
    return 0.5 * (x @ a @ x)


def logistic(w, x, y):
    return np.sum(y * (x @ w) - np.logaddexp(0.0, x @ w))


def gaussian(m, factor, x):
    z = mg.solve_triangular(factor, x - m, lower=True)
    return -0.5 * np.sum(z**2) - np.sum(np.log(np.diagonal(factor)))


def mixture(weights, means, x):
    d = x[:, None, :] - means
    return np.sum(mg.logsumexp(weights - 0.5 * np.sum(d * d, axis=-1), axis=1))


def newton(a):
    return mg.fori_loop(0, 10, lambda i, x: x - (x * x - a) / (2 * x), a)


def test_gradient_of_the_textbook_function():
    program = simplified(mg.grad(textbook, (0, 1)), 1.0, 2.0)
    assert lines(program) == ["a = cos(x1)", "b = add(a, x2)", "return (b, x1)"]


def test_forward_derivative_of_the_textbook_function():
    program = simplified(lambda x1, x2, d1, d2: mg.jvp(textbook, (x1, x2), (d1, d2))[1], 1.0, 2.0, 0.5, 0.25)
    assert [equation.op.name for equation in program.equations] == ["weighted_sum", "cos", "weighted_sum", "add"]


def test_gradient_of_a_quadratic_form():
    assert lines(simplified(mg.grad(quadratic), X, A, passes="all")) == [
        "b = transpose(a, axes=(1, 0))",
        "c = matvec(b, x)",
        "d = matvec(a, x)",
        "e = add(c, d)",
        "f = multiply(f64(0.5), e)",
        "return (f,)",
    ]
    (equation,) = simplified(mg.grad(lambda x: quadratic(x, A)), X, passes="all").equations
    assert equation.op.name == "matvec"  # a symmetric matrix that is known: A x


def test_hessian_vector_product_of_a_quadratic_form():
    function = lambda x, a, v: mg.jvp(mg.grad(lambda x: quadratic(x, a)), (x,), (v,))[1]
    program = simplified(function, X, A, X[::-1], passes="all")
    names = [equation.op.name for equation in program.equations]
    assert names == ["transpose", "matvec", "matvec", "add", "multiply"], program


def test_gradient_of_least_squares():
    program = simplified(mg.grad(lambda w, x, y: 0.5 * np.sum((x @ w - y) ** 2)), X, A, X[::-1], passes="all")
    assert [equation.op.name for equation in program.equations] == ["matvec", "subtract", "transpose", "matvec"]


def test_gradient_of_a_log_density_with_its_factor():
    program = simplified(mg.grad(gaussian, (0, 1)), X, np.linalg.cholesky(A), X[::-1], passes="all")
    names = [equation.op.name for equation in program.equations]
    assert len(names) <= 15, program
    assert names.count("solve_triangular") == 2, program
    assert "negative" not in names, program


@pytest.mark.parametrize(
    ("function", "args", "count"),
    [
        (mg.grad(mg.logsumexp), (X,), LOGSUMEXP),
        (mg.grad(lambda x: np.log(np.sum(np.exp(x)))), (X,), 4),
        (mg.grad(logistic), (X, A, X > 0.5), 15),
        (mg.grad(mixture, (0, 1)), (X[:2], A[:2], A), 6 + LOGSUMEXP + 4),
    ],
)
def test_other_gradients_have_few_equations(function, args, count):
    program = simplified(function, *args, passes="all")
    assert len(program) <= count, program
    names = [equation.op.name for equation in program.equations]
    assert names.count("exp") == 1, program  # responsibilities are computed once
    assert names.count("divide") == 1, program


def test_gradient_of_newtons_method():
    program = simplified(mg.grad(newton), 2.0)
    assert [equation.op.name for equation in program.equations] == ["loop", "loop", "add"]
    forward, backward = (equation.static["body"] for equation in program.equations[:2])
    assert (len(forward), len(backward)) <= (8, 8), program
    assert not any(var.dtype.kind == "i" for body in (forward, backward) for var in body.inputs)


def test_gradient_of_a_condition_is_one_condition():
    program = simplified(mg.grad(lambda x: mg.cond(x > 0, np.sin, lambda x: x * x, x)), 1.0)
    assert [equation.op.name for equation in program.equations] == ["greater", "cond"]
    assert [len(branch) for branch in program.equations[1].static["branches"]] == [1, 1]


# Rewrites -----------------------------------------------------------------------------------------------------------

INTEGERS = np.array([3, -7, 0, 2**62])
FLAGS = np.array([True, False])
WRITTEN = {  # function, argument, number of equations
    "times one": (lambda x: x * 1.0, SPECIAL, 0),
    "minus zero": (lambda x: x - 0.0, SPECIAL, 0),
    "plus minus zero": (lambda x: x + -0.0, SPECIAL, 0),
    "plus zero": (lambda x: x + 0.0, SPECIAL, 1),
    "zero minus": (lambda x: 0.0 - x, SPECIAL, 1),
    "times zero": (lambda x: x * 0.0, SPECIAL, 1),
    "signs": (lambda x: (-x) * (-x) + np.negative(-x), SPECIAL, 2),
    "times minus one": (lambda x: -(x * -1.0), SPECIAL, 0),
    "sign of a factor": (lambda x: -(2.0 * x), SPECIAL, 1),
    "power of two": (lambda x: x / 4.0, SPECIAL, 1),
    "commuted": (lambda x: np.sin(x * X[0]) + np.sin(X[0] * x), SPECIAL, 3),
    "integer counter": (lambda i: i + 1 - 1, INTEGERS, 0),
    "integer constants": (lambda i: i + 3 + 4, INTEGERS, 1),
    "integer times one": (lambda i: i * 1, INTEGERS, 0),
    "and true": (lambda p: np.logical_and(p, True), FLAGS, 0),
    "or false": (lambda p: np.logical_or(False, p), FLAGS, 0),
    "xor true": (lambda p: np.logical_not(np.logical_xor(p, True)), FLAGS, 0),
    "same choice": (lambda x: np.where(x > 0, x, x), SPECIAL, 0),
    "choice in choice": (lambda x: np.where(x > 0, np.where(x > 0, x, 1.0), 2.0), SPECIAL, 2),
    "transposes": (lambda x: x.T.T, A, 0),
    "reshapes": (lambda x: x.reshape(9).reshape(3, 3), A, 0),
    "all of it": (lambda x: x[:, 0:3], A, 0),
    "stack": (lambda x: np.stack([x, 2 * x, np.sin(x)])[0], X, 0),
    "part of what is joined": (lambda x: np.concatenate([np.sin(x), x])[3:], X, 0),
    "across what is joined": (lambda x: np.concatenate([np.sin(x), x])[2:4], X, 3),
    "padded and cut": (lambda x: np.pad(x, 2)[2:5], SPECIAL[:3], 1),
    "beside what is padded": (lambda x: np.pad(x, 2)[:2] + 1.0, X, 0),
    "stretched": (lambda x: np.broadcast_to(x[0], (3,)) * x, X, 2),
    "sum over nothing": (lambda x: np.sum(x, axis=()), SPECIAL, 1),
    "real": (lambda x: np.conjugate(np.real(x)), SPECIAL, 0),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_rewrites_are_exact(name):
    function, x, count = WRITTEN[name]
    program = simplified(function, x)
    assert len(program) <= count, program


def updated(y, *pairs):
    for form, value in pairs:
        y = TABLE["update"](y, value, form=form)
    return y


@pytest.mark.parametrize(
    ("first", "second", "read", "names"),
    [
        (np.s_[0], np.s_[1], np.s_[0], []),
        (np.s_[0], np.s_[1], np.s_[2], ["index"]),
        (np.s_[0:2], np.s_[2], np.s_[0:2], []),
        (np.s_[0], np.s_[0], np.s_[:], ["update"]),
        (np.s_[0:2], np.s_[1], np.s_[0:2], ["update", "update", "index"]),
        (np.s_[::2], np.s_[1::2], np.s_[::2], []),
    ],
)
def test_what_was_written_is_read(first, second, read, names):
    from mixgrad.rules.index import take_apart

    forms = [take_apart(key)[0] for key in (first, second)]
    y = np.arange(6.0)
    one, two = np.sin(y[first]), np.cos(y[second])
    program = simplified(lambda y, one, two: updated(y, (forms[0], one), (forms[1], two))[read], y, one, two)
    assert [equation.op.name for equation in program.equations] == names, program


@pytest.mark.parametrize(
    ("written", "read", "names"),
    [
        (([0, 1, 2], [0, 1, 2]), ([1, 2, 2], [0, 0, 1]), ["index"]),  # below the diagonal, which was written
        (([0, 1, 2], [0, 1, 2]), ([-1, 2, 2], [0, 1, -1]), ["update", "index"]),  # the last one is on it
        (([0, -2], [1, 2]), ([1, 0], [2, 2]), ["update", "index"]),
        ((slice(0, 2), [0, 1]), (slice(0, 2), [2]), ["index"]),
        ((0, [0, 1]), ([1, 2], slice(None)), ["index"]),
        ((0, [0, 1]), ([0, 2], slice(None)), ["update", "index"]),
        (([0, 1], None, [0, 1]), ([2], [0]), ["update", "index"]),  # a new axis: nobody looks closely
    ],
)
def test_reads_of_other_cells_do_not_wait_for_writes(written, read, names):
    def function(x, value):
        y = np.sin(x)
        y[written] = value
        return y[read]

    x = np.arange(9.0).reshape(3, 3)
    value = np.cos(x[written])
    program = simplified(function, x, value)
    assert [equation.op.name for equation in program.equations] == ["sin", *names], program


# Loops and branches -------------------------------------------------------------------------------------------------


def test_what_does_not_change_leaves_a_loop():
    def f(x, a):
        step = lambda carry, y: ((carry[0] * np.sin(a) + y, carry[1]), carry[1])
        (last, kept), stack = mg.scan(step, (x, 2.0), np.arange(4.0))
        return last, kept, stack

    program = simplified(f, 0.3, 0.7)
    assert [equation.op.name for equation in program.equations] == ["sin", "loop"], program
    assert program.outputs[1] == 2.0
    np.testing.assert_array_equal(program.outputs[2], np.full(4, 2.0))


def test_a_loop_that_may_make_no_step_computes_nothing_before():
    step = lambda c: (c[0] * np.exp(c[1]), c[1])
    f = lambda x, a: mg.while_loop(lambda c: c[0] < 10.0, step, (x, a))
    (equation,) = simplified(f, 1.0, 0.7).equations
    assert equation.op.name == "loop"


@pytest.mark.parametrize("reverse", [False, True])
def test_counters_are_known(reverse):
    f = lambda x: mg.scan(lambda c, y: ((c[0] + 1, c[1] * y), c[0]), (5, x), np.arange(1.0, 4.0), reverse=reverse)
    program = simplified(f, 0.5)
    assert sorted(map(np.shape, program.outputs)) == [(), (), (3,)]
    assert sum(isinstance(output, Var) for output in program.outputs) == 1, program


def test_a_known_condition_is_its_branch():
    f = lambda x: mg.scan(lambda c, _: (mg.cond(c > 0, np.sin, np.cos, c), None), x, None, length=2)[0]
    assert len(simplified(f, 0.5)) == 1
    program = mg.trace(lambda p, x: mg.cond(p, np.sin, np.cos, x))(True, 0.5)
    known = Program(
        program.inputs[1:], tuple(_with_true(e, program.inputs[0]) for e in program.equations), program.outputs
    )
    (equation,) = check(simplify(known)).equations
    assert equation.op.name == "sin"


def _with_true(equation, pred):
    args = tuple(True if arg is pred else arg for arg in equation.args)
    return Equation(equation.outs, equation.op, args, equation.static)


def test_conditions_with_one_predicate_become_one():
    def f(p, x):
        a = mg.cond(p, np.sin, np.cos, x)
        b = mg.cond(np.logical_not(p), np.exp, np.log, x)
        return a * b

    for p in (True, False):
        program = simplified(f, p, 0.5)
        assert [equation.op.name for equation in program.equations] == ["cond", "multiply"], program


# Contractions -------------------------------------------------------------------------------------------------------

CONTRACTIONS = {
    "vecdot": (lambda a, b: np.sum(a[0] * b[0]), ["index", "index", "vecdot"]),
    "matvec": (lambda a, b: np.sum(a * b[0], axis=1), ["index", "matvec"]),
    "matmul": (lambda a, b: np.sum(a[:, :, None] * b[None], axis=1), ["matmul"]),
    "einsum": (lambda a, b: np.sum(a.T[:, None, :] * b, axis=(0, 2)), ["einsum"]),
    "transposes": (lambda a, b: a.T @ b.T, ["matmul", "transpose"]),
}


@pytest.mark.parametrize("name", CONTRACTIONS)
def test_sums_of_products_are_contractions(name, random):
    function, names = CONTRACTIONS[name]
    a, b = random.normal(size=(2, 3, 3))
    program = simplified(function, a, b, passes="all")
    assert sorted(equation.op.name for equation in program.equations) == sorted(names), program
    exact = simplified(function, a, b)
    for special in (np.nan, np.inf, -np.inf, 0.0):
        a[1, 2] = special
        with np.errstate(all="ignore"):
            for got, want in zip(interpret(program, a, b), interpret(exact, a, b)):
                np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_strong_products_are_no_contractions():
    f = lambda x, y: mg.jvp(lambda x: np.sum(x * y), (x,), (np.sqrt(y),))[1]
    program = check(simplify(mg.trace(f)(X, np.abs(X)), "all"))
    with np.errstate(all="ignore"):
        assert interpret(program, X, np.array([0.0, 4.0, 1.0]))[0] == 9.0


# Names of passes, and length ----------------------------------------------------------------------------------------


def test_passes_have_names():
    program = mg.trace(lambda x: np.sin(x) + np.sin(x))(1.0)
    assert len(simplify(program, ["share"])) == len(simplify(program, "share")) == 2
    assert len(simplify(program, {"nothing": lambda program: program})) == 3
    assert simplify(program, ["rewrite"]) is program
    with pytest.raises(ValueError, match=r"no pass 'shared'. Give 'exact', 'all', or some of .*share.*contract"):
        simplify(program, ["share", "shared"])


@pytest.mark.parametrize("name", PASSES)
def test_each_pass_alone_gives_the_same(name):
    programs = [
        mg.trace(mg.grad(newton))(2.0),
        mg.trace(mg.grad(mixture, (0, 1)))(X[:2], A[:2], A),
        mg.trace(mg.grad(lambda x: mg.cond(x > 0, np.sin, lambda x: x * x, x)))(1.0),
        mg.trace(lambda x: np.where(x > 0, np.sqrt(x), -x / 2.0)[::-1] * 1.0)(SPECIAL),
    ]
    for program, args in zip(programs, [(2.0,), (X[:2], A[:2], A), (1.0,), (SPECIAL,)]):
        simple = check(simplify(program, [name]))
        with np.errstate(all="ignore"):
            for got, want in zip(interpret(simple, *args), interpret(program, *args)):
                if name in EXACT:
                    same_bits(got, want)
                else:
                    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("offset", range(8))
def test_random_programs_keep_their_bits(offset, seed):
    source = random_program(seed % 10_000 + offset)
    leaves = mg._tree.flatten(source.argument)[0]
    with np.errstate(all="ignore"):
        try:
            program = mg.trace(lambda x: mg.jvp(source.function, (x,), (x,)))(source.argument)
        except mg.MixgradError:  # a shape, or a branch, depends on values
            return
        want = interpret(program, *leaves)
        for passes in [*([name] for name in EXACT), "exact"]:
            for a, b in zip(interpret(check(simplify(program, passes)), *leaves), want, strict=True):
                same_bits(a, b)
        check(simplify(program, "all"))


def steps(count, step):
    """Return a program of equations one after the other; `step` gives op and arguments of the next."""
    x = last = Var((), np.dtype(float), "x")
    equations = []
    for i in range(count):
        name, args = step(i, x, last)
        last = Var((), np.dtype(float))
        equations.append(Equation((last,), TABLE[name], args))
    return Program((x,), tuple(equations), (last,))


@pytest.mark.parametrize(
    ("step", "count"),
    [
        (lambda i, x, last: ("sin", (last,)), 100_000),
        (lambda i, x, last: ("negative", (last,)), 0),
        (lambda i, x, last: ("sin", (x,)) if i % 3 else ("add", (last, x)), 2),
    ],
)
def test_long_programs(step, count):
    assert len(simplify(steps(100_000, step))) == count
