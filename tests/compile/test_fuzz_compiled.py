"""Random programs and their derivatives as machine code: what the interpreter gives.

Random programs have few elements; batches of them have rows for the lanes of vectors. Many at once, by hand::

    .venv/bin/python -c "from tests.compile.test_fuzz_compiled import *; search(range(1000))"
"""

import warnings

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.compile.executable import Executable
from mixgrad.core.interpret import interpret
from mixgrad.core.program import Program, Var

from ..fuzz.agreement import Point, leaves, transform
from ..fuzz.backends import record
from ..fuzz.generate import random_program
from ..fuzz.source_programs import load, points, source_of

EPS = 2.0**-52
ROUNDINGS = 1000
MEMBERS = 37
ALLOWED_TO_BE_SENSITIVE = 0.1  # the part of programs that amplify roundings, so that nothing can be said

OK, SENSITIVE, REFUSED = "ok", "sensitive", "refused"


def values_of(program, args):
    """Return what the interpreter gives for a program."""
    return [np.asarray(x) for x in interpret(program, *args)]


def largest_of(program, args):
    """Return the largest finite number that the interpreter meets."""
    own = {id(out) for out in program.outputs if isinstance(out, Var)}
    extra = [out for equation in program.equations for out in equation.outs if id(out) not in own]
    whole = values_of(Program(program.inputs, program.equations, (*program.outputs, *extra)), args)
    numbers = [np.abs(x[np.isfinite(x)]) for x in [*map(np.asarray, args), *whole] if x.dtype.kind == "f"]
    return max([1.0, *(float(np.max(x, initial=0.0)) for x in numbers)])


def differing(got, want, allowed):
    """Return the number of the first result that differs: types exactly, nan and infinities exactly, and roundings."""
    for number, (a, b) in enumerate(zip(got, want, strict=True)):
        a, b = np.asarray(a), np.asarray(b)
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return number
        if b.dtype.kind != "f":
            if not np.array_equal(a, b):
                return number
        elif not np.allclose(a, b, rtol=ROUNDINGS * EPS, atol=allowed, equal_nan=True):
            return number
    return None


def is_sensitive(program, args, want, got):
    """Whether roundings of the arguments change the results as much as the compiler does, or move a nan."""
    rng = np.random.default_rng(0)
    moved = []
    for _ in range(6):
        moves = [1 + 8 * EPS * rng.choice([-1, 1], np.shape(x)) if np.asarray(x).dtype.kind == "f" else 1 for x in args]
        others = [x * move if np.asarray(x).dtype.kind == "f" else x for x, move in zip(args, moves)]
        try:
            moved.append(values_of(program, others))
        except (mg.MixgradError, IndexError, np.linalg.LinAlgError):
            return True
    for number, b in enumerate(want):
        a = np.asarray(got[number])
        if differing([a], [b], 0.0) is None:
            continue
        others = [other[number] for other in moved]
        if any(other.shape != b.shape for other in others) or (a.shape, a.dtype) != (b.shape, b.dtype):
            return False
        if b.dtype.kind != "f":
            changed = np.any([other != b for other in others], axis=0)
            if np.any((a != b) & ~changed):
                return False
            continue
        reach = np.max([np.abs(other - b) for other in others], axis=0)
        patterns = np.any([np.isfinite(other) != np.isfinite(b) for other in others], axis=0)
        wrong = ~((np.abs(a - b) <= 100 * reach) | (a == b) | (np.isnan(a) & np.isnan(b)))
        if np.any(wrong & ~patterns & np.isfinite(reach)) or np.any(wrong & ~patterns & ~np.isfinite(reach)):
            return False
    return True


def compare(program, *points_):
    """Return how a compiled program compares with the interpreter at some points; AssertionError if it is wrong."""
    simple = mg.simplify(program, "all")
    executable, outcome = Executable(simple), OK
    for args in points_:
        before = [np.array(x) for x in args]
        want = values_of(simple, args)
        got = executable(*args)
        assert len(got) == len(want)
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(args, before)), "an argument was modified"
        number = differing(got, want, ROUNDINGS * EPS * largest_of(simple, args))
        if number is None:
            continue
        if not is_sensitive(simple, args, want, got):
            raise AssertionError(f"output {number}: {got[number]!r}\n  expected {want[number]!r}\nof\n{simple}")
        outcome = SENSITIVE
    return outcome


def members_of(point, count):
    """Return many points near a point, the point itself first."""
    rng = np.random.default_rng(point.program.seed)
    spread = np.concatenate([[0.0], rng.normal(size=count - 1) * 0.3])
    return transform(
        lambda x: np.multiply.outer(1 + spread, x) + np.multiply.outer(spread, np.ones(np.shape(x))), point.x
    )


