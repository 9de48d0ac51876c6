"""Compiled code called from Python. The kernels are written by hand; NumPy computes what they should give."""

import ctypes
import gc
import itertools
import subprocess
import sys
import threading
import tracemalloc
import weakref
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

from mixgrad._errors import UnsupportedError
from mixgrad.compile import python_api
from mixgrad.compile.call import Argument, add_entry, conform, entry_point
from mixgrad.compile.machine import compile_module, optimised, target_machine

POINTER, DOUBLE, LONG, BYTE = ir.PointerType(), ir.DoubleType(), ir.IntType(64), ir.IntType(8)
FLOAT = np.dtype(float)
VECTOR, SCALAR, ANY = Argument((3,), FLOAT), Argument((), FLOAT), Argument((-1,), FLOAT)


class Kernel:
    """A kernel while it is written."""

    def __init__(self, symbolic=False, error=False):
        self.module = ir.Module()
        result = ir.IntType(32) if error else ir.VoidType()
        kind = ir.FunctionType(result, [POINTER] * (4 if symbolic else 3))
        self.function = ir.Function(self.module, kind, "kernel")
        self.build: Any = ir.IRBuilder(self.function.append_basic_block())

    def at(self, pointer, k, kind: Any = DOUBLE):
        return self.build.gep(pointer, [LONG(k) if isinstance(k, int) else k], source_etype=kind)

    def load(self, pointer, k: Any = 0, kind: Any = DOUBLE) -> Any:
        return self.build.load(self.at(pointer, k, kind), typ=kind)

    def store(self, value, pointer, k=0):
        self.build.store(value, self.at(pointer, k, value.type))

    def input(self, k):
        return self.load(self.function.args[0], k, POINTER)

    def output(self, k):
        return self.load(self.function.args[1], k, POINTER)

    def loop(self, count, step):
        """Run a step, a function of an index, count times."""
        build = self.build
        before, body, after = build.block, build.append_basic_block(), build.append_basic_block()
        build.cbranch(build.icmp_signed(">", count, LONG(0)), body, after)
        build.position_at_end(body)
        index = build.phi(LONG)
        step(index)
        following = build.add(index, LONG(1))
        index.add_incoming(LONG(0), before)
        index.add_incoming(following, build.block)
        build.cbranch(build.icmp_signed("<", following, count), body, after)
        build.position_at_end(after)

    def add_entry(self, inputs, outputs, scratch=0, release=False, **options: Any):
        if self.function.function_type.return_type == ir.VoidType():
            self.build.ret_void()
        add_entry(self.module, self.function, inputs, outputs, scratch, release, **options)
        return self.module

    def compile(self, *arguments, **options: Any) -> Any:
        return entry_point(compile_module(self.add_entry(*arguments, **options)))


def adder(x, y, z, **options):
    """Return z = x + y, elementwise."""
    kernel = Kernel()
    size = int(np.prod(z.shape))
    kernel.loop(LONG(size), lambda k: kernel.store(add(kernel, k), kernel.output(0), k))
    return kernel.compile([x, y], [z], **options)


def add(kernel, k):
    return kernel.build.fadd(kernel.load(kernel.input(0), k), kernel.load(kernel.input(1), k))


def copier(argument, release=False, outs_given=False, copies=1):
    """Return copies of the argument, bit by bit."""
    kernel = Kernel()
    size = int(np.prod(argument.shape)) * argument.dtype.itemsize
    for k in range(copies):
        step = lambda j, k=k: kernel.store(kernel.load(kernel.input(0), j, BYTE), kernel.output(k), j)
        kernel.loop(LONG(size), step)
    return kernel.compile([argument], [argument] * copies, release=release, outs_given=outs_given)


@pytest.fixture(scope="module")
def plus():
    return adder(VECTOR, VECTOR, VECTOR)


@pytest.fixture(scope="module")
def plus_out():
    return adder(VECTOR, VECTOR, VECTOR, outs_given=True)


