"""``cond(pred, *operands, branches=(program_if_false, program_if_true))``: run one of two programs.

Both take the operands and return results of the same types. `linear` names the arguments in which an instance is
linear: those that a linearised one has for its tangents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixgrad._errors import ProgramError
from mixgrad.core.interpret import compiled, interpret
from mixgrad.core.op import Kind, Op, add_row
from mixgrad.core.program import Program
from mixgrad.rules.bodies import (
    aligned,
    atom,
    check_inputs,
    distribute,
    kind_of,
    regroup,
    same_kind,
    spread,
    var_like,
    with_parts,
    zeros_like,
)

# Value and types ------------------------------------------------------------------------------------------------


def _cond_value(pred, *operands, branches, linear=()):
    return tuple(map(atom, compiled(branches[bool(pred)])(*operands)))


def _cond_shape(pred, *operands, branches, linear=()):
    pairs = zip(*[[np.shape(out) for out in branch.outputs] for branch in branches])
    return tuple(tuple(-1 if -1 in sizes else sizes[0] for sizes in zip(*pair)) for pair in pairs)


def _cond_dtype(pred, *operands, branches, linear=()):
    return tuple(atom(out).dtype for out in branches[0].outputs)


def _cond_check(args, *, branches, linear=()):
    if len(branches) != 2:
        raise ProgramError(f"cond has {len(branches)} branches, expected two")
    if np.shape(args[0]) != ():
        raise ProgramError(f"cond: the predicate has the shape {np.shape(args[0])}, expected one truth value")
    for branch in branches:
        check_inputs("cond", branch, args[1:])
    first, second = ([kind_of(out) for out in branch.outputs] for branch in branches)
    if len(first) != len(second) or not all(same_kind(a, b) for a, b in zip(first, second)):
        raise ProgramError(f"cond: the branches return the types {first} and {second}, expected the same ones")


# Rules ----------------------------------------------------------------------------------------------------------


def _cond_lifted(args, flags, lift, transform, *, branches, linear=()):
    inner = tuple(flags[1:])
    none = (False,) * len(branches[0].outputs)
    found = [transform.lifted(branch, lift, inner, none)[1] for branch in branches]
    demanded = tuple(flags[0] or a or b for a, b in zip(*found))
    programs = tuple(transform.lifted(branch, lift, inner, demanded)[0] for branch in branches)
    pred = args[0][0] if flags[0] else args[0]
    operands, places = spread(args[1:], inner, [i - 1 for i in linear])
    if flags[0]:
        no, yes = (interpret(program, *operands) for program in programs)
        outs = [np.where(aligned(pred, a), b, a) for a, b in zip(map(atom, no), map(atom, yes))]
    else:
        outs = cond(pred, *operands, branches=programs, linear=tuple(i + 1 for i in places))
    widths = [len(lift.types(atom(out))) for out in branches[0].outputs]
    return regroup(outs, demanded, widths), demanded


def _cond_linearise(args, tangents, transform, *, branches, linear=()):
    flags = tuple(dot is not None for dot in tangents[1:])
    none, again = (False,) * len(branches[0].outputs), (True,) * len(flags)
    found = [transform.linearised(branch, flags, none, again, 0).flags for branch in branches]
    varying = tuple(a or b for a, b in zip(*found))
    if not any(varying):
        return cond(*args, branches=branches), [None] * len(varying)
    parts = [transform.linearised(branch, flags, varying, again, 0) for branch in branches]
    count = len(varying)
    own = [part.primal.outputs[count:] for part in parts]
    zeros = [[zeros_like(out) for out in outs] for outs in own]
    primals = (
        with_parts(parts[0].primal, outputs=(*parts[0].primal.outputs, *zeros[1])),
        with_parts(parts[1].primal, outputs=(*parts[1].primal.outputs[:count], *zeros[0], *own[1])),
    )
    outs = cond(*args, branches=primals)
    kept = [outs[count : count + len(own[0])], outs[count + len(own[0]) :]]
    given = [
        args[1 + i] if source == "input" else stack[i] for part, stack in zip(parts, kept) for source, i in part.sources
    ]
    dots = [dot for dot in tangents[1:] if dot is not None]
    places = tuple(range(1 + len(given), 1 + len(given) + len(dots)))
    results = cond(args[0], *given, *dots, branches=_side_by_side(parts), linear=places)
    return outs[:count], distribute(results, varying)


def _side_by_side(parts: Sequence[Any]) -> tuple[Program, Program]:
    """Return the linear parts of two branches with the residuals of both as inputs."""
    first, second = parts
    n, m = len(first.sources), len(second.sources)
    a, b = first.linear.inputs, second.linear.inputs
    return (
        with_parts(first.linear, (*a[:n], *map(var_like, b[:m]), *a[n:])),
        with_parts(second.linear, (*map(var_like, a[:n]), *b)),
    )


def _cond_transpose(bars, args, places, transform, *, branches, linear=()):
    flags = tuple(i in linear for i in range(1, len(args)))
    given = tuple(bar is not None for bar in bars)
    none = (False,) * sum(flags)
    found = [transform.transposed(branch, flags, given, none)[1] for branch in branches]
    demanded = tuple(a or b for a, b in zip(*found))
    programs = tuple(transform.transposed(branch, flags, given, demanded)[0] for branch in branches)
    others = [arg for arg, flag in zip(args[1:], flags) if not flag]
    known = [bar for bar in bars if bar is not None]
    start = 1 + len(others)
    outs = cond(args[0], *others, *known, branches=programs, linear=tuple(range(start, start + len(known))))
    by_place = dict(zip([i + 1 for i, flag in enumerate(flags) if flag], distribute(outs, demanded)))
    return [by_place[i] for i in places]


cond = add_row(
    Op(
        "cond",
        Kind.NESTED,
        _cond_value,
        transpose=_cond_transpose,
        shape=_cond_shape,
        dtype=_cond_dtype,
        multiple=True,
        lifted=_cond_lifted,
        linearise=_cond_linearise,
        check=_cond_check,
    )
)
