"""Calls of routines of BLAS and LAPACK, and of sorting, as LLVM IR.

They stand outside of what our threads share, so a routine may use threads of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from mixgrad.compile.blas import routine
from mixgrad.compile.memory import POINTER
from mixgrad.compile.sorting import argsort
from mixgrad.compile.spelling import INT8, INT32, INT64, constant, element_type
from mixgrad.compile.tensor import Call, Operand
from mixgrad.compile.values import Values


def write_call(kernel: Values, call: Call) -> None:
    """Write the loops over stacks of matrices, and the call in them."""
    _rounds(kernel, call, [])


def _rounds(kernel: Values, call: Call, places: list[ir.Value]) -> None:
    if len(places) < len(call.rounds):
        length = call.rounds[len(places)]
        if length:
            with kernel.range(0, length, 1) as i:
                _rounds(kernel, call, [*places, i])
        return
    if call.unless is None:
        _once(kernel, call, places)
        return
    flag = kernel.b.load(_address(kernel, call.unless, places))
    with kernel.b.if_else(kernel.b.icmp_unsigned("==", flag, constant(flag.type, 0))) as (fine, wrong):
        with fine:
            _once(kernel, call, places)
        with wrong:
            kernel.b.store(constant(INT32, 1), kernel.failed)


def _once(kernel: Values, call: Call, places: list[ir.Value]) -> None:
    b, dtype = kernel.b, call.results[0].dtype
    state = kernel.entry.alloca(INT32) if None in call.arguments else None
    pointers = []
    for argument in call.arguments:
        if isinstance(argument, Operand):
            pointer = _address(kernel, argument, places)
        else:
            pointer = state if argument is None else _fixed(kernel.module, argument, dtype)
        pointers.append(b.bitcast(pointer, POINTER))
    if call.routine == "argsort":
        function = argsort(kernel, call.arguments[0].load.buffer.dtype)
    else:
        function = routine(kernel.module, call.routine, dtype, len(pointers))
    b.call(function, pointers)
    if state is not None:
        with b.if_then(b.icmp_signed("!=", b.load(state), constant(INT32, 0)), likely=False):
            b.store(constant(INT32, 1), kernel.failed)


def _address(kernel: Values, operand: Operand, places: list[ir.Value]) -> ir.Value:
    pointer = kernel.address(operand.load.buffer, operand.load.index)
    for place, step in zip(places, operand.steps):
        if step:
            pointer = kernel.b.gep(pointer, [kernel.b.mul(place, constant(INT64, step))])
    return pointer


def _fixed(module: ir.Module, value: Any, dtype: np.dtype) -> ir.GlobalVariable:
    """Return a constant in memory: Fortran takes arguments by address."""
    kind = INT8 if isinstance(value, str) else INT32 if isinstance(value, int) else element_type(dtype)
    name = f"fixed.{kind}.{value}"
    if name not in module.globals:
        data = ir.GlobalVariable(module, kind, name)
        data.global_constant, data.linkage = True, "internal"
        data.initializer = constant(kind, ord(value) if isinstance(value, str) else value)
    return module.globals[name]
