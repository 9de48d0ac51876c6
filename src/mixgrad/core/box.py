"""The overloaded array: a value of a run that behaves as a NumPy array does.

`import numpy as np` stays as it is: ufuncs arrive in ``__array_ufunc__`` (NEP 13), other functions of NumPy in
``__array_function__`` (NEP 18), operators in the methods below; all of them end in `bind`. A box refuses loudly what
would lose its derivative: ``float(x)``, ``np.array([x, 1.0])``, assignment into a plain array.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from mixgrad._errors import BoxConversionError, UnsupportedError
from mixgrad.core import numpy_table
from mixgrad.core.bind import Traced
from mixgrad.core.numpy_table import FUNCTIONS, REDUCTIONS, UFUNCS

_OPERANDS = (Traced, np.ndarray, np.generic, float, int, complex)
_FREQUENT = frozenset((np.ndarray, np.float64, float, int))  # found faster than by isinstance


def _binary(ufunc: np.ufunc, reverse: bool = False):
    def method(self, other):
        if type(other) not in _FREQUENT and not isinstance(other, _OPERANDS):
            if not isinstance(other, (list, tuple)):
                return NotImplemented
            other = FUNCTIONS[np.stack](other)
        return UFUNCS[ufunc](other, self) if reverse else UFUNCS[ufunc](self, other)

    return method


def _unary(ufunc: np.ufunc):
    return lambda self: UFUNCS[ufunc](self)


def _method(function):
    """Make a method of a function of NumPy that takes the array first."""

    def method(self, *args, **kwargs):
        return numpy_table.call(FUNCTIONS[function], function, (self, *args), kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"Return ``np.{function.__name__}`` of this array."
    return method


class Box(Traced):
    """A traced array. The modes derive from it and say where its shape and its plain value come from."""

    __slots__ = ()
    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]  # as an ndarray: == is elementwise
    takes_over = False  # whether functions of NumPy that meet other boxes, too, are left to this one

    # What a mode provides ------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        raise NotImplementedError

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        raise NotImplementedError

    def concrete(self) -> Any:
        """Return the plain NumPy value, for branches and printing; raise if there is no single one."""
        raise NotImplementedError

    # Attributes of an array ----------------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def T(self):
        """The array with its axes in reverse order."""
        return FUNCTIONS[np.transpose](self)

    @property
    def mT(self):
        """The array with its last two axes exchanged."""
        return FUNCTIONS[np.swapaxes](self, -1, -2)

    @property
    def real(self):
        """The real part."""
        return FUNCTIONS[np.real](self)

    @property
    def imag(self):
        """The imaginary part."""
        return FUNCTIONS[np.imag](self)

    @property
    def flat(self):
        """The elements one by one."""
        return iter(self.ravel())

    # NumPy's protocols ---------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        """Meet a ufunc of NumPy or SciPy."""
        if kwargs and any(getattr(out, "takes_over", False) for out in kwargs.get("out", ())):
            return NotImplemented
        if method == "__call__":
            implementation = UFUNCS.get(ufunc) or numpy_table.meaning_of(ufunc)
            if implementation is None:
                raise _no_rule(ufunc)
            for arg in args:
                if type(arg) is list:
                    args = tuple(FUNCTIONS[np.asanyarray](arg) if type(arg) is list else arg for arg in args)
                    break
            if not kwargs:
                return implementation(*args)
            return _ufunc_with_keywords(ufunc, implementation, args, kwargs)
        if method == "reduce":
            implementation = REDUCTIONS.get(ufunc)
            if implementation is not None:
                kwargs.setdefault("axis", 0)
                return numpy_table.call(implementation, ufunc, args, kwargs)
        if method == "outer" and numpy_table.meaning_of(ufunc) is not None:
            first, second = (FUNCTIONS[np.asanyarray](arg) for arg in args)
            return UFUNCS[ufunc](first.reshape(first.shape + (1,) * second.ndim), second)
        raise UnsupportedError(
            f"{numpy_table.name_of(ufunc)}.{method} has no rule in mixgrad. Write it with np.{ufunc.__name__}(...), "
            "np.sum, np.prod, np.max, np.min or a loop."
        )

    def __array_function__(self, function, types, args, kwargs):
        """Meet any other function of NumPy."""
        if len(types) > 1 and any(getattr(kind, "takes_over", False) for kind in types):
            return NotImplemented
        implementation = FUNCTIONS.get(function)
        if implementation is None:
            raise _no_rule(function)
        return numpy_table.call(implementation, function, args, kwargs) if kwargs else implementation(*args)

    def __array__(self, dtype=None, copy=None):
        if self.dtype.kind not in "fc":
            raise BoxConversionError(
                f"under vmap an array of {self.dtype} of shape {self.shape} has other values for each member of the "
                "batch, so it cannot become a plain NumPy array, nor index one. Index an array that is itself in the "
                "batch, use np.where, or loop over the members instead of vmap."
            )
        raise BoxConversionError(
            "a differentiated value was about to become a plain NumPy array, which would lose its derivative. "
            "Instead of np.array([x, 1.0]) or np.asarray(x) write np.stack([x, 1.0]) or x; instead of a.dot(x) with a "
            "plain array a write a @ x; instead of y[i] = x on a plain array collect the parts and np.stack or "
            "np.concatenate them; functions of SciPy that are not ufuncs have counterparts in mixgrad (mg.logsumexp, "
            "mg.solve_triangular). Where no derivative is wanted: mg.stop_gradient(x)."
        )

    # Plain numbers -------------------------------------------------------------------------------------------------

    def _refuse_number(self, kind: str) -> BoxConversionError:
        return BoxConversionError(
            f"{kind}(x) of a differentiated value (shape {self.shape}, {self.dtype}) would lose its derivative. Leave "
            f"{kind}() away; use np.sin instead of math.sin; instead of y[i] = x on a plain array collect the parts "
            f"and np.stack them. Where no derivative is wanted: {kind}(mg.stop_gradient(x))."
        )

    def __float__(self):
        raise self._refuse_number("float")

    def __complex__(self):
        raise self._refuse_number("complex")

    def __index__(self):
        raise BoxConversionError(
            f"a differentiated value (shape {self.shape}, {self.dtype}) was used as an index or a count, which must be "
            "an integer. Use int(x) if rounding towards zero is meant (its derivative is zero)."
        )

    def __bool__(self) -> bool:
        return bool(self.concrete())

    # Rounding to an integer is piecewise constant: a plain integer loses nothing.
    def __int__(self) -> int:
        return int(self.concrete())

    def __trunc__(self) -> int:
        return int(self.concrete())

    def __floor__(self) -> int:
        return math.floor(self.concrete())

    def __ceil__(self) -> int:
        return math.ceil(self.concrete())

    def __round__(self, ndigits=None):
        return round(self.concrete()) if ndigits is None else FUNCTIONS[np.round](self, ndigits)

    def __format__(self, spec: str) -> str:
        return format(self.concrete(), spec)

    def item(self, *index: int):
        """Return one element, still traced: there is no plain number that would keep the derivative."""
        if index:
            return self.ravel()[index[0]] if len(index) == 1 else self[index]
        if self.size != 1:
            raise ValueError(f"item() needs an array of one element, got shape {self.shape}")
        return self.reshape(())

    # Containers ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self):
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, value) -> bool:
        return bool(np.any(self == value))

    def __getitem__(self, index):
        return FUNCTIONS[operator.getitem](self, index)

    def __setitem__(self, index, value):
        raise UnsupportedError(
            "y[i] = v on a differentiated array is not supported. Build the array from its parts with np.stack, "
            "np.concatenate or np.where."
        )

    # Methods -------------------------------------------------------------------------------------------------------

    sum, mean, prod = _method(np.sum), _method(np.mean), _method(np.prod)
    max, min, ptp = _method(np.max), _method(np.min), _method(np.ptp)
    var, std, cumsum = _method(np.var), _method(np.std), _method(np.cumsum)
    argmax, argmin, argsort = _method(np.argmax), _method(np.argmin), _method(np.argsort)
    any, all = _method(np.any), _method(np.all)
    ravel, squeeze, swapaxes = _method(np.ravel), _method(np.squeeze), _method(np.swapaxes)
    repeat, take, diagonal, trace = (_method(f) for f in (np.repeat, np.take, np.diagonal, np.trace))
    dot, clip, round = _method(np.dot), _method(np.clip), _method(np.round)
    conj, conjugate = _unary(np.conjugate), _unary(np.conjugate)
    flatten, copy = _method(np.ravel), _method(np.copy)

    def reshape(self, *shape, order="C"):
        """Return the array with another shape: ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
        return FUNCTIONS[np.reshape](self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes):
        """Return the array with its axes permuted: ``x.transpose(1, 0)`` or ``x.transpose((1, 0))``."""
        return FUNCTIONS[np.transpose](self, axes[0] if len(axes) == 1 else axes or None)

    def astype(self, dtype, *args, **kwargs):
        """Return the array in another dtype; integers and truth values have no derivative."""
        return FUNCTIONS[np.astype](self, dtype)

    def tolist(self):
        """Return nested lists of traced numbers."""
        return [part.tolist() for part in self] if self.shape else self

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._describe()})"

    def _describe(self) -> str:
        return f"shape {self.shape}, {self.dtype}"


