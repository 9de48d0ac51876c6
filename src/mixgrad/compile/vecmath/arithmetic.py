"""Floating-point formulas that write LLVM IR: `Real` and `Bits` stand for a number that compiled code will compute.

A function of the vector mathematics is written once, as a formula without branches, of these. It serves numbers, in a
loop that LLVM vectorises, and vectors of numbers (LLVM's vector types), for whatever processor the code is made for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from llvmlite import ir

DOUBLE, SINGLE = ir.DoubleType(), ir.FloatType()
Choice = TypeVar("Choice")


class Format(NamedTuple):
    """A format of floating-point numbers.

    Attributes
    ----------
    number : llvmlite.ir.Type
    integer : llvmlite.ir.IntType
        As many bits.
    digits : int
        Bits of the mantissa.
    bias : int
        What is added to the exponent.
    """

    number: ir.Type
    integer: ir.IntType
    digits: int
    bias: int


_DOUBLE = Format(DOUBLE, ir.IntType(64), 52, 1023)
_SINGLE = Format(SINGLE, ir.IntType(32), 23, 127)


def _format_of(kind: ir.Type) -> Format:
    """Return the format of numbers, or integers, of a type."""
    element = kind.element if isinstance(kind, ir.VectorType) else kind
    return _DOUBLE if element in _DOUBLE[:2] else _SINGLE


def like(kind: ir.Type, element: ir.Type) -> ir.Type:
    """Return the type of an element, or of vectors as long as `kind` is."""
    return ir.VectorType(element, kind.count) if isinstance(kind, ir.VectorType) else element


def _constant(kind: ir.Type, number: float) -> ir.Constant:
    """Return a number of a type; for vectors, one with equal lanes."""
    if isinstance(kind, ir.VectorType):
        return ir.Constant(kind, [_constant(kind.element, number)] * kind.count)
    return ir.Constant(kind, float(np.float32(number)) if kind == SINGLE else number)


def declared(module: ir.Module, name: str, signature: ir.FunctionType) -> ir.Function:
    """Return a function of a module, declared if it is not yet."""
    known = module.globals.get(name)
    return ir.Function(module, signature, name) if known is None else known


class Truth:
    """A truth value of the running program."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    def __and__(self, other: Truth) -> Truth:
        return Truth(self.builder, self.builder.and_(self.value, other.value))

    def __or__(self, other: Truth) -> Truth:
        return Truth(self.builder, self.builder.or_(self.value, other.value))

    def __invert__(self) -> Truth:
        return Truth(self.builder, self.builder.not_(self.value))


