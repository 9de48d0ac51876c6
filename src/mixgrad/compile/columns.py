"""Two neighbouring columns of rows that lie far apart, as vectors: read in pairs, that is half as many instructions."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from mixgrad.compile.fusion import Loop, paths
from mixgrad.compile.spelling import INT32
from mixgrad.compile.tensor import Affine, Axis, reads


def two_columns(b: ir.IRBuilder, pointer: ir.Value, places: Sequence[ir.Value], size: int) -> tuple[ir.Value, ir.Value]:
    """Return the elements at some places, and those that follow each of them.

    Parameters
    ----------
    b : ir.IRBuilder
    pointer : ir.Value
    places : sequence of ir.Value
        As many as vectors have lanes: 4, or a power of 2 times that.
    size : int
        Bytes of an element.
    """
    wide = ir.VectorType(pointer.type.pointee, 2).as_pointer()
    pairs = [b.load(b.bitcast(b.gep(pointer, [place]), wide), align=size) for place in places]
    pick = lambda x, y, lanes: b.shuffle_vector(x, y, ir.Constant(ir.VectorType(INT32, len(lanes)), lanes))
    columns: tuple[list, list] = [], []
    for i in range(0, len(pairs), 4):
        # Rows 0 and 2 in one vector, 1 and 3 in another: what remains are steps within halves of vectors.
        even, odd = (pick(pairs[k], pairs[k + 2], [0, 1, 2, 3]) for k in (i, i + 1))
        for k, column in enumerate(columns):
            column.append(pick(even, odd, [k, 4 + k, 2 + k, 6 + k]))
    return _joined(pick, columns[0]), _joined(pick, columns[1])


def _joined(pick, parts: list[ir.Value]) -> ir.Value:
    while len(parts) > 1:
        count = 2 * parts[0].type.count
        parts = [pick(parts[i], parts[i + 1], list(range(count))) for i in range(0, len(parts), 2)]
    return parts[0]


def reads_columns(loop: Loop, rows: Axis) -> bool:
    """Whether each step of a loop reads a column of rows that lie far apart."""
    inside = [load for statement, path in paths(loop.body) if path for load in reads(statement)]
    return any(
        load.buffer.role in ("input", "constant")
        and is_next_column(load.index, loop.key[0])
        and any(isinstance(part, Affine) and part.axis.root() is rows for part in load.index[:-1])
        for load in inside
    )


def is_next_column(index: Sequence, axis: Axis | None) -> bool:
    """Whether each step along an axis goes to the next column, and nowhere else."""
    along = [isinstance(part, Affine) and part.axis.root() is axis for part in index]
    return bool(along) and along[-1] and sum(along) == 1 and index[-1].step == 1
