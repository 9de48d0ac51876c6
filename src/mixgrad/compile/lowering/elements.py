"""Elementwise functions, reductions and contractions as statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from mixgrad.compile.lowering.products import large_product
from mixgrad.compile.lowering.statements import (
    BOOL,
    INT,
    SUPPORTED,
    Lowering,
    NoNativeForm,
    Tensor,
    broadcast,
    cast,
    converted,
    form,
    reshaped,
)
from mixgrad.compile.spelling import OF_INTEGERS, SPELLINGS
from mixgrad.compile.tensor import (
    Apply,
    Expression,
    Number,
    Position,
)
from mixgrad.core.program import Equation

_COMPARISONS = frozenset(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"))
_TESTS = frozenset(("isfinite", "isinf", "isnan", "signbit", "isposinf", "isneginf"))
_LOGICAL = frozenset(("logical_and", "logical_or", "logical_xor", "logical_not"))
_REDUCTIONS = {"sum": "sum", "max": "max", "min": "min", "any": "any", "all": "all", "count_nonzero": "count"}


@form("elementwise")
def _elementwise(lowering: Lowering, equation: Equation) -> Tensor:
    name, (out,) = equation.op.name, equation.outs
    kind = out.dtype
    if name in _COMPARISONS or name in _TESTS:
        kind = np.result_type(*[getattr(arg, "dtype", arg) for arg in equation.args])
    elif name in _LOGICAL:
        kind = BOOL
    if (
        kind not in SUPPORTED
        or (kind.kind in "bu" and name in ("remainder", "floor_divide"))
        or (kind.kind != "f" and name not in OF_INTEGERS)
    ):
        raise NoNativeForm(f"{name} of numbers of type {kind}")
    tensors = [converted(lowering.tensor(arg, kind), kind) for arg in equation.args]
    return lowering.elementwise(name, *tensors, dtype=out.dtype, kind=kind)


@form("polygamma")
def _polygamma(lowering: Lowering, equation: Equation) -> Tensor:
    (out,), name = equation.outs, f"polygamma{equation.static['order']}"
    if name not in SPELLINGS:
        raise NoNativeForm(f"polygamma of order {equation.static['order']}")
    return lowering.elementwise(name, converted(lowering.tensor(equation.args[0]), out.dtype), dtype=out.dtype)


@form("stop_gradient", "real", "conjugate")
def _same(lowering: Lowering, equation: Equation) -> Tensor:
    return lowering.tensor(equation.args[0], equation.outs[0].dtype)


@form("astype", "astype_discrete")
def _astype(lowering: Lowering, equation: Equation) -> Tensor:
    return converted(lowering.tensor(equation.args[0]), equation.outs[0].dtype)


@form("where")
def _where(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    condition = converted(lowering.tensor(equation.args[0]), BOOL)
    yes, no = (converted(lowering.tensor(arg, out.dtype), out.dtype) for arg in equation.args[1:])
    return lowering.elementwise("where", condition, yes, no, dtype=out.dtype)


@form("weighted_sum")
def _weighted_sum(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    args = equation.args
    product = "multiply" if lowering.plain and id(out) in lowering.plain else "strong_product"
    dtype = np.result_type(*[getattr(arg, "dtype", arg) for arg in args if not _is_unit(arg)])
    tensors = [None if _is_unit(arg) else converted(lowering.tensor(arg, dtype), dtype) for arg in args]

    def element(index: list) -> Expression:
        total = None
        for i in range(0, len(args), 2):
            weight, value = tensors[i], tensors[i + 1]
            assert value is not None
            term = broadcast(value, index)
            negative = weight is None and args[i] == -1
            if weight is not None:
                term = Apply(product, [broadcast(weight, index), term], dtype, dtype)
            if total is None:
                total = Apply("negative", [term], dtype, dtype) if negative else term
            else:
                total = Apply("subtract" if negative else "add", [total, term], dtype, dtype)
        return cast(total, out.dtype)

    return lowering.map(out.shape, out.dtype, element)


def _is_unit(weight: Any) -> bool:
    return type(weight) is int and weight in (1, -1)


@form(*_REDUCTIONS)
def _reduction(lowering: Lowering, equation: Equation) -> Tensor:
    (out,), static = equation.outs, equation.static
    x = lowering.tensor(equation.args[0])
    how = _REDUCTIONS[equation.op.name]
    axes = static["axis"]
    axes = range(len(x.shape)) if axes is None else [axes] if isinstance(axes, int) else axes
    axes = [normalize_axis_index(axis, len(x.shape)) for axis in axes]
    if how in ("max", "min") and 0 in x.shape:
        raise NoNativeForm("an extreme of nothing")
    if how in ("any", "all", "count"):
        x = converted(x, BOOL)
    return lowering.reduce(how, x, axes, static["keepdims"], out.dtype)


@form("argmax", "argmin")
def _extreme_place(lowering: Lowering, equation: Equation) -> Tensor:
    """Add the extreme, and the first of the places where it is: reductions like others, so that rows are lanes."""
    x, axis = lowering.tensor(equation.args[0]), equation.static["axis"]
    if 0 in x.shape:
        raise NoNativeForm("an extreme of nothing")
    axis = normalize_axis_index(axis, len(x.shape))
    best = lowering.reduce(equation.op.name.removeprefix("arg"), x, [axis], True, x.dtype)
    attained = lowering.elementwise("equal", x, best, dtype=BOOL, kind=x.dtype)
    if x.dtype.kind == "f":  # the extreme of what has a nan is one: the first of them is meant
        attained = lowering.elementwise(
            "logical_or", attained, lowering.elementwise("isnan", x, dtype=BOOL, kind=x.dtype), dtype=BOOL
        )
    nowhere = Tensor((), INT, lambda index: Number(np.iinfo(INT).max, INT))
    places = Tensor(x.shape, INT, lambda index: Position(index[axis]))
    return lowering.reduce(
        "min", lowering.elementwise("where", attained, places, nowhere, dtype=INT), [axis], False, INT
    )


@form("logsumexp")
def _logsumexp(lowering: Lowering, equation: Equation) -> Tensor:
    (out,), static = equation.outs, equation.static
    x, dtype = lowering.tensor(equation.args[0]), out.dtype
    axes = range(len(x.shape)) if static["axis"] is None else np.atleast_1d(static["axis"])
    axes = [normalize_axis_index(int(axis), len(x.shape)) for axis in axes]
    if 0 in x.shape:
        raise NoNativeForm("logsumexp of nothing")
    largest = lowering.reduce("max", x, axes, True, dtype)
    zero = Tensor((), dtype, lambda index: Number(0.0, dtype))
    finite = lowering.elementwise("isfinite", largest, dtype=BOOL, kind=dtype)
    shift = lowering.elementwise("where", finite, largest, zero, dtype=dtype)
    scaled = lowering.elementwise("exp", lowering.elementwise("subtract", x, shift, dtype=dtype), dtype=dtype)
    total = lowering.elementwise("log", lowering.reduce("sum", scaled, axes, True, dtype), dtype=dtype)
    result = lowering.elementwise("add", total, shift, dtype=dtype)
    return result if static["keepdims"] else reshaped(result, out.shape)


@form("einsum", "matmul", "matvec", "vecdot")
def _contraction(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    operands = [lowering.tensor(arg, out.dtype) for arg in equation.args]
    terms, output = _SUBSCRIPTS[equation.op.name](equation, [len(x.shape) for x in operands])
    large = large_product(lowering, terms, output, operands, out.dtype)
    return lowering.contract(terms, output, operands, out.dtype) if large is None else large


def _letters(count: int) -> str:
    return "".join(chr(ord("A") + i) for i in range(count))


def _matmul(equation: Equation, ndims: list[int]) -> tuple:
    m, n = ndims
    batch = _letters(max(m - 2, n - 2, 0))
    first, second = ("i" if m > 1 else "") + "k", "k" + ("j" if n > 1 else "")
    terms = (batch[len(batch) - max(m - 2, 0) :] + first, batch[len(batch) - max(n - 2, 0) :] + second)
    return terms, batch + first[:-1] + second[1:]


def _matvec(equation: Equation, ndims: list[int]) -> tuple:
    m, n = ndims
    batch = _letters(max(m - 2, n - 1))
    return (batch[len(batch) - (m - 2) :] + "ik", batch[len(batch) - (n - 1) :] + "k"), batch + "i"


def _vecdot(equation: Equation, ndims: list[int]) -> tuple:
    batch = _letters(max(ndims) - 1)
    return tuple(batch[len(batch) - (n - 1) :] + "k" for n in ndims), batch


_SUBSCRIPTS: dict[str, Callable] = {
    "einsum": lambda equation, ndims: equation.static["subscripts"],
    "matmul": _matmul,
    "matvec": _matvec,
    "vecdot": _vecdot,
}
