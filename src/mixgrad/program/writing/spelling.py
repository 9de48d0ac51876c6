"""The spelling of each row of the table: what a person would write for it, of the same bits as the row's value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixgrad._errors import UnsupportedError
from mixgrad.core.op import TABLE, Kind
from mixgrad.core.program import Equation, Var, type_of
from mixgrad.program.writing import matrices, special
from mixgrad.program.writing.expression import (
    AND,
    ATOM,
    COMPARE,
    OR,
    POWER,
    PRODUCT,
    SHIFT,
    SUM,
    UNARY,
    XOR,
    Expression,
    binary,
    call,
    dtype_text,
    negated,
    shortest,
    tuple_text,
)
from mixgrad.program.writing.surroundings import Surroundings, index_text


@dataclass
class Spelled:
    """One equation that is being spelled; its arguments are constants or variables."""

    around: Surroundings
    equation: Equation
    args: tuple
    static: Mapping[str, Any] = field(init=False)
    weak: bool = field(init=False)

    def __post_init__(self) -> None:
        self.static = self.equation.static
        given = self.args
        if self.name in _EXACT and len(self.out.shape) == 1:  # with more axes an array has a say in the layout
            self.args = tuple(map(_one_number, given))
        self.weak = self._weak()
        self.args = self.args if self.weak else given

    @property
    def out(self) -> Var:
        """The (first) result."""
        return self.equation.outs[0]

    @property
    def name(self) -> str:
        """The name of the row."""
        return self.equation.op.name

    def __getitem__(self, i: int) -> Expression:
        arg = self.args[i]
        if not self.out.shape and self.out.dtype == np.complex128 and isinstance(arg, complex):
            return self.around.expression(np.complex128(arg))  # Python's complex times np.float64 is Python's again
        return self.around.expression(arg, self.weak)

    def all(self) -> list[Expression]:
        """Return all arguments."""
        return [self[i] for i in range(len(self.args))]

    def _weak(self) -> bool:
        """Whether numbers may be written without their dtype: the others decide that of the result alone."""
        op = self.equation.op
        if op.kind not in (Kind.ELEMENTWISE, Kind.ZERO, Kind.DISCRETE) and op.name not in ("where", "weighted_sum"):
            return False
        if not any(isinstance(arg, Var) for arg in self.args) or op.name in ("astype_discrete", "argsort"):
            return False
        plain = tuple(shortest(arg) for arg in self.args)
        if op.name == "weighted_sum":
            same = self.around.strict or -1 in self.out.shape or broadcast(plain) == self.out.shape
            return same and natural_dtype(plain) == natural_dtype(self.args)
        try:
            return type_of(op, plain, self.static) == [(out.shape, out.dtype) for out in self.equation.outs]
        except (TypeError, AttributeError):
            return False


_EXACT = {"add", "subtract", "multiply", "divide", "weighted_sum", "where"}
"""Rows in which an array of one number many times may be that number."""


def _one_number(arg: Any) -> Any:
    if not isinstance(arg, np.ndarray) or arg.size == 0 or arg.dtype.kind not in "fiub":
        return arg
    first = arg.flat[0]
    same = np.array_equal(arg, np.full_like(arg, first)) and len(set(np.signbit(arg).flat)) == 1
    return first if arg.ndim and arg.dtype.kind == "f" and same else arg


def broadcast(args: tuple) -> tuple[int, ...]:
    """Return the shape of an elementwise operation on these."""
    return np.broadcast_shapes(*map(shape_of, args))


def natural_dtype(args: tuple) -> np.dtype:
    """Return the dtype that NumPy gives to an operation on these."""
    return np.result_type(*[getattr(arg, "dtype", arg) for arg in args])


def shape_of(arg: Any) -> tuple[int, ...]:
    """Return the shape of a variable or a constant."""
    return arg.shape if isinstance(arg, Var) else np.shape(arg)


def ndim_of(arg: Any) -> int:
    """Return the number of axes."""
    return len(shape_of(arg))


def spell(around: Surroundings, equation: Equation, args: tuple) -> Expression:
    """Return the right-hand side of an equation.

    Raises
    ------
    UnsupportedError
        If nobody has said how the row is written.
    """
    name = equation.op.name
    row = Spelled(around, equation, args)
    if name in SPELLINGS:
        return SPELLINGS[name](row)
    library = special.library_of(equation.op)
    if library and not equation.static:
        return call(f"np.{name}", *row.all()) if library == "np" else special.spell(row)
    raise UnsupportedError(
        f"the row {name!r} has no spelling in Python; add one to mixgrad.program.writing.spelling.SPELLINGS"
    )


# Operators ------------------------------------------------------------------------------------------------------------


def _operator(sign: str, strength: int, scalars: bool = False) -> Callable[[Spelled], Expression]:
    """Spell by an operator; `scalars` says that on numbers, too, it gives the bits of the function."""

    def spelling(row: Spelled) -> Expression:
        value = row.equation.op.value
        plain = any(ndim_of(arg) for arg in row.args) if not scalars else any(isinstance(a, Var) for a in row.args)
        if not plain and isinstance(value, np.ufunc):
            return call(f"np.{row.name}", *row.all())
        return binary(row[0], sign, row[1], strength)

    return spelling


def _power(row: Spelled) -> Expression:
    # On arrays ** has short cuts for a few exponents, on numbers another algorithm than np.power.
    x, y = row.args
    short_cut = not isinstance(y, Var) and ndim_of(y) == 0 and y in (-1, 0, 0.5, 1, 2)
    if ndim_of(x) == 0 or short_cut or (isinstance(y, Var) and ndim_of(y) == 0):
        return call("np.power", *row.all())
    return _raised(row[0], row[1])


def _raised(x: Expression, y: Expression) -> Expression:
    sign = "**" if x.is_name and (y.is_name or y.text.isdigit()) else " ** "
    return Expression(f"{x.within(ATOM)}{sign}{y.within(UNARY)}", POWER)


def _square(row: Spelled) -> Expression:
    if row.out.shape and row.out.dtype.kind == "f":
        return _raised(row[0], Expression("2"))
    return binary(row[0], "*", row[0], PRODUCT) if row[0].is_name else call("np.square", row[0])


def _invert(row: Spelled) -> Expression:
    if row.out.shape:
        return Expression(f"~{row[0].within(UNARY)}", UNARY)
    return call("np.logical_not" if row.out.dtype.kind == "b" else "np.invert", row[0])


# Sums of products -----------------------------------------------------------------------------------------------------


def is_unit(weight: Any) -> bool:
    """Whether a weight is 1 or -1."""
    return type(weight) is int and weight in (1, -1)


def has_products(equation: Equation) -> bool:
    """Whether an equation multiplies tangents: there the strong zero matters."""
    return equation.op.name == "weighted_sum" and not all(map(is_unit, equation.args[::2]))


def _weighted_sum(row: Spelled) -> Expression:
    shape, dtype = row.static["shape"], row.static["dtype"]
    single = len(row.args) == 2
    if row.around.strict and not (single and is_unit(row.args[0])):
        args = [row.around.expression(arg) for arg in row.args]
        return call(row.around.helper("weighted_sum"), *args, shape=tuple_text(shape), dtype=dtype_text(dtype))
    total: Expression | None = None
    for weight, term, product in _terms(row):
        if weight == -1:
            total = negated(term) if total is None else binary(total, "-", product, SUM)
        else:
            total = product if total is None else binary(total, "+", product, SUM)
    assert total is not None
    given = tuple(a for i, a in enumerate(row.args) if not (i % 2 == 0 and is_unit(a)))
    found = natural_dtype(tuple(shortest(a) for a in given) if row.weak else given)
    if found != dtype:
        total = call("np.real", total) if found.kind == "c" and dtype.kind != "c" else total
        total = call(f"{total.within(ATOM)}.astype", dtype_text(dtype))
    if -1 not in shape and broadcast(given) != shape:
        total = call("np.broadcast_to", total, tuple_text(shape))
    return total


def _terms(row: Spelled) -> list[tuple[Any, Expression, Expression]]:
    """Return for each pair the weight if it is a unit, the term, and their product."""
    args = row.args
    terms = []
    # The rule for products reads x_dot * y + x * y_dot.
    by_leibniz = len(args) == 4 and row.around.is_product(args[2], args[0])
    for i in range(0, len(args), 2):
        term = row[i + 1]
        if is_unit(args[i]):
            terms.append((args[i], term, term))
        elif i == 0 and by_leibniz:
            terms.append((None, term, binary(term, "*", row[0], PRODUCT)))
        else:
            terms.append((None, term, binary(row[i], "*", term, PRODUCT)))
    return terms


# Shapes and reductions ------------------------------------------------------------------------------------------------


def _axes(axis: tuple[int, ...], ndim: int) -> dict[str, str]:
    if len(axis) == ndim:
        return {}
    return {"axis": str(axis[0]) if len(axis) == 1 else tuple_text(axis)}


def _reduction(name: str) -> Callable[[Spelled], Expression]:
    def spelling(row: Spelled) -> Expression:
        keywords = _axes(row.static["axis"], ndim_of(row.args[0]))
        return call(name, row[0], **keywords, **({"keepdims": "True"} if row.static["keepdims"] else {}))

    return spelling


def _count_nonzero(row: Spelled) -> Expression:
    # Without axis= NumPy gives a number of Python.
    keepdims = {"keepdims": "True"} if row.static["keepdims"] else {}
    return call("np.count_nonzero", row[0], axis=tuple_text(row.static["axis"]), **keepdims)


def _logsumexp(row: Spelled) -> Expression:
    keepdims = {"keepdims": "True"} if row.static["keepdims"] else {}
    return call(row.around.helper("logsumexp"), row[0], axis=tuple_text(row.static["axis"]), **keepdims)


def _transpose(row: Spelled) -> Expression:
    axes = row.static["axes"]
    if axes == tuple(range(len(axes)))[::-1]:
        return Expression(f"{row[0].within(ATOM)}.T")
    if axes == (*range(len(axes) - 2), len(axes) - 1, len(axes) - 2):
        return Expression(f"{row[0].within(ATOM)}.mT")
    return call("np.transpose", row[0], tuple_text(axes))


def _where(row: Spelled) -> Expression:
    chosen = call("np.where", *row.all())
    return chosen if row.out.shape else Expression(f"{chosen}[()]")


def _einsum(row: Spelled) -> Expression:
    inputs, output = row.static["subscripts"]
    sizes = {label: n for term, x in zip(inputs, row.args) for label, n in zip(term, shape_of(x))}
    text = f'"{",".join(inputs)}->{output}"'
    if -1 in sizes.values():
        return call(row.around.helper("einsum"), text, *row.all())
    several = len(row.args) > 1 and math.prod(sizes.values()) > 4096
    return call("np.einsum", text, *row.all(), **({"optimize": "True"} if several else {}))


def _matvec(row: Spelled) -> Expression:
    if ndim_of(row.args[1]) == 1:
        return binary(row[0], "@", row[1], PRODUCT)
    return Expression(f"({row[0].within(PRODUCT)} @ {row[1].within(ATOM)}[..., None])[..., 0]")


def _vecdot(row: Spelled) -> Expression:
    if ndim_of(row.args[0]) == 1 == ndim_of(row.args[1]):
        return call("np.dot", *row.all())
    return call("np.vecdot", call("np.conjugate", row[0]), row[1])


def _index(row: Spelled) -> Expression:
    inside = index_text(row.around, row.static["form"].parts, row.args[1:])
    return Expression(f"{row[0].within(ATOM)}[{inside}]")


# The table ------------------------------------------------------------------------------------------------------------


def _function(name: str) -> Callable[[Spelled], Expression]:
    return lambda row: call(name, *row.all())


def _method_astype(row: Spelled) -> Expression:
    return call(f"{row[0].within(ATOM)}.astype", dtype_text(row.static["dtype"]))


_COMPARISONS = {
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}

SPELLINGS: dict[str, Callable[[Spelled], Expression]] = {
    **{name: _operator(sign, COMPARE, scalars=True) for name, sign in _COMPARISONS.items()},
    "add": _operator("+", SUM),
    "subtract": _operator("-", SUM),
    "multiply": _operator("*", PRODUCT),
    "divide": _operator("/", PRODUCT),
    "remainder": _operator("%", PRODUCT),
    "floor_divide": _operator("//", PRODUCT),
    "bitwise_and": _operator("&", AND),
    "bitwise_or": _operator("|", OR),
    "bitwise_xor": _operator("^", XOR),
    "left_shift": _operator("<<", SHIFT),
    "right_shift": _operator(">>", SHIFT),
    "negative": lambda row: negated(row[0]),
    "invert": _invert,
    "power": _power,
    "square": _square,
    "absolute": _function("np.abs"),
    "weighted_sum": _weighted_sum,
    "stop_gradient": lambda row: row[0],
    "reshape": lambda row: call("np.reshape", row[0], tuple_text(row.static["shape"])),
    "transpose": _transpose,
    "broadcast_to": lambda row: call("np.broadcast_to", row[0], tuple_text(row.static["shape"])),
    "concatenate": lambda row: call("np.concatenate", f"[{', '.join(map(str, row.all()))}]", axis=row.static["axis"]),
    "where": _where,
    "astype": _method_astype,
    "astype_discrete": _method_astype,
    "cumsum": lambda row: call("np.cumsum", row[0], axis=row.static["axis"]),
    "real": _function("np.real"),
    "imag": _function("np.imag"),
    "isposinf": _function("np.isposinf"),
    "isneginf": _function("np.isneginf"),
    "matmul": lambda row: binary(row[0], "@", row[1], PRODUCT),
    "matvec": _matvec,
    "vecdot": _vecdot,
    "einsum": _einsum,
    "index": _index,
    "sum": _reduction("np.sum"),
    "max": _reduction("np.max"),
    "min": _reduction("np.min"),
    "any": _reduction("np.any"),
    "all": _reduction("np.all"),
    "count_nonzero": _count_nonzero,
    "logsumexp": _logsumexp,
    "argsort": lambda row: call("np.argsort", row[0], axis=row.static["axis"], kind='"stable"'),
    "argmax": lambda row: call("np.argmax", row[0], axis=row.static["axis"]),
    "argmin": lambda row: call("np.argmin", row[0], axis=row.static["axis"]),
    **special.SPELLINGS,
    **matrices.SPELLINGS,
}
"""Rows that are not written as NumPy's function of their name."""

STATEMENTS = ("scatter", "update", "cond", "loop", "reversal")
"""Rows that take more than an expression: see `statements`."""


def is_spelled(name: str) -> bool:
    """Whether a row of the table can be written."""
    op = TABLE[name]
    return name in SPELLINGS or name in STATEMENTS or bool(special.library_of(op))
