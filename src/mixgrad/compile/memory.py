"""Numbers and vectors in memory and registers: where an element of a buffer lies while certain loops are open."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from mixgrad.compile.columns import is_next_column, two_columns
from mixgrad.compile.lengths import DependsOnLength, Length, is_fixed
from mixgrad.compile.planning import Plan
from mixgrad.compile.sizes import ALIGNMENT, POINTER, Sizes, typed
from mixgrad.compile.spelling import INT8, INT32, INT64, constant, element_type, splat, stored_type, typed_like
from mixgrad.compile.tensor import Affine, Axis, Buffer, Expression, base_of

LARGEST_ON_STACK = 8192  # bytes of a temporary array
_IN_TILE, _IN_VECTOR = object(), object()  # the index of a row within its tile, or among those computed together


class Outside:
    """What a function that threads run takes from the one that starts them.

    Attributes
    ----------
    slots : ir.Value
        Where the addresses stand, inside.
    wanted : list of callable
        What gives each of them, outside.
    """

    def __init__(self) -> None:
        self.slots: ir.Value
        self.wanted: list[Callable[[], ir.Value]] = []


class Memory(Sizes):
    """The function that is being written, the loops that are open in it, and its buffers.

    Attributes
    ----------
    function : ir.Function
        ``int kernel(void **inputs, void **outputs, void *scratch)``; if the number of rows is known only when it is
        called, two more: ``long *rows, void *room``.
    scratch : int
        Bytes of memory that it needs besides its arguments.
    b : ir.IRBuilder
        Writes at the present place.
    rows : Axis or None
        Whose elements are the lanes of vectors, and `tile` how many of them are in a tile.
    at : dict
        The place along each axis whose loop is open; that of the tile at the key ``(axis, "tile")``.
    lane : ir.Value or None
        The number of the first row within the tile, while the loop over its rows is open.
    lanes : int
        How many rows one value stands for then.
    copies : pair of Axis and list of ir.Value, or None
        The places of the steps of a loop that are done together; `copy` is the number of the present one.
    unrolled : bool
        Whether loops within that over the rows of a tile are written out step by step.
    known : dict or None
        While they are: the elements of arguments that have been read for the present rows, and the places computed.
    """

    rows: Axis | None = None
    tile = 0
    unrolled = False
    known: dict[Hashable, Any] | None = None
    outside: Outside | None = None
    _FRAME = (
        "function",
        "entry",
        "b",
        "outside",
        "scratch",
        "scratch_base",
        "_pointers",
        "_registers",
        "_partials",
        "failed",
        "nans",
        "rows_at",
        "_row_numbers",
    )

    def __init__(self, module: ir.Module, name: str, width: int, plan: Plan, any_rows: bool = False) -> None:
        self.module = module
        self.width = width
        self.plan = plan
        self.scratch = 0
        self._partials: dict[tuple[int, int, int], ir.Value] = {}
        parameters = [POINTER.as_pointer(), POINTER.as_pointer(), POINTER, *[POINTER, POINTER][: 2 * any_rows]]
        signature = ir.FunctionType(INT32, parameters)
        self.function = ir.Function(module, signature, name)
        for argument in self.function.args:
            argument.add_attribute("noalias")
        self.scratch_base: ir.Value = self.function.args[2]
        super().__init__(ir.IRBuilder(self.function.append_basic_block("entry")), *self.function.args[3:])
        self.b = ir.IRBuilder(self.function.append_basic_block("start"))
        self.at: dict[Any, ir.Value] = {}
        self.lane: ir.Value | None = None
        self.lanes = 1
        self.copies: tuple[Axis, list[ir.Value]] | None = None
        self.copy = 0
        self._columns: dict[int, ir.Value] = {}  # read for the next step of those that are done together
        self.nans: dict[ir.Type, ir.Value] = {}
        self._pointers: dict[tuple[int, int], ir.Value] = {}
        self._registers: dict[tuple[int, int, int], ir.Value] = {}
        self.growing: dict[int, tuple[ir.Value, ir.Value]] = {}

    def evaluate(self, expression: Expression) -> ir.Value:
        """Return the value of an expression."""
        raise NotImplementedError

    @contextlib.contextmanager
    def frame(self, **new: Any) -> Iterator[None]:
        """Write into another function meanwhile."""
        old = {name: getattr(self, name) for name in self._FRAME}
        fresh = {"scratch": 0, "_pointers": {}, "_registers": {}, "_partials": {}, "nans": {}, "_row_numbers": {}}
        vars(self).update(fresh | new)
        try:
            yield
        finally:
            vars(self).update(old)

    def redirect(self, buffer: Buffer, memory: ir.Value) -> None:
        """Let a buffer lie elsewhere, in the function that is being written."""
        if self.is_register(buffer):
            kind = element_type(buffer.dtype)
            self._registers[id(buffer), 1, 0] = self.b.bitcast(memory, kind.as_pointer())
        else:
            self._pointers[id(base_of(buffer)), 0] = self.b.bitcast(memory, stored_type(buffer.dtype).as_pointer())

    def is_register(self, buffer: Buffer) -> bool:
        """Whether all that there is of a buffer at a time is a number, or one for each lane."""
        return not self._stored(buffer, buffer.shape)[0] and base_of(buffer).role == "temporary"

    def stored_size(self, buffer: Buffer) -> int | ir.Value:
        """Return how many elements of a buffer lie in memory."""
        return self.size(self._stored(buffer, buffer.shape)[0])

    def _taken(self, buffer: Buffer, give: Callable[[], ir.Value], kind: ir.Type) -> ir.Value | None:
        """Return the address of what lies outside of the function that threads run; None if it does not."""
        inside = buffer.role == "temporary" and (self.rows, "tile") in self.plan.contracted.get(id(buffer), ())
        if self.outside is None or inside:
            return None
        slot = self.entry.gep(self.outside.slots, [constant(INT64, len(self.outside.wanted))])
        self.outside.wanted.append(give)
        return self.entry.bitcast(self.entry.load(slot), kind.as_pointer())

    @contextlib.contextmanager
    def range(self, start: int | ir.Value, stop: int | ir.Value, step: int | ir.Value) -> Iterator[ir.Value]:
        """Open a loop; yields its counter. One that runs once at most is none."""
        if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int):
            if stop - start <= step:
                yield constant(INT64, start)
                return
            certain = True
        else:
            certain = False
        first, last = (constant(INT64, n) if isinstance(n, int) else n for n in (start, stop))
        before = self.b.block
        loop, after = (self.function.append_basic_block(name) for name in ("loop", "after"))
        if certain:
            self.b.branch(loop)
        else:
            self.b.cbranch(self.b.icmp_signed("<", first, last), loop, after)
        self.b.position_at_end(loop)
        i = self.b.phi(INT64)
        i.add_incoming(first, before)
        yield i
        following = self.b.add(i, constant(INT64, step) if isinstance(step, int) else step)
        i.add_incoming(following, self.b.block)
        self.b.cbranch(self.b.icmp_signed("<", following, last), loop, after)
        self.b.position_at_end(after)

    def index_value(self, part: Any) -> ir.Value:
        """Return an index as an integer; for the axis of the lanes, that of the first one."""
        if isinstance(part, (int, Length)):
            return typed(self.length(part))
        if not isinstance(part, Affine):
            return self.evaluate(part)
        value = self.at[part.axis.root()]
        if isinstance(value, ir.Constant) and isinstance(part.offset, int):
            return constant(INT64, part.offset + part.step * value.constant)
        if part.step != 1:
            value = self.b.mul(value, constant(INT64, part.step))
        return self.b.add(value, typed(self.length(part.offset))) if part.offset else value

    def follows_lanes(self, part: Any) -> bool:
        """Whether an index goes from row to row of those that are computed together."""
        return self.lanes > 1 and isinstance(part, Affine) and part.axis.root() is self.rows

    def _in_lanes(self, buffer: Buffer, index: Sequence[Any]) -> bool:
        return self.lanes > 1 and any(self.follows_lanes(part) for part in index)

    def _stored(self, buffer: Buffer, index: Sequence[Any]) -> tuple[list[int], list[Any]]:
        """Return length and index of each dimension of a buffer that lies in memory.

        Of the rows only those of a tile are kept, if all users are within one, or those of a vector; they come last.
        """
        gone = self.plan.contracted.get(id(buffer), set()) if buffer.role == "temporary" else set()
        lengths, parts = [], []
        rows: tuple[int, Any] | None = None
        for number, (length, part) in enumerate(zip(buffer.shape, index)):
            own = buffer.axes[number] if buffer.axes else None
            axis = None if own is None else own.root()
            if length == 1 or (axis, "") in gone:
                continue
            if (axis, "lane") in gone:
                rows = self.width, _IN_VECTOR
            elif (axis, "tile") in gone:
                rows = self.tile, _IN_TILE
            else:
                lengths.append(length)
                parts.append(part)
        if rows is not None and (lengths or rows[1] is _IN_TILE):
            lengths.append(rows[0])
            parts.append(rows[1])
        return lengths, parts

    def _place(self, buffer: Buffer, index: Sequence[Any]) -> tuple[ir.Value | None, list[ir.Value], int | None]:
        """Return base pointer, flat indices (one, or one for each lane), and the step from lane to lane if it is fixed.

        The pointer is None for a buffer without dimensions in memory.
        """
        lengths, parts = self._stored(buffer, index)
        base = base_of(buffer)
        if not lengths and base.role == "temporary":
            return None, [], None
        strides = [self.size(lengths[i + 1 :]) for i in range(len(lengths))]
        flat: ir.Value | None = None
        offset = step = 0
        varying = []
        for part, stride in zip(parts, strides):
            if part is _IN_TILE or part is _IN_VECTOR:
                assert self.lane is not None
                value = self.lane if part is _IN_TILE else constant(INT64, 0)
                step += stride if self.lanes > 1 else 0
            else:
                value, own = self.index_value(part), getattr(part, "step", 1)
                if isinstance(value.type, ir.VectorType):
                    varying.append((value, stride))
                    continue
                if self.follows_lanes(part):
                    if not isinstance(stride, int):
                        raise DependsOnLength("the distance of rows in an array follows from their number")
                    step += own * stride
            if isinstance(value, ir.Constant) and isinstance(stride, int):
                offset += value.constant * stride
            else:
                term = self._times(value, stride)
                flat = term if flat is None else self._plus(flat, term)
        flat = constant(INT64, offset) if flat is None else self._further(flat, offset)
        pointer = self.pointer(buffer)
        if not varying:
            return pointer, [flat], step
        each = []
        for lane in range(self.lanes):
            total = self._further(flat, lane * step)
            for value, stride in varying:
                total = self._plus(total, self._times(self._lane_of(value, lane), stride))
            each.append(total)
        return pointer, each, None

    def address(self, buffer: Buffer, index: Sequence[Any]) -> ir.Value:
        """Return where one element lies, while no loop over rows is open."""
        pointer, places, _ = self._place(buffer, index)
        return self.register(buffer, element_type(buffer.dtype)) if pointer is None else self.b.gep(pointer, places)

    def pointer(self, buffer: Buffer) -> ir.Value:
        """Return where a buffer begins."""
        base = base_of(buffer)
        if base.role == "growing":
            return self.b.bitcast(self.b.load(self.growing_slot(base)[0]), stored_type(base.dtype).as_pointer())
        key = id(base), self._copy_of(base)
        if key not in self._pointers:
            taken = self._taken(base, lambda: self.pointer(base), stored_type(base.dtype))
            self._pointers[key] = self._new_pointer(base) if taken is None else taken
        return self._pointers[key]

    def _copy_of(self, buffer: Buffer) -> int:
        """Return which of the steps that are done together a buffer belongs to, if each has its own."""
        if self.copies is None or buffer.role != "temporary":
            return 0
        own = (self.copies[0], "") in self.plan.contracted.get(id(buffer), ())
        return self.copy if own else 0

    def _new_pointer(self, buffer: Buffer) -> ir.Value:
        entry, kind = self.entry, stored_type(buffer.dtype)
        if buffer.role in ("input", "output"):
            table = self.function.args[0 if buffer.role == "input" else 1]
            return entry.bitcast(entry.load(entry.gep(table, [constant(INT64, buffer.number)])), kind.as_pointer())
        if buffer.role == "constant":
            array = ir.ArrayType(kind, buffer.size)
            data = ir.GlobalVariable(self.module, array, self.module.get_unique_name("constant"))
            data.global_constant, data.linkage = True, "internal"
            data.initializer = ir.Constant(array, [constant(kind, number) for number in buffer.value.ravel()])
            return entry.bitcast(data, kind.as_pointer())
        lengths, _ = self._stored(buffer, buffer.shape)
        if not is_fixed(lengths):
            if self.outside is not None:
                raise DependsOnLength("a range of rows needs an array whose size follows from their number")
            return entry.bitcast(self.in_room(lengths, buffer.dtype.itemsize), kind.as_pointer())
        size = math.prod(lengths)
        if size * buffer.dtype.itemsize <= LARGEST_ON_STACK:
            array = entry.alloca(ir.ArrayType(kind, max(size, 1)))
            array.align = ALIGNMENT
            return entry.bitcast(array, kind.as_pointer())
        start = self.scratch
        self.scratch += -(-size * buffer.dtype.itemsize // ALIGNMENT) * ALIGNMENT
        return entry.bitcast(entry.gep(self.scratch_base, [constant(INT64, start)]), kind.as_pointer())

    def growing_slot(self, buffer: Buffer) -> tuple[ir.Value, ir.Value]:
        """Return where the address of a growing buffer stands, and for how many slices there is room."""
        if id(buffer) not in self.growing:
            slot, room = self.entry.alloca(POINTER), self.entry.alloca(INT64)
            self.entry.store(ir.Constant(POINTER, None), slot)
            self.entry.store(constant(INT64, 0), room)
            self.growing[id(buffer)] = slot, room
        return self.growing[id(buffer)]

    def register(self, buffer: Buffer, kind: ir.Type) -> ir.Value:
        """Return where a buffer without dimensions lies."""
        buffer = base_of(buffer)
        key = (id(buffer), kind.count if isinstance(kind, ir.VectorType) else 1, self._copy_of(buffer))
        if key not in self._registers:
            taken = self._taken(buffer, lambda: self.register(buffer, kind), kind)
            self._registers[key] = self.entry.alloca(kind) if taken is None else taken
        return self._registers[key]

    def load(self, buffer: Buffer, index: Sequence[Any]) -> ir.Value:
        """Return an element: a vector if it differs from row to row of those that are computed together."""
        pointer, places, step = self._place(buffer, index)
        if pointer is None:
            kind = element_type(buffer.dtype)
            return self.b.load(
                self.register(buffer, ir.VectorType(kind, self.lanes) if self._in_lanes(buffer, index) else kind)
            )
        if step is None:
            numbers = [self.from_memory(self.load_at(pointer, place), buffer) for place in places]
            return self._vector(numbers)
        if step == 0:
            return self.from_memory(self.load_at(pointer, places[0]), buffer)
        if step == 1:
            wide = ir.VectorType(pointer.type.pointee, self.lanes).as_pointer()
            value = self.b.load(self.b.bitcast(self.b.gep(pointer, places), wide), align=buffer.dtype.itemsize)
            return self.from_memory(value, buffer)
        places = [self._further(places[0], lane * step) for lane in range(self.lanes)]
        axis, steps = self.copies or (None, [])
        if self.copy % 2 and id(index) in self._columns:
            return self._columns.pop(id(index))
        if self.copy % 2 == 0 and self.copy + 1 < len(steps) and is_next_column(index, axis):
            columns = two_columns(self.b, pointer, places, buffer.dtype.itemsize)
            column, self._columns[id(index)] = (self.from_memory(column, buffer) for column in columns)
            return column
        return self._vector([self.from_memory(self.load_at(pointer, place), buffer) for place in places])

    def _once(self, key: Hashable, make: Callable[[], ir.Value], *operands: ir.Value) -> ir.Value:
        """Return a place, which is computed only once where all that follows can use it."""
        if self.known is None:
            return make()
        if key not in self.known:
            self.known[key] = make(), operands  # operands stay, so that their identities do
        return self.known[key][0]

    def _times(self, place: ir.Value, stride: int | ir.Value) -> ir.Value:
        if isinstance(stride, int) and stride == 1:
            return place
        key = "times", id(place), stride if isinstance(stride, int) else id(stride)
        return self._once(key, lambda: self.b.mul(place, typed(stride)), place)

    def _plus(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self._once(("plus", id(a), id(b)), lambda: self.b.add(a, b), a, b)

    def _further(self, place: ir.Value, steps: int) -> ir.Value:
        if steps == 0:
            return place
        if isinstance(place, ir.Constant):
            return constant(INT64, place.constant + steps)
        return self._once(("further", id(place), steps), lambda: self.b.add(place, constant(INT64, steps)), place)

    def _lane_of(self, value: ir.Value, lane: int) -> ir.Value:
        return self._once(
            ("lane", id(value), lane), lambda: self.b.extract_element(value, constant(INT32, lane)), value
        )

    def load_at(self, pointer: ir.Value, place: ir.Value) -> ir.Value:
        """Return the number at a place."""
        return self.b.load(self.b.gep(pointer, [place]))

    def _vector(self, numbers: list[ir.Value]) -> ir.Value:
        value = ir.Constant(ir.VectorType(numbers[0].type, len(numbers)), ir.Undefined)
        for lane, number in enumerate(numbers):
            value = self.b.insert_element(value, number, constant(INT32, lane))
        return value

    def from_memory(self, value: ir.Value, buffer: Buffer) -> ir.Value:
        """Return a number as it is in a register."""
        return self.b.icmp_unsigned("!=", value, constant(value.type, 0)) if buffer.dtype == np.bool_ else value

    def to_memory(self, value: ir.Value, buffer: Buffer) -> ir.Value:
        """Return a number as it is in memory: truth values are bytes."""
        return self.b.zext(value, typed_like(value.type, INT8)) if buffer.dtype == np.bool_ else value

    def store(self, buffer: Buffer, index: Sequence[Any], value: ir.Value) -> None:
        """Write an element, or those of several rows."""
        pointer, places, step = self._place(buffer, index)
        if self._in_lanes(buffer, index) or step is None:
            value = splat(self.b, value, self.lanes) if self.lanes > 1 else value
        if pointer is None:
            self.b.store(value, self.register(buffer, value.type))
        elif not isinstance(value.type, ir.VectorType):
            self.b.store(self.to_memory(value, buffer), self.b.gep(pointer, [places[0]]))
        elif step == 1:
            value = self.to_memory(value, buffer)
            wide = self.b.bitcast(self.b.gep(pointer, places), value.type.as_pointer())
            self.b.store(value, wide, align=buffer.dtype.itemsize)
        else:
            for place, part in self.each_lane(buffer, index, value, (pointer, places, step)):
                self.b.store(self.to_memory(part, buffer), place)

    def each_lane(
        self, buffer: Buffer, index: Sequence[Any], value: ir.Value, place: tuple | None = None
    ) -> Iterator[tuple[ir.Value, ir.Value]]:
        """Yield, for each lane, where its element lies and the number of that lane."""
        pointer, places, step = place or self._place(buffer, index)
        value = splat(self.b, value, self.lanes)
        for lane in range(self.lanes):
            at = places[lane] if step is None else self._further(places[0], lane * step)
            yield self.b.gep(pointer, [at]), self.b.extract_element(value, constant(INT32, lane))
