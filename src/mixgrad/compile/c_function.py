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
from mixgrad.compile.tensor import settle_updates
from mixgrad.compile.threads import register_symbols
from mixgrad.compile.vecmath.arithmetic import DOUBLE
from mixgrad.core.program import Program

NAME = "function"
LARGEST_SCRATCH = 2**16


def c_function(program: Program) -> Any:
    """Return a function of C, as ctypes knows it: its code lives as long as it does.

    ``double function(double)`` of a program of one number, ``double function(int, double *)`` of one of several.

    Raises
    ------
    UnsupportedError
        If the program is not one of numbers, or not all of it has a native form.
    """
    count = len(program.inputs)
    numbers = all(var.shape == () and var.dtype == np.float64 for var in program.inputs)
    result = [(np.shape(out), str(getattr(out, "dtype", type(out).__name__))) for out in program.outputs]
    if not numbers or not count or result not in ([((), "float64")], [((), "float")]):
        raise UnsupportedError(
            f"{program.name} takes {[(var.shape, str(var.dtype)) for var in program.inputs]} and returns {result}; a "
            "function of C takes one or several float64 numbers and returns one"
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
    _add(module, kernel, count)
    register_symbols()
    code = compile_module(module)
    one, several = (ctypes.CFUNCTYPE(ctypes.c_double, *kinds) for kinds in _SIGNATURES)
    function = (one if count == 1 else several)(code.address(NAME))
    function.code = code
    return function


_SIGNATURES = ((ctypes.c_double,), (ctypes.c_int, ctypes.POINTER(ctypes.c_double)))


def _add(module: ir.Module, kernel: Kernel, count: int) -> None:
    """Add the function that calls the kernel; an index out of bounds gives a nan."""
    kinds = [DOUBLE] if count == 1 else [INT32, DOUBLE.as_pointer()]
    function = ir.Function(module, ir.FunctionType(DOUBLE, kinds), NAME)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    inputs, outputs = (b.alloca(POINTER, n) for n in (constant(INT32, count), constant(INT32, 1)))
    result = b.alloca(DOUBLE)
    first = function.args[-1]
    if count == 1:
        first = b.alloca(DOUBLE)
        b.store(function.args[0], first)
    for i in range(count):
        b.store(b.bitcast(b.gep(first, [constant(INT64, i)]), POINTER), b.gep(inputs, [constant(INT64, i)]))
    b.store(b.bitcast(result, POINTER), outputs)
    scratch = b.alloca(ir.ArrayType(ir.IntType(8), max(kernel.scratch, 1)))
    scratch.align = 64
    failed = b.call(kernel.function, [inputs, outputs, b.bitcast(scratch, POINTER)])
    fine = b.icmp_signed("==", failed, constant(INT32, 0))
    b.ret(b.select(fine, b.load(result), constant(DOUBLE, np.nan)))
