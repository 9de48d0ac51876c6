"""`vmap`: run a function once for a whole batch of arguments, by the batching rule of each op."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixgrad._errors import BoxConversionError
from mixgrad.core.bind import Trace
from mixgrad.core.box import Box
from mixgrad.core.naming import name_value
from mixgrad.core.op import Kind, Op


class Batch(Box):
    """An array for each member of the batch: `payload` has the batch as its first axis, unseen by the function."""

    __slots__ = ("payload",)

    def __init__(self, trace: BatchTrace, payload: Any) -> None:
        self._trace = trace
        self.payload = payload

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one member."""
        return self.payload.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        return self.payload.dtype

    @property
    def inner(self) -> Any:
        """The value one level further out."""
        return self.payload

    def concrete(self) -> Any:
        """Refuse: the members of the batch have different values."""
        raise BoxConversionError(
            f"under vmap a value (shape {self.shape}, {self.dtype}) has as many values as the batch has members, so it "
            "cannot decide an `if` or `while`, be printed or become a plain number. Use np.where(condition, a, b), or "
            "a loop over the members instead of vmap."
        )


class BatchTrace(Trace):
    """One batched run over `size` members."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def process(self, op: Op, args: tuple, static: dict) -> Any:
        """Apply the batching rule of the op."""
        if op.kind is Kind.NESTED:
            from mixgrad.modes import programs

            return programs.run_batch(self, op, args, static)
        payloads = []
        batched = []
        for arg in args:
            flag = isinstance(arg, Batch) and arg._trace is self
            payloads.append(arg.payload if flag else arg)
            batched.append(flag)
        out = op.batch(payloads, batched, **static)
        return tuple(Batch(self, part) for part in out) if op.multiple else Batch(self, out)

    def unpack(self, value: Any) -> Any:
        """Return a result of the run with the batch as its first axis."""
        if isinstance(value, Batch) and value._trace is self:
            return value.payload
        return np.broadcast_to(value, (self.size, *np.shape(value)))


@name_value.register
def _(value: Batch, name: str) -> Batch:
    name_value(value.payload, name)
    return value
