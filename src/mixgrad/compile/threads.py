"""The loop over tiles on all cores: a function of its own, which threads call with ranges of tiles.

Rows are cut into the same ranges however many threads there are, and the sums of ranges are added up in their order:
the results are the same to the last bit, whichever thread takes which range. The threads are those of `pool`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator

import llvmlite.binding as llvm
from llvmlite import ir

from mixgrad.compile import pool
from mixgrad.compile.axes import place_of_axis
from mixgrad.compile.fusion import Loop, paths
from mixgrad.compile.inlining import CHEAP, weight
from mixgrad.compile.lengths import Length, is_fixed, usual
from mixgrad.compile.memory import Outside
from mixgrad.compile.sizes import ALIGNMENT, POINTER, typed
from mixgrad.compile.spelling import INT32, INT64, constant, element_type, stored_type
from mixgrad.compile.sums import Sums
from mixgrad.compile.tensor import Buffer, Statement, base_of, reads, written
from mixgrad.compile.vecmath.arithmetic import declared

RANGES = 16  # of tiles, at most
WORTH_SHARING = 500_000  # work of a loop that threads share, about a twelfth of a millisecond
MOST_SCATTERED = 2**20  # bytes of an array to whose elements several rows add: each range has one of its own
FILLING = 4  # work of an element of such an array, for each range: it is filled, and added up
MOST_THREADS = 64
_RECORD = 5  # slots, partial sums, scratch memory, where the next range stands, and how many there are


def first_number() -> int:
    """Return how many threads are used at first: as many as this process has processors.

    OMP_NUM_THREADS says otherwise: joblib and Dask set it in their workers, whose processes share the processors.
    """
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if told.isdecimal() and int(told) > 0:
        return min(int(told), MOST_THREADS)
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, MOST_THREADS)


_threads = ctypes.c_int64(first_number())


def set_threads(count: int) -> None:
    """Set how many threads compiled code uses; results do not depend on it."""
    _threads.value = count


def get_threads() -> int:
    """Return how many threads compiled code uses."""
    return _threads.value


def register_symbols() -> None:
    """Tell LLVM where the number of threads stands."""
    llvm.add_symbol("mg.threads", ctypes.addressof(_threads))


class Threads(Sums):
    """Writes loops over tiles that threads share."""

    emit_tiles: Callable[[Loop, int | ir.Value, int | ir.Value], None]

    def worth_sharing(self, loop: Loop) -> bool:
        """Whether threads are to share a loop."""
        inside = [statement for statement, _ in paths(loop.body)]
        scattered = _scattered(loop)
        if scattered is None or self.outside is not None:
            return False
        kept = [length for s in inside if s.reduction or s.out.role == "temporary" for length in s.out.shape]
        if not isinstance(loop.key[0].length, Length) and not is_fixed(kept):  # no room for one for each range
            return False
        if isinstance(loop.key[0].length, Length):  # the other axes are of fixed lengths; the code itself decides
            others = [axis.length for s in inside for axis in s.loops() if axis.root() is not loop.key[0]]
            return os.name == "posix" and is_fixed(others)
        return os.name == "posix" and sum(map(_work_of, inside)) >= _worth(scattered)

    def share(self, loop: Loop) -> None:
        """Write a loop over tiles as a function, and the calls of it."""
        axis = loop.key[0]
        sums = [s for s, _ in paths(loop.body) if s.reduction and any(own.root() is axis for own in s.reduced)]
        sums += _scattered(loop) or []
        offsets, size = self._layout(sums)
        ranges, _ = self._ranges(loop)
        outside = Outside()
        with self._function(outside) as (rows, number):
            for statement, offset in zip(sums, offsets):
                self.redirect(statement.out, self.b.gep(rows.args[1], [constant(INT64, offset)]))
            for statement in sums:
                if statement.adds:
                    self._fill_all(statement.out)
                else:
                    self.fill(statement)
            following = self.b.add(number, constant(INT64, 1))
            self.emit_tiles(loop, *(self._start(k, loop) for k in (number, following)))
            scratch = self.scratch
        work = self._work(rows, size)
        threads = self._call(work, outside, size, scratch, ranges)
        for statement, offset in zip(sums, offsets):
            self._add_up(statement, threads[0], offset, size, ranges)
        for memory in threads:
            self._free_memory(memory)

    def _layout(self, sums: list[Statement]) -> tuple[list[int], int]:
        """Return where the sums of a range of tiles begin, and how many bytes they take."""
        offsets, size = [], 0
        for statement in sums:
            offsets.append(size)
            size += -(-self.stored_size(statement.out) * statement.out.dtype.itemsize // ALIGNMENT) * ALIGNMENT
        return offsets, max(size, ALIGNMENT)

    def _ranges(self, loop: Loop) -> tuple[int | ir.Value, int | ir.Value]:
        """Return the number of ranges and of tiles; few rows are one range."""
        length = loop.key[0].length
        if isinstance(length, int):
            tiles = -(-length // self.tile)
            return min(RANGES, tiles), tiles
        work = sum(_work_of(statement) for statement, _ in paths(loop.body))
        worth = _worth(_scattered(loop) or []) * usual(length) // max(work, 1)
        b, rows = self.entry, typed(self.length(length))
        all_tiles = b.udiv(b.add(rows, constant(INT64, self.tile - 1)), constant(INT64, self.tile))
        few = b.icmp_signed("<", all_tiles, constant(INT64, RANGES))
        ranges = b.select(few, all_tiles, constant(INT64, RANGES))
        many = b.icmp_signed(">=", rows, constant(INT64, worth))
        return b.select(many, ranges, constant(INT64, 1)), all_tiles

    def _start(self, number: ir.Value, loop: Loop) -> ir.Value:
        """Return the row with which a range begins."""
        ranges, tiles = self._ranges(loop)
        tile = self.b.udiv(self.b.mul(number, typed(tiles)), typed(ranges))
        row = self.b.mul(tile, constant(INT64, self.tile))
        end = typed(self.length(loop.key[0].length))
        return self.b.select(self.b.icmp_signed("<", row, end), row, end)

    @contextlib.contextmanager
    def _function(self, outside: Outside) -> Iterator[tuple[ir.Function, ir.Value]]:
        """Write into a new function for one range of tiles; yields it and the number of the range.

        ``void rows(void **slots, void *partial_sums, void *scratch, long number)``, one piece of code for all ranges:
        copies of it might round products differently.
        """
        signature = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, INT64])
        rows = ir.Function(self.module, signature, self.module.get_unique_name("rows"))
        rows.linkage = "internal"
        rows.attributes.add("noinline")
        entry, start = (ir.IRBuilder(rows.append_basic_block(block)) for block in ("entry", "start"))
        outside.slots = entry.bitcast(rows.args[0], POINTER.as_pointer())
        beginning, failed, rows_at = start.block, self.failed, self.rows_at
        outside.wanted.append(lambda: failed)
        own = entry.bitcast(entry.load(outside.slots), failed.type)
        new = {"function": rows, "entry": entry, "b": start, "outside": outside, "failed": own}
        if rows_at is not None:
            outside.wanted.append(lambda: rows_at)
            new["rows_at"] = entry.load(entry.gep(outside.slots, [constant(INT64, 1)]))
        with self.frame(scratch_base=rows.args[2], **new):
            yield rows, rows.args[3]
            self.report_nan()
            self.b.ret_void()
            entry.branch(beginning)

    def _work(self, rows: ir.Function, size: int) -> ir.Function:
        """Return the function that a thread runs, ``void *work(void **record)``: takes ranges while there are some."""
        work = ir.Function(self.module, ir.FunctionType(POINTER, [POINTER]), self.module.get_unique_name("work"))
        work.linkage = "internal"
        b = ir.IRBuilder(work.append_basic_block("entry"))
        fields = b.bitcast(work.args[0], POINTER.as_pointer())
        slots, partials, scratch, following, ranges = [
            b.load(b.gep(fields, [constant(INT64, i)])) for i in range(_RECORD)
        ]
        following, ranges = b.bitcast(following, INT64.as_pointer()), b.ptrtoint(ranges, INT64)
        take, run, done = (work.append_basic_block(name) for name in ("take", "run", "done"))
        b.branch(take)
        b.position_at_end(take)
        k = b.atomic_rmw("add", following, constant(INT64, 1), "monotonic")
        b.cbranch(b.icmp_signed("<", k, ranges), run, done)
        b.position_at_end(run)
        b.call(rows, [slots, b.gep(partials, [b.mul(k, constant(INT64, size))]), scratch, k])
        b.branch(take)
        b.position_at_end(done)
        b.ret(ir.Constant(POINTER, None))
        return work

    def _call(
        self, work: ir.Function, outside: Outside, size: int, scratch: int, ranges: int | ir.Value
    ) -> list[ir.Value]:
        """Let threads run the function; return the memory of the partial sums, and other memory that was taken."""
        b, parts = self.b, typed(ranges)
        slots = self.entry.alloca(ir.ArrayType(POINTER, max(len(outside.wanted), 1)))
        for i, take in enumerate(outside.wanted):
            b.store(b.bitcast(take(), POINTER), b.gep(slots, [constant(INT32, 0), constant(INT32, i)]))
        known = self.module.globals.get("mg.threads") or ir.GlobalVariable(self.module, INT64, "mg.threads")
        count = b.load(known)
        for limit, sign in ((parts, "<"), (constant(INT64, 1), ">")):  # no more threads than RANGES
            count = b.select(b.icmp_signed(sign, count, limit), count, limit)
        each = -(-scratch // ALIGNMENT) * ALIGNMENT
        partials = b.mul(parts, constant(INT64, size))
        memory = [self._memory(partials), self._memory(b.mul(count, constant(INT64, max(each, 1))))]
        fields = [b.bitcast(slots, POINTER), *[self._aligned(block) for block in memory]]
        records = self.entry.alloca(ir.ArrayType(ir.ArrayType(POINTER, _RECORD), MOST_THREADS))
        following, zero = self.entry.alloca(INT64), constant(INT32, 0)
        b.store(constant(INT64, 0), following)
        shared = [fields[0], fields[1], b.bitcast(following, POINTER), b.inttoptr(parts, POINTER)]
        with self.range(constant(INT64, 0), count, 1) as t:
            own = b.gep(fields[2], [b.mul(t, constant(INT64, each))])
            for i, field in enumerate([*shared[:2], own, *shared[2:]]):
                b.store(field, b.gep(records, [zero, t, constant(INT32, i)]))
        share = declared(self.module, "mg.share", ir.FunctionType(ir.VoidType(), [POINTER, POINTER, INT64, INT64]))
        pool.register()
        b.call(share, [b.bitcast(work, POINTER), b.bitcast(records, POINTER), constant(INT64, 8 * _RECORD), count])
        return memory

    def _memory(self, size: ir.Value) -> ir.Value:
        allocate = declared(self.module, "PyMem_RawMalloc", ir.FunctionType(POINTER, [INT64]))
        memory = self.b.call(allocate, [self.b.add(size, constant(INT64, ALIGNMENT))])
        with self.b.if_then(self.b.icmp_unsigned("==", memory, ir.Constant(POINTER, None)), likely=False):
            self.b.ret(constant(INT32, 1))
        return memory

    def _aligned(self, memory: ir.Value) -> ir.Value:
        past = self.b.and_(self.b.neg(self.b.ptrtoint(memory, INT64)), constant(INT64, ALIGNMENT - 1))
        return self.b.gep(memory, [past])

    def _free_memory(self, memory: ir.Value) -> None:
        free = declared(self.module, "PyMem_RawFree", ir.FunctionType(ir.VoidType(), [POINTER]))
        self.b.call(free, [memory])

    def _fill_all(self, buffer: Buffer) -> None:
        """Let all elements of what rows add to start with zero."""
        kind = element_type(buffer.dtype)
        zero = constant(kind, -0.0 if buffer.dtype.kind == "f" else 0)
        place = self.register(buffer, kind) if self.is_register(buffer) else self.pointer(buffer)
        with self.range(0, self.stored_size(buffer), 1) as i:
            self.b.store(zero, self.b.gep(place, [i]))

    def _add_up(self, statement: Statement, memory: ir.Value, offset: int, size: int, ranges: int | ir.Value) -> None:
        """Add the partial sums of all ranges, in their order, to the sum."""
        b, buffer = self.b, statement.out
        in_register = self.is_register(buffer)
        kind = element_type(buffer.dtype) if in_register else stored_type(buffer.dtype)
        total = self.register(buffer, kind) if in_register else self.pointer(buffer)
        first = b.bitcast(b.gep(self._aligned(memory), [constant(INT64, offset)]), POINTER)
        read = (lambda x: x) if in_register else (lambda x: self.from_memory(x, buffer))
        with self.range(0, ranges, 1) as k:
            part = b.bitcast(b.gep(first, [b.mul(k, constant(INT64, size))]), kind.as_pointer())
            with self.range(0, self.stored_size(buffer), 1) as i:
                place = b.gep(total, [i])
                value = self.combine(statement, read(b.load(place)), read(b.load(b.gep(part, [i]))))
                b.store(value if in_register else self.to_memory(value, buffer), place)


def _scattered(loop: Loop) -> list[Statement] | None:
    """Return the statements by which several rows may add to one element, one for each array: see `share`.

    None if rows must run in their order, or if something else in the loop meets such an array.
    """
    rows, inside = loop.key[0], [statement for statement, _ in paths(loop.body)]
    found = [s for s in inside if (s.adds or s.ordered) and place_of_axis(s.index, rows) is None]
    arrays = {id(base_of(s.out)): s for s in found}
    met = [base_of(load.buffer) for s in inside for load in reads(s)]
    met += [base_of(buffer) for s in inside if s not in found for buffer in written(s)]
    for statement in found:
        out = statement.out
        kept = out.role in ("temporary", "output") and is_fixed(out.shape) and out.dtype.kind in "fi"
        if statement.ordered or not kept or out.size * out.dtype.itemsize > MOST_SCATTERED:
            return None
    return None if any(id(buffer) in arrays for buffer in met) else list(arrays.values())


def _worth(scattered: list[Statement]) -> int:
    """Return the work of a loop that threads share, if each range has arrays of its own."""
    return max(WORTH_SHARING, FILLING * RANGES * sum(statement.out.size for statement in scattered))


def _work_of(statement: Statement) -> int:
    """Return the number of elements that a statement computes; one with an exponential, say, counts as six."""
    return statement.volume() * (1 + weight(statement.expression, CHEAP) // 20)
