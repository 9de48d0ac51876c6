"""A tree of loops as LLVM IR: one function, the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from llvmlite import ir

from mixgrad.compile.axes import place_of_axis, tile_of
from mixgrad.compile.calling import write_call
from mixgrad.compile.columns import reads_columns
from mixgrad.compile.fusion import Fusion, Loop, everything, paths
from mixgrad.compile.lengths import Length, usual
from mixgrad.compile.memory import POINTER
from mixgrad.compile.planning import Plan
from mixgrad.compile.sizes import typed
from mixgrad.compile.spelling import INT32, INT64, SPELLINGS, cast, constant, splat
from mixgrad.compile.tensor import Affine, Axis, Buffer, Call, Region, Statement, reads, written
from mixgrad.compile.threads import Threads
from mixgrad.compile.vecmath.arithmetic import declared

WIDTH = 8  # lanes of vectors
FIRST_ROOM = 32  # slices of what a `while` stacks
MOST_STEPS_WRITTEN = 4  # of a loop in which others have bounds that depend on it
MOST_IN_STEPS_TOGETHER = 8  # statements in a loop of which several steps are done together


class Kernel(Threads):
    """Writes the kernel of a tree of loops into a module.

    Its `function` returns 0, or 1 if an index was out of bounds or, with `refuse_nan`, a result is a nan. With `least`
    it takes the number of rows when it is called, and returns 1 if there are fewer.
    """

    def __init__(
        self,
        module: ir.Module,
        fusion: Fusion,
        name: str,
        width: int,
        refuse_nan: bool = False,
        least: int | None = None,
    ) -> None:
        super().__init__(module, name if least is None else f"{name}.loops", width, Plan(fusion), least is not None)
        start = self.b.block
        self.count = constant(INT64, 0)
        self._depth = 0  # of loops and branches of the program
        self.failed = self.entry.alloca(INT32)
        self.entry.store(constant(INT32, 0), self.failed)
        self.checked = _checked_when_written(fusion) if refuse_nan else set()
        self._emit_tree(fusion)
        if refuse_nan:
            self._refuse_nan(fusion)
        self._free()
        self.b.ret(self.b.load(self.failed))
        self.entry.branch(start)
        if least is not None:
            self.function = self.with_room(name, self.function, least)

    def _refuse_nan(self, fusion: Fusion) -> None:
        """Return 1 if there is a nan in an output."""
        outputs = {
            id(buffer): buffer for s, _ in everything(fusion) for buffer in written(s) if buffer.role == "output"
        }
        for buffer in outputs.values():
            size = self.size(buffer.shape)
            if buffer.dtype.kind == "f" and size and id(buffer) not in self.checked:
                with self.range(0, size, 1) as i:
                    self.note_nan(self.load_at(self.pointer(buffer), i))
        self.report_nan()

    # Loops and branches of the program -----------------------------------------------------------------------------

    def _emit_tree(self, fusion: Fusion) -> None:
        rows = fusion.rows
        tile = tile_of(0 if rows is None else usual(rows.length))
        outer = self.rows, self.tile, self.unrolled
        self.rows, self.tile, self.unrolled = rows, tile, fusion.unrolled
        self._emit(fusion.body)
        self.rows, self.tile, self.unrolled = outer

    def _emit_region(self, region: Region) -> None:
        self._depth += 1
        self._emit_region_itself(region)
        self._depth -= 1

    def _emit_region_itself(self, region: Region) -> None:
        if region.test is None and region.counter is not None:
            length = region.counter.length
            last: int | ir.Value = self.length(length) if region.steps is None else self.load(region.steps, [])
            if length:
                with self.range(0, last, 1) as i:
                    backwards = self.b.sub(typed(last), constant(INT64, 1))
                    self.at[region.counter.root()] = self.b.sub(backwards, i) if region.reverse else i
                    self._emit_tree(region.fused[0])
                    self._hand_on(region)
        elif region.test is not None:
            self._emit_while(region)
        else:
            with self.b.if_else(self._truth(region)) as (yes, no):
                with yes:
                    self._emit_tree(region.fused[1])
                with no:
                    self._emit_tree(region.fused[0])

    def _emit_while(self, region: Region) -> None:
        head, body, after = (self.function.append_basic_block(name) for name in ("while", "step", "done"))
        if region.steps is not None:
            self.store(region.steps, [], constant(INT64, 0))
        self.b.branch(head)
        self.b.position_at_end(head)
        self._emit_tree(region.fused[0])
        fine = self.b.icmp_unsigned("==", self.b.load(self.failed), constant(INT32, 0))
        self.b.cbranch(self.b.and_(self._truth(region), fine), body, after)
        self.b.position_at_end(body)
        if region.counter is not None and region.steps is not None:
            step = self.load(region.steps, [])
            self.at[region.counter.root()] = step
            for buffer in region.results:
                if buffer.role == "growing":
                    self._grow(buffer, step)
        self._emit_tree(region.fused[1])
        self._hand_on(region)
        if region.steps is not None:
            self.store(region.steps, [], self.b.add(step, constant(INT64, 1)))
        self.b.branch(head)
        self.b.position_at_end(after)

    def _grow(self, buffer: Buffer, step: ir.Value) -> None:
        """Make room for one more slice; twice the room if there is none."""
        slot, room = self.growing_slot(buffer)
        old = self.b.load(room)
        with self.b.if_then(self.b.icmp_signed("==", step, old), likely=False):
            new = self.b.add(self.b.mul(old, constant(INT64, 2)), constant(INT64, FIRST_ROOM))
            slice_size = buffer.dtype.itemsize * int(np.prod(buffer.shape[1:], dtype=np.int64))
            signature = ir.FunctionType(POINTER, [POINTER, INT64])
            realloc = declared(self.module, "PyMem_RawRealloc", signature)
            memory = self.b.call(realloc, [self.b.load(slot), self.b.mul(new, constant(INT64, max(slice_size, 1)))])
            with self.b.if_then(self.b.icmp_unsigned("==", memory, ir.Constant(POINTER, None)), likely=False):
                self.b.ret(constant(INT32, 1))
            self.b.store(memory, slot)
            self.b.store(new, room)

    def _free(self) -> None:
        free = ir.FunctionType(ir.VoidType(), [POINTER])
        for slot, _ in self.growing.values():
            self.b.call(declared(self.module, "PyMem_RawFree", free), [self.b.load(slot)])

    def _truth(self, region: Region) -> ir.Value:
        assert region.truth is not None
        return self.load(region.truth, [])

    def _hand_on(self, region: Region) -> None:
        """Let what a step has computed be the present values; numbers all at once, arrays one after the other."""
        first = lambda buffer: [0] * len(buffer.shape)
        numbers = [(old, self.load(new, first(new))) for old, new in region.carried if self.is_register(new)]
        for old, value in numbers:
            self.store(old, first(old), value)
        for old, new in region.carried:
            size = self.size(old.shape)
            if not self.is_register(new) and size:
                with self.range(0, size, 1) as i:
                    value = self.load_at(self.pointer(new), i)
                    self.b.store(value, self.b.gep(self.pointer(old), [i]))

    # Loops ---------------------------------------------------------------------------------------------------------

    def _emit(self, body: Sequence[Loop | Statement]) -> None:
        for node in body:
            if isinstance(node, Statement):
                self._each_copy(self._emit_statement, node)
            else:
                self._emit_loop(node)

    def _emit_loop(self, loop: Loop) -> None:
        for statement in self.plan.starts.get(loop, ()):
            self._each_copy(self.fill, statement)
        chains = self.plan.chains.get(loop, ())
        for statement in chains:
            self._each_copy(self.begin, statement)
        axis, part = loop.key
        if part == "tile":
            if self.worth_sharing(loop) and not self._depth:
                self.share(loop)
            else:
                self.emit_tiles(loop, 0, self.length(axis.length))
        elif part == "lane":
            self._emit_lanes(loop, self.modes())
        elif part == "row":
            self._emit_lanes(loop, [1])
        elif axis.length:
            self._emit_steps(loop)
        for statement in chains:
            self._each_copy(self.finish, statement)

    def _emit_steps(self, loop: Loop) -> None:
        """Emit a loop over an axis, several steps at a time if its sums can share what they read then."""
        axis = loop.key[0]
        if isinstance(axis.length, Length):
            self._emit_any_steps(loop)
            return
        together = 1 if self.copies or (self.unrolled and self.lane is not None) else self._steps_together(loop)
        whole = axis.length // together * together
        start, stop = self._bounds(loop, together)
        ranges = [(start, _least(self.b, stop, whole), together)]
        if whole < axis.length:
            ranges.append((whole, stop, 1))
        for first, last, step in ranges:
            if isinstance(first, int) and isinstance(last, int) and last <= first:
                continue
            for i in self._each_step(loop, first, last, step):
                if step > 1:
                    self.copies = axis, [self._further(i, k) for k in range(step)]
                self.at[axis] = i
                self._emit(loop.body)
                del self.at[axis]
                if step > 1:
                    self.copies = None

    def _emit_any_steps(self, loop: Loop) -> None:
        """Emit a loop over an axis whose length is known only when the kernel is called."""
        if self.unrolled and self.lane is not None:
            self.known = None  # what is read in a loop is not known after it
        with self.range(0, self.length(loop.key[0].length), 1) as i:
            self.at[loop.key[0]] = i
            self._emit(loop.body)
            del self.at[loop.key[0]]

    def _each_step(self, loop: Loop, start: int | ir.Value, stop: int | ir.Value, step: int) -> Iterator[ir.Value]:
        """Yield the counter of a loop; or its values one after the other, if it is to be written out."""
        known = isinstance(start, int) and isinstance(stop, int)
        inside = self.unrolled and self.lane is not None
        if known and (inside or (stop - start <= MOST_STEPS_WRITTEN * step and self._bounds_others(loop))):
            for i in range(start, stop, step):
                yield constant(INT64, i)
            return
        with self.range(start, stop, step) as i:
            yield i

    def _bounds(self, loop: Loop, together: int) -> tuple[int | ir.Value, int | ir.Value]:
        """Return where a loop starts and stops: not in the half of a triangle that is left out."""
        axis, found = loop.key[0], self.plan.bound(loop)
        if found is None or found[0] not in self.at:
            return 0, axis.length
        other, is_low = found
        places = self.copies[1] if self.copies is not None and self.copies[0] is other else [self.at[other]]
        if all(isinstance(place, ir.Constant) for place in places):
            first, last = places[0].constant, places[-1].constant
            if is_low:
                return 0, min(-(-(last + 1) // together) * together, axis.length)
            return first // together * together, axis.length
        size = constant(INT64, together)
        if is_low:
            steps = self.b.udiv(self.b.add(places[-1], size), size)
            return 0, _least(self.b, self.b.mul(steps, size), axis.length)
        return self.b.mul(self.b.udiv(places[0], size), size), axis.length

    def _bounds_others(self, loop: Loop) -> bool:
        """Whether the place of a loop is a bound of one inside it."""
        inside = [inner for _, path in paths(loop.body) for inner in path]
        return any((found := self.plan.bound(inner)) is not None and found[0] is loop.key[0] for inner in inside)

    def _steps_together(self, loop: Loop) -> int:
        axis, inside = loop.key[0], list(paths(loop.body))
        if len(inside) > MOST_IN_STEPS_TOGETHER or self.rows is None or isinstance(axis.length, Length):
            return 1
        if not any(s.reduction == "sum" and path and _shares_reads(s, axis) for s, path in inside):
            return 2 if axis.length > 1 and self.lane is None and reads_columns(loop, self.rows) else 1
        return next((n for n in (4, 5, 3, 2) if axis.length % n == 0), 4 if axis.length > 8 else 1)

    def _each_copy(self, emit: Callable[[Statement], None], statement: Statement) -> None:
        """Do something for each of the steps that are done together."""
        if self.copies is None:
            emit(statement)
            return
        axis, places = self.copies
        for self.copy, self.at[axis] in enumerate(places):
            emit(statement)
        self.copy, self.at[axis] = 0, places[0]

    def emit_tiles(self, loop: Loop, start: int | ir.Value, stop: int | ir.Value) -> None:
        """Write the loop over the tiles of a range of rows."""
        axis = loop.key[0]
        with self.range(start, stop, self.tile) as base:
            self.count = constant(INT64, self.tile)
            if isinstance(axis.length, Length) or axis.length % self.tile:
                rest = self.b.sub(typed(self.length(axis.length)), base)
                self.count = self.b.select(self.b.icmp_signed("<", rest, self.count), rest, self.count)
            self.at[axis, "tile"] = base
            self._emit(loop.body)
            del self.at[axis, "tile"]

    def _emit_lanes(self, loop: Loop, modes: Sequence[int]) -> None:
        """Write the loop over the rows of a tile: over as many as fit into vectors, then over single ones."""
        axis = loop.key[0]
        whole: ir.Value = constant(INT64, 0)
        again = self.unrolled and isinstance(axis.length, int) and self.plan.repeatable(loop, axis)
        if self.width in modes and len(modes) > 1 and again:
            modes, whole = [self.width], self.count  # the last vector takes rows again instead of single ones
        elif self.width in modes:
            whole = self.b.and_(self.count, constant(INT64, -self.width)) if 1 in self.modes() else self.count
        for start, stop, lanes in ((constant(INT64, 0), whole, self.width), (whole, self.count, 1)):
            if lanes in modes:
                self.lanes = lanes
                with self.range(start, stop, lanes) as self.lane:
                    self._emit_rows(loop, lanes)
                self.lane, self.lanes = None, 1

    def _emit_rows(self, loop: Loop, lanes: int) -> None:
        """Write what is done for some rows."""
        axis = loop.key[0]
        first = self.b.add(self.at[axis, "tile"], self.lane)
        if lanes > 1 and self.unrolled and isinstance(axis.length, int) and axis.length % lanes:
            last = constant(INT64, axis.length - lanes)
            first = self.b.select(self.b.icmp_signed("<", first, last), first, last)
        self.at[axis] = first
        self.known = {} if self.unrolled else None
        self._emit(loop.body)
        self.known = None
        del self.at[axis]

    # Statements ----------------------------------------------------------------------------------------------------

    def _emit_statement(self, statement: Statement) -> None:
        if isinstance(statement, Region):
            self._emit_region(statement)
            return
        if isinstance(statement, Call):
            write_call(self, statement)
            return
        value = self.evaluate(statement.expression)
        if not statement.reduction:
            if statement.adds:
                self._add_to(statement, value)
            else:
                self.write(statement, value)
            return
        if statement.reduction == "count":
            value = cast(self.b, value, np.dtype(bool), statement.out.dtype)
        if statement in self.plan.direct:
            lane_is_summed = any(axis.root() is self.rows for axis in statement.reduced)
            if lane_is_summed and isinstance(value.type, ir.VectorType):
                value = self.horizontal(statement, value)
            self.accumulate(statement, value, fresh=statement in self.plan.in_register or not statement.reduced)
            return
        register = self.partial(statement, self.lanes)
        if isinstance(register.type.pointee, ir.VectorType):
            value = splat(self.b, value, register.type.pointee.count)
        self.b.store(self.combine(statement, self.b.load(register), value), register)

    def _add_to(self, statement: Statement, value: ir.Value) -> None:
        """Add to elements that may be the same for several lanes: one lane after the other."""
        add = lambda x, y: SPELLINGS["add"](self.b, statement.out.dtype, x, y)
        alone = self.rows is None or place_of_axis(statement.index, self.rows) is not None
        if self.lanes == 1 or alone or not any(axis.root() is self.rows for axis in statement.axes):
            self.store(statement.out, statement.index, add(self.load(statement.out, statement.index), value))
            return
        for pointer, part in self.each_lane(statement.out, statement.index, value):
            self.b.store(
                self.to_memory(add(self.from_memory(self.b.load(pointer), statement.out), part), statement.out),
                pointer,
            )


def _least(b: ir.IRBuilder, number: int | ir.Value, limit: int) -> int | ir.Value:
    """Return a number, or the limit if that is less."""
    if isinstance(number, int):
        return min(number, limit)
    bound = constant(INT64, limit)
    return b.select(b.icmp_signed("<", number, bound), number, bound)


def _shares_reads(statement: Statement, axis: Axis) -> bool:
    """Whether steps along an axis give different sums, and read something in common."""
    if any(own.root() is axis for own in statement.reduced):
        return False
    along = [any(isinstance(p, Affine) and p.axis.root() is axis for p in load.index) for load in reads(statement)]
    return any(along) and not all(along)


def _checked_when_written(fusion: Fusion) -> set[int]:
    """Return the outputs that need not be read again to see whether they hold nans: those with a place for each row."""
    found: dict[int, bool] = {}
    for statement, _ in everything(fusion):
        rows = any(axis.root() is fusion.rows for axis in statement.axes) and not statement.adds
        for buffer in written(statement):
            if buffer.role == "output" and buffer.dtype.kind == "f":
                found[id(buffer)] = found.get(id(buffer), True) and rows
    return {buffer for buffer, fine in found.items() if fine}
