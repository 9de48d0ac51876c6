"""The order of numbers, as a function that kernels call: merging sorted runs, so that equal numbers stay in order."""

from __future__ import annotations

import numpy as np
from llvmlite import ir

from mixgrad.compile.memory import POINTER
from mixgrad.compile.spelling import INT32, INT64, constant, stored_type
from mixgrad.compile.values import Values


def argsort(kernel: Values, dtype: np.dtype) -> ir.Function:
    """Return ``void argsort(keys, int *n, long *order, long *scratch)``, all of them opaque pointers; nan come last."""
    name = f"argsort.{dtype.name}"
    known = kernel.module.globals.get(name)
    if known is not None:
        return known
    function = ir.Function(kernel.module, ir.FunctionType(ir.VoidType(), [POINTER] * 4), name)
    function.linkage = "internal"
    b = ir.IRBuilder(function.append_basic_block("entry"))
    kinds = (stored_type(dtype), INT32, INT64, INT64)
    keys, length, order, scratch = (b.bitcast(arg, kind.as_pointer()) for arg, kind in zip(function.args, kinds))
    n = b.sext(b.load(length), INT64)
    with kernel.frame(function=function, b=b, entry=b):
        with kernel.range(constant(INT64, 0), n, 1) as i:
            b.store(i, b.gep(order, [i]))
        _merge_all(kernel, keys, n, order, scratch, dtype)
    return function


def _merge_all(
    kernel: Values, keys: ir.Value, n: ir.Value, order: ir.Value, scratch: ir.Value, dtype: np.dtype
) -> None:
    """Merge runs of length 1, 2, 4, ..., forth and back between two arrays."""
    b = kernel.b
    source, target, width = (b.alloca(kind) for kind in (order.type, order.type, INT64))
    left, right = b.alloca(INT64), b.alloca(INT64)
    for value, slot in ((order, source), (scratch, target), (constant(INT64, 1), width)):
        b.store(value, slot)
    head, body, done = (kernel.function.append_basic_block(label) for label in ("runs", "merge", "sorted"))
    b.branch(head)
    b.position_at_end(head)
    b.cbranch(b.icmp_signed("<", b.load(width), n), body, done)
    b.position_at_end(body)
    old, new, run = b.load(source), b.load(target), b.load(width)
    with kernel.range(constant(INT64, 0), n, b.mul(run, constant(INT64, 2))) as start:
        middle = _least(b, b.add(start, run), n)
        end = _least(b, b.add(middle, run), n)
        b.store(start, left)
        b.store(middle, right)
        with kernel.range(start, end, 1) as place:
            i, j = b.load(left), b.load(right)
            inside = b.icmp_signed("<", i, middle), b.icmp_signed("<", j, end)
            first, second = (b.load(b.gep(old, [b.select(ok, k, start)])) for ok, k in zip(inside, (i, j)))
            before = _less(b, dtype, *(b.load(b.gep(keys, [k])) for k in (second, first)))
            take = b.and_(inside[0], b.not_(b.and_(inside[1], before)))
            b.store(b.select(take, first, second), b.gep(new, [place]))
            step = b.zext(take, INT64)
            b.store(b.add(i, step), left)
            b.store(b.add(j, b.sub(constant(INT64, 1), step)), right)
    for value, slot in ((new, source), (old, target), (b.mul(run, constant(INT64, 2)), width)):
        b.store(value, slot)
    b.branch(head)
    b.position_at_end(done)
    found = b.load(source)
    moved = b.icmp_unsigned("!=", b.ptrtoint(found, INT64), b.ptrtoint(order, INT64))
    last = b.select(moved, n, constant(INT64, 0))
    with kernel.range(constant(INT64, 0), last, 1) as i:
        b.store(b.load(b.gep(found, [i])), b.gep(order, [i]))
    b.ret_void()


def _least(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    return b.select(b.icmp_signed("<", x, y), x, y)


def _less(b: ir.IRBuilder, dtype: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    """Whether a number comes before another one."""
    if dtype.kind != "f":
        return b.icmp_signed("<", x, y) if dtype.kind == "i" else b.icmp_unsigned("<", x, y)
    known, missing = b.fcmp_ordered("ord", x, x), b.fcmp_unordered("uno", y, y)
    return b.or_(b.fcmp_ordered("<", x, y), b.and_(known, missing))