def check_array_program(seed):
    """Compare value, gradient and second derivative of a program, in a batch if it has one."""
    point = Point(random_program(seed))
    x, other = point.x, transform(lambda a: a * 0.75 + 0.1, point.x)
    ways = {"value": point.f, "gradient": point.pull}
    if seed % 3 == 0 and not point.facts.singular:
        ways["second"] = lambda x: mg.jvp(point.pull, (x,), (point.v,))[1]
    outcomes = []
    for function in ways.values():
        program = record(function, x)
        outcomes.append(REFUSED if program is None else compare(program, leaves(x), leaves(other)))
        if point.facts.batch:
            many = members_of(point, MEMBERS)
            program = record(mg.vmap(function), many)
            outcomes.append(REFUSED if program is None else compare(program, leaves(many)))
    return outcomes


def check_any_length(seed):
    """Compare value and gradient of a program in batches of several lengths, for which there is one kernel."""
    point = Point(random_program(seed))
    outcomes = []
    for function in (point.f, point.pull) if point.facts.batch else ():
        batched = mg.vmap(function)
        compiled = mg.jit(batched, dynamic=0)
        for count in (11, 2, 40, 64, 7):
            many = members_of(point, count)
            program = record(batched, many)
            if program is None:
                outcomes.append(REFUSED)
                break
            simple = mg.simplify(program, "all")
            want = values_of(simple, leaves(many))
            try:
                got = leaves(compiled(many))
            except mg.UnsupportedError:
                outcomes.append(REFUSED)
                break
            number = differing(got, want, ROUNDINGS * EPS * largest_of(simple, leaves(many)))
            if number is not None and not is_sensitive(simple, leaves(many), want, got):
                raise AssertionError(f"{count} members, output {number}: {got[number]!r}\n  expected {want[number]!r}")
            outcomes.append(OK if number is None else SENSITIVE)
        assert len(compiled.variants) <= 1
    return outcomes


def check_source_function(seed):
    """Compare value and gradient of a function with branches, loops and assignments, at several points."""
    f, where = load(source_of(seed)), points(seed, 3)
    outcomes = []
    for function in (f, mg.grad(f, argnums=(0, 1, 2))):
        copied = [tuple(np.array(x) if np.ndim(x) else x for x in point) for point in where]
        try:
            program = mg.trace(function)(*copied[0])
            for point in copied:
                values_of(program, leaves(point))
        except (mg.MixgradError, UnboundLocalError, ArithmeticError, LookupError, ValueError, TypeError):
            outcomes.append(REFUSED)
            continue
        outcomes.append(compare(program, *map(leaves, copied)))
    return outcomes


# Shapes -------------------------------------------------------------------------------------------------------------

LENGTHS = (1, 2, 3, 5, 8, 9, 16, 31, 33, 40, 64, 65)


class Shapes:
    """A random program of whole arrays: elementwise functions between reductions, views, joins, gathers and writes.

    It is the function `__call__` of some matrices, all of whose lengths are `n`, `m` or 1; each step is a number, so
    that the same steps run on arrays and on placeholders.
    """

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.n, self.m = (int(k) for k in self.rng.choice(LENGTHS, 2))
        shapes = [(self.n, self.m), (self.n,), (self.m,), (self.m, self.n), (self.n, 1), ()]
        self.args = tuple(self.rng.normal(size=shapes[k]) for k in self.rng.permutation(len(shapes))[:4])
        self.steps = [(int(self.rng.integers(len(STEPS))), *map(int, self.rng.integers(0, 1000, 3))) for _ in range(14)]
        self.kept = [int(k) for k in self.rng.integers(0, 1000, 4)]

    def __call__(self, *args):
        values = list(args)
        for which, a, b, k in self.steps:
            x = values[-1 - a % min(len(values), 5)]
            y = values[-1 - b % min(len(values), 7)]
            made = STEPS[which](x, y, k)
            if made is not None and np.prod(np.shape(made)) <= 70 * 70:
                values.append(np.sin(made) if k % 3 else made * 0.5)
        return [values[-1], *(values[k % len(values)] for k in self.kept)]


def fitting(x, y):
    """Return whether two arrays can be broadcast."""
    return all(n == m or 1 in (n, m) for n, m in zip(np.shape(x)[::-1], np.shape(y)[::-1]))


def indices(length, k, count):
    return (np.arange(count) * (k % 7 + 1) + k) % (2 * length) - length


def of_axis(how):
    return lambda x, y, k: how(x, axis=k % np.ndim(x), keepdims=k % 2 > 0) if np.ndim(x) else None


def sliced(x, y, k):
    if not np.ndim(x) or np.shape(x)[0] < 2:
        return None
    return [x[1:], x[:-1], x[::-1], x[::2], x[::-3], x[..., None], x[None], x[k % np.shape(x)[0]], x[-1:]][k % 9]


def gathered(x, y, k):
    if not np.ndim(x):
        return None
    where = indices(np.shape(x)[-1], k, [3, 40, np.shape(x)[0]][k % 3])
    return x[..., where] if k % 2 or np.ndim(x) > 1 else x[where]


def written(x, y, k):
    if not np.ndim(x) or np.shape(x)[0] < 3:
        return None
    z = x * 1.0
    if k % 4 == 0:
        z[1:-1] = z[2:] * 0.5
    elif k % 4 == 1:
        z[k % np.shape(x)[0]] = 0.25
    elif k % 4 == 2:
        z[indices(np.shape(x)[0], k, 5)] = z[:1] + 1
    else:
        z[::2] += x[0]
    return z


