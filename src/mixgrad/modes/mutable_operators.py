"""How the operators and methods of a mutable array are made: its run applies them to the contents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mixgrad.modes import mutable_numpy


def binary(operation: Callable, reverse: bool = False):
    """Make an operator of two operands."""

    def method(self, other):
        (own, other), plain = self._trace.contents((self, other))
        result = operation(other, own) if reverse else operation(own, other)
        return self._trace.fresh(result) if plain else self._trace.wrap(result)

    return method


def unary(operation: Callable):
    """Make an operator of one operand."""
    return lambda self: self._trace.apply(operation, (self,), {})


def in_place(operation: Callable, ufunc: np.ufunc):
    """Make an operator that writes its result into the first operand."""

    def method(self, other):
        (content, other), plain = self._trace.contents((self, other))
        self.check_writeable("output array is read-only")
        if plain and self.is_plain():
            operation(self.own(), other)
        else:
            self.store(ufunc(content, other), f"ufunc '{ufunc.__name__}' output")
        return self

    return method


def number(kind: Callable):
    """Make a conversion to a number of Python, which boxes of derivatives refuse."""
    return lambda self: kind(self.read())


def method(name: str):
    """Make a method that the content has, too."""

    def function(x, *args, **kwargs):
        return getattr(x, name)(*args, **kwargs)

    function.__name__ = name
    return lambda self, *args, **kwargs: self._trace.apply(function, (self, *args), kwargs)


def part(function: Callable) -> property:
    """Make the property of a part of a complex array, a view: what it is set to is written there."""

    def write(self, value):
        mutable_numpy.VIEWS[function](self)[...] = value

    return property(lambda self: mutable_numpy.VIEWS[function](self), write)


def view_method(function: Callable):
    """Make a method of a function that returns views."""
    return lambda self, *args, **kwargs: mutable_numpy.VIEWS[function](self, *args, **kwargs)