@pytest.fixture(scope="module")
def dot():
    """Return the sum of x * y, and 2 x, of any length; an error, after it has written, if x[0] is negative."""
    kernel = Kernel(symbolic=True, error=True)
    build, count = kernel.build, kernel.load(kernel.function.args[3], 0, LONG)
    kernel.store(DOUBLE(0), kernel.output(0))

    def step(k):
        x, y = kernel.load(kernel.input(0), k), kernel.load(kernel.input(1), k)
        kernel.store(build.fadd(kernel.load(kernel.output(0)), build.fmul(x, y)), kernel.output(0))
        kernel.store(build.fadd(x, x), kernel.output(1), k)

    kernel.loop(count, step)
    with build.if_then(build.icmp_signed("==", count, LONG(0))):
        build.ret(ir.IntType(32)(0))
    with build.if_then(build.fcmp_ordered("<", kernel.load(kernel.input(0)), DOUBLE(0))):
        build.ret(ir.IntType(32)(7))
    build.ret(ir.IntType(32)(0))
    return kernel.compile([ANY, ANY], [SCALAR, ANY])


def strange_arrays():
    """Yield arrays that differ from a plain one of shape (3,) and dtype float64 in one respect each."""

    class Sub(np.ndarray):
        pass

    x = np.arange(3.0)
    yield "subclass", x.view(Sub)
    yield "masked", np.ma.array(x)
    yield "list", [0.0, 1.0, 2.0]
    yield "tuple", (0.0, 1.0, 2.0)
    yield "None", None
    yield "float", 1.0
    yield "scalar", np.float64(1.0)
    yield "type", np.ndarray
    yield "float32", x.astype(np.float32)
    yield "int64", x.astype(np.int64)
    yield "complex", x.astype(complex)
    yield "object", x.astype(object)
    yield "byte order", x.astype(">f8")
    yield "datetime", x.astype(np.int64).view("M8[s]")
    yield "long double", x.astype(np.longdouble)
    yield "short", x[:2].copy()
    yield "empty", x[:0]
    yield "long", np.arange(4.0)
    yield "two axes", x[None]
    yield "two axes, last", x[:, None]
    yield "no axis", np.array(1.0)
    yield "strides", np.arange(6.0)[::2]
    yield "negative strides", x[::-1]
    yield "no strides", np.broadcast_to(1.0, 3)
    yield "misaligned", misaligned(x)
    yield "metadata", x.astype(np.dtype(float, metadata={"a": 1}))


def misaligned(x):
    memory = np.zeros(x.nbytes + 1, np.uint8)
    result = memory[1:].view(x.dtype).reshape(x.shape)
    result[...] = x
    return result


STRANGE = pytest.mark.parametrize("strange", [pytest.param(value, id=name) for name, value in strange_arrays()])


def test_a_sum(plus, random):
    x, y = random.normal(size=(2, 3))
    z = plus(x, y)
    np.testing.assert_array_equal(z, x + y, strict=True)
    assert z.flags.carray
    assert z.flags.owndata
    assert type(plus).__name__ == "builtin_function_or_method"
    assert plus.__name__ == "entry"


def test_views_and_read_only_inputs(plus, random):
    whole = random.normal(size=(4, 3))
    x, y = whole[1], whole[2:3].reshape(3)
    y.flags.writeable = False
    np.testing.assert_array_equal(plus(x, y), x + y)
    np.testing.assert_array_equal(plus(x, x), 2 * x)


@STRANGE
@pytest.mark.parametrize("place", [0, 1])
def test_an_array_that_does_not_fit(plus, strange, place):
    arguments = [np.arange(3.0)] * 2
    arguments[place] = strange
    assert plus(*arguments) is NotImplemented


@STRANGE
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_output_that_does_not_fit(plus_out, strange, place):
    arguments = [np.arange(3.0), np.arange(3.0), np.full(3, 9.0)]
    arguments[place] = strange
    before = repr(strange)
    assert plus_out(*arguments) is NotImplemented
    assert repr(strange) == before
    if place < 2:
        assert (arguments[2] == 9).all()


