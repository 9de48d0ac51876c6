"""Derivatives of functions: `grad`, `value_and_grad`, `jvp`, `vjp`, `linearize`, `jacobian`, `hessian`, `hvp`.

Names and meanings are those of JAX. Functions take and return arrays, numbers and nested containers of them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from mixgrad import rules
from mixgrad._arguments import Inputs, match, real_number
from mixgrad._errors import DerivativeError, ShapeError
from mixgrad._runs import Record, owned, run, run_forward, run_recorded, size_of
from mixgrad._tree import Structure, flatten, flatten_like, map_leaves
from mixgrad.core.bind import Traced
from mixgrad.modes.batch import Batch, BatchTrace
from mixgrad.modes.taylor import Taylor, TaylorTrace

Mode = Literal["auto", "forward", "reverse"]
stop_gradient_op = rules.row.stop_gradient


# Public functions -----------------------------------------------------------------------------------------------------


def grad(fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """Return the function that computes the gradient of `fun`, by reverse mode.

    Parameters
    ----------
    fun : callable
        Returns a real number (an array of shape ``()``); with `has_aux` a pair of that and anything else.
    argnums : int or sequence of int
        The positional arguments to differentiate by: arrays of floats, floats, or nested containers of them.
    has_aux : bool
        Whether `fun` returns ``(value, aux)``; the gradient function then returns ``(gradient, aux)``.

    Returns
    -------
    callable
        Takes the arguments of `fun`. Each gradient has the structure of its argument, and each of its arrays the shape
        and dtype of the array it belongs to; if `argnums` is a sequence the result is a tuple. For complex arguments
        the gradient is the direction of steepest ascent: ``2 * z`` for ``abs(z) ** 2``.

    Raises
    ------
    DerivativeError
        If `fun` does not return a real number, or an argument is not made of floats.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> mg.grad(lambda x: x[0] * x[1] + np.sin(x[0]))(np.array([2.0, 3.0]))
    array([2.58385316, 2.        ])
    """
    function = value_and_grad(fun, argnums, has_aux)

    @functools.wraps(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = function(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def value_and_grad(fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """Return the function that computes the value and the gradient of `fun` in one run.

    Parameters and errors are those of `grad`. The function returns ``(value, gradient)``, with `has_aux`
    ``((value, aux), gradient)``.
    """

    @functools.wraps(fun)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        record = run_recorded(fun, args, kwargs, argnums, has_aux, "grad")
        value = real_number(record.outputs, record.structure, fun)
        gradients = record.pull([value.dtype.type(1)], last=True)
        return ((value, record.aux) if has_aux else value), gradients

    return value_and_gradient


def vjp(fun: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """Run `fun` and return its value and the function that maps cotangents of outputs to cotangents of inputs.

    Parameters
    ----------
    fun : callable
    *primals : arrays, numbers or containers
        All arguments of `fun`.
    has_aux : bool
        Whether `fun` returns ``(value, aux)``.

    Returns
    -------
    value
        What `fun` returns.
    pullback : callable
        ``pullback(value_bar)``, with `value_bar` of the structure and shapes of `value`, returns a tuple with one
        cotangent for each primal. It can be called repeatedly.
    aux
        Only with `has_aux`.
    """
    record = run_recorded(fun, primals, {}, tuple(range(len(primals))), has_aux, "vjp")

    def pullback(value_bar: Any) -> tuple:
        bars = flatten_like(value_bar, record.structure, "the cotangent given to the function of mg.vjp")
        return record.pull([match(bar, out, "cotangent") for bar, out in zip(bars, record.outputs)])

    value = record.structure.unflatten(record.outputs)
    return (value, pullback, record.aux) if has_aux else (value, pullback)


def linearize(fun: Callable, *primals: Any) -> tuple[Any, Callable]:
    """Run `fun` and return its value and its derivative as a linear function of the tangents.

    Returns
    -------
    value
        What `fun` returns.
    pushforward : callable
        ``pushforward(*tangents)`` gives the tangent of the value. It can be called repeatedly, at the cost of the
        linear part alone.
    """
    record = run_recorded(fun, primals, {}, tuple(range(len(primals))), False, "linearize")

    def pushforward(*tangents: Any) -> Any:
        return record.structure.unflatten(record.push(record.tangent_leaves(tangents)))

    return record.structure.unflatten(record.outputs), pushforward


def jvp(fun: Callable, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple:
    """Return the value of `fun` and its derivative in one direction, by forward mode.

    Parameters
    ----------
    fun : callable
    primals : tuple or list
        All arguments of `fun`.
    tangents : tuple or list
        The direction: for each primal a value of the same structure, shapes and dtypes.
    has_aux : bool
        Whether `fun` returns ``(value, aux)``.

    Returns
    -------
    value, tangent
        Of the same structure; with `has_aux` also ``aux``.
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise DerivativeError(
            f"jvp(fun, primals, tangents) expects a tuple of arguments and a tuple of tangents, got "
            f"{type(primals).__name__} and {type(tangents).__name__}. Perhaps you meant jvp(fun, (x,), (v,))?"
        )
    if len(primals) != len(tangents):
        raise ShapeError(f"jvp got {len(primals)} primals and {len(tangents)} tangents; there must be one for each")
    inputs = Inputs.of(primals, tuple(range(len(primals))), "jvp")
    return run_forward(fun, primals, {}, inputs, inputs.match(tangents), has_aux)


