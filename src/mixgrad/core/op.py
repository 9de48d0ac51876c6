"""`Op`: one row of the table of rules."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixgrad.core.bind import bind


class Kind(enum.Enum):
    """What a row says about its derivative; everything else follows from it."""

    ELEMENTWISE = "elementwise: partial derivatives are given"
    LINEAR = "linear in all its linear arguments together: the transpose is given"
    MULTILINEAR = "linear in each of its linear arguments: the transposes are given"
    GENERAL = "a forward rule is given; the reverse rule is derived from it"
    ZERO = "piecewise constant: the derivative is zero where it exists, and taken as zero where it does not"
    DISCRETE = "no tangent space: the result is an integer, a truth value or an index"
    NESTED = "its static data holds programs: the rules transform those, by the mode's means"


@dataclass(eq=False, slots=True)
class Op:
    """One row: an operation on arrays, and each of its rules written once.

    Arrays are positional, static metadata keyword-only, here and in every rule.

    Attributes
    ----------
    name : str
        Unique in the table; NumPy's name where NumPy has the function.
    kind : Kind
    value : callable
        ``value(*arrays, **static)``, the definition, in NumPy. Returns an array, or a tuple if `multiple`.
    jvp : callable or None
        ``jvp(out, args, tangents, **static)`` returns the tangent of `out`, or None for zero; an entry of `tangents`
        is None where the argument does not vary. Written in NumPy and ops, linear in the tangents.
    transpose : callable or None
        ``transpose(out_bar, args, i, **static)`` returns the cotangent of the linear argument `i`. The other linear
        arguments of a LINEAR op may be placeholders that know their shape and dtype only. For complex numbers it is
        the adjoint, with respect to the inner product ``Re(sum(conj(u) * v))``. That of a NESTED op is joint:
        ``transpose(bars, args, places, transform, **static)`` takes a cotangent or None for each result and returns one
        for each of the `places`; ``static["linear"]`` names the arguments in which the op is linear.
    accumulate : callable or None
        ``accumulate(total, out_bar, args, i, **static)`` adds to the plain array `total` in place what `transpose`
        returns: an optimisation for ops whose transpose is mostly zeros.
    batch : callable
        ``batch(args, batched, **static)``: the op on arguments of which those marked in `batched` have an additional
        first axis; the result (or each result) has one.
    shape : callable
        ``shape(*args, **static)``: the shape of the result (of each, if there are several), from the shapes of the
        arguments.
    partials : tuple
        ELEMENTWISE only. For each argument a callable ``partial(out, *args)`` or a number.
    linear_in : tuple of int, or None
        The linear arguments; None stands for all.
    dtype : callable or None
        Like `shape`; None stands for NumPy's promotion.
    multiple : bool
        Whether the result is a tuple of arrays.
    series : callable or None
        ``series(out, *coefficients, **static)``: the Taylor coefficients of the result, from those of the arguments and
        the value `out`, all along the first axis. Only where they do not follow from the other rules.
    lifted : callable or None
        NESTED only. ``lifted(args, flags, lift, transform, **static)``: the op in a mode that runs the same computation
        on another payload (dual numbers, batches, polynomials). Arguments with a flag are tuples of the parts of their
        payload; `lift` says what these are. Returns the results in the same form, and their flags.
    linearise : callable or None
        NESTED only. ``linearise(args, tangents, transform, **static)`` returns the results and their tangents, as
        equations that are linear in the tangents. `transform` holds the transforms of programs.
    check : callable or None
        NESTED only. ``check(args, **static)`` raises ProgramError if the programs do not fit the arguments.
    expand : callable or None
        ``expand(*args, **static)``: the op as a composition of others, for modes without a rule of their own for it;
        None if it has no such form for these arguments. A NESTED op without `linearise` has this for reverse mode.
    samples : tuple
        Arguments for the conformance test: see `mixgrad.rules.row`.
    """

    name: str
    kind: Kind
    value: Callable
    jvp: Callable | None = None
    transpose: Callable | None = None
    accumulate: Callable | None = None
    batch: Callable | None = None
    shape: Callable | None = None
    partials: tuple = ()
    linear_in: tuple[int, ...] | None = ()
    dtype: Callable | None = None
    multiple: bool = False
    series: Callable | None = None
    expand: Callable | None = None
    samples: tuple = ()
    lifted: Callable | None = None
    linearise: Callable | None = None
    check: Callable | None = None

    # Calling a row applies it to arrays or boxes.
    __call__ = bind

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def result_dtype(self, *args: Any, **static: Any) -> Any:
        """Return the dtype of the result (of each, if there are several) for arguments that know theirs.

        Numbers of Python are weak (NEP 50).
        """
        if self.dtype is not None:
            dtype = self.dtype(*args, **static)
            return tuple(map(np.dtype, dtype)) if self.multiple else np.dtype(dtype)
        return np.result_type(*[getattr(arg, "dtype", arg) for arg in args])


TABLE: dict[str, Op] = {}
"""Every row by name. `mixgrad.rules` fills it."""


def add_row(op: Op) -> Op:
    """Put `op` into the table."""
    if op.name in TABLE:
        raise ValueError(f"the table has a row named {op.name!r} already")
    TABLE[op.name] = op
    return op
