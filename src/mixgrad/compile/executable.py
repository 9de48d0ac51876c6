"""A program as something that runs: kernels of machine code and, between them, what only NumPy can do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from llvmlite import ir

from mixgrad.compile.call import Argument, add_entry, conform, entry_point
from mixgrad.compile.describing import Description
from mixgrad.compile.emission import WIDTH, Kernel
from mixgrad.compile.fusion import Fusion, everything, fused
from mixgrad.compile.lowering import SUPPORTED, Lowering, NoNativeForm, kind_of
from mixgrad.compile.machine import Code, compile_module, reassociate
from mixgrad.compile.outputs import write, writing_entry
from mixgrad.compile.sharing import shared
from mixgrad.compile.tensor import settle_updates
from mixgrad.compile.threads import register_symbols
from mixgrad.compile.zeros import plain_products
from mixgrad.core.interpret import interpret
from mixgrad.core.program import Equation, Program, Var

RELEASED_AT = 20_000  # operations from which on other threads of Python may run meanwhile


@dataclass
class NativePart:
    """Equations that run as one kernel.

    Attributes
    ----------
    inputs, outputs : list of Var
    call : callable
        Takes the inputs, and returns new arrays.
    fusion : Fusion
    into : callable or None
        Returns what takes the inputs and arrays for the outputs, and makes none; None if the kernel may fail when it
        has written to them.
    """

    inputs: list[Var]
    outputs: list[Var]
    call: Callable[..., Any]
    fusion: Fusion
    into: Callable[[], Callable[..., Any]] | None


@dataclass
class NumPyPart:
    """An equation that NumPy computes, and why."""

    equation: Equation
    why: str


class Executable:
    """A compiled program.

    Attributes
    ----------
    program : Program
    parts : list of NativePart and NumPyPart
        In the order in which they run.
    entry : callable or None
        If one kernel is the whole program: takes its inputs; returns its only output, a tuple of several, or
        NotImplemented if an argument is not an array or a number of exactly the right type.
    fast : bool
        Whether sums may be made in any order.
    """

    def __init__(self, program: Program, strict: bool = False, fast: bool = False) -> None:
        self.program = program
        self.fast = fast
        self.entry: Callable[..., Any] | None = None
        self.parts: list[NativePart | NumPyPart] = []
        self._inputs: Sequence[Var | Argument] = program.inputs
        self.outputs: Sequence[Any] = program.outputs  # their shapes and dtypes
        self._strict: Executable | None = None
        plain = None if strict else plain_products(program)
        self._compile(plain)
        self._optimistic = bool(plain) or any(isinstance(part, NativePart) and _skips(part) for part in self.parts)

    def _compile(self, plain: AbstractSet[int] | None) -> None:
        whole = _whole_kernel(self.program, plain, self.fast)
        if whole is not None:
            self.entry = whole.call
            self.parts = [whole]
        else:
            self.parts = _parts(self.program, plain, self.fast)

    def __call__(self, *args: Any) -> tuple:
        """Return the outputs, for arguments of the right shapes."""
        if self.entry is not None:
            return self._run_entry(args)
        values = {id(var): arg for var, arg in zip(self.program.inputs, args)}
        for part in self.parts:
            if isinstance(part, NumPyPart):
                equation = part.equation
                operands = [values[id(arg)] if isinstance(arg, Var) else arg for arg in equation.args]
                result = equation.op.value(*operands, **equation.static)
                results = result if equation.op.multiple else (result,)
                outs: Sequence[Var] = equation.outs
            else:
                results = _call(part.call, [values[id(var)] for var in part.inputs], part.inputs, len(part.outputs))
                outs = part.outputs
                if results is None:
                    return self._again(args)
            values |= {id(var): value for var, value in zip(outs, results)}
        return tuple(values[id(atom)] if isinstance(atom, Var) else atom for atom in self.program.outputs)

    @functools.cached_property
    def into(self) -> Callable[..., Any] | None:
        """What takes the inputs and arrays for the outputs, without making arrays; None if there is no such thing."""
        whole = self.parts[0] if self.entry is not None else None
        return whole.into() if isinstance(whole, NativePart) and whole.into is not None else None

    def write(self, args: Sequence[Any], outs: Sequence[np.ndarray]) -> None:
        """Write the outputs into arrays of their shapes and dtypes; if there is an error, nothing is written."""
        write(self, self.into, args, [Argument(var.shape, var.dtype) for var in self._inputs], outs)

    def describe(self) -> str:
        """Return in words what is computed in which loops, and what by NumPy."""
        lines = []
        for part in self.parts:
            if isinstance(part, NativePart):
                lines += ["machine code:", *(f"    {line}" for line in Description(part.fusion).lines)]
            else:
                lines.append(f"NumPy: {part.equation.op.name} (no native form: {part.why})")
        return "\n".join(lines)

    def _run_entry(self, args: Sequence[Any]) -> tuple:
        assert self.entry is not None
        results = _call(self.entry, args, self._inputs, len(self.program.outputs))
        return self._again(args) if results is None else tuple(results)

    def _again(self, args: Sequence[Any]) -> tuple:
        """Run with strong zeros, if it was without; otherwise let NumPy compute, and raise its errors."""
        if not self._optimistic:
            return interpret(self._program_for(args), *args)
        if self._strict is None:
            self._strict = self._stricter()
        return self._strict(*args)

    def _program_for(self, args: Sequence[Any]) -> Program:
        return self.program

    def _stricter(self) -> Executable:
        return Executable(self.program, strict=True, fast=self.fast)


def _call(entry: Callable, args: Sequence[Any], inputs: Sequence[Var | Argument], count: int) -> Sequence[Any] | None:
    """Call a kernel, with arguments brought into order if they are not; None if it gave up: an index out of bounds."""
    result = entry(*args)
    if result is NotImplemented:
        ordered = conform(args, [Argument(var.shape, var.dtype) for var in inputs])
        changed = ordered is not None and any(new is not old for new, old in zip(ordered, args))
        result = entry(*ordered) if ordered is not None and changed else NotImplemented
        if result is NotImplemented:
            return None
    return (result,) if count == 1 else result


def _skips(part: NativePart) -> bool:
    """Whether a kernel leaves out products with zeros."""
    return any(s.triangle is not None and s.triangle.summed is not None for s, _ in everything(part.fusion))


def _whole_kernel(program: Program, plain: AbstractSet[int] | None, fast: bool) -> NativePart | None:
    lowering = Lowering(plain)
    try:
        lowering.program(program)
    except NoNativeForm:
        return None
    arguments = lambda atoms: [Argument(tuple(np.shape(atom)), kind_of(atom)) for atom in atoms]
    inputs, outputs = arguments(program.inputs), arguments(program.outputs)
    return NativePart(list(program.inputs), [], *native(lowering, inputs, outputs, fast))


def _parts(program: Program, plain: AbstractSet[int] | None, fast: bool) -> list[NativePart | NumPyPart]:
    """Cut a program into kernels and equations for NumPy."""
    runs: list[tuple[_Collector, str]] = []
    current = _Collector(plain)
    for equation in shared(program.equations):
        try:
            current.equation(equation)
        except NoNativeForm as error:
            runs += [(current, ""), (equation, str(error))]  # type: ignore[list-item]
            current = _Collector(plain)
    runs.append((current, ""))
    needed = {id(atom) for atom in program.outputs if isinstance(atom, Var)}
    parts: list[NativePart | NumPyPart] = []
    for run, why in reversed(runs):
        if isinstance(run, Equation):
            parts.append(NumPyPart(run, why))
            needed |= {id(var) for var in run.variables()}
            continue
        outputs = [var for var in run.defined if id(var) in needed]
        if outputs:
            parts.append(run.part(outputs, fast))
            needed |= {id(var) for var in run.inputs}
    return parts[::-1]


class _Collector(Lowering):
    """Equations for one kernel; what they read from elsewhere is its input."""

    def __init__(self, plain: AbstractSet[int] | None) -> None:
        super().__init__(plain)
        self.grows = False
        self.inputs: list[Var] = []
        self.defined: list[Var] = []

    def tensor(self, atom: Any, dtype: np.dtype | None = None) -> Any:
        """Return what an argument is; one that is not known yet is an input."""
        if isinstance(atom, Var) and id(atom) not in self._tensors:
            if atom.dtype not in SUPPORTED or -1 in atom.shape:
                raise NoNativeForm(f"an argument of type {atom.dtype}")
            self.input(atom, len(self.inputs))
            self.inputs.append(atom)
        return super().tensor(atom, dtype)

    def equation(self, equation: Equation) -> None:
        """Add an equation."""
        super().equation(equation)
        self.defined += equation.outs

    def part(self, outputs: list[Var], fast: bool) -> NativePart:
        """Return the kernel."""
        for number, var in enumerate(outputs):
            self.output(var, var.shape, var.dtype, number)
        kinds = [[Argument(var.shape, var.dtype) for var in group] for group in (self.inputs, outputs)]
        return NativePart(self.inputs, outputs, *native(self, *kinds, fast))


def native(
    lowering: Lowering, inputs: list[Argument], outputs: list[Argument], fast: bool
) -> tuple[Callable, Fusion, Callable[[], Callable] | None]:
    """Return the function that runs some statements, their loops, and what makes the function that makes no arrays."""
    fusion = fused(settle_updates(lowering.statements, []), WIDTH, triangles=lowering.plain is not None)
    call, into = compiled(fusion, inputs, outputs, bool(lowering.plain), fast)
    return call, fusion, into


def compiled(
    fusion: Fusion,
    inputs: list[Argument],
    outputs: list[Argument],
    refuse_nan: bool,
    fast: bool,
    least: int | None = None,
    following: Mapping[int, tuple[int, int]] = MappingProxyType({}),
) -> tuple[Callable, Callable[[], Callable] | None]:
    """Return the function that runs some loops, and what makes the one that makes no arrays.

    With `least` they are for any number of rows from that on.
    """
    module = ir.Module("mixgrad")
    kernel = Kernel(module, fusion, "kernel", WIDTH, refuse_nan, least)
    if fast:
        reassociate(module)
    work = sum(statement.volume() for statement, _ in everything(fusion))
    release = work > RELEASED_AT
    add_entry(module, kernel.function, inputs, outputs, kernel.scratch, release, following=following)
    register_symbols()
    code: Code = compile_module(module)
    into = functools.partial(writing_entry, code, inputs, outputs, kernel.scratch, release)
    return entry_point(code), None if kernel.checks else into
