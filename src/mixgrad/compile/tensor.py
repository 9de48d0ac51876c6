"""Programs as loops: buffers, statements that fill them, and the axes that statements run over.

A statement says how each element of its result follows from elements of other buffers: ``out[a, b] = sum over c of
f(x[a, c], y[c, b])``. Views (slices, transposes, broadcasts) are no statements: they are other ways to index.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixgrad.compile.lengths import usual

_numbers = itertools.count()


class Axis:
    """A loop of a statement, or a dimension of an input; `unify` finds out which of them may be the same loop.

    Attributes
    ----------
    length : int or Length
    owner : object
        The statement or the input that it belongs to: two axes of one owner are never the same loop.
    """

    def __init__(self, length: int, owner: Any) -> None:
        self.length: Any = length
        self.number = next(_numbers)
        self._parent: Axis | None = None
        self._members: dict[int, Axis] = {id(owner): self}

    def root(self) -> Axis:
        """Return the representative of all axes that this one is the same as."""
        axis = self
        while axis._parent is not None:
            axis = axis._parent
        if axis is not self:
            self._parent = axis
        return axis

    def __repr__(self) -> str:
        return f"axis {self.root().number} of {self.length}"


def unify(a: Axis, b: Axis) -> None:
    """Make two axes the same loop, unless some statement runs over both independently."""
    a, b = a.root(), b.root()
    if a is b or a.length != b.length:
        return
    if any(owner in b._members for owner in a._members):
        return
    if len(a._members) < len(b._members):
        a, b = b, a
    a._members |= b._members
    b._parent = a
    b._members = {}


@dataclass(frozen=True)
class Affine:
    """The index ``offset + step * axis``."""

    axis: Axis
    offset: int = 0
    step: int = 1

    @property
    def full(self) -> bool:
        """Whether it runs through a whole dimension, element by element."""
        return self.offset == 0 and self.step == 1


class Fixed(Affine):
    """The index ``offset + step * axis`` for the axis of a loop around the statement, which is not one of its own."""

    @property
    def full(self) -> bool:
        """Never: within the statement it is one element."""
        return False


@dataclass(eq=False)
class Buffer:
    """An array of the running program.

    Attributes
    ----------
    shape : tuple of int or Length
    dtype : np.dtype
    role : str
        'input', 'constant', 'output', 'temporary'; 'alias' for another buffer in another shape; 'growing' for what a
        `while` stacks.
    number : int
        Of the input, or output.
    value : array or Buffer
        Of a constant; the other buffer of an alias; of a growing buffer, that with its length.
    axes : list of Axis or None
        Of each dimension; None for one of length 1.
    writer : Statement or None
    rewritten : bool
        Whether it is written to again after it has been read: see `settle_updates`.
    lower : bool
        Whether it holds lower triangular matrices, with a diagonal that is not zero.
    """

    shape: tuple[Any, ...]
    dtype: np.dtype
    role: str = "temporary"
    number: int = 0
    value: Any = None
    axes: list[Axis | None] = field(default_factory=list)
    writer: Statement | None = None
    rewritten: bool = False
    lower: bool = False

    def strides(self) -> list[int]:
        """Return the distance between elements along each dimension, in elements: they lie in the order of C."""
        result, step = [], 1
        for length in reversed(self.shape):
            result.append(step)
            step *= length
        return result[::-1]

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(eq=False)
class Load:
    """An element of a buffer: for each dimension an integer, an `Affine`, or an expression that gives an integer."""

    buffer: Buffer
    index: list[Any]


@dataclass(eq=False)
class Apply:
    """A function of numbers; `kind` is the dtype in which it computes, `dtype` that of its result."""

    name: str
    args: list[Any]
    kind: np.dtype
    dtype: np.dtype


@dataclass(eq=False)
class Number:
    """A constant."""

    value: Any
    dtype: np.dtype


@dataclass(eq=False)
class Position:
    """The place along an axis: ``offset + step * axis``, as an integer."""

    index: Any
    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.int64))


Expression = Any
"""A `Load`, an `Apply`, a `Number` or a `Position`."""


@dataclass(eq=False)
class Triangle:
    """The points of two axes at which one of them is not beyond the other: ``low <= high``.

    `summed` is that of the two which is summed over; None if what the others give is never read.
    """

    low: Axis
    high: Axis
    summed: Axis | None = None

    def other(self, axis: Axis) -> tuple[Axis, bool] | None:
        """Return the other one of the two axes, and whether `axis` is the lower one; None if it is none of them."""
        low, high = self.low.root(), self.high.root()
        return (high, True) if axis.root() is low else (low, False) if axis.root() is high else None


@dataclass(eq=False)
class Statement:
    """``out[index] = expression``, for each point of the axes; or the same, reduced over `reduced` axes.

    Attributes
    ----------
    out : Buffer
    axes : list of Axis
        The loops that name an element of the result.
    reduced : list of Axis
    reduction : str
        'sum', 'max', 'min', 'any', 'all', 'count', 'prod'; empty if nothing is reduced.
    expression : Expression
    index : list
        Where the result goes in `out`; what is not written there stays as it is.
    adds : bool
        Whether the result is added to what is there.
    ordered : bool
        Whether its loops must run in their order: elements may be written to several times, and the last one stays.
    copies : Buffer or None
        Set if it only copies that buffer, so that some elements of the copy can be changed.
    single : bool
        Whether it takes one row at a time, not as many as a vector has lanes: between arrays in which rows lie far
        apart and tiles in which they lie side by side.
    triangle : Triangle or None
        The points that matter: others may be left out.
    checks : bool
        Whether it runs even if nobody needs its result: it may find that the program fails.
    """

    out: Buffer
    axes: list[Axis] = field(default_factory=list)
    reduced: list[Axis] = field(default_factory=list)
    reduction: str = ""
    expression: Expression = None
    index: list[Any] = field(default_factory=list)
    adds: bool = False
    ordered: bool = False
    copies: Buffer | None = None
    single: bool = False
    triangle: Triangle | None = None
    checks: bool = False

    def loops(self) -> list[Axis]:
        """Return all axes."""
        return self.axes + self.reduced

    def volume(self) -> int:
        """Return how many times the expression is computed, usually."""
        points = int(np.prod([usual(axis.length) for axis in self.loops()], dtype=np.int64))
        if self.triangle is None:
            return points
        length = self.triangle.low.length
        return points * (length + 1) // (2 * length)


@dataclass(eq=False)
class Region(Statement):
    """A loop or a branch of the program, with statements of its own.

    Attributes
    ----------
    bodies : list of list of Statement
        The body of a loop, or what is done if the predicate is false, and if it is true.
    wanted : list of list of Buffer
        For each body, what others need of it.
    results : list of Buffer
        Where it leaves its results.
    test : list of Statement or None
        Of a `while`; `truth` is the buffer that it writes. Of a branch `truth` is the predicate.
    counter : Axis or None
        The number of the step, for a loop with a known length.
    steps : Buffer or None
        Of a loop whose length is known only now: where it stands; a `while` that stacks writes it.
    reverse : bool
        Whether the steps run from the last one to the first.
    carried : list of (Buffer, Buffer)
        What steps hand on: where the present value lies, and where a step leaves the next one.
    fused : list
        The trees of loops of test and bodies, once they are known.
    """

    bodies: list[list[Statement]] = field(default_factory=list)
    wanted: list[list[Buffer]] = field(default_factory=list)
    results: list[Buffer] = field(default_factory=list)
    test: list[Statement] | None = None
    truth: Buffer | None = None
    counter: Axis | None = None
    steps: Buffer | None = None
    reverse: bool = False
    carried: list[tuple[Buffer, Buffer]] = field(default_factory=list)
    fused: list[Any] = field(default_factory=list)

    def parts(self) -> list[list[Statement]]:
        """Return the statements of the test, if there is one, and of the bodies."""
        return ([] if self.test is None else [self.test]) + self.bodies


@dataclass(eq=False)
class Operand:
    """Where a routine reads or writes: the first element, and how far to go from round to round of its loops."""

    load: Load
    steps: list[int]


@dataclass(eq=False)
class Call(Statement):
    """A call of a routine of BLAS or LAPACK on whole buffers.

    Attributes
    ----------
    routine : str
        Without the letter for the dtype.
    arguments : list
        Operands; letters, integers and numbers; None where the routine says whether it failed.
    results : list of Buffer
        What it writes to, working memory included.
    rounds : list of int
        The lengths of loops around the call, over stacks of matrices.
    unless : Operand or None
        A truth value with which it is not called: the kernel has failed then.
    work : int
        Operations of one call.
    """

    routine: str = ""
    arguments: list[Any] = field(default_factory=list)
    results: list[Buffer] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    unless: Operand | None = None
    work: int = 1

    def volume(self) -> int:
        """Return the operations of all calls."""
        return self.work * volume(self.rounds)


def dtype_of(expression: Expression) -> np.dtype:
    """Return the dtype of an expression."""
    return expression.buffer.dtype if isinstance(expression, Load) else expression.dtype


def loads(expression: Expression) -> Iterator[Load]:
    """Yield the elements that an expression reads, those in indices included."""
    waiting = [expression]
    while waiting:  # no recursion: sums of many terms are nested deeply
        part = waiting.pop()
        if isinstance(part, Load):
            yield part
            waiting += [place for place in reversed(part.index) if not isinstance(place, (int, Affine))]
        elif isinstance(part, Apply):
            waiting += reversed(part.args)


def reads(statement: Statement) -> Iterator[Load]:
    """Yield all elements that a statement reads."""
    if isinstance(statement, Region):
        for buffer in (statement.truth, statement.steps):
            if buffer is not None:
                yield Load(buffer, [])
        for nested in itertools.chain(*statement.parts()):
            yield from reads(nested)
        return
    if isinstance(statement, Call):
        for operand in (*statement.arguments, statement.unless):
            if isinstance(operand, Operand):
                yield operand.load
        return
    yield from loads(statement.expression)
    for part in statement.index:
        if not isinstance(part, (int, Affine)):
            yield from loads(part)


def written(statement: Statement) -> list[Buffer]:
    """Return the buffers that a statement writes to."""
    return statement.results if isinstance(statement, (Region, Call)) else [statement.out]


def base_of(buffer: Buffer) -> Buffer:
    """Return the buffer that one in another shape stands for."""
    while buffer.role == "alias":
        buffer = buffer.value
    return buffer


def same_place(a: Any, b: Any) -> bool:
    """Whether two indices are the same."""
    return a == b if isinstance(a, int) or isinstance(b, int) else isinstance(a, Affine) and a == b


def settle_updates(statements: Sequence[Statement], own: Sequence[Buffer]) -> list[Statement]:
    """Let ``y[i] = v`` write to `y` itself where its old value is not needed any more; return the statements left.

    Only buffers that these statements make, and those in `own`, are written to.
    """
    made = {id(buffer) for statement in statements for buffer in written(statement)} | {id(buffer) for buffer in own}
    result = list(statements)
    for statement in statements:
        old = statement.copies
        if old is None or id(base_of(old)) not in made or base_of(old).role != "temporary":
            continue
        later = result[result.index(statement) + 1 :]
        if any(base_of(load.buffer) is base_of(old) for other in later for load in reads(other)):
            continue
        new = statement.out
        new.role, new.value, new.axes = "alias", old, [None] * len(new.shape)
        base_of(old).rewritten = True
        result.remove(statement)
    return result


def substitute(expression: Expression, new: Mapping[int, Expression]) -> Expression:
    """Return an expression with loads replaced, which are named by their identity."""
    if id(expression) in new:
        return new[id(expression)]
    if isinstance(expression, Apply):
        args = [substitute(arg, new) for arg in expression.args]
        return Apply(expression.name, args, expression.kind, expression.dtype)
    if isinstance(expression, Load):
        return Load(expression.buffer, substituted(expression.index, new))
    return expression


def substituted(index: Sequence[Any], new: Mapping[int, Expression]) -> list[Any]:
    """Return an index with loads replaced."""
    return [part if isinstance(part, (int, Affine)) else substitute(part, new) for part in index]


def reindexed(expression: Expression, places: dict[Axis, Any]) -> Expression:
    """Return an expression with its axes replaced by indices."""
    if isinstance(expression, Load):
        return Load(expression.buffer, [_moved(part, places) for part in expression.index])
    if isinstance(expression, Apply):
        args = [reindexed(arg, places) for arg in expression.args]
        return Apply(expression.name, args, expression.kind, expression.dtype)
    if isinstance(expression, Position):
        return Position(_moved(expression.index, places))
    return expression


def _moved(index: Any, places: dict[Axis, Any]) -> Any:
    if isinstance(index, Affine):
        return shifted(places[index.axis], index.offset, index.step) if index.axis in places else index
    return index if isinstance(index, int) else reindexed(index, places)


def shifted(index: Any, offset: int, step: int) -> Any:
    """Return the index ``offset + step * index``."""
    if isinstance(index, int):
        return offset + step * index
    if isinstance(index, Affine):
        return type(index)(index.axis, offset + step * index.offset, step * index.step)
    if offset == 0 and step == 1:
        return index
    kind = np.dtype(np.int64)
    scaled = Apply("multiply", [index, Number(step, kind)], kind, kind)
    return Apply("add", [scaled, Number(offset, kind)], kind, kind)


def volume(lengths: Sequence[int]) -> int:
    """Return the product of some lengths."""
    return int(np.prod(lengths, dtype=np.int64))
