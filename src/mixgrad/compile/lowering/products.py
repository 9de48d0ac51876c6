"""Products of large matrices, which are given to BLAS."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixgrad.compile.lowering.matrices import call, empty, readable
from mixgrad.compile.lowering.statements import Lowering, Tensor, converted, of_buffer
from mixgrad.compile.tensor import Load, Operand, volume

LEAST, LEAST_WORK = 64, 2**22
"""Lengths, and products of all three of them, from which on BLAS is faster than loops that nothing is fused with."""
TALL, LARGEST = 64, 2**23
"""Of matrices with more rows than `TALL` times the columns results of at most so many elements are held as a whole."""


def large_product(
    lowering: Lowering, terms: Sequence[str], output: str, operands: Sequence[Tensor], dtype: np.dtype
) -> Tensor | None:
    """Return an `einsum` that is a product of large matrices, or a stack of them; None if it is something else."""
    if len(operands) != 2 or dtype.kind != "f" or any(len(set(term)) < len(term) for term in (*terms, output)):
        return None
    sizes = [{label: n for label, n in zip(term, x.shape) if n != 1} for term, x in zip(terms, operands)]
    lengths = sizes[0] | sizes[1]
    if lowering.rows in lengths.values():
        return None
    inner = [label for label in lengths if label not in output]
    outer = [label for label in output if label in lengths]
    if len(inner) != 1 or not all(inner[0] in own for own in sizes) or not outer:
        return None
    first = 0 if outer[-1] in sizes[1] else 1  # the columns of the result, side by side, are those of the other one
    a, b = sizes[first], sizes[1 - first]
    rows = max((label for label in outer if label not in b), key=lambda label: lengths[label], default=None)
    if rows is None or outer[-1] in a or not _is_large([lengths[label] for label in (rows, outer[-1], *inner)]):
        return None
    found = rows, outer[-1], inner[0]
    place, other = (
        _matrices(lowering, terms[i], output, operands[i], found, i != first, dtype) for i in (first, 1 - first)
    )
    out = empty([lengths.get(label, 1) for label in output], dtype)
    steps = dict(zip(output, out.strides()))
    rest = [label for label in output if label not in found]
    m, n, k = (lengths[label] for label in found)
    target = Operand(Load(out, [0] * len(output)), [steps[label] for label in rest])
    flips = ["N" if x.by_rows else "T" for x in (other, place)]  # BLAS sees all of it transposed
    sources = [other.place, other.leading, place.place, place.leading]
    arguments = [*flips, n, m, k, 1.0, *sources, 0.0, target, steps[rows]]
    call(lowering, "gemm", arguments, [out], [lengths.get(label, 1) for label in rest], 2 * m * n * k)
    return of_buffer(out)


def _is_large(lengths: Sequence[int]) -> bool:
    m, n, k = lengths
    if min(lengths) < LEAST or volume(lengths) < LEAST_WORK:
        return False
    return max(m, n) <= TALL * max(min(m, n), k) or m * n <= LARGEST


def _matrices(
    lowering: Lowering, term: str, output: str, x: Tensor, found: tuple[str, str, str], right: bool, dtype: np.dtype
):
    """Return an operand as a stack of matrices, with all other dimensions of the result as the stack."""
    rows, columns, inner = found
    order = [label for label in output if label not in found] + ([inner, columns] if right else [rows, inner])
    known = dict(zip(term, x.shape))
    shape = tuple(known.get(label, 1) for label in order)

    def at(index: list):
        places = dict(zip(order, index))
        return x.at([0 if n == 1 else places[label] for label, n in zip(term, x.shape)])

    return readable(lowering, converted(Tensor(shape, x.dtype, at), dtype))