class Bits:
    """An integer of the running program, of as many bits as a number; shifts to the right bring in zeros."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    @property
    def format(self) -> Format:
        """The format of numbers of as many bits."""
        return _format_of(self.value.type)

    def constant(self, number: int) -> Bits:
        """Return a constant."""
        return Bits(self.builder, _constant(self.value.type, number))

    def _other(self, other: Bits | int) -> ir.Value:
        return other.value if isinstance(other, Bits) else _constant(self.value.type, other)

    def __add__(self, other: Bits | int) -> Bits:
        return Bits(self.builder, self.builder.add(self.value, self._other(other)))

    def __sub__(self, other: Bits | int) -> Bits:
        return Bits(self.builder, self.builder.sub(self.value, self._other(other)))

    def __and__(self, other: Bits | int) -> Bits:
        return Bits(self.builder, self.builder.and_(self.value, self._other(other)))

    def __or__(self, other: Bits | int) -> Bits:
        return Bits(self.builder, self.builder.or_(self.value, self._other(other)))

    def __xor__(self, other: Bits | int) -> Bits:
        return Bits(self.builder, self.builder.xor(self.value, self._other(other)))

    def __lshift__(self, count: int) -> Bits:
        return Bits(self.builder, self.builder.shl(self.value, _constant(self.value.type, count)))

    def __rshift__(self, count: int) -> Bits:
        return Bits(self.builder, self.builder.lshr(self.value, _constant(self.value.type, count)))

    def equals(self, other: Bits | int) -> Truth:
        """Whether the integers are equal."""
        return Truth(self.builder, self.builder.icmp_unsigned("==", self.value, self._other(other)))

    def real(self) -> Real:
        """Return the number with these bits."""
        return Real(self.builder, self.builder.bitcast(self.value, like(self.value.type, self.format.number)))


class Real:
    """A double, or a float, of the running program."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    @property
    def format(self) -> Format:
        """The format of the number."""
        return _format_of(self.value.type)

    def choose(self, for_double: Choice, for_single: Choice) -> Choice:
        """Return the first for a double, the second for a float."""
        return for_double if self.format is _DOUBLE else for_single

    def constant(self, number: float) -> Real:
        """Return a constant."""
        return Real(self.builder, _constant(self.value.type, float(number)))

    def _of(self, other: Real | float) -> ir.Value:
        return other.value if isinstance(other, Real) else _constant(self.value.type, float(other))

    def __add__(self, other: Real | float) -> Real:
        return Real(self.builder, self.builder.fadd(self.value, self._of(other)))

    def __radd__(self, other: float) -> Real:
        return Real(self.builder, self.builder.fadd(self._of(other), self.value))

    def __sub__(self, other: Real | float) -> Real:
        return Real(self.builder, self.builder.fsub(self.value, self._of(other)))

    def __rsub__(self, other: float) -> Real:
        return Real(self.builder, self.builder.fsub(self._of(other), self.value))

    def __mul__(self, other: Real | float) -> Real:
        return Real(self.builder, self.builder.fmul(self.value, self._of(other)))

    def __rmul__(self, other: float) -> Real:
        return Real(self.builder, self.builder.fmul(self._of(other), self.value))

    def __truediv__(self, other: Real | float) -> Real:
        return Real(self.builder, self.builder.fdiv(self.value, self._of(other)))

    def __rtruediv__(self, other: float) -> Real:
        return Real(self.builder, self.builder.fdiv(self._of(other), self.value))

    def __neg__(self) -> Real:
        return Real(self.builder, self.builder.fneg(self.value))

    def _compare(self, sign: str, other: Real | float) -> Truth:
        return Truth(self.builder, self.builder.fcmp_ordered(sign, self.value, self._of(other)))

    def __lt__(self, other: Real | float) -> Truth:
        return self._compare("<", other)

    def __le__(self, other: Real | float) -> Truth:
        return self._compare("<=", other)

    def __gt__(self, other: Real | float) -> Truth:
        return self._compare(">", other)

    def __ge__(self, other: Real | float) -> Truth:
        return self._compare(">=", other)

    def equals(self, other: Real | float) -> Truth:
        """Whether the numbers are equal; a nan equals nothing."""
        return self._compare("==", other)

    def is_nan(self) -> Truth:
        """Whether it is not a number."""
        return Truth(self.builder, self.builder.fcmp_unordered("uno", self.value, self.value))

    def _intrinsic(self, name: str, *others: Real | float) -> Real:
        args = [self.value, *map(self._of, others)]
        kind = self.value.type
        letter = self.choose("f64", "f32")
        suffix = f"v{kind.count}{letter}" if isinstance(kind, ir.VectorType) else letter
        signature = ir.FunctionType(kind, [kind] * len(args))
        return Real(
            self.builder, self.builder.call(declared(self.builder.module, f"llvm.{name}.{suffix}", signature), args)
        )

    def __abs__(self) -> Real:
        return self._intrinsic("fabs")

    def sqrt(self) -> Real:
        """Return the square root, correctly rounded."""
        return self._intrinsic("sqrt")

    def rounded(self) -> Real:
        """Return the nearest integer, as a number."""
        return self._intrinsic("rint")

    def with_sign_of(self, other: Real) -> Real:
        """Return the number with the sign of another."""
        return self._intrinsic("copysign", other)

    def times_plus(self, factor: Real | float, term: Real | float) -> Real:
        """Return ``self * factor + term``, rounded once (a fused multiply-add)."""
        return self._intrinsic("fma", factor, term)

    def bits(self) -> Bits:
        """Return the bits: sign, exponent, mantissa."""
        return Bits(self.builder, self.builder.bitcast(self.value, like(self.value.type, self.format.integer)))


def where(condition: Truth, yes: Any, no: Any) -> Any:
    """Return one of two reals, or of two integers; one of them may be a constant."""
    known = no if isinstance(no, (Real, Bits)) else yes
    values = [choice.value if isinstance(choice, type(known)) else known.constant(choice).value for choice in (yes, no)]
    return type(known)(condition.builder, condition.builder.select(condition.value, *values))


def polynomial(x: Real, coefficients: Sequence[float]) -> Real:
    """Return ``c_0 + c_1 x + c_2 x**2 + ...`` by Horner's rule, with fused multiply-adds."""
    result = x.constant(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = result.times_plus(x, c)
    return result


def split_polynomial(x: Real, coefficients: Sequence[float], whole: int = 0) -> Real:
    """Return the same as `polynomial`, beyond `whole` terms as two chains: faster where there are many coefficients."""
    square, rest = x * x, coefficients[whole:]
    result = polynomial(square, rest[1::2]).times_plus(x, polynomial(square, rest[::2]))
    for c in reversed(coefficients[:whole]):
        result = result.times_plus(x, c)
    return result
