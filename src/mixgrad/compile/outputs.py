"""Results written into arrays that the caller gives."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from mixgrad._errors import MixgradError, ShapeError
from mixgrad.compile.call import Argument, add_entry, conform
from mixgrad.compile.machine import Code, compile_module
from mixgrad.compile.python_api import INT, POINTER, builtin_function
from mixgrad.compile.threads import register_symbols

_KERNEL = "kernel_address"


def writing_entry(
    code: Code, inputs: Sequence[Argument], outputs: Sequence[Argument], scratch: int, release: bool
) -> Callable:
    """Return a builtin function that runs the function ``kernel`` of a compiled module, and makes no arrays.

    It takes the inputs and then the arrays for the outputs, as :func:`mixgrad.compile.call.add_entry` says. It is a
    module of its own, so that only who wants it waits for its code; where the kernel lies is told to it when it has
    been loaded, and is no part of the code that is kept on disk.
    """
    module = ir.Module("mixgrad_outputs")
    address = ir.GlobalVariable(module, POINTER, _KERNEL)
    address.initializer = POINTER(None)
    symbolic = any(length < 0 for argument in (*inputs, *outputs) for length in argument.shape)
    kind = ir.FunctionType(INT, [POINTER] * (4 if symbolic else 3))
    kernel = ir.Function(module, kind, "kernel")
    build: Any = ir.IRBuilder(kernel.append_basic_block())
    function = build.load(address, typ=POINTER)
    function.type = kind.as_pointer()
    build.ret(build.call(function, kernel.args))
    add_entry(module, kernel, inputs, outputs, scratch, release, outs_given=True)
    register_symbols()
    loaded = compile_module(module)
    ctypes.c_void_p.from_address(loaded.variable(_KERNEL)).value = code.address("kernel")
    return builtin_function("entry", loaded.address("entry"), (loaded, code))


def check_outputs(given: Sequence[Any], paths: Sequence[str], wanted: Sequence[Any], name: str) -> None:
    """Refuse arrays that cannot hold the results of a function of this name, which know their shapes and dtypes."""
    for out, path, result in zip(given, paths, wanted):
        what = f"{name}: out{path}"
        if not isinstance(out, np.ndarray):
            raise MixgradError(
                f"{what} is a {type(out).__name__}, expected an array to write into: a number of NumPy cannot be "
                "written to, use np.zeros(()) for a result of shape ()"
            )
        shape, dtype = np.shape(result), np.asarray(result).dtype if not hasattr(result, "dtype") else result.dtype
        if len(shape) != out.ndim or any(0 <= n != length for n, length in zip(shape, out.shape)):
            raise ShapeError(f"{what} has the shape {out.shape}, expected {shape}, that of the result")
        if out.dtype != dtype:
            raise MixgradError(
                f"{what} is an array of {out.dtype}, expected {dtype}, the dtype of the result, into which nothing "
                "has to be converted"
            )
        if not (out.flags.c_contiguous and out.flags.aligned):
            raise MixgradError(
                f"{what} does not lie in memory in one piece in the order of C (strides {out.strides}). Use an array "
                "made by np.empty, and assign that to your array."
            )
        if not out.flags.writeable:
            raise MixgradError(f"{what} is read-only: out.flags.writeable is False")
    for i, out in enumerate(given):
        for j in range(i):
            if np.may_share_memory(given[j], out):
                raise MixgradError(
                    f"{name}: out{paths[j]} and out{paths[i]} share memory, which cannot hold both results"
                )


def write(
    run: Callable[..., Sequence[Any]],
    entry: Callable | None,
    args: Sequence[Any],
    arguments: Sequence[Argument],
    outs: Sequence[np.ndarray],
) -> None:
    """Write results into checked arrays: by the entry that does so, if it can, or else as copies of new ones.

    New ones are needed where outputs share memory with arguments, and where it may turn out late that there will be no
    result: nothing is written then.
    """
    if entry is not None:
        if entry(*args, *outs) is not NotImplemented:
            return
        ordered = conform(args, arguments)
        changed = ordered is not None and any(new is not old for new, old in zip(ordered, args))
        if ordered is not None and changed and entry(*ordered, *outs) is not NotImplemented:
            return
    results = [
        np.array(result) if any(np.may_share_memory(result, out) for out in outs) else result for result in run(*args)
    ]
    for out, result in zip(outs, results):
        if np.shape(result) != out.shape:  # its length depends on values
            raise ShapeError(f"an array of shape {out.shape} was given for a result of shape {np.shape(result)}")
    for out, result in zip(outs, results):
        out[...] = result
