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
        "stop_gradient",
    ),
    "mixgrad.testing": ("check_grads",),
    "mixgrad.rules.reduction": ("logsumexp",),
    "mixgrad.rules.linalg": ("solve_triangular",),
    "mixgrad.mixture": ("GaussianMixture",),
    "mixgrad._errors": (
        "MixgradError", "DerivativeError", "UnsupportedError", "BoxConversionError", "ShapeError", "DataError",
    ),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = ("datasets", "plot", "testing")

__all__ = [*sorted(_HOME), *_MODULES]

if TYPE_CHECKING:
    from mixgrad import datasets, plot, testing
    from mixgrad._errors import (
        BoxConversionError,
        DataError,
        DerivativeError,
        MixgradError,
        ShapeError,
        UnsupportedError,
    )
    from mixgrad.derivatives import (
        grad,
        hessian,
        hvp,
        jacfwd,
        jacobian,
        jacrev,
        jvp,
        linearize,
        stop_gradient,
        value_and_grad,
        vjp,
        vmap,
    )
    from mixgrad.mixture import GaussianMixture
    from mixgrad.rules.linalg import solve_triangular
    from mixgrad.rules.reduction import logsumexp
    from mixgrad.testing import check_grads


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