def test_numbers_of_arguments(plus, plus_out):
    x = np.arange(3.0)
    assert all(plus(*[x.copy() for _ in range(n)]) is NotImplemented for n in (0, 1, 3, 4))
    assert all(plus_out(*[x.copy() for _ in range(n)]) is NotImplemented for n in (0, 1, 2, 4))
    with pytest.raises(TypeError):
        plus(x, y=x)


@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 4), (0,), (3, 0, 2), (1, 1, 1, 1, 1)])
def test_shapes(shape, random):
    argument = Argument(shape, FLOAT)
    plus = adder(argument, argument, argument)
    x, y = random.normal(size=(2, *shape))
    np.testing.assert_array_equal(plus(x, y), x + y, strict=True)
    assert plus(x, y[None]) is NotImplemented
    assert plus(x, np.zeros((*shape[:-1], shape[-1] + 1))) is NotImplemented
    fortran = np.asfortranarray(y)
    assert (plus(x, fortran) is NotImplemented) == (not fortran.flags.c_contiguous)


def test_outputs_that_are_given(plus_out, random):
    x, y = random.normal(size=(2, 3))
    out = np.empty(3)
    assert plus_out(x, y, out) is out
    np.testing.assert_array_equal(out, x + y)
    out.flags.writeable = False
    before = out.copy()
    assert plus_out(y, y, out) is NotImplemented
    np.testing.assert_array_equal(out, before)


def test_outputs_that_share_memory():
    memory = np.arange(8.0)
    both = copier(VECTOR, outs_given=True, copies=2)
    for i, j, k in itertools.product(range(6), repeat=3):
        arguments = memory[i : i + 3], memory[j : j + 3], memory[k : k + 3]
        apart = min(abs(i - j), abs(i - k), abs(j - k)) >= 3
        result = both(*arguments)
        assert (result is not NotImplemented) == apart
        if apart:
            assert result[0] is arguments[1]
            assert result[1] is arguments[2]
            assert (result[1] == arguments[0]).all()


def test_symbolic_lengths_of_given_outputs():
    matrix = Argument((-2, -1), FLOAT)
    kernel = Kernel(symbolic=True)
    lengths = [kernel.load(kernel.function.args[3], k, LONG) for k in range(2)]
    for k, length in enumerate(lengths):
        kernel.store(kernel.build.sitofp(length, DOUBLE), kernel.output(0), k)
    f = kernel.compile([matrix], [Argument((-3,), FLOAT)], outs_given=True)
    out = np.empty(2)
    assert f(np.zeros((5, 4)), out) is out
    assert out.tolist() == [4, 5]
    both = np.arange(20.0)
    assert f(both[:12].reshape(3, 4), both[12:]) is not NotImplemented
    assert f(both[:12].reshape(3, 4), both[11:]) is NotImplemented


def test_a_given_output_without_axes():
    f = copier(SCALAR, outs_given=True)
    out = np.array(0.0)
    assert f(2.5, out) is out
    assert out == 2.5
    assert f(2.5, np.float64(1)) is NotImplemented
    assert f(2.5, 1.0) is NotImplemented
    assert f(out, out) is NotImplemented


def test_symbolic_length(dot, random):
    for n in (0, 1, 2, 7, 100):
        x, y = np.abs(random.normal(size=(2, n)))
        value, twice = dot(x, y)
        assert type(value) is np.float64
        assert value == pytest.approx(x @ y)
        np.testing.assert_array_equal(twice, 2 * x, strict=True)
        assert dot(x, np.zeros(n + 1)) is NotImplemented
        assert dot(np.zeros((n, 1)), y) is NotImplemented


def test_several_symbolic_lengths(random):
    kernel = Kernel(symbolic=True)
    lengths = [kernel.load(kernel.function.args[3], k, LONG) for k in range(2)]
    size = kernel.build.mul(*lengths)
    kernel.loop(size, lambda k: kernel.store(kernel.load(kernel.input(0), k), kernel.output(0), k))
    f = kernel.compile(
        [Argument((-1, 3, -2), FLOAT), Argument((-2, -2), FLOAT), Argument((), FLOAT)], [Argument((-2, -1), FLOAT)]
    )
    x = random.normal(size=(4, 3, 5))
    np.testing.assert_array_equal(f(x, np.zeros((5, 5)), 1.0), x.ravel()[:20].reshape(5, 4))
    assert f(x, np.zeros((5, 4)), 1.0) is NotImplemented
    assert f(x, np.zeros((4, 4)), 1.0) is NotImplemented
    assert f(x[:, :2].copy(), np.zeros((5, 5)), 1.0) is NotImplemented