def jacobian(fun: Callable, argnums: int | Sequence[int] = 0, mode: Mode = "auto", has_aux: bool = False) -> Callable:
    """Return the function that computes the Jacobian of `fun`.

    Parameters
    ----------
    fun : callable
        Returns an array, a number or a container of them; with `has_aux` a pair of that and anything else.
    argnums : int or sequence of int
        The arguments to differentiate by.
    mode : {"auto", "forward", "reverse"}
        By columns (one run with as many directions as there are inputs), by rows (one backward run with as many
        directions as there are outputs), or the one with fewer directions.
    has_aux : bool
        Whether `fun` returns ``(value, aux)``; the result is then ``(jacobian, aux)``.

    Returns
    -------
    callable
        Takes the arguments of `fun`. For an output of shape `m` and an input of shape `n` the Jacobian has shape
        ``m + n``; for containers it has the structure of the output, with that of the argument in place of each leaf.
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f"jacobian: mode must be 'auto', 'forward' or 'reverse', got {mode!r}")

    @functools.wraps(fun)
    def jacobian_function(*args: Any, **kwargs: Any) -> Any:
        if mode == "forward":
            return _jacobian_forward(fun, args, kwargs, argnums, has_aux)
        record = run_recorded(fun, args, kwargs, argnums, has_aux, "jacobian")
        sizes = [size_of(leaf) for leaf in record.inputs.leaves], [size_of(leaf) for leaf in record.outputs]
        by_columns = mode == "auto" and sum(sizes[0]) < sum(sizes[1])
        blocks = _columns(record.push, record.inputs.leaves) if by_columns else _rows(record)
        result = _jacobian_tree(blocks, record.inputs, record.outputs, record.structure)
        return (result, record.aux) if has_aux else result

    return jacobian_function


def jacfwd(fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """Return ``jacobian(fun, argnums, mode="forward")``: column by column."""
    return jacobian(fun, argnums, "forward", has_aux)


def jacrev(fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """Return ``jacobian(fun, argnums, mode="reverse")``: row by row."""
    return jacobian(fun, argnums, "reverse", has_aux)


def hessian(fun: Callable, argnums: int | Sequence[int] = 0) -> Callable:
    """Return the function that computes the Hessian of `fun`, by forward mode over reverse mode.

    For an argument of shape `n` it has shape ``n + n``; for containers it is the Jacobian of the gradient. Parameters
    and errors are those of `grad`.
    """
    return jacobian(grad(fun, argnums), argnums, "forward")


def hvp(fun: Callable, x: Any, v: Any) -> Any:
    """Return the product of the Hessian of `fun` at `x` with `v`, by forward mode over reverse mode.

    Parameters
    ----------
    fun : callable
        A function of one argument that returns a real number.
    x, v : array, number or container
        The point and the direction, of the same structure and shapes.
    """
    return jvp(grad(fun), (x,), (v,))[1]


def taylor(fun: Callable, x: Any, direction: Any, order: int) -> Any:
    """Return the Taylor coefficients of ``fun(x + t * direction)`` at t = 0, by one run on truncated polynomials.

    Parameters
    ----------
    fun : callable
        Of one argument; returns an array, a number or a container.
    x, direction : array, number or container
        The point and the direction, of the same structure and shapes.
    order : int
        The highest power of t, at least 0. The cost is proportional to its square.

    Returns
    -------
    array or container
        For each output of shape `m` an array of shape ``(order + 1, *m)``: entry k is the coefficient of ``t ** k``,
        the k-th derivative divided by k factorial.
    """
    if not isinstance(order, (int, np.integer)) or order < 0:
        raise ValueError(f"taylor: order must be an integer that is not negative, got {order!r}")
    inputs = Inputs.of((x,), 0, "taylor")
    directions = inputs.match((direction,))
    with TaylorTrace() as trace:
        boxes = []
        for leaf, slope in zip(inputs.leaves, directions):
            rest = np.zeros((order + 1, *np.shape(leaf)), leaf.dtype)
            boxes.append(Taylor(trace, np.concatenate([np.stack([leaf, slope]), rest])[: order + 1]))
        result = run(fun, inputs.insert((x,), boxes), {})
        return map_leaves(lambda leaf: trace.unpack(leaf, order), result)


def nth_derivative(fun: Callable, n: int) -> Callable:
    """Return the n-th derivative of a function of one number, at a cost proportional to the square of n.

    Parameters
    ----------
    fun : callable
        Takes a number; returns an array, a number or a container.
    n : int
        The order of the derivative, at least 0.
    """

    @functools.wraps(fun)
    def derivative(x: Any) -> Any:
        if np.shape(x) != ():
            raise ShapeError(
                f"nth_derivative is for functions of one number, got an argument of shape {np.shape(x)}. For a "
                "direction in a space of arrays use mg.taylor(f, x, direction, order)."
            )
        one = np.ones((), getattr(x, "dtype", float))[()]
        return map_leaves(lambda c: c[n] * float(math.factorial(n)), taylor(fun, x, one, n))

    return derivative


def vmap(fun: Callable, in_axes: Any = 0, out_axes: int = 0) -> Callable:
    """Return `fun` for a batch of arguments: one run, in which every operation works on the whole batch.

    Parameters
    ----------
    fun : callable
        Of positional arguments.
    in_axes : int, None or a sequence of them
        For each argument the axis of its arrays along which the batch lies; None for the same value throughout.
    out_axes : int
        Where the axis of the batch shall be in the results.
    """

    @functools.wraps(fun)
    def batched(*args: Any) -> Any:
        axes = list(in_axes) if isinstance(in_axes, (tuple, list)) else [in_axes] * len(args)
        if len(axes) != len(args):
            raise ShapeError(f"vmap: in_axes has {len(axes)} entries for {len(args)} arguments")
        flat = [flatten(arg) for arg in args]
        sizes = {np.shape(leaf)[axis] for (leaves, _), axis in zip(flat, axes) if axis is not None for leaf in leaves}
        if len(sizes) != 1:
            raise ShapeError(
                f"vmap needs arrays of one length along the batch, got lengths {sorted(sizes)}. Set in_axes=None for "
                "arguments that are the same for all members."
            )
        with BatchTrace(sizes.pop()) as trace:
            boxed = []
            for (leaves, structure), axis in zip(flat, axes):
                if axis is not None:
                    leaves = [Batch(trace, np.moveaxis(leaf, axis, 0)) for leaf in leaves]
                boxed.append(structure.unflatten(leaves))
            out = fun(*boxed)
            return map_leaves(lambda leaf: np.moveaxis(trace.unpack(leaf), 0, out_axes), out)

    return batched


def stop_gradient(x: Any) -> Any:
    """Return `x` (an array, a number or a container) as a constant: derivatives do not pass through it."""
    return map_leaves(lambda leaf: stop_gradient_op(leaf) if isinstance(leaf, Traced) else leaf, x)


# Jacobians ------------------------------------------------------------------------------------------------------------


def _basis(leaves: list) -> list:
    """Return for each leaf an array of shape (directions, *shape): all unit vectors of the leaves taken together."""
    sizes = [size_of(leaf) for leaf in leaves]
    total = sum(sizes)
    basis = []
    start = 0
    for leaf, size in zip(leaves, sizes):
        unit = np.zeros((total, size), getattr(leaf, "dtype", float))
        unit[np.arange(start, start + size), np.arange(size)] = 1
        basis.append(unit.reshape((total, *np.shape(leaf))))
        start += size
    return basis


def _columns(push: Callable, leaves: list) -> list[list]:
    """Return the blocks of the Jacobian by columns: for each output, for each input, shape (inputs, *output)."""
    basis = _basis(leaves)
    with BatchTrace(len(basis[0]) if basis else 0) as trace:
        dots = [trace.unpack(dot) for dot in push([Batch(trace, unit) for unit in basis])]
    cuts = np.cumsum([size_of(leaf) for leaf in leaves])[:-1]
    blocks = []
    for dot in dots:
        last = np.moveaxis(dot, 0, -1)
        parts = np.split(last, cuts, axis=-1)
        blocks.append([np.reshape(part, part.shape[:-1] + np.shape(leaf)) for part, leaf in zip(parts, leaves)])
    return blocks


def _rows(record: Record) -> list[list]:
    """Return the blocks of the Jacobian by rows: for each output, for each input, shape (*output, *input)."""
    basis = _basis(record.outputs)
    with BatchTrace(len(basis[0]) if basis else 0) as trace:
        bars = [trace.unpack(bar) for bar in record.pull_leaves([Batch(trace, unit) for unit in basis])]
    cuts = np.cumsum([size_of(out) for out in record.outputs])[:-1]
    parts = [np.split(bar, cuts, axis=0) for bar in bars]
    return [
        [np.reshape(part[j], np.shape(out) + np.shape(leaf)) for part, leaf in zip(parts, record.inputs.leaves)]
        for j, out in enumerate(record.outputs)
    ]


def _jacobian_forward(fun: Callable, args: tuple, kwargs: dict, argnums: int | Sequence[int], has_aux: bool) -> Any:
    inputs = Inputs.of(args, argnums, "jacobian")
    seen: dict[str, Any] = {}

    def push(tangents: list) -> list:
        value, dots, *aux = run_forward(fun, args, kwargs, inputs, tangents, has_aux)
        seen["outputs"], seen["structure"] = flatten(value)
        seen["aux"] = aux[0] if aux else None
        return flatten(dots)[0]

    blocks = _columns(push, inputs.leaves)
    result = _jacobian_tree(blocks, inputs, seen["outputs"], seen["structure"])
    return (result, seen["aux"]) if has_aux else result


def _jacobian_tree(blocks: list[list], inputs: Inputs, outputs: list, structure: Structure) -> Any:
    if not outputs:
        raise DerivativeError("jacobian(f) expects f to return an array, a number or a container, but it returned None")
    return structure.unflatten([inputs.results([owned(block) for block in row]) for row in blocks])
