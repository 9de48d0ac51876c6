"""Routines of BLAS and LAPACK, those that SciPy's library brings along, by address."""

from __future__ import annotations

import ctypes
import functools

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from mixgrad.compile.spelling import INT8

_POINTER = INT8.as_pointer()
_LETTERS = {np.dtype(np.float64): "d", np.dtype(np.float32): "s"}
OF_BLAS = frozenset(("gemm", "trsm"))
"""The other routines are those of LAPACK."""


@functools.cache
def _capsule(name: str) -> tuple[int, int]:
    """Return the address of a routine, and how many arguments it has: all of them pointers, as Fortran wants them."""
    from scipy.linalg import cython_blas, cython_lapack  # heavy: imported on first use

    capsule = (cython_blas if name[1:] in OF_BLAS else cython_lapack).__pyx_capi__[name]
    signature, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    signature.restype, signature.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    text = signature(capsule)
    return pointer(capsule, text), text.count(b",") + 1


def full_name(name: str, dtype: np.dtype) -> str:
    """Return the name of a routine, with the letter for the dtype."""
    return _LETTERS[dtype] + name


def routine(module: ir.Module, name: str, dtype: np.dtype, count: int) -> ir.Function:
    """Return a routine as a function of a module, and tell LLVM where it lies; each process has to.

    Parameters
    ----------
    module : ir.Module
    name : str
        Without the letter for the dtype.
    dtype : np.dtype
        float64 or float32.
    count : int
        Of arguments, all of which are pointers.
    """
    full = full_name(name, dtype)
    address, expected = _capsule(full)
    if count != expected:
        raise TypeError(f"{full} has {expected} arguments, got {count}")
    symbol = f"mg.{full}"
    llvm.add_symbol(symbol, address)
    known = module.globals.get(symbol)
    return known or ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER] * count), symbol)
