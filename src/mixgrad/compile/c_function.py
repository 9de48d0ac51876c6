"""A compiled function of numbers as a function of C, for libraries that call one themselves."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir

from mixgrad._errors import UnsupportedError
from mixgrad.compile.emission import WIDTH, Kernel
from mixgrad.compile.fusion import fused
from mixgrad.compile.lowering import Lowering, NoNativeForm
from mixgrad.compile.machine import compile_module
from mixgrad.compile.memory import POINTER
from mixgrad.compile.spelling import INT32, INT64, constant
from mixgrad.compile.tensor import settle_updates, volume
from mixgrad.compile.threads import register_symbols
from mixgrad.compile.vecmath.arithmetic import DOUBLE
from mixgrad.core.program import Program

NAME = "function"
LARGEST_SCRATCH = 2**16


def c_function(program: Program) -> Any:
    """Return a function of C, as ctypes knows it: its code lives as long as it does.

    ``double function(double)`` of a program of one number, ``double function(int, double *)`` of one of several; with
    more results than one number ``void function(double *x, double *results)``.

    Raises
    ------
    UnsupportedError
        If the program is not one of numbers, or not all of it has a native form.
    """
    count = len(program.inputs)
    numbers = all(var.shape == () and var.dtype == np.float64 for var in program.inputs)
    result = [(np.shape(out), str(getattr(out, "dtype", type(out).__name__))) for out in program.outputs]
    if not numbers or not count or not result or any(dtype not in ("float64", "float") for _, dtype in result):
        raise UnsupportedError(
            f"{program.name} takes {[(var.shape, str(var.dtype)) for var in program.inputs]} and returns {result}; a "
            "function of C takes one or several float64 numbers and returns float64 numbers"
        )
    lowering = Lowering()
    try:
        lowering.program(program)
    except NoNativeForm as error:
        raise UnsupportedError(f"{program.name} has no form in C: {error} is computed by NumPy") from None
    module = ir.Module("mixgrad")
    kernel = Kernel(module, fused(settle_updates(lowering.statements, []), WIDTH), "kernel", WIDTH)
    if kernel.scratch > LARGEST_SCRATCH:
        raise UnsupportedError(
            f"{program.name} needs {kernel.scratch} bytes for arrays; a function of C may take 65536"
        )
    several = [shape for shape, _ in result] != [()]
    sizes = [volume(shape) for shape, _ in result]
    (_add_several if several else _add)(module, kernel, count, sizes)
    register_symbols()
    code = compile_module(module)
    signature = _OF_SEVERAL_RESULTS if several else _OF_ONE_NUMBER if count == 1 else _OF_NUMBERS
    function = signature(code.address(NAME))
    function.code = code
    return function


_NUMBERS = ctypes.POINTER(ctypes.c_double)
_OF_ONE_NUMBER = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
_OF_NUMBERS = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, _NUMBERS)
_OF_SEVERAL_RESULTS = ctypes.CFUNCTYPE(None, _NUMBERS, _NUMBERS)


def _add(module: ir.Module, kernel: Kernel, count: int, sizes: list[int]) -> None:
    """Add the function that calls the kernel for one result; an index out of bounds gives a nan."""
    kinds = [DOUBLE] if count == 1 else [INT32, DOUBLE.as_pointer()]
    function = ir.Function(module, ir.FunctionType(DOUBLE, kinds), NAME)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    result, first = b.alloca(DOUBLE), function.args[-1]
    if count == 1:
        first = b.alloca(DOUBLE)
        b.store(function.args[0], first)
    fine = _call(b, kernel, first, count, result, sizes)
    b.ret(b.select(fine, b.load(result), constant(DOUBLE, np.nan)))


def _add_several(module: ir.Module, kernel: Kernel, count: int, sizes: list[int]) -> None:
    """Add the function that calls the kernel for several results; an index out of bounds makes nans of all."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [DOUBLE.as_pointer()] * 2), NAME)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    fine = _call(b, kernel, function.args[0], count, function.args[1], sizes)
    with b.if_then(b.not_(fine), likely=False):
        for i in range(sum(sizes)):
            b.store(constant(DOUBLE, np.nan), b.gep(function.args[1], [constant(INT64, i)]))
    b.ret_void()


def _call(
    b: ir.IRBuilder, kernel: Kernel, numbers: ir.Value, count: int, results: ir.Value, sizes: list[int]
) -> ir.Value:
    """Call the kernel on numbers that lie one after the other; return whether all went well."""
    inputs, outputs = (b.alloca(POINTER, constant(INT32, n)) for n in (count, len(sizes)))
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    for table, first, places in ((inputs, numbers, range(count)), (outputs, results, starts)):
        for i, place in enumerate(places):
            address = b.bitcast(b.gep(first, [constant(INT64, place)]), POINTER)
            b.store(address, b.gep(table, [constant(INT64, i)]))
    scratch = b.alloca(ir.ArrayType(ir.IntType(8), max(kernel.scratch, 1)))
    scratch.align = 64
    failed = b.call(kernel.function, [inputs, outputs, b.bitcast(scratch, POINTER)])
    return b.icmp_signed("==", failed, constant(INT32, 0))
