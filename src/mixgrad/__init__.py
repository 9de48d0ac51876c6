"""mixgrad: exact derivatives of ordinary NumPy code, and the mixture models that they make possible.

The names below are loaded when they are first used, so that ``import mixgrad`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "mixgrad.derivatives": (
        "grad", "value_and_grad", "jvp", "vjp", "linearize", "jacobian", "jacfwd", "jacrev", "hessian", "hvp", "vmap",
        "taylor", "nth_derivative",
        "stop_gradient",
    ),
    "mixgrad.custom": ("custom_jvp", "custom_vjp"),
    "mixgrad.recomputation": ("checkpoint",),
    "mixgrad.row_sums": ("sum_rows",),
    "mixgrad.compiled": ("jit",),
    "mixgrad.native": ("cfunc", "set_threads", "threads"),
    "mixgrad.control_flow": ("cond", "while_loop", "scan", "fori_loop"),
    "mixgrad.linter": ("explain",),
    "mixgrad.staging": ("trace",),
    "mixgrad.source_code": ("source",),
    "mixgrad.program.simplify": ("simplify",),
    "mixgrad.testing": ("check_grads",),
    "mixgrad.rules.reduction": ("logsumexp",),
    "mixgrad.rules.linalg": ("solve_triangular",),
    "mixgrad.mixture": ("GaussianMixture", "KMeans"),
    "mixgrad._errors": (
        "MixgradError", "ProgramError", "StagingError", "DerivativeError", "UnsupportedError", "BoxConversionError",
        "ShapeError", "DataError",
    ),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = ("datasets", "plot", "testing")

__all__ = [*sorted(_HOME), *_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:  # the same names for editors and type checkers; a test holds the two lists together
    from mixgrad import datasets as datasets
    from mixgrad import plot as plot
    from mixgrad import testing as testing
    from mixgrad._errors import BoxConversionError as BoxConversionError
    from mixgrad._errors import DataError as DataError
    from mixgrad._errors import DerivativeError as DerivativeError
    from mixgrad._errors import MixgradError as MixgradError
    from mixgrad._errors import ProgramError as ProgramError
    from mixgrad._errors import ShapeError as ShapeError
    from mixgrad._errors import StagingError as StagingError
    from mixgrad._errors import UnsupportedError as UnsupportedError
    from mixgrad.native import cfunc as cfunc
    from mixgrad.compiled import jit as jit
    from mixgrad.native import set_threads as set_threads
    from mixgrad.native import threads as threads
    from mixgrad.control_flow import cond as cond
    from mixgrad.control_flow import fori_loop as fori_loop
    from mixgrad.control_flow import scan as scan
    from mixgrad.control_flow import while_loop as while_loop
    from mixgrad.custom import custom_jvp as custom_jvp
    from mixgrad.custom import custom_vjp as custom_vjp
    from mixgrad.derivatives import grad as grad
    from mixgrad.derivatives import hessian as hessian
    from mixgrad.derivatives import hvp as hvp
    from mixgrad.derivatives import jacfwd as jacfwd
    from mixgrad.derivatives import jacobian as jacobian
    from mixgrad.derivatives import jacrev as jacrev
    from mixgrad.derivatives import jvp as jvp
    from mixgrad.derivatives import linearize as linearize
    from mixgrad.derivatives import stop_gradient as stop_gradient
    from mixgrad.derivatives import taylor as taylor
    from mixgrad.derivatives import nth_derivative as nth_derivative
    from mixgrad.derivatives import value_and_grad as value_and_grad
    from mixgrad.derivatives import vjp as vjp
    from mixgrad.derivatives import vmap as vmap
    from mixgrad.linter import explain as explain
    from mixgrad.mixture import GaussianMixture as GaussianMixture
    from mixgrad.mixture import KMeans as KMeans
    from mixgrad.recomputation import checkpoint as checkpoint
    from mixgrad.row_sums import sum_rows as sum_rows
    from mixgrad.rules.linalg import solve_triangular as solve_triangular
    from mixgrad.rules.reduction import logsumexp as logsumexp
    from mixgrad.program.simplify import simplify as simplify
    from mixgrad.source_code import source as source
    from mixgrad.staging import trace as trace
    from mixgrad.testing import check_grads as check_grads


def __getattr__(name: str):
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"mixgrad.{name}")
    raise AttributeError(f"module 'mixgrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
