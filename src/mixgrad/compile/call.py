"""Compiled code that Python calls like a builtin function: checks of arguments, allocation and results in machine code.

A kernel works on pointers. :func:`add_entry` puts a C function around it, of CPython's signature METH_FASTCALL, and
:func:`entry_point` makes a builtin function of it. Arguments that are not exactly what the kernel expects give
``NotImplemented``, and nothing has happened then: the caller may convert them with :func:`conform`, or compute in
another way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from llvmlite import ir

from .machine import Code
from .python_api import (
    ALIGNED,
    BYTE,
    CONTIGUOUS,
    DATA,
    DESCR,
    DIMENSIONS,
    DTYPES,
    FLAGS,
    HEADER,
    INT,
    LONG,
    ND,
    POINTER,
    TYPE,
    VOID,
    WRITEABLE,
    Writer,
    builtin_function,
    register_symbols,
)

ON_STACK = 4096  # bytes of scratch memory, at most
CACHE_LINE = 64


@dataclass(frozen=True)
class Argument:
    """What a kernel takes or gives.

    Attributes
    ----------
    shape : tuple of int
        A negative number stands for a length that is known when the kernel is called only; axes with the same number
        have the same length.
    dtype : np.dtype
        Boolean, integer, floating or complex, in the byte order of the machine.
    """

    shape: tuple[int, ...]
    dtype: np.dtype


def add_entry(
    module: ir.Module,
    kernel: ir.Function,
    inputs: Sequence[Argument],
    outputs: Sequence[Argument],
    scratch: int,
    release: bool,
    name: str = "entry",
    outs_given: bool = False,
    following: Mapping[int, tuple[int, int]] = MappingProxyType({}),
) -> None:
    """Add to a module the function that Python calls.

    An array must be an ``np.ndarray`` itself, no subclass, of the dtype and shape, C-contiguous and aligned. An
    argument of shape () may be a scalar of NumPy, an array of shape (), or, exactly of that type, a Python ``float``
    for float64, ``complex`` for complex128, ``bool`` for bool, ``int`` for integers that can hold it.

    Parameters
    ----------
    module : ir.Module
    kernel : ir.Function
        ``kernel(void **inputs, void **outputs, void *scratch)``, and ``int64 *lengths`` as a fourth if shapes have
        negative numbers: ``lengths[0]`` is the one of -1, and so on. All pointers are opaque. Each of inputs and
        outputs points to the C-contiguous elements, outputs of undefined content; inputs may share memory with each
        other. It returns nothing, or an i32: if that is not zero, results are dropped and the entry returns
        ``NotImplemented``.
    inputs, outputs : sequence of Argument
    scratch : int
        Bytes of memory for the kernel, of undefined content, aligned to 64; 0 for none, and a null pointer. A kernel
        that needs memory in proportion to a symbolic length has to allocate it.
    release : bool
        Whether other threads of Python run while the kernel does.
    name : str
        Of the function in the module, and of the builtin function.
    outs_given : bool
        Whether arrays for the outputs follow the inputs among the arguments, and are returned. They must be writeable,
        and share memory neither with inputs nor with each other. If the kernel returns an error, their content is
        undefined.
    following : mapping of int to pair of int
        Negative numbers in shapes of outputs that are new, and how these lengths follow from the one of -1: factor, and
        what is added to it.

    Raises
    ------
    UnsupportedError
        If compiled code cannot be called in this process.
    ValueError
        If a dtype is not supported, the kernel has other parameters, or a length follows from no argument.
    """
    register_symbols()
    known = {n for argument in (*inputs, *(outputs if outs_given else ())) for n in argument.shape if n < 0} | {
        *following
    }
    wanted = {n for argument in outputs for n in argument.shape if n < 0}
    count = len(known | wanted)
    if wanted - known or min(known, default=0) != -count:
        raise ValueError(
            f"symbolic lengths of the arguments are {sorted(known)[::-1]}, of outputs {sorted(wanted)[::-1]}; "
            "number them -1, -2, ... without a gap, and let each be an axis of an argument"
        )
    for argument in (*inputs, *outputs):
        if argument.dtype not in DTYPES.values():
            raise ValueError(
                f"a kernel cannot have arguments of dtype {argument.dtype!r}, but only: {', '.join(DTYPES)}"
            )
    if len(kernel.args) != (4 if count else 3):
        raise ValueError(f"kernel {kernel.name} has {len(kernel.args)} parameters, expected {4 if count else 3}")
    entry = _Entry(module, name)
    pointers = entry.take([*inputs, *outputs] if outs_given else list(inputs), len(inputs))
    sources, targets = pointers[: len(inputs)], pointers[len(inputs) :]
    for n, (factor, more) in following.items():
        entry.lengths[n] = entry.build.add(entry.build.mul(entry.lengths[-1], LONG(factor)), LONG(more))
    if outs_given:
        entry.refuse_overlap(inputs, sources, outputs, targets)
    else:
        targets = [entry.new(k, argument) for k, argument in enumerate(outputs)]
    entry.run(kernel, sources, targets, scratch, release)
    if outs_given:
        entry.give([(entry.argument(len(inputs) + k), True) for k in range(len(outputs))])
    else:
        entry.give([entry.made(k) for k in range(len(outputs))])


def entry_point(code: Code, name: str = "entry") -> Callable:
    """Return the builtin function object of an entry; the code lives as long as it does.

    Parameters
    ----------
    code : Code
        A compiled module with an entry of this name.
    name : str

    Returns
    -------
    callable
        Takes inputs as positional arguments. Returns one output itself, several as a tuple: new arrays, scalars of
        NumPy where the shape is (). Returns ``NotImplemented`` if arguments do not fit or the kernel returns an error.
    """
    return builtin_function(name, code.address(name), code)


def conform(values: Sequence[object], inputs: Sequence[Argument]) -> list | None:
    """Return arguments as an entry takes them, with arrays copied where need be.

    Parameters
    ----------
    values : sequence
        Anything that NumPy makes arrays of.
    inputs : sequence of Argument

    Returns
    -------
    list or None
        None if numbers, shapes or dtypes differ, byte order apart, or if one is of a subclass of ``np.ndarray`` that
        may compute in another way; symbolic lengths are not compared.
    """
    if len(values) != len(inputs):
        return None
    result: list = []
    for value, argument in zip(values, inputs):
        if type(value) in (bool, int, float, complex):
            result.append(value)  # the entry knows which of them it takes
            continue
        if isinstance(value, np.ndarray) and type(value) not in (np.ndarray, np.memmap):
            return None
        array, shape, dtype = np.asarray(value), argument.shape, DTYPES[argument.dtype.name]
        fits = array.ndim == len(shape) and all(n < 0 or n == length for n, length in zip(shape, array.shape))
        if not fits or not np.can_cast(array.dtype, dtype, "equiv"):
            return None
        if array.dtype is not dtype or not (array.flags.c_contiguous and array.flags.aligned):
            plain = np.empty(array.shape, dtype)
            plain[...] = array
            array = plain
        result.append(array)
    return result


class _Entry(Writer):
    """A function for Python while it is written.

    There are three ways out: a result; ``NotImplemented``; NULL, with an exception set. ``objects`` holds the outputs
    made so far, which the latter two drop.
    """

    def __init__(self, module: ir.Module, name: str) -> None:
        function = ir.Function(module, ir.FunctionType(POINTER, [POINTER, POINTER, LONG]), name)
        super().__init__(function)
        _, self.arguments, self.count = function.args
        self.refused, self.failed = (function.append_basic_block(text) for text in ("refused", "failed"))
        self.objects: dict[int, Any] = {}
        self.bits: dict[int, Any] = {}
        self.lengths: dict[int, Any] = {}

    def require_object(self, value: Any) -> None:
        self.require(self.build.icmp_unsigned("!=", value, POINTER(None)), self.failed)

    def argument(self, k: int) -> Any:
        return self.field(self.arguments, 8 * k)

    # Arguments.

    def take(self, arguments: Sequence[Argument], inputs: int) -> list[Any]:
        """Return pointers to the elements of the arguments; those after the inputs must be writeable arrays."""
        self.require(self.build.icmp_signed("==", self.count, LONG(len(arguments))), self.refused)
        pointers = []
        for k, argument in enumerate(arguments):
            value = self.argument(k)
            if k < inputs and argument.shape == ():
                pointers.append(self.scalar(value, argument.dtype))
                continue
            array = self.build.icmp_unsigned("==", self.field(value, TYPE), self.symbol("ndarray.type"))
            self.require(array, self.refused)
            pointers.append(self.array(value, argument, CONTIGUOUS | ALIGNED | (WRITEABLE if k >= inputs else 0)))
        return pointers

    def array(self, value: Any, argument: Argument, flags: int) -> Any:
        """Return the elements of an np.ndarray, if it is the array that is wanted."""
        build = self.build
        descr = build.icmp_unsigned("==", self.field(value, DESCR), self.symbol(f"np.{argument.dtype.name}.descr"))
        nd = build.icmp_signed("==", self.field(value, ND, INT), INT(len(argument.shape)))
        mask = build.icmp_signed("==", build.and_(self.field(value, FLAGS, INT), INT(flags)), INT(flags))
        self.require(build.and_(build.and_(descr, nd), mask), self.refused)
        if argument.shape:
            dimensions = self.field(value, DIMENSIONS)
            fits: Any = ir.IntType(1)(True)
            for axis, n in enumerate(argument.shape):
                length = self.field(dimensions, 8 * axis, LONG)
                wanted = LONG(n) if n >= 0 else self.lengths.setdefault(n, length)
                fits = build.and_(fits, build.icmp_signed("==", length, wanted))
            self.require(fits, self.refused)
        return self.field(value, DATA)

    def scalar(self, value: Any, dtype: np.dtype) -> Any:
        """Return a pointer to the value of a number."""
        build, name = self.build, dtype.name
        behind = lambda: self.at(value, HEADER)
        ways: dict[str, Callable[[], ir.Value]] = {f"np.{name}.type": behind}
        if name in ("float64", "complex128"):
            ways[f"{name.rstrip('0123456789')}.type"] = behind
        ways["ndarray.type"] = lambda: self.array(value, Argument((), dtype), CONTIGUOUS | ALIGNED)
        if name == "bool":
            ways["bool.type"] = lambda: self.python_bool(value)
        if dtype.kind in "iu":
            ways["int.type"] = lambda: self.python_int(value, dtype)
        kind = self.field(value, TYPE)
        done = build.append_basic_block()
        found = []
        for way, pointer in ways.items():
            this, other = build.append_basic_block(), build.append_basic_block()
            build.cbranch(build.icmp_unsigned("==", kind, self.symbol(way)), this, other)
            build.position_at_end(this)
            found.append((pointer(), build.block))
            build.branch(done)
            build.position_at_end(other)
        build.branch(self.refused)
        build.position_at_end(done)
        phi = build.phi(POINTER)
        for pointer, block in found:
            phi.add_incoming(pointer, block)
        return phi

    def python_bool(self, value: Any) -> Any:
        slot = self.slot(BYTE)
        self.build.store(self.build.zext(self.build.icmp_unsigned("==", value, self.symbol("True")), BYTE), slot)
        return slot

    def python_int(self, value: Any, dtype: np.dtype) -> Any:
        build, slot = self.build, self.slot(LONG)
        number = self.from_int(value, LONG, self.refused)
        limits = np.iinfo(dtype)
        above = build.icmp_signed(">=", number, LONG(int(limits.min)))
        below = build.icmp_signed("<=", number, LONG(min(int(limits.max), 2**63 - 1)))
        self.require(build.and_(above, below), self.refused)
        number = number if dtype.itemsize == 8 else build.trunc(number, ir.IntType(8 * dtype.itemsize))
        build.store(number, slot)
        return slot

    def refuse_overlap(
        self, inputs: Sequence[Argument], sources: list[Any], outputs: Sequence[Argument], targets: list[Any]
    ) -> None:
        """Refuse outputs that share memory with inputs or each other."""
        build = self.build
        spans = [
            (pointer, self.at(pointer, self.size(argument)))
            for pointer, argument in zip([*sources, *targets], [*inputs, *outputs])
        ]
        apart: Any = ir.IntType(1)(True)
        for k in range(len(inputs), len(spans)):
            for other in range(k):
                before = build.icmp_unsigned("<=", spans[k][1], spans[other][0])
                after = build.icmp_unsigned("<=", spans[other][1], spans[k][0])
                apart = build.and_(apart, build.or_(before, after))
        self.require(apart, self.refused)

    def size(self, argument: Argument) -> Any:
        """Return the number of bytes of an array."""
        size: Any = LONG(argument.dtype.itemsize * math.prod(n for n in argument.shape if n >= 0))
        for n in argument.shape:
            if n < 0:
                size = self.build.mul(size, self.lengths[n])
        return size

    # Results.

    def new(self, k: int, argument: Argument) -> Any:
        """Make an output, and return where the kernel writes it."""
        build, name, rank = self.build, argument.dtype.name, len(argument.shape)
        if not rank and name == "bool":
            self.bits[k] = self.slot(BYTE)  # there are two objects, one of which will be the output
            return self.bits[k]
        if rank:
            dimensions, descr, null = self.slot(LONG, rank), self.symbol(f"np.{name}.descr"), POINTER(None)
            for axis, n in enumerate(argument.shape):
                build.store(self.lengths[n] if n < 0 else LONG(n), self.at(dimensions, 8 * axis))
            self.call("Py_IncRef", VOID, descr)  # the next function takes a reference
            arguments = (self.symbol("ndarray.type"), descr, INT(rank), dimensions, null, null, INT(0), null)
            value = self.call("PyArray_NewFromDescr", POINTER, *arguments)
        else:
            value = self.call(f"np.{name}.alloc", POINTER, self.symbol(f"np.{name}.type"), LONG(0))
        self.objects[k] = self.slot(POINTER)
        with build.goto_entry_block():
            build.store(POINTER(None), self.objects[k])
        build.store(value, self.objects[k])
        self.require_object(value)
        return self.field(value, DATA) if rank else self.at(value, HEADER)

    def run(self, kernel: ir.Function, sources: list[Any], targets: list[Any], scratch: int, release: bool) -> None:
        """Call the kernel."""
        build = self.build
        arguments = []
        for pointers in (sources, targets):
            arguments.append(self.slot(POINTER, len(pointers)))
            for k, pointer in enumerate(pointers):
                build.store(pointer, self.at(arguments[-1], 8 * k))
        memory = POINTER(None)
        if scratch > ON_STACK:
            memory = self.call("PyMem_RawMalloc", POINTER, LONG(scratch + CACHE_LINE - 1))
            with build.if_then(build.icmp_unsigned("==", memory, POINTER(None)), likely=False):
                self.call("PyErr_NoMemory", POINTER)
                build.branch(self.failed)
            past = build.and_(build.neg(build.ptrtoint(memory, LONG)), LONG(CACHE_LINE - 1))
            arguments.append(self.at(memory, past))
        else:
            arguments.append(self.slot(BYTE, scratch, CACHE_LINE) if scratch else memory)
        if self.lengths:
            arguments.append(self.slot(LONG, len(self.lengths)))
            for n, length in self.lengths.items():
                build.store(length, self.at(arguments[-1], 8 * (-n - 1)))
        state = self.call("PyEval_SaveThread", POINTER) if release else None
        error = build.call(kernel, arguments)
        if state is not None:
            self.call("PyEval_RestoreThread", VOID, state)
        if scratch > ON_STACK:
            self.call("PyMem_RawFree", VOID, memory)
        if kernel.function_type.return_type == INT:
            self.require(build.icmp_signed("==", error, INT(0)), self.refused)

    def made(self, k: int) -> tuple[Any, bool]:
        """Return an output, and whether a reference to it has still to be taken."""
        if k not in self.bits:
            return self.build.load(self.objects[k], typ=POINTER), False
        bit = self.build.icmp_unsigned("!=", self.build.load(self.bits[k], typ=BYTE), BYTE(0))
        return self.build.select(bit, self.symbol("np.True"), self.symbol("np.False")), True

    def give(self, outputs: list[tuple[Any, bool]]) -> None:
        """Return the outputs, and write the other ways out."""
        build, result = self.build, None
        if len(outputs) != 1:
            result = self.call("PyTuple_New", POINTER, LONG(len(outputs)))
            self.require_object(result)
        for k, (value, borrowed) in enumerate(outputs):
            if borrowed:
                self.call("Py_IncRef", VOID, value)
            if result is not None:
                self.call("PyTuple_SetItem", INT, result, LONG(k), value)
        build.ret(outputs[0][0] if result is None else result)
        refusal = self.symbol("NotImplemented")
        for block, answer in ((self.refused, refusal), (self.failed, POINTER(None))):
            build.position_at_end(block)
            for holder in self.objects.values():
                self.call("Py_DecRef", VOID, build.load(holder, typ=POINTER))  # which does nothing to NULL
            if block is self.refused:
                self.call("Py_IncRef", VOID, refusal)
            build.ret(answer)
