"""Programs: traced, checked, printed and read back, interpreted, simplified; always to the last bit."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.core.program import Equation, Program, Var, check
from mixgrad.program.simplify import PASSES, simplify
from mixgrad.program.to_text import parse, to_text

X = np.array([0.3, -1.2, 2.5])
A = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])


def gaussian(m, x, factor):
    z = mg.solve_triangular(factor, x - m, lower=True)
    return -0.5 * np.sum(z**2) - np.sum(np.log(np.diagonal(factor)))


def special(x):
    y = np.where(x > 0, np.sqrt(np.abs(x)), -0.0) * np.inf
    return np.sum(np.where(np.isfinite(y), y, 0.0)) + np.max(x) - np.prod(x) + x[[0, 0, 2]].sum() + x[::-1][1]


FUNCTIONS = {
    "textbook": (lambda x: x[0] * x[1] + np.sin(x[0]), (X,)),
    "logsumexp": (mg.logsumexp, (X,)),
    "quadratic form": (lambda x, a: x @ a @ x, (X, A)),
    "gaussian": (gaussian, (X, X[::-1], np.linalg.cholesky(A))),
    "special": (special, (X,)),
    "linear algebra": (lambda a: np.linalg.slogdet(a)[1] + np.sum(np.linalg.inv(a)), (A,)),
    "einsum": (lambda a, x: np.einsum("ij,j,i->", a, x, x), (A, X)),
    "containers": (lambda p: np.sum(p["a"] * p["b"][0]), ({"a": X, "b": (2.0,)},)),
}

TRANSFORMS = {
    "value": lambda f: f,
    "gradient": mg.grad,
    "Jacobian": mg.jacfwd,
    "Hessian": mg.hessian,
    "batch": lambda f: (
        lambda *args: mg.vmap(f)(*[mg._tree.map_leaves(lambda a: np.stack([a, 2 * a]), p) for p in args])
    ),
    "Taylor": lambda f: lambda x, *rest: mg.taylor(lambda x: f(x, *rest), x, x, 3),
}


def flat(tree):
    return mg._tree.flatten(tree)[0]


def same_bits(a, b):
    a, b = np.asarray(a), np.asarray(b)
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_way_of_running_gives_the_same_bits(name, transform):
    function, args = FUNCTIONS[name]
    transformed = TRANSFORMS[transform](function)
    leaves = flat(args)
    with np.errstate(all="ignore"):
        expected = flat(transformed(*args))
        program = check(mg.trace(transformed)(*args))
        simple = check(mg.simplify(program))
        read = check(parse(to_text(simple)))
        assert to_text(read) == to_text(simple)
        for way in (program, simple, read):
            for got, want in zip(interpret(way, *leaves), expected, strict=True):
                same_bits(got, want)
    assert len(simple) <= len(program)


@pytest.mark.parametrize("name", PASSES)
def test_each_pass_is_exact_and_well_formed(name):
    program = mg.trace(mg.hessian(gaussian))(*FUNCTIONS["gaussian"][1])
    after = check(simplify(program, {name: PASSES[name]}))
    args = FUNCTIONS["gaussian"][1]
    same_bits(interpret(program, *args)[0], interpret(after, *args)[0])


@pytest.mark.parametrize(
    ("function", "args", "count"),
    [
        (lambda x, y: mg.grad(lambda x, y: x * y + np.sin(x), (0, 1))(x, y), (1.0, 2.0), 2),  # cos, add
        (mg.grad(lambda x: np.exp(x)), (1.0,), 1),
        (mg.grad(lambda x: x * x), (1.0,), 1),  # x + x
        (mg.grad(lambda x, a: x @ a @ x), (X, A), 4),  # a.T, two products, their sum
        (lambda x: x * 1.0 - 0.0, (X,), 0),
        (lambda x: np.sin(x) + np.sin(x), (X,), 2),
        (lambda x: x + np.sum(np.arange(3.0)) * 2, (X,), 1),
        (lambda x: x.reshape(3, 1).reshape(1, 3).reshape(3), (X,), 0),
    ],
)
def test_no_equation_that_a_careful_person_would_not_write(function, args, count):
    assert len(check(mg.simplify(mg.trace(function)(*args)))) == count


@pytest.mark.parametrize(
    "function",
    [lambda x: x * 0.0, lambda x: x + 0.0, lambda x: x - x, lambda x: 0.0 - x, lambda x: x / x, lambda x: x**1.0 * 0],
)
def test_no_rewrite_loses_nan_inf_or_negative_zero(function):
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0])
    with np.errstate(all="ignore"):
        program = mg.simplify(mg.trace(function)(x))
        same_bits(interpret(program, x)[0], function(x))


def test_text():
    program = mg.trace(lambda x, y: x * y + np.sin(x))(1.0, np.ones(2))
    assert to_text(program) == (
        "def program(x: f64, y: f64[2]):\n"
        "    a = multiply(x, y)  # f64[2]\n"
        "    b = sin(x)  # f64\n"
        "    c = add(a, b)  # f64[2]\n"
        "    return (c,)\n"
    )


def test_constants_survive_printing():
    special = (np.nan, -np.inf, -0.0, 1e-320, np.float32(0.1), np.array([[1j, np.nan]]), np.zeros((0, 2)), True, 3, 0.1)
    program = Program((), (), special, "constants")
    read = parse(to_text(program))
    for got, want in zip(read.outputs, special, strict=True):
        assert type(got) is type(want)
        same_bits(got, want) if np.asarray(want).dtype.kind != "c" else np.testing.assert_array_equal(got, want)
    assert to_text(read) == to_text(program)


def test_tracing_is_linear_and_does_not_recurse():
    def f(x):
        for function in [np.sin] * 10_000:  # a list: each step may be another one
            x = function(x)
        return x

    program = mg.trace(mg.grad(f))(0.5)
    assert len(check(program)) == 3 * 10_000  # sin, cos, product
    assert len(check(mg.simplify(program))) == 3 * 10_000 - 2


def test_determinants_are_right_whatever_the_rank_though_values_are_unknown():
    for matrix in (A, np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])):
        (hessian,) = interpret(mg.trace(mg.hessian(np.linalg.det))(A), matrix)
        np.testing.assert_allclose(hessian, mg.hessian(np.linalg.det)(matrix), rtol=1e-12, atol=1e-12)


def test_a_program_is_a_function_of_any_mode():
    program = mg.trace(lambda x: np.sum(np.sin(x) * x))(X)
    run = lambda x: interpret(program, x)[0]
    same_bits(mg.grad(run)(X), mg.grad(lambda x: np.sum(np.sin(x) * x))(X))


F64 = np.dtype(float)


def malformed():
    from mixgrad.core.op import TABLE

    x, y, z = Var((), F64, "x"), Var((), F64, "y"), Var((2,), F64, "z")
    sin = TABLE["sin"]
    yield "used before it is assigned", Program((x,), (Equation((z,), sin, (y,)),), (z,))
    yield "assigned twice", Program((x, x), (), (x,))
    yield "the row says", Program((x,), (Equation((z,), sin, (x,)),), (z,))
    yield "never assigned", Program((x,), (), (y,))


@pytest.mark.parametrize(("message", "program"), list(malformed()))
def test_check_refuses(message, program):
    with pytest.raises(mg.ProgramError, match=message):
        check(program)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(x: f64)\n", "not the text of a program"),
        ("x = 1\n", "one function that ends with return"),
        ("def f(x):\n    return (x,)\n", "line 1: input x has no type"),
        ("def f(x: g64):\n    return (x,)\n", "line 1: g64 is not a dtype"),
        ("def f(x: f64):\n    a = sine(x)\n    return (a,)\n", "line 2: the table has no row 'sine'"),
        ("def f(x: f64):\n    a = sin(y)\n    return (a,)\n", "line 2: y is neither assigned before nor a number"),
        ("def f(x: f64):\n    a = x\n    return (a,)\n", "line 2: expected"),
    ],
)
def test_reading_refuses_with_the_line(text, message):
    with pytest.raises(mg.ProgramError, match=message):
        parse(text)


@pytest.mark.parametrize("function", [lambda x: f"{x}", lambda x: x.tolist()[0].__int__()])
def test_values_are_not_known_while_tracing(function):
    with pytest.raises(mg.StagingError, match=r"is not known while a function is being traced.*np\.where"):
        mg.trace(function)(X)


def test_interpreting_checks_shapes():
    program = mg.trace(np.sin)(X)
    with pytest.raises(mg.ShapeError, match=r"input x has the shape \(3,\), got \(2,\)"):
        interpret(program, np.ones(2))
    with pytest.raises(mg.ShapeError, match="takes 1 arrays, got 2"):
        interpret(program, X, X)


def test_arrays_of_equal_numbers_print_as_one():
    program = mg.trace(lambda x: x + np.zeros((3, 2)) + np.array([-0.0, -0.0]) + np.array([0.0, -0.0]))(np.ones((3, 2)))
    text = to_text(program)
    assert "f64(0.0, (3, 2))" in text
    assert "f64(-0.0, (2,))" in text
    assert "f64([0.0, -0.0])" in text
    assert to_text(parse(text)) == text
    for read, written in zip(parse(text).equations, program.equations):
        for a, b in zip(read.args, written.args):
            if isinstance(b, np.ndarray):
                np.testing.assert_array_equal(np.signbit(a), np.signbit(b))
                assert a.shape == b.shape
