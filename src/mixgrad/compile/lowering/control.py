"""Loops and branches of the program: regions with statements of their own."""

from __future__ import annotations

from numpy.lib.array_utils import normalize_axis_index

from mixgrad.compile.lowering.statements import (
    BOOL,
    INT,
    Lowering,
    NoNativeForm,
    Tensor,
    converted,
    form,
    of_buffer,
)
from mixgrad.compile.tensor import (
    Axis,
    Buffer,
    Fixed,
    Load,
    Region,
    Statement,
    base_of,
    same_place,
    settle_updates,
)
from mixgrad.core.program import Equation


@form("loop")
def _loop(lowering: Lowering, equation: Equation) -> list[Tensor]:
    static, body = equation.static, equation.static["body"]
    split = static["consts"] + static["carry"]
    args = [lowering.tensor(arg, var.dtype) for arg, var in zip(equation.args[:split], body.inputs)]
    fixed, init = args[: static["consts"]], args[static["consts"] :]
    xs = [lowering.tensor(arg) for arg in equation.args[split:]]
    length = xs[0].shape[0] if xs else static["length"]
    carry = [lowering.copied(converted(x, var.dtype)) for x, var in zip(init, body.inputs[static["consts"] :])]
    region = Region(Buffer((), BOOL), reverse=static["reverse"])
    state = [of_buffer(buffer) for buffer in carry]
    if static["test"] is not None:
        region.test, (going,) = lowering.nested(static["test"], [*fixed, *state])
        region.truth = lowering.copied(going, region.test)
        length = -1
        region.steps = Buffer((), INT) if len(body.outputs) > len(carry) else None
    elif length == -1:
        growing = [x.buffer for x in xs if x.buffer is not None and x.buffer.role == "growing"]
        if len(growing) < len(xs) or any(buffer.value is not growing[0].value for buffer in growing):
            raise NoNativeForm("a loop whose length is known only when the program runs")
        region.steps = growing[0].value
    region.counter = Axis(length, region) if region.test is None or region.steps is not None else None
    statements, results = lowering.nested(body, [*fixed, *state, *[_slice(x, region.counter) for x in xs]])
    after = [lowering.copied(converted(x, old.dtype), statements) for x, old in zip(results, carry)]
    stacks = [_stack(lowering, region, x, statements) for x in results[len(carry) :]]
    region.carried = list(zip(carry, after))
    statements = settle_updates(statements, carry)
    statements = _without_returning(region, statements)
    region.bodies, region.wanted = [statements], [[*carry, *(new for _, new in region.carried), *stacks]]
    region.results = [*carry, *stacks]
    lowering.region(region)
    if region.test is not None and region.steps is not None:
        region.results.append(region.steps)
        region.steps.writer = region
    return [of_buffer(buffer) for buffer in [*carry, *stacks]]


def _without_returning(region: Region, statements: list[Statement]) -> list[Statement]:
    """Leave out the copies of carried values that have been changed where they lie."""
    for copy in statements:
        source = copy.expression
        for pair in region.carried:
            if copy.out is pair[1] and isinstance(source, Load) and base_of(source.buffer) is pair[0]:
                whole = source.buffer.shape == pair[0].shape
                if whole and all(same_place(*both) for both in zip(source.index, copy.index)):
                    region.carried.remove(pair)
                    statements = [statement for statement in statements if statement is not copy]
                    break
    return statements


def _stack(lowering: Lowering, region: Region, x: Tensor, statements: list[Statement]) -> Buffer:
    """Return the buffer in which a result of each step lies; the statement goes to the end of the body."""
    assert region.counter is not None
    stack = Buffer((region.counter.length, *x.shape), x.dtype, "temporary" if region.test is None else "growing")
    if stack.role == "growing":
        stack.value = region.steps
    elif region.counter.length == -1:
        raise NoNativeForm("a stack of a length that is known only when the program runs")
    stack.axes = [None] * len(stack.shape)
    outer, lowering.statements = lowering.statements, statements
    lowering.write(stack, lambda index: [Fixed(region.counter), *index], x)  # type: ignore[arg-type]
    lowering.statements = outer
    return stack


def _slice(x: Tensor, counter: Axis | None) -> Tensor:
    return Tensor(x.shape[1:], x.dtype, lambda index: x.at([Fixed(counter), *index]))


@form("cond")
def _cond(lowering: Lowering, equation: Equation) -> list[Tensor]:
    predicate, *operands = equation.args
    region = Region(Buffer((), BOOL), truth=lowering.copied(converted(lowering.tensor(predicate), BOOL)))
    branches = equation.static["branches"]
    args = [lowering.tensor(arg, var.dtype) for arg, var in zip(operands, branches[0].inputs)]
    region.results = [Buffer(out.shape, out.dtype) for out in equation.outs]
    for buffer in region.results:
        buffer.axes = [None] * len(buffer.shape)
    for branch in branches:
        statements, results = lowering.nested(branch, args)
        outer, lowering.statements = lowering.statements, statements
        for buffer, x in zip(region.results, results):
            lowering.write(buffer, lambda index: index, x)
        lowering.statements = outer
        region.bodies.append(statements)
        region.wanted.append(list(region.results))
    lowering.region(region)
    return [of_buffer(buffer) for buffer in region.results]


# What runs along an axis, step by step --------------------------------------------------------------------------------


@form("cumsum")
def _cumsum(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    x = converted(lowering.tensor(equation.args[0]), out.dtype)
    axis = normalize_axis_index(equation.static["axis"], len(x.shape))
    region = Region(Buffer((), BOOL))
    region.counter = Axis(x.shape[axis], region)
    rest = x.shape[:axis] + x.shape[axis + 1 :]
    total = lowering.full(rest, out.dtype, -0.0 if out.dtype.kind == "f" else 0).buffer
    assert total is not None
    outer, lowering.statements = lowering.statements, []
    new = lowering.elementwise("add", of_buffer(total), _along(x, axis, region), dtype=out.dtype)
    after = lowering.copied(new)
    stack = _stack(lowering, region, new, lowering.statements)
    region.bodies, lowering.statements = [lowering.statements], outer
    region.carried, region.wanted, region.results = [(total, after)], [[after, stack]], [total, stack]
    lowering.region(region)
    whole = of_buffer(stack)
    return Tensor(out.shape, out.dtype, lambda index: whole.at([index[axis], *index[:axis], *index[axis + 1 :]]))


def _along(x: Tensor, axis: int, region: Region) -> Tensor:
    """Return the slice of `x` of the present step."""
    here = [Fixed(region.counter)]  # type: ignore[arg-type]
    rest = x.shape[:axis] + x.shape[axis + 1 :]
    return Tensor(rest, x.dtype, lambda index: x.at([*index[:axis], *here, *index[axis:]]))
