"""Sorting: a call of a function that kernels bring along."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from mixgrad.compile.lowering.matrices import call, empty, whole
from mixgrad.compile.lowering.statements import INT, Lowering, NoNativeForm, Tensor, form, of_buffer
from mixgrad.core.program import Equation

LONGEST = 512
"""How many numbers are sorted at most: NumPy is faster from there on."""


@form("argsort")
def _argsort(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    x = lowering.tensor(equation.args[0])
    axis = normalize_axis_index(equation.static["axis"], len(x.shape))
    n, rest = x.shape[axis], x.shape[:axis] + x.shape[axis + 1 :]
    if n > LONGEST:
        raise NoNativeForm(f"{n} numbers to sort")
    keys = lowering.copied(Tensor((*rest, n), x.dtype, lambda index: x.at([*index[:axis], index[-1], *index[axis:-1]])))
    order, scratch = empty((*rest, n), INT), empty((max(n, 2),), INT)
    arguments = [whole(keys, rest), n, whole(order, rest), whole(scratch)]
    call(lowering, "argsort", arguments, [order, scratch], rest, max(n, 1) * int(np.log2(max(n, 2)) + 1))
    result = of_buffer(order)
    return Tensor(out.shape, INT, lambda index: result.at([*index[:axis], *index[axis + 1 :], index[axis]]))
