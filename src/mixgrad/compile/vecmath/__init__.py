"""Vector mathematics as LLVM IR: every function is one formula without branches, so that loops around it vectorise."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from . import entropy, exponential, gammas, hyperbolic, logarithm, normal, power, special, transformation, trigonometric
from .arithmetic import DOUBLE, SINGLE, Real, Truth, like

#: From the name of a function of NumPy or SciPy to its formula.
FUNCTIONS: dict[str, Callable[..., Real]] = {
    **exponential.FUNCTIONS,
    **logarithm.FUNCTIONS,
    **hyperbolic.FUNCTIONS,
    **power.FUNCTIONS,
    **trigonometric.FUNCTIONS,
    **special.FUNCTIONS,
    **entropy.FUNCTIONS,
    **normal.FUNCTIONS,
    **gammas.FUNCTIONS,
    **transformation.FUNCTIONS,
}

#: From the name of a function to whether the scalar function of the C library must be called for some arguments.
HARD: dict[str, Callable[..., Truth]] = {**trigonometric.HARD, **special.HARD}

_OWN = (
    "exp exp2 expm1 expit log log2 log10 log1p logaddexp softplus log_expit sinh cosh tanh arcsinh arccosh arctanh "
    "power sqrt sin cos tan erf erfc"
)

#: Formulas that hold for floats as well; of the others floats are computed as doubles, and rounded.
OF_SINGLES: frozenset[Callable[..., Any]] = frozenset([FUNCTIONS[name] for name in _OWN.split()] + [*HARD.values()])


def define(module: ir.Module, name: str, kind: ir.Type = DOUBLE) -> ir.Function:
    """Return the function of a module that computes a function of the table; add it if it is not there.

    Parameters
    ----------
    module : llvmlite.ir.Module
        The module to add to.
    name : str
        A name in `FUNCTIONS`.
    kind : llvmlite.ir.Type
        The type of the arguments and of the result: ``DoubleType()``, ``FloatType()`` or a vector type of one of
        these.

    Returns
    -------
    llvmlite.ir.Function
        The function ``mg.<name>.f64`` (``.f32``, ``.v4f64``), to be called with as many numbers as the formula takes.
    """
    return define_formula(module, name, FUNCTIONS[name], kind)


def define_formula(
    module: ir.Module, name: str, formula: Callable[..., Real | Truth], kind: ir.Type = DOUBLE
) -> ir.Function:
    """Return the function of a module that computes a formula, under a given name; add it if it is not there.

    A formula that gives a `Truth` becomes a function that returns one bit (for vectors, a vector of bits).
    """
    vector = isinstance(kind, ir.VectorType)
    bit = like(kind, ir.IntType(1))
    width = "f64" if kind == like(kind, DOUBLE) else "f32"
    full_name = f"mg.{name}.v{kind.count}{width}" if vector else f"mg.{name}.{width}"
    present = module.globals.get(full_name)
    if isinstance(present, ir.Function):
        return present
    parameters = [kind] * len(inspect.signature(formula).parameters)
    gives_truth = isinstance(
        _written(ir.Function(ir.Module(), ir.FunctionType(kind, parameters), "f"), formula)[1], Truth
    )
    function = ir.Function(module, ir.FunctionType(bit if gives_truth else kind, parameters), full_name)
    function.linkage = "internal"
    function.attributes.add("alwaysinline")
    builder, result = _written(function, formula)
    builder.ret(result.value if gives_truth or result.value.type == kind else builder.fptrunc(result.value, kind))
    return function


def _written(function: ir.Function, formula: Callable[..., Real | Truth]) -> tuple[ir.IRBuilder, Real | Truth]:
    """Write a formula into an empty function; return where to go on, and the result."""
    builder = ir.IRBuilder(function.append_basic_block("formula"))
    arguments: list[Any] = list(function.args)
    if function.args[0].type == like(function.args[0].type, SINGLE) and formula not in OF_SINGLES:
        arguments = [builder.fpext(a, like(a.type, DOUBLE)) for a in arguments]
    return builder, formula(*(Real(builder, a) for a in arguments))
