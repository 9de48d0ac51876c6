"""Loops whose reverse mode keeps a bounded number of states, against the same loops without a bound."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.interpret import compiled, interpret
from mixgrad.core.program import check, programs_in
from mixgrad.core.revolve import advances
from mixgrad.program.to_text import parse, to_text
from mixgrad.program.writing import helpers
from mixgrad.rules import reversal


def close(got, want, rounding=1e-12):
    for a, b in zip(mg._tree.flatten(got)[0], mg._tree.flatten(want)[0], strict=True):
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
        np.testing.assert_allclose(a, b, rtol=0, atol=rounding * max(1.0, np.max(np.abs(b), initial=0.0)))


def runge_kutta(p, steps, memory=None):
    """A damped pendulum."""

    def slope(y):
        return np.stack([y[1], -p[0] * np.sin(y[0]) - 0.01 * p[1] * y[1]])

    def step(i, y):
        a = slope(y)
        b = slope(y + 0.005 * a)
        c = slope(y + 0.005 * b)
        d = slope(y + 0.01 * c)
        return y + 0.01 / 6 * (a + 2 * b + 2 * c + d)

    return np.sum(mg.fori_loop(0, steps, step, p[2:], memory=memory) ** 2)


def newton(p, memory=None):
    """A cube root, from a start that needs some steps."""

    def step(state):
        x, count = state
        return x - (x**3 - p[0]) / (3 * x**2), count + 1

    return mg.while_loop(lambda s: abs(s[0] ** 3 - p[0]) > 1e-9 * p[1], step, (p[1] * p[2], 0), memory=memory)[0] * p[3]


def scanned(p, memory=None):
    """Slices, stacks, carried integers and truth values, from the last step to the first."""

    def step(carry, x):
        y, count, flag, unchanged = carry
        y = np.where(flag, np.sin(y * x[0]) + unchanged, y * x[1] * 0.1 * count)
        return (y, count + 1, np.logical_not(flag), unchanged), (y * p[0], count)

    xs = np.outer(np.arange(1.0, 8.0), p[:2])
    (y, *_), (ys, _) = mg.scan(step, (p[1], 0, True, p[2]), xs, reverse=True, memory=memory)
    return y + np.sum(ys**2 * np.arange(7.0))


def nested(p, memory=None):
    """A `while` in a loop, in which a value of the outer function is used."""

    def outer(i, x):
        y = mg.while_loop(lambda y: y < 4.0, lambda y: y * (1.5 + 0.1 * p[1] ** 2) + x**2, abs(x) + 0.5)
        z = mg.fori_loop(0, 4, lambda j, z: z + np.sin(p[0] * z) * (i + j), y, memory=2)
        return 0.3 * np.cos(z) + p[2] * x

    return mg.fori_loop(0, 9, outer, p[3], memory=memory)


def sliced(p, memory=None):
    """Elements are read at the place of the counter."""
    table = np.outer(p, p)
    return mg.fori_loop(0, 4, lambda i, x: x * table[i, 1] + np.cos(table[2, i] * x), p[0], memory=memory)


def pairs(p, memory=None):
    """Matrices, in a container."""

    def step(i, s):
        return {"a": 0.5 * s["a"] @ s["b"] + np.eye(2), "b": np.tanh(s["b"] + s["a"].T)}

    s = mg.fori_loop(0, 6, step, {"a": p.reshape(2, 2), "b": np.sin(p.reshape(2, 2))}, memory=memory)
    return np.sum(s["a"] * s["b"])


CASES = {
    "fixed": lambda p, memory=None: runge_kutta(p, 9, memory),
    "while": newton,
    "scan": scanned,
    "nested": nested,
    "slices": sliced,
    "containers": pairs,
}
TRANSFORMS = {
    "value": lambda f: f,
    "gradient": mg.grad,
    "forward": lambda f: lambda p: mg.jvp(f, (p,), (np.cos(p),)),
    "forward over reverse": mg.hessian,
    "reverse over reverse": lambda f: mg.jacrev(mg.grad(f)),
    "reverse over forward": lambda f: mg.grad(lambda p: mg.jvp(f, (p,), (np.cos(p),))[1]),
    "Taylor": lambda f: lambda p: mg.taylor(f, p, np.cos(p), 3),
    "Taylor of gradient": lambda f: lambda p: mg.taylor(mg.grad(f), p, np.cos(p), 3),
    "gradient of Taylor": lambda f: mg.jacrev(lambda p: mg.taylor(f, p, np.cos(p), 2)),
    "linearised": lambda f: lambda p: mg.linearize(f, p)[1](np.cos(p)),
    "third": lambda f: mg.jacfwd(mg.hessian(f)),
    "reverse over forward over reverse": lambda f: mg.jacrev(mg.hessian(f)),
}
EVERY = pytest.mark.parametrize("name", CASES)
LONG = {"fixed", "nested", "third", "reverse over forward over reverse"}  # third derivatives of the longer loops


def point(random):
    return random.uniform(0.5, 1.5, 4)


@EVERY
@pytest.mark.parametrize("memory", [1, 2, 5, 100])
def test_gradients_are_the_same_bit_for_bit(name, memory, random):
    """Those of a recorded loop without a bound, which adds up in the same order."""
    f, p = CASES[name], point(random)
    bounded = mg.grad(lambda p: f(p, memory))(p)
    np.testing.assert_array_equal(bounded, interpret(mg.trace(mg.grad(f))(p), p)[0])
    close(bounded, mg.grad(f)(p), 1e-13)


@pytest.mark.parametrize(
    ("name", "transform"),
    [
        pytest.param(name, transform, marks=[pytest.mark.long] * (name in LONG and transform in LONG))
        for transform in TRANSFORMS
        for name in CASES
    ],
)
def test_every_mode_eager_and_traced(name, transform, random):
    f, p = CASES[name], point(random)
    want = TRANSFORMS[transform](f)(p)
    bounded = TRANSFORMS[transform](lambda p: f(p, 3))
    close(bounded(p), want)
    program = check(mg.trace(bounded)(p))
    simple = check(mg.simplify(program))
    assert to_text(parse(to_text(simple))) == to_text(simple)
    for way in (program, simple, check(parse(to_text(simple)))):
        results = interpret(way, p)
        close(list(results), mg._tree.flatten(want)[0])


@pytest.mark.parametrize(
    ("name", "transform"),
    [
        pytest.param(name, transform, marks=[] if transform == "gradient" else [pytest.mark.long])
        for transform in TRANSFORMS
        for name in CASES
    ],
)
def test_every_mode_compiled(name, transform, random):
    f, p = CASES[name], point(random)
    close(mg.jit(TRANSFORMS[transform](lambda p: f(p, 3)))(p), TRANSFORMS[transform](f)(p))


@EVERY
@pytest.mark.parametrize("transform", ["value", "gradient", "forward over reverse", "reverse over reverse"])
def test_batches(name, transform, random):
    f = CASES[name]
    ps = np.stack([point(random) for _ in range(3)])
    run = TRANSFORMS[transform](lambda p: f(p, 2))
    want = np.stack([TRANSFORMS[transform](f)(p) for p in ps])
    close(mg.vmap(run)(ps), want, 1e-10)
    close(interpret(check(mg.trace(mg.vmap(run))(ps)), ps)[0], want, 1e-10)


@EVERY
def test_gradients_of_batches(name, random):
    f = CASES[name]
    ps = np.stack([point(random) for _ in range(3)])
    got = mg.grad(lambda ps: np.sum(mg.vmap(lambda p: f(p, 2))(ps)))(ps)
    close(got, np.stack([mg.grad(f)(p) for p in ps]), 1e-10)


# What it costs --------------------------------------------------------------------------------------------------------


class Counter:
    """Counts the runs of the programs of one sweep, and the states that it keeps."""

    def __init__(self, monkeypatch):
        self.runs = {"test": 0, "step": 0, "back": 0}
        self.most = 0
        monkeypatch.setattr(reversal, "_Values", self.values())

    def values(counter):
        class Counted(reversal._Values):
            def __init__(self, args, test, step, back, sizes):
                super().__init__(args, test, step, back, sizes)
                for key, program in (("test", test), ("step", step), ("back", back)):
                    if program is not None:
                        setattr(self, key, counter.counting(key, compiled(program)))

        return Counted

    def counting(self, key, function):
        def counted(*args):
            self.runs[key] += 1
            return function(*args)

        return counted


class Kept(dict):
    """Slots for states; knows how many there have been at a time."""

    most = 0

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        type(self).most = max(type(self).most, len(self))


@pytest.mark.parametrize(("steps", "memory"), [(0, 1), (1, 1), (9, 1), (10, 3), (40, 40), (40, 100), (123, 5)])
def test_body_runs_as_often_as_the_schedule_says(steps, memory, random, monkeypatch):
    counter, p = Counter(monkeypatch), point(random)
    want = mg.grad(runge_kutta)(p, steps)
    got = mg.grad(lambda p: runge_kutta(p, steps, memory))(p)
    close(got, want)
    assert counter.runs == {"test": 0, "step": advances(steps, memory), "back": steps}


@pytest.mark.parametrize("steps", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_many_steps_with_twenty_states(steps, random, monkeypatch):
    counter, p = Counter(monkeypatch), point(random)
    monkeypatch.setattr(Kept, "most", 0)
    monkeypatch.setattr(reversal, "Slots", Kept)
    got = mg.grad(lambda p: runge_kutta(p, steps, 20))(p)
    plain = mg.trace(mg.grad(lambda p: runge_kutta(p, steps)))(p)
    np.testing.assert_array_equal(got, interpret(plain, p)[0])
    assert counter.runs == {"test": 0, "step": advances(steps, 20), "back": steps}
    assert Kept.most == 20


def test_a_while_is_counted_first(monkeypatch):
    def halve(x, memory):
        return mg.while_loop(lambda x: x > 1.0, lambda x: x * 0.5, x, memory=memory)

    counter = Counter(monkeypatch)
    assert mg.grad(halve)(1000.0, 3) == 0.5**10
    assert counter.runs == {"test": 11, "step": 10 + advances(10, 3), "back": 10}
    assert mg.grad(halve)(0.5, 3) == 1.0  # no step at all


def stacks(program):
    """Yield the first lengths of what loops return, at any depth."""
    for equation in program.equations:
        if equation.op.name in ("loop", "reversal"):
            yield from (out.shape[0] for out in equation.outs if out.shape)
        for inner in programs_in(equation.static):
            yield from stacks(inner)


@pytest.mark.parametrize("derivative", [mg.grad, mg.hessian])
@pytest.mark.parametrize("f", [lambda p, memory: runge_kutta(p, 57, memory), newton])
def test_programs_stack_nothing(f, derivative, random):
    p = point(random)
    bounded = mg.simplify(mg.trace(derivative(lambda p: f(p, 7)))(p))
    assert not {57, -1} & set(stacks(bounded))
    assert {57, -1} & set(stacks(mg.simplify(mg.trace(derivative(lambda p: f(p, None)))(p))))


@EVERY
@pytest.mark.parametrize("derivative", ["gradient", "forward over reverse"])
@pytest.mark.parametrize("memory", [1, 3])
def test_written_modules_obey_the_schedule(name, derivative, memory, random):
    f, p = CASES[name], point(random)
    program = mg.simplify(mg.trace(TRANSFORMS[derivative](lambda p: f(p, memory)))(p))
    text = program.to_python()
    module: dict = {}
    exec(compile(text, "module", "exec"), module)
    assert "import mixgrad" not in text
    close(module[program.name](p), TRANSFORMS[derivative](f)(p))
    assert f"memory={memory}" in text


def test_the_schedule_of_written_modules_is_the_same():
    calls = []

    def step(i):
        calls.append(i)
        return (i + 1,)

    for steps in range(30):
        for memory in (1, 2, 3, 7, 40):
            calls.clear()
            back = lambda i, order: ((*order, i),)
            (order,) = helpers.reversal(step, back, None, (), (0,), (), ((),), (), steps, False, memory, ())
            assert order == tuple(reversed(range(steps)))
            assert len(calls) == advances(steps, memory)


# Loops of Python ------------------------------------------------------------------------------------------------------


def python_loops(p, n):
    x, v, count = p[0], p[1], 0
    path = np.zeros(n)
    for i in range(n):
        v = v - 0.1 * p[2] * np.sin(x)
        for k in range(3):
            x = x + 0.1 * v / (k + 1)
        path[i] = x
    while x > 0.5:
        x = x * 0.9 + 0.01 * p[3]
        count += 1
    return {"x": x * v, "path": np.sum(path**2), "count": count}


def total(result):
    return result["x"] + result["path"]


@pytest.mark.parametrize("memory", [1, 4])
def test_checkpoint_bounds_loops_of_python(memory, random, monkeypatch):
    p = point(random)
    bounded = mg.checkpoint(python_loops, memory=memory)
    got, want = bounded(p, 20), python_loops(p, 20)
    assert got["count"] == want["count"]
    close(got["path"], want["path"])
    counter = Counter(monkeypatch)
    close(mg.grad(lambda p: total(bounded(p, n=20)))(p), mg.grad(lambda p: total(python_loops(p, 20)))(p))
    assert counter.runs["back"] > 20
    close(mg.hessian(lambda p: total(bounded(p, 20)))(p), mg.hessian(lambda p: total(python_loops(p, 20)))(p))
    program = mg.simplify(mg.trace(mg.grad(lambda p: total(bounded(p, 20))))(p))
    close(interpret(program, p)[0], mg.grad(lambda p: total(python_loops(p, 20)))(p))
    assert -1 not in set(stacks(program))


def test_checkpoint_bounds_loops_by_name_and_leaves_others_alone(random):
    p = point(random)
    program = mg.trace(mg.checkpoint(lambda p: runge_kutta(p, 12), memory=3))(p)
    assert [e.static["memory"] for e in program.equations if e.op.name == "loop"] == [3]
    own = mg.trace(mg.checkpoint(lambda p: runge_kutta(p, 12, 5), memory=3))(p)
    assert [e.static["memory"] for e in own.equations if e.op.name == "loop"] == [5]
    outside = mg.trace(lambda p: runge_kutta(p, 12))(p)
    assert not any("memory" in e.static for e in outside.equations)


def test_checkpoint_differentiates_variables_of_enclosing_functions():
    def power(x, memory):
        def function(start):
            for _ in range(5):
                start = start * x
            return start

        return (function if memory is None else mg.checkpoint(function, memory=memory))(1.0)

    assert mg.grad(power)(2.0, 2) == 80.0
    assert mg.grad(mg.grad(power))(2.0, 2) == mg.grad(mg.grad(power))(2.0, None) == 160.0


def test_nested_derivatives_do_not_mix(random):
    def inner(q, memory):
        def loop(x):
            return mg.fori_loop(0, 5, lambda i, y: y * np.sin(q * y) + x, x, memory=memory)

        return mg.grad(loop)(q * 1.1)

    q = random.uniform(0.5, 0.9)
    close(mg.grad(inner)(q, 2), mg.grad(inner)(q, None))


def test_a_python_number_takes_the_type_that_the_loop_gives_it():
    f = lambda x, memory: mg.fori_loop(0, 3, lambda i, y: y * x + i, 1, memory=memory)
    assert mg.grad(f)(2.0, 2) == mg.grad(f)(2.0, None)
    x = np.float32(2.0)
    assert mg.grad(f)(x, 2).dtype == np.float32


def test_strong_zeros_in_a_sweep():
    def f(x, memory):
        step = lambda i, y: np.where(y > 0, np.sqrt(np.where(y > 0, y, 0.0)), 0.0 * y)
        return mg.fori_loop(0, 3, step, x, memory=memory)

    assert mg.grad(f)(0.0, 2) == mg.grad(f)(0.0, None) == 0.0
    assert mg.grad(f)(4.0, 2) == mg.grad(f)(4.0, None)


def test_loops_without_steps(random, mg):
    p = point(random)
    step = lambda i, y: y * p[0]
    assert mg.grad(lambda x: mg.fori_loop(3, 1, step, x, memory=2))(2.0) == 1.0
    empty = lambda c: mg.scan(lambda c, x: (c * x, c), c, np.zeros(0), memory=2)
    assert mg.grad(lambda c: empty(c)[0])(2.0) == 1.0
    assert mg.grad(lambda c: np.sum(empty(c)[1]))(2.0) == 0.0
    assert empty(2.0)[1].shape == (0,)


def test_explain_looks_into_sweeps():
    def f(x):
        return mg.fori_loop(0, 3, lambda i, y: np.sqrt(y) - 1.0, x, memory=2)

    assert "nothing to report" in str(mg.explain(lambda x: f(x + 0.5))(100.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        assert "nan" in str(mg.explain(f)(1.5))


# Errors ---------------------------------------------------------------------------------------------------------------

REFUSED = pytest.mark.parametrize("memory", [0, -3, 2.0, "2", True, np.float64(3)])


@REFUSED
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("while_loop", lambda m: mg.while_loop(lambda x: x > 1, lambda x: x / 2, 4.0, memory=m)),
        ("fori_loop", lambda m: mg.fori_loop(0, 3, lambda i, x: x, 1.0, memory=m)),
        ("scan", lambda m: mg.scan(lambda c, x: (c, c), 1.0, length=3, memory=m)),
        ("checkpoint", lambda m: mg.checkpoint(np.sin, memory=m)),
    ],
)
def test_memory_is_a_positive_integer(name, call, memory):
    with pytest.raises(ValueError, match=rf"^{name}: memory= .* an integer, at least 1, got"):
        call(memory)


def test_numbers_of_numpy_are_integers(mg):
    assert mg.grad(lambda x: mg.fori_loop(0, 3, lambda i, y: y * x, 1.0, memory=np.int32(2)))(2.0) == 12.0


def test_a_body_that_needs_values_is_refused():
    with pytest.raises(mg._errors.StagingError, match="not known while a function is being traced"):
        mg.grad(lambda x: mg.fori_loop(0, 3, lambda i, y: y * float(format(y, ".3f")), x, memory=2))(2.0)


def test_programs_are_checked(random):
    text = to_text(mg.simplify(mg.trace(mg.grad(lambda p: runge_kutta(p, 12, 3)))(point(random))))
    check(parse(text))
    with pytest.raises(mg._errors.ProgramError, match="memory="):
        check(parse(text.replace("memory=3", "memory=0")))
    lines = text.splitlines()
    broken = "\n".join(line.replace("length=12", "length=None") for line in lines)
    with pytest.raises(mg._errors.ProgramError, match="test or a length"):
        check(parse(broken))
