"""Branches and loops that depend on values: `cond`, `while_loop`, `scan`, `fori_loop`.

Names and meanings are those of JAX. On values that are known they run as the Python code they stand for. In a function
that is being traced they become one equation each, whose size does not depend on the number of steps; under `vmap`
a branch or a loop may go another way for each member.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from mixgrad._control import (
    Arguments,
    Branch,
    Carry,
    any_staged,
    check_structure,
    common,
    is_known,
    pair_of,
    plain,
    same_structure,
    text_of,
    truth,
)
from mixgrad._errors import ShapeError
from mixgrad._runs import run
from mixgrad._tree import Structure, flatten
from mixgrad.core.program import Var
from mixgrad.modes.budget import budget_of
from mixgrad.modes.trace import close, is_staging, record_body, typed
from mixgrad.rules import control

# Public functions -----------------------------------------------------------------------------------------------------


def cond(pred: Any, true_fun: Callable, false_fun: Callable, *operands: Any) -> Any:
    """Return ``true_fun(*operands) if pred else false_fun(*operands)``.

    Parameters
    ----------
    pred : bool or array of shape ()
    true_fun, false_fun : callable
        Where `pred` is not known yet, both are traced, and must return the same containers, shapes and dtypes. They may
        use variables of enclosing functions.
    *operands : arrays, numbers or containers

    Returns
    -------
    array, number or container
        What the function returns. If `pred` differs between the members of a batch, both functions run for all of them.

    Raises
    ------
    ShapeError
        If the two functions return different containers, shapes or dtypes.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> f = lambda x: mg.cond(x > 0, np.sqrt, lambda x: -x, x)
    >>> float(mg.grad(f)(4.0))
    0.25
    >>> mg.vmap(f)(np.array([4.0, -1.0]))
    array([2., 1.])
    """
    pred = truth(pred, "cond: the predicate")
    if is_known(pred):
        return run(true_fun if pred else false_fun, operands, {})
    arguments = Arguments(operands)
    yes = Branch(true_fun, arguments, "true")
    no = Branch(false_fun, arguments, "false")
    first, second = yes.types(), no.types()
    same_structure(yes.structure, no.structure, "cond: true_fun returns", "false_fun")
    wanted = []
    for path, a, b in zip(yes.structure.paths(), first, second):
        dtype = common(a, b)
        if a.shape != b.shape or dtype is None:
            raise ShapeError(
                f"cond: the functions must return the same shapes and dtypes, but result{path} of true_fun is "
                f"{text_of(a)}, that of false_fun {text_of(b)}. Bring them together with np.broadcast_to or .astype."
            )
        wanted.append(dtype)
    branches, hoisted = close([no.program(wanted), yes.program(wanted)])
    outs = control.cond(pred, *hoisted, *arguments.arrays, branches=tuple(branches))
    return yes.structure.unflatten(list(outs))


def while_loop(cond_fun: Callable, body_fun: Callable, init: Any, memory: int | None = None) -> Any:
    """Return the last state of ``while cond_fun(state): state = body_fun(state)``, beginning with `init`.

    Parameters
    ----------
    cond_fun : callable
        ``cond_fun(state)`` returns a truth value.
    body_fun : callable
        ``body_fun(state)`` returns the next state, of the same containers, shapes and dtypes.
    init : array, number or container
    memory : int, optional
        How many states reverse mode may keep at a time, at least 1: see Notes.

    Raises
    ------
    ShapeError
        If `body_fun` returns other containers, shapes or dtypes than it is given.
    ValueError
        If `memory` is not an integer, at least 1.

    Notes
    -----
    Reverse mode keeps what each step needs, in memory proportional to the number of steps. With ``memory=k`` it keeps
    at most k states, and computes the others again from these, in the order that takes the fewest steps (A. Griewank
    and A. Walther, Algorithm 799: revolve, ACM Transactions on Mathematical Software 26, 2000). If there are n steps,
    and ``binomial(k + r - 1, k) < n <= binomial(k + r, k)``, that takes ``r n - binomial(k + r, k + 1)`` steps forward,
    none of them more than r times, and n steps with their derivatives: r is 3 for 1000 steps and ``memory=20``. A loop
    whose number of steps is not known is run once more, to count them.

    The function is then recorded, as by `mg.trace`, even where values are known; so it cannot ask for them. Forward
    over reverse mode (`mg.hessian`, `mg.hvp`) is bounded, too. Reverse over reverse mode is right, but keeps all states
    of the backward sweep that it differentiates.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> root = lambda a: mg.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)
    >>> round(float(mg.grad(root)(2.0)), 9)
    0.353553391
    """
    memory = budget_of(memory, "while_loop")
    if memory is not None:
        return _record_while(cond_fun, body_fun, init, memory)
    state, structure = init, None
    while not any_staged(state):
        going = truth(run(cond_fun, (state,), {}), "while_loop: what cond_fun returns")
        if not is_known(going):
            break
        if not going:
            return state
        new = run(body_fun, (state,), {})
        if structure is None:
            structure = check_structure(flatten(init)[1], flatten(new)[1], "while_loop: body_fun")
        if is_staging() and any_staged(new):
            break
        state = new
    return _record_while(cond_fun, body_fun, state, None)


def scan(
    f: Callable,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    memory: int | None = None,
) -> tuple[Any, Any]:
    """Run ``carry, y = f(carry, x)`` over the slices of `xs`; return the last carry and all ys.

    Parameters
    ----------
    f : callable
        ``f(carry, x)`` returns a pair: the next carry, of the same containers, shapes and dtypes, and what to stack.
    init : array, number or container
        The first carry.
    xs : array or container of arrays
        Sliced along their first axes, of the same length. None gives ``x = None``, `length` times.
    length : int, optional
        The number of steps; needed if there are no xs.
    reverse : bool
        From the last slice to the first. The ys lie as the xs do.
    memory : int, optional
        How many carries reverse mode may keep at a time, at least 1: see the notes of `while_loop`.

    Returns
    -------
    carry
    ys
        Each leaf has the steps as its first axis.

    Raises
    ------
    ShapeError
        If lengths differ, or `f` returns other containers, shapes or dtypes than it is given.
    ValueError
        If `memory` is not an integer, at least 1.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> mg.scan(lambda c, x: (c * x, c), 1.0, np.array([2.0, 3.0]))
    (np.float64(6.0), array([1., 2.]))
    """
    leaves, structure = flatten(xs)
    count = _length(leaves, structure, length)
    memory = budget_of(memory, "scan")
    if memory is not None or count == 0 or is_staging() or any_staged((init, leaves)):
        return _record_scan(f, init, leaves, structure, count, reverse, memory)
    carry, stacks, kind = init, [], None
    for step in range(count - 1, -1, -1) if reverse else range(count):
        carry, parts, kind = _scan_step(f, carry, structure.unflatten([leaf[step] for leaf in leaves]), kind)
        stacks.append(parts)
    stacked = [np.stack([typed(part) for part in parts]) for parts in zip(*(stacks[::-1] if reverse else stacks))]
    assert kind is not None
    return carry, kind.unflatten(stacked)


def fori_loop(lower: Any, upper: Any, body_fun: Callable, init: Any, memory: int | None = None) -> Any:
    """Return the last state of ``for i in range(lower, upper): state = body_fun(i, state)``, beginning with `init`.

    Parameters
    ----------
    lower, upper : int
    body_fun : callable
        ``body_fun(i, state)`` returns the next state, of the same containers, shapes and dtypes.
    init : array, number or container
    memory : int, optional
        How many states reverse mode may keep at a time, at least 1: see the notes of `while_loop`.

    Raises
    ------
    ShapeError
        If `body_fun` returns other containers, shapes or dtypes than it is given.
    ValueError
        If `memory` is not an integer, at least 1.

    Examples
    --------
    >>> import mixgrad as mg
    >>> mg.fori_loop(0, 3, lambda i, x: x * x + i, 2)
    291
    """
    memory = budget_of(memory, "fori_loop")
    known = is_known(lower) and is_known(upper)
    if known:
        lower, upper = operator.index(plain(lower)), operator.index(plain(upper))
        if memory is None and not is_staging() and not any_staged(init):
            state = init
            for i in range(lower, upper):
                new = run(body_fun, (i, state), {})
                if i == lower:
                    check_structure(flatten(init)[1], flatten(new)[1], "fori_loop: body_fun")
                state = new
            return state
    return _record_fori(lower, upper, known, body_fun, init, memory)


# Recording ------------------------------------------------------------------------------------------------------------


def _record_while(cond_fun: Callable, body_fun: Callable, init: Any, memory: int | None) -> Any:
    carry = Carry(body_fun, init, "while_loop: body_fun")
    body = carry.record()

    def going(*boxes: Any) -> list:
        state = carry.structure.unflatten(list(boxes))
        return [truth(run(cond_fun, (state,), {}), "while_loop: what cond_fun returns")]

    test = record_body(going, carry.templates, "test")
    (test, body), hoisted = close([test, body])
    return carry.structure.unflatten(carry.bind(hoisted, (), test, body, None, False, memory))


def _record_fori(lower: Any, upper: Any, known: bool, body_fun: Callable, init: Any, memory: int | None) -> Any:
    def body(pair: tuple) -> tuple:
        i, state = pair
        return i + 1, run(body_fun, (i, state), {})

    carry = Carry(body, (np.int64(lower) if known else typed(lower), init), "fori_loop: body_fun")
    recorded = carry.record()
    if known:
        (program,), hoisted = close([recorded])
        outs = carry.bind(hoisted, (), None, program, max(upper - lower, 0), False, memory)
    else:
        going = record_body(lambda i, *rest: [i < upper], carry.templates, "test")
        (test, program), hoisted = close([going, recorded])
        outs = carry.bind(hoisted, (), test, program, None, False, memory)
    return carry.structure.unflatten(outs)[1]


def _length(leaves: list, structure: Structure, length: int | None) -> int:
    sizes = {}
    for path, leaf in zip(structure.paths(), leaves):
        if not np.ndim(leaf):
            raise ShapeError(f"scan: xs{path} is a number, expected an array, whose slices are the steps")
        sizes[f"xs{path}"] = np.shape(leaf)[0]
    if length is not None:
        sizes["length"] = operator.index(length)
    if len(set(sizes.values())) != 1:
        got = ", ".join(f"{name}: {size}" for name, size in sizes.items()) or "neither xs nor length"
        raise ShapeError(f"scan needs one number of steps, got {got}. Give arrays of the same length, or length=.")
    return next(iter(sizes.values()))


def _scan_step(f: Callable, carry: Any, x: Any, kind: Structure | None) -> tuple[Any, list, Structure]:
    new, parts, structure = pair_of(run(f, (carry, x), {}), "scan: f")
    if kind is None:
        check_structure(flatten(carry)[1], flatten(new)[1], "scan: f")
    elif kind != structure:
        raise ShapeError(
            f"scan: f must return the same containers in each step, got {structure.spec}, before {kind.spec}"
        )
    return new, parts, structure


def _record_scan(
    f: Callable, init: Any, leaves: list, structure: Structure, count: int, reverse: bool, memory: int | None
) -> tuple[Any, Any]:
    xs = [typed(leaf) for leaf in leaves]
    slices = [Var(tuple(x.shape[1:]), x.dtype) for x in xs]
    carry = Carry(f, init, "scan: f", slices, structure.unflatten)
    (body,), hoisted = close([carry.record()])
    outs = carry.bind(hoisted, xs, None, body, count, reverse, memory)
    split = len(carry.leaves)
    return carry.structure.unflatten(outs[:split]), carry.extra.unflatten(outs[split:])