def test_an_error_of_the_kernel(dot):
    assert dot(np.array([-1.0, 2.0]), np.ones(2)) is NotImplemented
    assert dot(np.array([1.0, 2.0]), np.ones(2))[0] == 3


def test_no_output_and_no_input():
    assert Kernel().compile([VECTOR], [])(np.zeros(3)) == ()
    kernel = Kernel()
    kernel.store(DOUBLE(2.5), kernel.output(0))
    kernel.store(LONG(7), kernel.output(1))
    result = kernel.compile([], [SCALAR, Argument((), np.dtype(np.int64))])()
    assert result == (2.5, 7)
    assert [type(value) for value in result] == [np.float64, np.int64]


# Numbers.


@pytest.mark.parametrize("dtype", python_api.DTYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(), (4,), (2, 0)])
@pytest.mark.parametrize("outs_given", [False, True])
def test_dtypes(dtype, shape, outs_given, random):
    f = copier(Argument(shape, dtype), outs_given=outs_given)
    x = np.asarray(random.normal(size=shape) * 50).astype(np.int64).astype(dtype)
    out = [np.empty(shape, dtype)] if outs_given else []
    result = f(x, *out)
    np.testing.assert_array_equal(result, x)
    assert result.dtype is dtype
    assert type(result) is (np.ndarray if shape or outs_given else dtype.type)
    for other in python_api.DTYPES.values():
        assert other is dtype or f(np.zeros(shape, other), *out) is NotImplemented
    assert dtype.itemsize == 1 or f(x.astype(dtype.newbyteorder()), *out) is NotImplemented
    assert dtype.itemsize == 1 or x.size == 0 or f(misaligned(x), *out) is NotImplemented


@pytest.mark.parametrize("dtype", python_api.DTYPES.values(), ids=str)
def test_scalars(dtype):
    f = copier(Argument((), dtype))

    class Float(float):
        pass

    class Int(int):
        pass

    class Double(np.float64):
        pass

    taken = {
        bool: dtype.kind == "b",
        int: dtype.kind in "iu",  # never for a float: 2 // x is something else for the int 2
        float: dtype is FLOAT,
        complex: dtype is np.dtype(complex),
        Float: False,
        Int: False,
        Double: False,
        np.str_: False,
        np.longdouble: False,
        **{other.type: other is dtype for other in python_api.DTYPES.values()},
    }
    for kind, fits in taken.items():
        for value in (kind(0), kind(1)):
            result = f(value)
            assert (result is not NotImplemented) == fits, (dtype, kind)
            if fits:
                assert type(result) is dtype.type
                assert result == value
    for value in ("1", None, [1], np.zeros(1, dtype), np.zeros((1, 1), dtype), object(), dtype.type):
        assert f(value) is NotImplemented


@pytest.mark.parametrize("dtype", [d for d in python_api.DTYPES.values() if d.kind in "iu"], ids=str)
def test_ints_at_the_limits(dtype):
    f = copier(Argument((), dtype))
    limits = np.iinfo(dtype)
    edges = {limits.min - 1, limits.min, limits.min + 1, limits.max - 1, limits.max, limits.max + 1}
    for value in {-(2**70), -(2**63) - 1, -(2**63), -1, 0, 1, 2**31, 2**63 - 1, 2**63, 2**64, 2**70} | edges:
        result = f(value)
        if limits.min <= value <= min(limits.max, 2**63 - 1):
            assert type(result) is dtype.type
            assert int(result) == value
        else:
            assert result is NotImplemented  # numbers from 2**63 on are rare enough