# Operators ------------------------------------------------------------------------------------------------------------

BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "divmod": np.divmod, "matmul": np.matmul, "pow": np.power,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,  # truth values of a batch are boxes, too
}  # fmt: skip
"""Operators that have a reflected form: ``__add__`` and ``__radd__``."""

COMPARISONS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip
UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}

for _name, _ufunc in BINARY.items():
    setattr(Box, f"__{_name}__", _binary(_ufunc))
    setattr(Box, f"__r{_name}__", _binary(_ufunc, True))
for _name, _ufunc in COMPARISONS.items():
    setattr(Box, f"__{_name}__", _binary(_ufunc))
for _name, _ufunc in UNARY.items():
    setattr(Box, f"__{_name}__", _unary(_ufunc))


# NumPy's functions with keywords, and without a rule ------------------------------------------------------------------


def _ufunc_with_keywords(ufunc, implementation, args, kwargs):
    dtype = kwargs.pop("dtype", None)
    if kwargs.get("out") is not None or any(key not in ("out", "casting", "order", "subok") for key in kwargs):
        key = "out" if kwargs.get("out") is not None else next(iter(kwargs))
        remedy = "y = y + x instead of y += x" if key == "out" else "np.where on the result"
        raise UnsupportedError(
            f"{numpy_table.name_of(ufunc)}(..., {key}=...) on differentiated values has no rule: it would write into a "
            f"plain array, which cannot hold derivatives. Use the returned result ({remedy})."
        )
    if dtype is not None:
        args = tuple(FUNCTIONS[np.astype](arg, dtype) for arg in args)
    return implementation(*args)


def _no_rule(function) -> UnsupportedError:
    name = numpy_table.name_of(function)
    return UnsupportedError(
        f"{name} has no rule in mixgrad yet, so it cannot be differentiated. Write it with functions that have one, "
        f"add a row to the table (CONTRIBUTING.md says how, in a minute), or, if its derivative is not wanted, apply "
        "it to mg.stop_gradient(x)."
    )
