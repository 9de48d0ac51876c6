"""Loops and branches, in every mode and as programs, against the same code in plain Python."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.core.program import check
from mixgrad.program.to_text import parse, to_text

from .control_cases import CASES

EVERY = pytest.mark.parametrize("name", CASES)


def flat(tree):
    return [np.asarray(leaf) for leaf in mg._tree.flatten(tree)[0]]


def both(function):
    return lambda *args: mg.grad(function, (0, 1))(*args)


TRANSFORMS = {
    "value": lambda f: f,
    "gradient": both,
    "forward": lambda f: lambda *args: mg.jvp(f, args, args),
    "forward over reverse": lambda f: mg.jacfwd(both(f), (0, 1)),
    "reverse over reverse": lambda f: mg.jacrev(both(f), (0, 1)),
    "forward over forward": lambda f: mg.jacfwd(mg.jacfwd(f, (0, 1)), (0, 1)),
    "reverse over forward": lambda f: mg.jacrev(mg.jacfwd(f, (0, 1)), (0, 1)),
    "Taylor": lambda f: lambda x, y: mg.taylor(lambda x: f(x, y), x, x, 4),
    "gradient of Taylor": lambda f: lambda x, y: mg.jacrev(lambda y: mg.taylor(lambda x: f(x, y), x, x, 2))(y),
}
THIRD = {
    "forward over reverse over reverse": lambda f: mg.jacfwd(mg.jacrev(both(f), (0, 1)), (0, 1)),
    "reverse over reverse over reverse": lambda f: mg.jacrev(mg.jacrev(both(f), (0, 1)), (0, 1)),
}


def close(got, want, rounding=1e-11):
    for a, b in zip(flat(got), flat(want), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=0, atol=rounding * max(1.0, np.max(np.abs(b), initial=0.0)))


def traced(function, args):
    """Trace a function; return the results of its program, which must survive all that programs can undergo."""
    program = check(mg.trace(function)(*args))
    simple = check(mg.simplify(program))
    read = check(parse(to_text(simple)))
    assert to_text(read) == to_text(simple)
    assert to_text(parse(to_text(program))) == to_text(program)
    results = [interpret(way, *flat(args)) for way in (program, simple, read)]
    close(results[1], results[0], 1e-14)
    close(results[2], results[1], 0)
    return list(results[0])


@EVERY
def test_value_and_gradient_by_difference_quotients(name, random):
    case = CASES[name]
    args = case.make(random)
    close(case.function(*args), case.plain(*args), 1e-14)
    leaves, structure = mg._tree.flatten(args)
    directions = [random.normal(size=np.shape(leaf)) for leaf in leaves]

    def along(t):
        return case.plain(*structure.unflatten([leaf + t * v for leaf, v in zip(leaves, directions)]))

    h = 1e-5  # small: where the number of steps changes, functions jump
    quotient = (8 * (along(h) - along(-h)) - along(2 * h) + along(-2 * h)) / (12 * h)
    gradient = flat(mg.grad(case.function, (0, 1))(*args))
    slope = sum(np.sum(g * v) for g, v in zip(gradient, directions))
    assert slope == pytest.approx(quotient, rel=1e-6, abs=1e-6)
    assert mg.jvp(case.function, args, structure.unflatten(directions))[1] == pytest.approx(slope, rel=1e-12, abs=1e-12)


@EVERY
@pytest.mark.parametrize("transform", [*TRANSFORMS, *THIRD])
def test_as_a_program(name, transform, random):
    case = CASES[name]
    args = case.make(random)
    change = (TRANSFORMS | THIRD)[transform]
    want = change(case.plain)(*args)
    close(change(case.function)(*args), want)
    if transform in THIRD:
        program = check(mg.trace(change(case.function))(*args))
        close(list(interpret(program, *flat(args))), flat(want))
    else:
        close(traced(change(case.function), args), flat(want))


COMPILED_AT_ONCE = ("value", "gradient")


@pytest.mark.parametrize(
    ("name", "transform"),
    [
        pytest.param(name, transform, marks=[] if transform in COMPILED_AT_ONCE else [pytest.mark.long])
        for name in CASES
        for transform in [*TRANSFORMS, *THIRD]
    ],
)
def test_compiled(name, transform, random):
    case = CASES[name]
    args = case.make(random)
    change = (TRANSFORMS | THIRD)[transform]
    close(mg.jit(change(case.function))(*args), change(case.plain)(*args))


@pytest.mark.parametrize(
    ("name", "transform"),
    [
        pytest.param(name, transform, marks=[] if number % 4 == 1 and transform == "gradient" else [pytest.mark.long])
        for number, name in enumerate(CASES)
        for transform in ("value", "gradient", "forward over reverse", "Taylor")
    ],
)
def test_compiled_batches(name, transform, random):
    case = CASES[name]
    members = [case.make(random) for _ in range(3)]
    structure = mg._tree.flatten(members[0])[1]
    batch = structure.unflatten([np.stack(leaves) for leaves in zip(*map(flat, members))])
    want = [np.stack(parts) for parts in zip(*[flat(TRANSFORMS[transform](case.plain)(*args)) for args in members])]
    close(list(flat(mg.jit(mg.vmap(TRANSFORMS[transform](case.function)))(*batch))), want)


@EVERY
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_derivatives_of_a_program(name, transform, random):
    """The rows on arrays: what was traced first is differentiated afterwards."""
    case = CASES[name]
    args = case.make(random)
    program = mg.trace(case.function)(*args)
    structure = mg._tree.flatten(args)[1]
    change = TRANSFORMS[transform]

    def run(*args):
        return interpret(program, *mg._tree.flatten(args)[0])[0]

    assert mg._tree.flatten(args)[1] == structure
    close(change(run)(*args), change(case.plain)(*args))


@EVERY
@pytest.mark.parametrize("transform", ["value", "gradient", "forward over reverse", "reverse over reverse", "Taylor"])
def test_batches(name, transform, random):
    case = CASES[name]
    members = [case.make(random) for _ in range(3)]
    if name == "branch taken":
        members[1] = CASES["branch not taken"].make(random)
    if name == "loop in a branch":
        members[1] = CASES["loop in the other"].make(random)
    structure = mg._tree.flatten(members[0])[1]
    batch = structure.unflatten([np.stack(leaves) for leaves in zip(*map(flat, members))])
    function = TRANSFORMS[transform](case.function)
    want = [np.stack(parts) for parts in zip(*[flat(TRANSFORMS[transform](case.plain)(*args)) for args in members])]
    close(list(flat(mg.vmap(function)(*batch))), want)
    close(traced(mg.vmap(function), batch), want)


@EVERY
def test_gradient_of_a_batch(name, random):
    case = CASES[name]
    members = [case.make(random) for _ in range(3)]
    structure = mg._tree.flatten(members[0])[1]
    batch = structure.unflatten([np.stack(leaves) for leaves in zip(*map(flat, members))])
    total = both(lambda *args: np.sum(mg.vmap(case.function)(*args)))
    want = [np.stack(parts) for parts in zip(*[flat(both(case.plain)(*args)) for args in members])]
    close(flat(total(*batch)), want)
    close(traced(total, batch), want)


def test_members_that_stop_at_once_are_left_alone(mg):
    """What the body would give for them, nan and inf, must not be seen."""

    def f(x):
        return mg.while_loop(lambda s: s > 0.5, lambda s: np.log(s) * 0.9, x)

    x = np.array([2.0, 0.3, -1.0, 3.0])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(mg.vmap(mg.grad(f))(x), [mg.grad(f)(v) for v in x])
        np.testing.assert_array_equal(mg.vmap(mg.grad(mg.grad(f)))(x), [mg.grad(mg.grad(f))(v) for v in x])
        np.testing.assert_array_equal(mg.grad(lambda x: np.sum(mg.vmap(f)(x)))(x), [mg.grad(f)(v) for v in x])


# Programs -------------------------------------------------------------------------------------------------------------


def power(n):
    return lambda x: mg.fori_loop(0, n, lambda i, y: np.sin(y) * x + i * 1e-3, x)


@pytest.mark.parametrize("transform", ["value", "gradient", "forward over reverse"])
def test_the_size_of_a_program_does_not_depend_on_the_number_of_steps(transform):
    change = {"value": lambda f: f, "gradient": mg.grad, "forward over reverse": mg.hessian}[transform]
    few, many = (mg.trace(change(power(n)))(0.5) for n in (2, 10_000))
    assert len(few) == len(many)
    assert len(to_text(many)) - len(to_text(few)) <= 40 * len(str(10_000))


def test_ten_thousand_steps():
    f = power(10_000)
    (got,) = interpret(mg.trace(mg.grad(f))(0.9), 0.9)
    assert got == pytest.approx(mg.grad(f)(0.9), rel=1e-10)
    assert mg.jit(mg.grad(f))(0.9) == pytest.approx(got, rel=1e-10)


def test_what_does_not_change_in_a_loop_is_not_kept_for_each_step():
    def f(a, x):
        return mg.fori_loop(0, 7, lambda i, x: np.tanh(np.exp(a) * x), x)

    program = mg.simplify(mg.trace(mg.grad(f))(0.3, 0.5))
    primal, linear = (equation for equation in program.equations if equation.op.name == "loop")
    stacks = [out for out in primal.outs if out.shape == (7,)]
    assert len(stacks) <= 3
    assert linear.static["consts"] >= 1


def stacks_of(program):
    """Return what the loops of a program stack."""
    loops = [equation for equation in program.equations if equation.op.name == "loop"]
    return [out for equation in loops for out in equation.outs[equation.static["carry"] :]]


@pytest.mark.parametrize("reverse", [False, True])
def test_arrays_read_at_a_counter_are_read_slice_by_slice(reverse, random):
    """The cotangent of such an array is not a sum of arrays of zeros."""

    def f(a, x):
        def body(state, _):
            i, s = state
            return (i + 1, np.sin(s) * a[i, 0] + a[i + 1][1] * a[i + 2, 1] ** 2), s

        (_, s), ys = mg.scan(body, (1, x), np.zeros(6), reverse=reverse)
        return s + np.sum(ys**2)

    def plain(a, x):
        total = 0.0
        for i in range(1, 7):
            total = total + x**2
            x = np.sin(x) * a[i, 0] + a[i + 1][1] * a[i + 2, 1] ** 2
        return x + total

    args = (random.normal(size=(9, 2)), 0.7)
    for change in (both, TRANSFORMS["forward over reverse"]):
        close(traced(change(f), args), flat(change(plain)(*args)))
    program = mg.simplify(mg.trace(both(f))(*args))
    assert "scatter" not in [
        e.op.name
        for equation in program.equations
        if equation.op.name == "loop"
        for e in equation.static["body"].equations
        if len(e.outs[0].shape) > 1
    ]


def test_what_a_loop_hands_on_unchanged_is_not_stacked(random):
    def f(a, x):
        return np.sum(mg.fori_loop(0, 5, lambda i, s: (s[0], np.tanh(s[0] @ s[1])), (a, x))[1])

    def plain(a, x):
        for _ in range(5):
            x = np.tanh(a @ x)
        return np.sum(x)

    args = (random.normal(size=(3, 3)), random.normal(size=3))
    close(traced(both(f), args), flat(both(plain)(*args)))
    assert max(len(out.shape) for out in stacks_of(mg.simplify(mg.trace(both(f))(*args)))) == 2


def test_results_that_nobody_uses_are_left_out():
    def f(x):
        c, _ = mg.scan(lambda c, v: ((c[0] * v, c[1] + c[0]), (c[0], c[1] * v)), (1.0, x[0]), x)
        return c[0]

    (equation,) = mg.simplify(mg.trace(f)(np.arange(1.0, 4.0))).equations
    assert len(equation.outs) == 1
    assert equation.static["carry"] == 1
    assert interpret(mg.simplify(mg.trace(f)(np.ones(3))), np.arange(1.0, 4.0)) == (6.0,)


def test_text():
    program = mg.trace(lambda x: mg.while_loop(lambda x: x < 100.0, lambda x: x * x, x))(2.0)
    lines = to_text(program).splitlines()
    assert lines[1].startswith("    def ")
    assert lines[-2].endswith("# f64")
    assert "test=test, body=body, consts=0, carry=1, length=None, reverse=False" in lines[-2]
    derivative = to_text(mg.trace(mg.grad(lambda x: mg.while_loop(lambda x: x < 100.0, lambda x: x * x, x)))(2.0))
    assert "f64[?]" in derivative


def test_nested_programs_have_names_of_their_own():
    text = to_text(mg.trace(CASES["nested"].function)(0.5, 0.7))
    functions = [line.split("def ")[1].split("(")[0] for line in text.splitlines() if "def " in line]
    assert len(set(functions)) == len(functions)


# Meaning --------------------------------------------------------------------------------------------------------------


def trace_and_run(function, *args):
    program = check(mg.trace(function)(*args))
    return [np.asarray(part) for part in interpret(program, *flat(args))]


@pytest.mark.parametrize("length", [0, 1, 3])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_with_and_without_slices(length, reverse):
    def f(x, xs):
        carry, ys = mg.scan(lambda c, v: (c + v["v"], {"sum": c, "none": None}), x, {"v": xs}, reverse=reverse)
        count, squares = mg.scan(lambda c, v: (c + 1, c * c), 0, length=length, reverse=reverse)
        return carry, ys, count, squares

    xs = np.arange(1.0, 1.0 + length)
    order = xs[::-1] if reverse else xs
    sums = np.concatenate([[0.5], 0.5 + np.cumsum(order)])
    squares = np.arange(length) ** 2
    want = [sums[-1], (sums[:-1][::-1] if reverse else sums[:-1]), length, squares[::-1] if reverse else squares]
    for got in (flat(f(0.5, xs)), trace_and_run(f, 0.5, xs), flat(mg.jit(f)(0.5, xs))):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == np.asarray(b).dtype


def test_numbers_of_python_take_the_type_that_a_step_gives_them():
    x = np.float32(1.5)

    def f(x):
        return mg.fori_loop(0, 3, lambda i, s: s * x + 1, 0), mg.while_loop(lambda s: s < 9, lambda s: s + x, 0)

    for got in (flat(f(x)), trace_and_run(f, x), flat(mg.jit(f)(x))):
        np.testing.assert_array_equal(got, [4.75, 9.0])
        assert got[0].dtype == got[1].dtype == np.float32


def test_integers_and_truth_values_are_carried():
    def f(x):
        def step(state):
            n, _, x = state
            return n + 1, x * x > 50.0, x * x

        n, done, y = mg.while_loop(lambda s: ~s[1] & (s[0] < 5), step, (np.int64(0), np.bool_(False), x))
        return y * n + np.where(done, x, 0.0)

    assert interpret(mg.trace(f)(2.0), 2.0)[0] == f(2.0) == mg.jit(f)(2.0) == 256 * 3 + 2.0
    assert interpret(mg.trace(mg.grad(f))(2.0), 2.0)[0] == mg.grad(f)(2.0) == 8 * 2.0**7 * 3 + 1.0
    x = np.array([2.0, 3.0, 1.0])
    for batch in (mg.vmap(mg.grad(f)), mg.jit(mg.vmap(mg.grad(f)))):
        close(batch(x), np.stack([mg.grad(f)(v) for v in x]))


def test_the_number_of_steps_may_be_unknown():
    def f(x):
        return mg.fori_loop(1, np.astype(np.floor(x * 10), np.int64), lambda i, y: np.sin(y + i) * x, x)

    program, compiled = check(mg.trace(mg.value_and_grad(f))(0.1)), mg.jit(mg.value_and_grad(f))
    for x in (0.05, 0.25, 0.97):
        np.testing.assert_allclose(interpret(program, x), mg.value_and_grad(f)(x), rtol=1e-13)
        np.testing.assert_allclose(compiled(x), mg.value_and_grad(f)(x), rtol=1e-13)


def test_known_predicates_choose_at_once():
    assert len(mg.trace(lambda x: mg.cond(True, np.sin, np.cos, x))(1.0)) == 1
    assert mg.cond(np.float64(0.0), lambda: "yes", lambda: "no") == "no"


def test_branches_may_take_what_is_no_array():
    def f(x):
        return mg.cond(x > 0, lambda x, how: how["f"](x), lambda x, how: x * how["n"], x, {"f": np.sin, "n": 3})

    assert f(0.5) == np.sin(0.5)
    np.testing.assert_array_equal(trace_and_run(f, 0.5), [np.sin(0.5)])
    np.testing.assert_array_equal(mg.vmap(f)(np.array([0.5, -0.5])), [np.sin(0.5), -1.5])


def test_values_of_outer_runs_are_reached_from_inside():
    def f(a, b):
        def inner(x):
            return mg.while_loop(lambda s: s < a * 5, lambda s: s * b + a, x) * a

        return mg.grad(inner)(a) + mg.jvp(inner, (b,), (a,))[1]

    def plain(a, b):
        def inner(x):
            while x < a * 5:
                x = x * b + a
            return x * a

        return mg.grad(inner)(a) + mg.jvp(inner, (b,), (a,))[1]

    args = (0.7, 1.3)
    for change in (both, TRANSFORMS["forward over reverse"], TRANSFORMS["reverse over reverse"]):
        want = change(plain)(*args)
        close(change(f)(*args), want)
        close(traced(change(f), args), flat(want))


def test_derivatives_inside_a_body():
    def f(x):
        return mg.fori_loop(0, 3, lambda i, y: y - 0.1 * mg.grad(lambda y: np.sum(np.cos(y) * x) + y @ y)(y), x)

    def plain(x):
        y = x
        for _ in range(3):
            y = y - 0.1 * (2 * y - np.sin(y) * x)
        return y

    x = np.array([0.3, 0.8])
    close(traced(mg.jacobian(f), (x,)), flat(mg.jacobian(plain)(x)))


@mg.custom_vjp
def doubled(x):
    return x * 2.0


doubled.defvjp(lambda x: (x * 2.0, x), lambda x, bar: (0.5 * bar * np.cos(x),))  # not the derivative, to be seen


@mg.custom_jvp
def halved(x):
    return x / 2.0


halved.defjvp(lambda primals, tangents: (halved(*primals), tangents[0] * primals[0] ** 2))
recomputed = mg.checkpoint(lambda x: np.sin(x) * np.exp(-x))


@pytest.mark.parametrize("rule", [doubled, halved, recomputed], ids=["reverse", "forward", "checkpoint"])
def test_rules_of_users_inside_a_body(rule):
    def loop(x):
        return mg.fori_loop(0, 3, lambda i, y: np.sin(rule(y)) + 0.1 * i, x)

    def branch(x):
        choose = lambda y: mg.cond(y > 1, rule, lambda y: np.cos(rule(y)), y)
        return mg.while_loop(lambda y: y < 3, lambda y: y + 1.0 + 0.1 * choose(y), x)

    for f in (loop, branch):
        changes = (
            mg.grad,
            lambda f: mg.grad(mg.grad(f)),
            lambda f: mg.jacfwd(mg.grad(f)),
            lambda f: lambda x: mg.taylor(f, x, 1.0, 3),
            lambda f: lambda x: mg.vmap(mg.grad(f))(np.stack([x, 0.3])),
        )
        for change in changes:
            want = change(f)(0.4)
            close([np.asarray(part) for part in traced(change(f), (0.4,))], flat(want))


def test_a_rule_of_a_user_must_get_what_it_uses():
    def f(x):
        closed = mg.checkpoint(lambda y: y * x)
        return mg.fori_loop(0, 3, lambda i, y: closed(y), x)

    with pytest.raises(mg.StagingError, match="Pass that value as an argument"):
        mg.trace(f)(1.0)


def test_loops_in_rules_of_users():
    """The backward part is linear in the cotangent, and runs a loop on it."""

    @mg.custom_vjp
    def cube(x):
        return x**3

    def backward(x, bar):
        return (mg.scan(lambda c, v: (c * v, None), 3 * bar, np.stack([x, x]))[0],)

    cube.defvjp(lambda x: (x**3, x), backward)
    x = 1.7
    for change in (mg.grad, lambda f: mg.grad(mg.grad(f)), lambda f: lambda x: mg.jvp(f, (x,), (1.0,))[1]):
        want = change(lambda x: np.sin(x) ** 3)(x)
        close(change(lambda x: cube(np.sin(x)))(x), want)
        close(traced(change(lambda x: cube(np.sin(x))), (x,)), [want])


# Errors ---------------------------------------------------------------------------------------------------------------


def staged(function, *args):
    return lambda: mg.trace(function)(*args)


ERRORS = {
    r"cond: true_fun returns a single array, false_fun returns .*must return the same containers": staged(
        lambda x: mg.cond(x > 0, lambda x: x, lambda x: (x, x), x), 1.0
    ),
    r"result\['a'\] of true_fun is an array of shape \(\) and dtype float64, that of false_fun .*\(2,\)": staged(
        lambda x: mg.cond(x > 0, lambda x: {"a": x}, lambda x: {"a": np.stack([x, x])}, x), 1.0
    ),
    r"result of true_fun is .* dtype float64, that of false_fun .* dtype float32.*astype": staged(
        lambda x: mg.cond(x > 0, lambda x: x, lambda x: x.astype(np.float32), x), 1.0
    ),
    r"cond: the predicate has the shape \(2,\), expected one truth value": lambda: mg.cond(np.ones(2), abs, abs, 1.0),
    r"while_loop: what cond_fun returns has the shape \(2,\)": lambda: mg.while_loop(
        lambda x: x > 0, lambda x: x, np.ones(2)
    ),
    r"while_loop: body_fun must return the containers that it is given, a single array; it returns": lambda: (
        mg.while_loop(lambda x: x > 0, lambda x: (x, x), 1.0)
    ),
    r"fori_loop: body_fun must return the containers": lambda: mg.fori_loop(0, 3, lambda i, x: (x, x), 1.0),
    r"while_loop: body_fun must return what it is given, but state\[1\] is an array of shape \(\) and dtype int64, and "
    r"an array of shape \(\) and dtype float64 comes back": staged(
        lambda x: mg.while_loop(lambda s: s[0] > 0, lambda s: (s[0], s[0] + s[1]), (x, np.int64(1))), 1.0
    ),
    r"scan: f must return what it is given, but state is an array of shape \(\)": staged(
        lambda x: mg.scan(lambda c, v: (c + x, None), 0.0, np.ones(3)), np.ones(2)
    ),
    r"scan: f must return a pair \(carry, y\), got float": lambda: mg.scan(lambda c, x: c + x, 0.0, np.ones(3)),
    r"scan needs one number of steps, got xs\[0\]: 2, xs\[1\]: 3": lambda: mg.scan(None, 0.0, (np.ones(2), np.ones(3))),
    r"scan needs one number of steps, got xs: 2, length: 3": lambda: mg.scan(None, 0.0, np.ones(2), length=3),
    r"scan needs one number of steps, got neither xs nor length": lambda: mg.scan(None, 0.0),
    r"scan: xs\[1\] is a number, expected an array": lambda: mg.scan(None, 0.0, (np.ones(2), 3.0)),
    r"scan: f: result is a str, expected an array or a number": lambda: mg.scan(lambda c, x: (c, "y"), 0.0, np.ones(2)),
    r"while_loop: body_fun: init\[1\] is a str": staged(
        lambda x: mg.while_loop(lambda s: s[0] > 0, lambda s: s, (x, "text")), 1.0
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors(message):
    with pytest.raises(mg.ShapeError, match=message):
        ERRORS[message]()
