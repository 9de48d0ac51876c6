"""Whole programs and their derivatives as machine code: what the interpreter gives, up to rounding."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.compile.executable import Executable, NumPyPart
from mixgrad.core.interpret import interpret
from mixgrad.core.program import Program, Var

from .programs import CASES, LENGTHS, by_axes, normalised, statistics

ROUNDINGS = 200
X = np.arange(40.0)
SECOND = ("stencil", "gathered", "mixture", "branch_not_taken")
"""Cases whose second derivatives are not left to the long tests."""
WITH_NUMPY = [
    "with_parts_for_numpy",
    "small_indices",
    "integer_powers",
    "compared_with_far_numbers",
    "bytes_of_both_kinds",
]
"""Cases of which some part may have no native form; the others are machine code altogether."""


def is_long(case, way):
    """Return whether a derivative is left to the long tests."""
    return way == "second" and case.name not in SECOND


def flat(value):
    """Return the arrays in nested tuples and lists."""
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, (tuple, list)) else [value]


def is_real(x):
    return np.asarray(x).dtype.kind == "f"


def smooth(function, args):
    """Return a function of the floating-point arguments alone, of floating-point results alone, and these arguments."""
    places = [i for i, arg in enumerate(args) if is_real(arg)]

    def of_floats(*floats):
        full = list(args)
        for place, x in zip(places, floats):
            full[place] = x
        return [y for y in flat(function(*full)) if np.dtype(getattr(y, "dtype", type(y))).kind == "f"]

    return of_floats, tuple(args[i] for i in places)


def direction(x, shift):
    """Return numbers in the shape of an array, without a pattern."""
    return np.cos(np.arange(np.size(x)) * 1.7 + shift).reshape(np.shape(x)).astype(getattr(x, "dtype", float))[()]


def in_the_way(way, function, args):
    """Return a function of the arguments: the value, a tangent, a cotangent, or the tangent of a cotangent."""
    if way == "value":
        return function
    f, floats = smooth(function, args)
    count = len(args) - len(floats)

    def pulled(*xs):
        values, pull = mg.vjp(f, *xs)
        return pull([direction(y, 0.3) for y in values])

    def derivative(*full):
        xs = tuple(x for x, like in zip(full, args) if is_real(like))
        vs = tuple(direction(x, 0.9) for x in floats)
        if way == "reverse":
            return pulled(*xs)
        return mg.jvp(f if way == "forward" else pulled, xs, vs)

    assert count >= 0
    return derivative


def observed(program, args):
    """Return what the interpreter gives, the largest number on the way there, and the coarsest precision."""
    names = {id(var) for var in program.outputs if isinstance(var, Var)}
    extra = [var for eq in program.equations for var in eq.outs if id(var) not in names and var.dtype.kind == "f"]
    values = interpret(Program(program.inputs, program.equations, (*program.outputs, *extra)), *args)
    largest, coarsest = 0.0, 0.0
    for x in map(np.asarray, [*args, *values]):
        if x.dtype.kind == "f":
            largest = max(largest, float(np.max(np.abs(x), initial=0.0, where=np.isfinite(x))))
            coarsest = max(coarsest, float(np.finfo(x.dtype).eps))
    return values[: len(program.outputs)], largest, coarsest


def guarded(x):
    """Return a read-only copy that lies between nan or large numbers, which must not get into results."""
    x = np.asarray(x)
    fill = {"f": np.nan, "i": 77, "u": 77, "b": True}[x.dtype.kind]
    room = np.full(x.size + 64, fill, x.dtype)
    inside = room[32 : 32 + x.size].reshape(x.shape)
    inside[...] = x
    inside.flags.writeable = False
    return inside if x.shape else inside[()]


def agree(program, args):
    """Compare a compiled program with the interpreter."""
    with np.errstate(all="ignore"):
        want, largest, coarsest = observed(program, args)
        executable = Executable(program)
        inputs = [guarded(arg) for arg in args]
        first = executable(*inputs)
        second = executable(*args)
    for before, after in zip(args, inputs):
        np.testing.assert_array_equal(before, after)
    assert len(first) == len(second) == len(want)
    for number, (a, again, b) in enumerate(zip(first, second, want)):
        a, again, b = np.asarray(a), np.asarray(again), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype) == (again.shape, again.dtype), f"output {number}"
        np.testing.assert_array_equal(a, again, f"output {number}, a second run")
        if b.dtype.kind == "f":
            tolerance = ROUNDINGS * coarsest
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * largest, err_msg=f"output {number}")
        else:
            np.testing.assert_array_equal(a, b, f"output {number}")
    return executable


def compiled(function, args, way="value"):
    """Compile a function in one of the ways, compare, and return the executable."""
    with np.errstate(all="ignore"):
        program = mg.trace(in_the_way(way, function, args))(*args)
    return agree(program if way == "value" else mg.simplify(program, "all"), args)


@pytest.mark.parametrize(
    ("case", "way"),
    [
        pytest.param(case, way, id=f"{case.name}, {way}", marks=[pytest.mark.long] * is_long(case, way))
        for case in CASES
        for way in case.ways
    ],
)
def test_program(case, way):
    executable = compiled(case.function, case.args, way)
    assert case.name in WITH_NUMPY or not [part.why for part in executable.parts if isinstance(part, NumPyPart)]


class TestLengths:
    """Rows are cut into tiles, tiles into vectors; what is left over must not be forgotten, or read twice."""

    @pytest.mark.parametrize("length", LENGTHS)
    def test_of_a_vector(self, length, random):
        compiled(statistics, (random.normal(size=length),))

    @pytest.mark.parametrize("length", [0, 1, 2, 7, 9, 17, 64, 65, 255, 257])
    def test_of_rows(self, length, random):
        compiled(by_axes, (random.normal(size=(length, 3)),))

    @pytest.mark.parametrize("length", [1, 17, 65, 257])
    def test_of_columns(self, length, random):
        compiled(by_axes, (random.normal(size=(3, length)),))

    @pytest.mark.parametrize("length", [0, 1, 33, 257])
    def test_of_a_gradient(self, length, random):
        compiled(normalised, (random.normal(size=(length, 5)),), "reverse")


@pytest.mark.parametrize("shape", [(64, 64), (65, 63), (33, 257), (300, 1)], ids=str)
def test_several_axes_that_may_be_rows(shape, random):
    compiled(by_axes, (random.normal(size=shape),))


# Threads ------------------------------------------------------------------------------------------------------------

MANY = np.random.default_rng(7).integers(0, 1000, 210_000)


def shifted(x):
    y = x.copy()
    y[1:-1] = x[2:] * x[:-2]
    y[::2] += 1
    return y, np.sum(y * x[::-1]), np.max(y)


def gathered(x):
    return np.sum(np.sin(x[MANY])), x[MANY] * 2


def rows_of_everything(x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    y = p - np.mean(p, axis=0)
    return p, y.T @ x, np.sum(y * y, axis=0), np.argmax(p[0]) * 0 + np.count_nonzero(p > 0.1), np.min(y, axis=1)


def in_a_loop(x):
    s = 0.0
    for k in range(3):
        s = np.sum(np.sin(x) * s) + k
        x = x * 0.5 + s * 1e-6
    return s, x


@pytest.mark.parametrize(
    ("function", "shape", "way"),
    [
        pytest.param(statistics, 60_001, "value", id="sums"),
        pytest.param(shifted, 70_001, "reverse", id="neighbours"),
        pytest.param(gathered, 1000, "value", id="gathers"),
        pytest.param(rows_of_everything, (20_003, 12), "value", id="rows"),
        pytest.param(in_a_loop, 100_001, "value", id="loop"),
        pytest.param(lambda x: (np.tanh(x @ x[0]), x.T @ x), (30_001, 7), "value", id="products"),
    ],
)
def test_many_rows_are_shared_by_threads(function, shape, way, random):
    args = (random.normal(size=shape),)
    with mg.threads(2):
        executable = compiled(function, args, way)
        want = executable(*args)
    for count in (1, 3):
        with mg.threads(count):
            for a, b in zip(executable(*args), want):
                np.testing.assert_array_equal(a, b, f"{count} threads")


def test_an_index_out_of_bounds_in_one_thread():
    places = np.arange(300_000) % 40
    bad = np.where(np.arange(300_000) == 250_000, 40, places)
    with mg.threads(3):
        refuses(lambda x, i: (np.sum(x[i] * 2), x[i]), (X, places), (X, bad))


# Errors of the running program --------------------------------------------------------------------------------------


def refuses(function, good, bad):
    """Compile for good arguments; bad ones raise IndexError with NumPy's message, and good ones work afterwards."""
    program = mg.trace(function)(*good)
    executable = Executable(program)
    with pytest.raises(IndexError, match="out of bounds"):
        executable(*bad)
    for a, b in zip(executable(*good), interpret(program, *good)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("place", [40, -41, 2**40, -(2**63)])
@pytest.mark.parametrize("count", [1, 100])
def test_an_index_out_of_bounds(place, count):
    good = np.arange(count) % 40
    bad = np.where(np.arange(count) == count - 1, place, good)
    refuses(lambda x, i: np.sum(x[i]), (X, good), (X, bad))


def assigned(x, i):
    y = x * 1.0
    y[i] = 2.0
    return y


def of_loop(x, i):
    total = 0.0
    for _ in range(5):
        total, i = total + x[i], i + 1
    return total


def of_while(x, i):
    while x[i] != 3:
        i += 1
    return i


@pytest.mark.parametrize(
    ("function", "good", "bad"),
    [
        pytest.param(assigned, (X, 3), (X, 40), id="assignment"),
        pytest.param(assigned, (X, np.array([3, 39])), (X, np.array([3, -41])), id="assignment to several"),
        pytest.param(of_loop, (X, 3), (X, 38), id="loop"),
        pytest.param(of_while, (X, 0), (X, 4), id="while that would never end"),
        pytest.param(mg.grad(lambda x, i: np.sum(x[i] ** 2)), (X, np.array([3, 4])), (X, np.array([3, 99])), id="grad"),
    ],
)
def test_out_of_bounds_in(function, good, bad):
    refuses(function, good, bad)


def test_nothing_is_read_beyond_the_end():
    """Inputs end where a page ends, and the next page cannot be read."""
    script = """
        import ctypes, mmap
        import numpy as np
        import mixgrad as mg
        from mixgrad.compile.executable import Executable, NumPyPart
        from tests.compile.programs import CASES, by_axes, normalised, statistics

        libc, kept = ctypes.CDLL(None, use_errno=True), []

        def at_the_end(x):
            x = np.ascontiguousarray(x)
            pages = -(-max(x.nbytes, 1) // mmap.PAGESIZE)
            room = mmap.mmap(-1, (pages + 2) * mmap.PAGESIZE)
            start = ctypes.addressof(ctypes.c_char.from_buffer(room))
            kept.append(room)
            end = (pages + 1) * mmap.PAGESIZE
            y = np.frombuffer(room, x.dtype, x.size, end - x.nbytes).reshape(x.shape)
            y[...] = x
            for guard in (start, start + end):
                assert libc.mprotect(ctypes.c_void_p(guard), mmap.PAGESIZE, 0) == 0
            return y

        rng = np.random.default_rng(0)
        cases = [(f, (rng.normal(size=shape),)) for n in (7, 257) for f, shape in
                 ((statistics, n), (by_axes, (n, 3)), (by_axes, (3, n)), (normalised, (n, 5)))]
        names = "steps joined many_repeated stencil transposes diamond".split()
        cases += [(case.function, case.args) for case in CASES if case.name in names]
        for function, args in cases:
            executable = Executable(mg.trace(function)(*args))
            assert executable.entry is not None
            want, got = executable(*args), executable(*map(at_the_end, args))
            assert all(map(np.array_equal, got, want))
        print("done")
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (run.returncode, run.stdout) == (0, "done\n"), run.stderr[-2000:]
