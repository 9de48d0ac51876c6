"""The array of a function in which arrays can be written to: its content, its views, its operators."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from mixgrad._errors import StagingError, UnsupportedError
from mixgrad.core.bind import Traced
from mixgrad.core.box import BINARY, COMPARISONS, UNARY, Box
from mixgrad.core.naming import name_value
from mixgrad.modes import mutable_numpy
from mixgrad.modes.assignment import assigned, cast, check_cast, has_traced, is_basic, plain_data, put_back, read
from mixgrad.modes.mutable_operators import binary, in_place, method, number, part, unary, view_method


class Mutable(Box):
    """An array that can be written to. A view knows its parent, and how to read and to write the part that it is.

    Attributes
    ----------
    writeable : bool
        As the flag of NumPy's arrays.
    refusal : str
        Why the array is read-only, if NumPy's is not.
    """

    __slots__ = (
        "_base", "_born", "_content", "_get", "_key", "_parent", "_put", "_shared", "_version", "refusal", "writeable",
    )  # fmt: skip
    _trace: Any
    takes_over = True  # from other boxes: it is innermost

    def __init__(self, trace: Any, content: Any, shared: bool = False) -> None:
        self._trace = trace
        self._content = content
        self._shared = shared  # whether somebody else holds the content, so that it must not be written to
        self._version = 0  # counts the writes; of a view: the version of the base that its content belongs to
        self._base = self
        self._parent = None
        self.writeable = True
        self.refusal = ""
        trace.born = self._born = trace.born + 1

    def view(self, get: Callable, put: Callable | None, key: Any = None) -> Mutable:
        """Return a view: `get` reads it from the content; `put` returns the content with another one in its place.

        Without `put` it is read-only.
        """
        view = Mutable(self._trace, None)
        view._version = -1
        view._base, view._parent, view._get, view._put, view._key = self._base, self, get, put, key
        view.writeable = self.writeable and put is not None
        view.refusal = self.refusal
        return view

    # The content ---------------------------------------------------------------------------------------------------

    def read(self) -> Any:
        """Return the content, for use at once."""
        base = self._base
        if self._parent is not None and self._version != base._version:
            self._content = self._get(self._parent.read())
            self._version = base._version
            if type(self._content) is not np.ndarray:
                base._shared = True
                if self._trace.watch is not None:
                    self._trace.watch.refreshed(self)
        return self._content

    def lend(self) -> Any:
        """Return the content, for whoever keeps it: later writes copy it first."""
        self._base._shared = True
        return self.read()

    settled = lend  # what leaves the function, or enters a transformation inside it, is the present value

    @property
    def content(self) -> Any:
        """The present content; setting it replaces it by one of the same shape and dtype."""
        return self.lend()

    @content.setter
    def content(self, content: Any) -> None:
        self._replace(content)

    @property
    def base(self) -> Mutable:
        """The array that holds the elements: for a view the one that it is a view of, else the array itself."""
        return self._base

    @property
    def born(self) -> int:
        """When the array was made; see `mutable.present_time`."""
        return self._born

    def own(self) -> np.ndarray:
        """Return the plain content, for writing into it."""
        base = self._base
        if self._trace.watch is not None:
            self._trace.watch.notice(base)
        if base._shared:
            base._content = np.copy(base._content, order="K")
            base._shared = False
        base._version += 1
        return self.read()

    def check_writeable(self, message: str = "assignment destination is read-only") -> None:
        """Raise NumPy's error if the array is read-only."""
        if not self.writeable:
            raise StagingError(self.refusal) if self.refusal else ValueError(message)

    def store(self, value: Any, what: str, where: Any = True) -> None:
        """Write a result into the whole array, as ``out=`` does."""
        self.check_writeable("output array is read-only")
        shape = np.broadcast_shapes(self.shape, np.shape(value))
        if shape != self.shape:
            text = str(self.shape).replace(" ", ""), str(shape).replace(" ", "")
            raise ValueError(
                f"non-broadcastable output operand with shape {text[0]} doesn't match the broadcast shape {text[1]}"
            )
        check_cast(getattr(value, "dtype", type(value)), self.dtype, what)
        self[...] = value if where is True else np.where(where, cast(value, self.dtype), self.lend())

    def _replace(self, content: Any) -> None:
        if self._parent is not None:
            self._parent._replace(self._put(self._parent.lend(), content))
            self._content, self._version = content, self._base._version
        else:
            if self._trace.watch is not None:
                self._trace.watch.notice(self)
            self._content = content
            self._shared = True
            self._version += 1

    def is_plain(self) -> bool:
        """Whether the content is a plain array."""
        return type(self.read()) is np.ndarray and type(self._base._content) is np.ndarray

    def layout(self) -> np.ndarray:
        """Return a plain array of this shape and of NumPy's layout in memory, with any values."""
        if self.is_plain():
            return self.read()
        if self._parent is not None:
            key = self._key
            if key is None or not has_traced(key):
                return self._get(self._parent.layout())
            parts = key if type(key) is tuple else (key,)
            return self._parent.layout()[tuple(0 if isinstance(part, Traced) else part for part in parts)]
        data = plain_data(self._content)
        flags = data.flags if isinstance(data, np.ndarray) and data.shape == self.shape else None
        return np.empty(self.shape, bool, order="F" if flags is not None and flags.fnc else "C")

    # Items ---------------------------------------------------------------------------------------------------------

    def __getitem__(self, index):
        content = self.read()
        simple = type(index) is int
        key = index if simple else self._trace.peek(index)
        traced = not simple and has_traced(key)
        if type(content) is np.ndarray and not traced:
            part = content[key]
            if type(part) is not np.ndarray:
                return part
            if not is_basic(key):
                return Mutable(self._trace, part) if part.ndim else part
            view = self.view(lambda x: x[key], lambda x, new: put_back(x, key, new), key)
            view._content, view._version = part, self._base._version
            return view
        basic, key = is_basic(key), self._trace.lend(index)
        part = read(self.lend(), key)
        if not np.ndim(part) and not (basic and Ellipsis in (key if type(key) is tuple else (key,))):
            return part[()] if type(part) is np.ndarray else part
        if not basic:
            return self._trace.result(part)
        view = self.view(lambda x: read(x, key), lambda x, new: put_back(x, key, new), key)
        view._content, view._version = part, self._base._version
        return view

    def __setitem__(self, index, value):
        trace = self._trace
        if trace.owns(value) and value._parent is self and self._writes_back(value, index):
            return
        self.check_writeable()
        (key, inside), plain = trace.contents((index, value))
        if plain and self.is_plain():
            self.own()[key] = inside
        else:
            self._replace(assigned(self.lend(), *trace.lend((index, value))))

    def _writes_back(self, view: Mutable, key: Any) -> bool:
        """Whether this is the end of ``y[key] += v``, which has written through the view ``y[key]`` already."""
        if view._key is None or not is_basic(key) or has_traced(view._key) or has_traced(key):
            return False
        return type(view._key) is type(key) and view._key == key and self.writeable

    def __delitem__(self, key):
        raise ValueError("cannot delete array elements")

    def __contains__(self, value) -> bool:
        return self._trace.peek(value) in self.read()

    @property
    def flat(self):
        """The elements one by one, in order; ``y.flat[i] = v`` writes."""
        return mutable_numpy.Flat(self)

    # What a mode provides ------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.read().shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        return self.read().dtype

    @property
    def inner(self) -> Any:
        """The value one level further out."""
        return self.lend()

    def concrete(self) -> Any:
        """Return the plain NumPy value."""
        content = self.lend()
        return content.concrete() if isinstance(content, Box) else content

    # NumPy's protocols ---------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        return mutable_numpy.call_ufunc(self._trace, ufunc, method, args, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return mutable_numpy.call_function(self._trace, function, args, kwargs)

    def __array__(self, dtype=None, copy=None):
        content = self.lend()
        if isinstance(content, Traced):
            return content.__array__(dtype, copy)  # type: ignore[attr-defined]  # which refuses
        if copy or (dtype is not None and dtype != content.dtype):
            if copy is False:
                raise ValueError("Unable to avoid copy while creating an array as requested.")
            return content.astype(dtype or content.dtype)
        view = content.view()
        view.flags.writeable = False  # writing there would not be seen here
        return view

    # As an array ---------------------------------------------------------------------------------------------------

    __float__, __int__, __complex__ = number(float), number(int), number(complex)
    __index__, __bool__ = number(operator.index), number(bool)
    __trunc__ = __int__

    def __format__(self, spec: str) -> str:
        return format(self.read(), spec)

    def __str__(self) -> str:
        return str(self.read())

    def _describe(self) -> str:
        return repr(self.read())

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    T = property(lambda self: mutable_numpy.VIEWS[np.transpose](self))
    mT = property(lambda self: mutable_numpy.VIEWS[np.matrix_transpose](self))

    real, imag = part(np.real), part(np.imag)

    sum, mean, prod, max, min = map(method, ("sum", "mean", "prod", "max", "min"))
    var, std, cumsum = map(method, ("var", "std", "cumsum"))
    argmax, argmin, argsort, any, all = map(method, ("argmax", "argmin", "argsort", "any", "all"))
    repeat, take, trace, dot, clip, round = map(method, ("repeat", "take", "trace", "dot", "clip", "round"))
    conj, conjugate, copy, flatten = map(method, ("conj", "conjugate", "copy", "flatten"))
    item, tolist, astype = map(method, ("item", "tolist", "astype"))

    ravel, squeeze = view_method(np.ravel), view_method(np.squeeze)
    swapaxes, diagonal = view_method(np.swapaxes), view_method(np.diagonal)

    def reshape(self, *shape, order="C", copy=None):
        """Return the array with another shape, a view where NumPy gives one."""
        return mutable_numpy.VIEWS[np.reshape](self, shape[0] if len(shape) == 1 else shape, order, copy=copy)

    def transpose(self, *axes):
        """Return a view with the axes permuted."""
        return mutable_numpy.VIEWS[np.transpose](self, axes[0] if len(axes) == 1 else axes or None)

    def fill(self, value):
        """Write a number into all cells."""
        self[...] = value

    def put(self, indices, values, mode="raise"):
        """Write into cells of the flattened array."""
        mutable_numpy.WRITERS[np.put](self, indices, values, mode)

    def sort(self, axis=-1, kind=None, order=None, *, stable=None):
        """Sort in place."""
        self.check_writeable("sort array is read-only")
        if self.is_plain():
            self.own().sort(axis, kind, order, stable=stable)
        else:
            self._replace(np.sort(self.lend(), axis))

    def __getattr__(self, name: str):
        if name.startswith("_") or not self.is_plain() or not callable(getattr(np.ndarray, name, None)):
            raise AttributeError(f"an array inside a differentiated function has no attribute {name!r}")
        if name in _WRITING:
            raise UnsupportedError(
                f"y.{name}(...) has no rule for arrays inside differentiated functions. Use functions that return a "
                "new array, or y[...] = new."
            )
        return method(name).__get__(self)


_SHIFTS = {"lshift": np.left_shift, "rshift": np.right_shift}

for _name, _ufunc in (BINARY | _SHIFTS).items():
    _operation = divmod if _name == "divmod" else getattr(operator, f"__{_name}__")
    setattr(Mutable, f"__{_name}__", binary(_operation))
    setattr(Mutable, f"__r{_name}__", binary(_operation, True))
    if _name != "divmod":
        setattr(Mutable, f"__i{_name}__", in_place(getattr(operator, f"__i{_name}__"), _ufunc))
for _name in COMPARISONS:
    setattr(Mutable, f"__{_name}__", binary(getattr(operator, f"__{_name}__")))
for _name in UNARY:
    setattr(Mutable, f"__{_name}__", unary(getattr(operator, f"__{_name}__")))


_WRITING = ("byteswap", "partition", "resize", "setfield", "setflags", "view")


@name_value.register
def _(value: Mutable, name: str) -> Mutable:
    name_value(value.read(), name)
    return value