def joined(x, y, k):
    if np.ndim(x) != np.ndim(y) or not np.ndim(x):
        return None
    axis = k % np.ndim(x)
    same = [n for i, n in enumerate(np.shape(x)) if i != axis] == [n for i, n in enumerate(np.shape(y)) if i != axis]
    return np.concatenate([x, y, x[::-1]], axis=axis) if same else None


def multiplied(x, y, k):
    if np.ndim(x) == 2 and np.ndim(y) and np.shape(x)[1] == np.shape(y)[0]:
        return x @ y
    return (
        np.einsum("ij,ij->i", x, x)
        if np.ndim(x) == 2
        else np.multiply.outer(x, y)
        if np.ndim(x) + np.ndim(y) < 3
        else None
    )


def looped(x, y, k):
    if not fitting(x, y) or np.broadcast_shapes(np.shape(x), np.shape(y)) != np.shape(x):
        return None
    return mg.fori_loop(0, k % 4, lambda i, c: np.sin(c) * 0.5 + y * i, x)


STEPS = [
    lambda x, y, k: x + y if fitting(x, y) else None,
    lambda x, y, k: x * y if fitting(x, y) else None,
    lambda x, y, k: np.where(x > y, x, 0.5 * y) if fitting(x, y) else None,
    lambda x, y, k: np.maximum(x, y) if fitting(x, y) else None,
    lambda x, y, k: np.exp(-x * x),
    of_axis(np.sum),
    of_axis(np.max),
    of_axis(np.mean),
    lambda x, y, k: x - np.sum(x),
    lambda x, y, k: np.transpose(x),
    lambda x, y, k: np.reshape(x, (-1,)) if k % 2 else np.reshape(x, np.shape(x)[::-1]),
    sliced,
    sliced,
    gathered,
    written,
    joined,
    multiplied,
    multiplied,
    looped,
]


def check_shapes(seed):
    """Compare value, gradient and second derivative of a program of larger arrays."""
    f = Shapes(seed)
    xs = f.args
    weigh = lambda y: np.cos(np.arange(np.size(y)) * 1.3 + 0.2).reshape(np.shape(y))
    u, v = [weigh(y) for y in f(*xs)], tuple(map(weigh, xs))
    pull = lambda *xs: mg.vjp(lambda *xs: f(*xs), *xs)[1](u)
    ways = [lambda *xs: f(*xs), pull, lambda *xs: mg.jvp(pull, xs, v)[1]]
    return [compare(mg.trace(way)(*xs), xs) for way in ways[: 3 if seed % 4 == 0 else 2]]


def quietly(check, seed):
    with np.errstate(all="ignore"), np.printoptions(threshold=12, edgeitems=4), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return check(seed)


def search(seeds, checks=None):
    """Run many programs; print what is wrong, and go on."""
    counts: dict[str, int] = {}
    for seed in seeds:
        for check in checks or (check_shapes, check_array_program, check_source_function):
            try:
                outcomes = quietly(check, seed)
            except Exception as error:
                print(f"--- {check.__name__}({seed}): {type(error).__name__}: {str(error)[:3000]}", flush=True)
                outcomes = ["wrong"]
            for outcome in outcomes:
                counts[outcome] = counts.get(outcome, 0) + 1
    print(counts, flush=True)


def run_some(check, seeds):
    outcomes = []
    for seed in seeds:
        try:
            outcomes += quietly(check, seed)
        except AssertionError as error:
            pytest.fail(f"{check.__name__}({seed}): {error}", pytrace=False)
    assert outcomes.count(SENSITIVE) <= 1 + ALLOWED_TO_BE_SENSITIVE * len(outcomes)
    assert outcomes.count(OK) > len(outcomes) / 2


OF_SHAPES = range(200)
OF_ARRAYS = (2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 22, 23)  # the quick ones, and so below
OF_SOURCE = (2, 6, 7, 8, 9, 10, 11, 12)
OF_ANY_LENGTH = (5, 11, 24, 56, 31, 35, 39, 52)  # those all of which is machine code


def in_parts(seeds):
    """Return four seeds for each test; but for the first test they are long."""
    parts = [tuple(seeds[i : i + 4]) for i in range(0, len(seeds), 4)]
    long = pytest.mark.long
    return pytest.mark.parametrize(
        "seeds", [pytest.param(p, id=str(p), marks=[long] * (p not in parts[:1])) for p in parts]
    )


@in_parts(OF_SHAPES)
def test_programs_of_larger_arrays(seeds):
    run_some(check_shapes, seeds)


@in_parts(OF_ARRAYS)
def test_array_programs(seeds):
    run_some(check_array_program, seeds)


@in_parts(OF_SOURCE)
def test_functions_with_control_flow(seeds):
    run_some(check_source_function, seeds)


@in_parts(OF_ANY_LENGTH)
def test_batches_of_any_length(seeds):
    run_some(check_any_length, seeds)