@pytest.mark.parametrize("bits", [0x7FF8000000000000, 0x7FF8DEADBEEF1234, 0xFFF0000000000001, 0x8000000000000000, 1])
def test_bits_of_a_float(bits):
    x = np.array(bits, np.uint64).view(float)
    scalar = x[()]
    f, g = copier(SCALAR), copier(Argument((1,), FLOAT))
    python_float = ctypes.c_double.from_buffer_copy(x.tobytes()).value
    for value in (x, scalar, python_float):
        assert f(value).tobytes() == x.tobytes()
    assert g(x.reshape(1)).tobytes() == x.tobytes()


def test_booleans_are_the_objects_of_numpy():
    f = copier(Argument((), np.dtype(bool)), copies=2)
    assert f(True) == (True, True)
    assert all(value is np.True_ for value in f(np.array(True)))
    assert all(value is np.False_ for value in f(np.False_))


# Memory and threads.


@pytest.mark.parametrize("size", [0, 8, 4096, 4097, 1 << 20])
@pytest.mark.parametrize("release", [False, True])
def test_scratch(size, release):
    kernel = Kernel()
    memory, build = kernel.function.args[2], kernel.build
    kernel.store(build.ptrtoint(memory, LONG), kernel.output(0))
    kernel.loop(LONG(size // 8), lambda k: kernel.store(k, memory, k))
    total = lambda k: build.add(kernel.load(kernel.output(1), 0, LONG), kernel.load(memory, k, LONG))
    kernel.store(LONG(0), kernel.output(1))
    kernel.loop(LONG(size // 8), lambda k: kernel.store(total(k), kernel.output(1)))
    number = Argument((), np.dtype(np.int64))
    f = kernel.compile([], [number, number], size, release)
    for _ in range(5):
        address, value = f()
        assert address % 64 == 0
        assert (address == 0) == (size == 0)
        assert value == sum(range(size // 8))
    assert leaked(f, 50) < 10_000


def test_memory_that_there_is_not():
    kernel = Kernel()
    with pytest.raises(MemoryError):
        kernel.compile([VECTOR], [VECTOR, SCALAR], 2**62)(np.zeros(3))
    cube = Argument((-1, -1, -1), FLOAT)
    flags = Argument((-1,), np.dtype(bool))
    f = Kernel(symbolic=True).compile([flags], [SCALAR, Argument((2, -1), FLOAT), cube, Argument((), np.dtype(bool))])
    too_much, too_many = np.zeros(2**19, bool), np.zeros(2**20, bool)

    def fail():
        with pytest.raises(MemoryError):
            f(too_much)
        with pytest.raises(ValueError, match="too big"):
            f(too_many)

    fail()
    assert leaked(fail, 20) < 10_000


def leaked(act, times):
    """Return the number of bytes, of Python and of NumPy, that acts leave behind."""
    gc.collect()
    tracemalloc.start()
    try:
        act()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(times):
            act()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_references(plus, plus_out, dot):
    x, y, out = np.arange(3.0), np.ones(3), np.empty(3)
    minus, short, text, big, number = -np.ones(3), np.zeros(2), "text", 10**400, 2.5
    scalar, flag = copier(SCALAR), copier(Argument((), np.dtype(bool)))

    def act():
        for f, *arguments in (
            *((plus, x, y), (plus, x), (plus, x, short), (plus, text, y), (plus_out, x, y, out), (plus_out, x, x, x)),
            *((plus_out, x, y, text), (dot, x, y), (dot, minus, y), (dot, x, short), (scalar, number), (scalar, big)),
            *((scalar, text), (scalar, x), (flag, True), (flag, np.False_), (flag, text)),
        ):
            f(*arguments)

    singletons = [
        NotImplemented,
        True,
        False,
        np.True_,
        np.False_,
        FLOAT,
        np.dtype(bool),
        np.ndarray,
        np.float64,
        float,
    ]
    kept = [x, y, out, minus, short, text, big, number, *singletons, plus, plus_out, dot, scalar, flag]
    act()
    before = [sys.getrefcount(value) for value in kept]
    for _ in range(1000):
        act()
    after = [sys.getrefcount(value) for value in kept]
    assert all(abs(m - n) < 10 for m, n in zip(before, after)), list(zip(before, after))
    assert leaked(act, 1000) < 1000


def test_results_have_one_reference(plus, dot, plus_out):
    x, out = np.arange(3.0), np.empty(3)
    fresh, total, pair = object(), plus(x, x), dot(x, x)
    single = [object()]
    count, item = sys.getrefcount(fresh), sys.getrefcount(single[0])
    assert [sys.getrefcount(total), sys.getrefcount(pair)] == [count, count]
    items = [sys.getrefcount(pair[k]) for k in range(2)]
    assert items == [item, item]
    before = sys.getrefcount(out)
    same = plus_out(x, x, out)
    assert sys.getrefcount(out) == before + 1
    del same
    assert sys.getrefcount(out) == before


def test_a_function_keeps_its_code_alive():
    code = compile_module(adding_module())
    f, life = entry_point(code), weakref.ref(code)
    del code
    gc.collect()
    assert life() is not None
    x = np.arange(3.0)
    assert f(x, x).tolist() == [0, 2, 4]
    del f
    gc.collect()
    assert life() is None


def adding_module():
    kernel = Kernel()
    kernel.loop(LONG(3), lambda k: kernel.store(add(kernel, k), kernel.output(0), k))
    return kernel.add_entry([VECTOR, VECTOR], [VECTOR])


def test_two_entries_in_a_module():
    kernel = Kernel()
    kernel.loop(LONG(3), lambda k: kernel.store(add(kernel, k), kernel.output(0), k))
    kernel.add_entry([VECTOR, VECTOR], [VECTOR])
    add_entry(kernel.module, kernel.function, [VECTOR, VECTOR], [VECTOR], 0, True, name="second", outs_given=True)
    code = compile_module(kernel.module)
    f, g = entry_point(code), entry_point(code, "second")
    x, out = np.arange(3.0), np.empty(3)
    np.testing.assert_array_equal(f(x, x), g(x, x, out))
    assert g.__name__ == "second"


def test_kernels_run_side_by_side():
    """Each kernel waits for the other, which would never come if the first had the interpreter's lock."""
    kernel = Kernel(error=True)
    build, counter = kernel.build, kernel.input(0)
    build.atomic_rmw("add", counter, LONG(1), "seq_cst")
    before, wait, met = build.block, build.append_basic_block(), build.append_basic_block()
    late, more = build.append_basic_block(), build.append_basic_block()
    build.branch(wait)
    build.position_at_end(wait)
    tries = build.phi(LONG)
    arrived = build.load_atomic(counter, "seq_cst", 8, typ=LONG)
    build.cbranch(build.icmp_signed("==", arrived, LONG(2)), met, more)
    build.position_at_end(more)
    following = build.add(tries, LONG(1))
    tries.add_incoming(LONG(0), before)
    tries.add_incoming(following, more)
    build.cbranch(build.icmp_signed("<", following, LONG(1 << 34)), wait, late)
    build.position_at_end(met)
    build.ret(ir.IntType(32)(0))
    build.position_at_end(late)
    build.ret(ir.IntType(32)(1))
    f = kernel.compile([Argument((1,), np.dtype(np.int64))], [], release=True)
    results, shared = [], np.zeros(1, np.int64)
    in_threads(2, lambda k: results.append(f(shared)))
    assert results == [(), ()]


@pytest.mark.parametrize("release", [False, True])
def test_threads(release, seed):
    argument = Argument((50,), FLOAT)
    plus = adder(argument, argument, argument, release=release, scratch=5000)
    wrong = []

    def work(k):
        random = np.random.default_rng([seed, k])
        for _ in range(300):
            x, y = random.normal(size=(2, 50))
            if not np.array_equal(plus(x, y), x + y) or plus(x, y[:3]) is not NotImplemented:
                wrong.append(k)

    in_threads(4, work)
    assert not wrong


def in_threads(count, work):
    threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


OTHER_PROCESS = """
import sys
import llvmlite.binding as llvm
import numpy as np
from mixgrad.compile.call import entry_point
from mixgrad.compile.machine import Code, target_machine
from mixgrad.compile.python_api import register_symbols

register_symbols()
engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
engine.add_object_file(llvm.ObjectFileRef.from_path(sys.argv[1]))
engine.finalize_object()
f = entry_point(Code(engine, ""))
x = np.arange(3.0)
print(f(x, x).tolist(), f(x, 1))
"""


def test_machine_code_of_another_process(tmp_path):
    module = adding_module()
    target = target_machine()
    module.triple, module.data_layout = target.triple, str(target.target_data)
    (tmp_path / "code.o").write_bytes(target.emit_object(optimised(str(module), target)))
    command = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path / "code.o")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == "[0.0, 2.0, 4.0] NotImplemented\n"


# Preparations.


def test_arguments_made_to_fit(plus):
    x, y = np.arange(3.0), np.ones(3)
    for name, strange in strange_arrays():
        values: Any = conform([strange, y], [VECTOR, VECTOR])
        fits = {"list", "tuple", "byte order", "strides", "negative strides", "no strides", "misaligned", "metadata"}
        if name == "float":
            assert plus(*values) is NotImplemented
        elif name in fits:
            np.testing.assert_array_equal(plus(*values), np.asarray(strange) + 1)
        else:
            assert values is None, name
    same, _ = conform([x, y], [VECTOR, VECTOR]) or (None, None)
    assert same is x
    assert conform([x], [VECTOR, VECTOR]) is None
    assert conform([np.zeros((2, 3))], [Argument((-1, 3), FLOAT)]) is not None
    assert conform([np.zeros((2, 3))], [Argument((-1, 2), FLOAT)]) is None
    assert [type(value) for value in conform([1, 2.0], [SCALAR, SCALAR]) or ()] == [int, float]
    longlong = np.arange(3).astype(np.longlong)
    dtypes = [array.dtype for array in conform([longlong], [Argument((3,), np.dtype(np.int64))]) or ()]
    assert len(dtypes) == 1
    assert dtypes[0] is np.dtype(np.int64)


def test_kernels_that_cannot_be_called():
    with pytest.raises(ValueError, match=r"dtype dtype\('>f8'\), but only: bool, int8, .*complex128"):
        Kernel().add_entry([Argument((3,), np.dtype(">f8"))], [])
    with pytest.raises(ValueError, match="dtype"):
        Kernel().add_entry([], [Argument((3,), np.dtype(object))])
    with pytest.raises(ValueError, match="kernel kernel has 3 parameters, expected 4"):
        Kernel().add_entry([ANY], [])
    with pytest.raises(ValueError, match="kernel kernel has 4 parameters, expected 3"):
        Kernel(symbolic=True).add_entry([VECTOR], [])
    for inputs, outputs in (([-1], [-2]), ([-2], []), ([], [-1]), ([-1, -3], [])):
        before, after = ([Argument((n,), FLOAT) for n in lengths] for lengths in (inputs, outputs))
        with pytest.raises(ValueError, match=r"number them -1, -2, \.\.\. without a gap"):
            Kernel(symbolic=True).add_entry(before, after)


def test_symbols_are_addresses_by_name():
    text = str(adding_module())
    assert "inttoptr" not in text
    for name, address in python_api.symbols().items():
        assert address, name
        assert llvm.address_of_symbol(name) == address
    assert ctypes.cast(python_api.symbols()["mg.np.float64.type"], ctypes.py_object).value is np.float64


def test_another_layout_is_noticed(monkeypatch):
    fields = [field for field in python_api._ArrayFields._fields_ if field[0] != "strides"]
    other = type("Other", (ctypes.Structure,), {"_fields_": [*fields, ("strides", ctypes.POINTER(ctypes.c_ssize_t))]})
    assert python_api.unsupported() == ""
    assert python_api.unsupported.__wrapped__() == ""
    monkeypatch.setattr(python_api, "_ArrayFields", other)
    reason = python_api.unsupported.__wrapped__()
    assert reason.startswith("fields of an array: (")
    monkeypatch.setattr(python_api, "unsupported", lambda: reason)
    with pytest.raises(
        UnsupportedError, match=r"with NumPy .*: fields of an array: .*run the program without compiling"
    ):
        python_api.register_symbols.__wrapped__()
