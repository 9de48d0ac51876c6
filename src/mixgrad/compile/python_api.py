"""What compiled code needs to know of Python and NumPy: addresses of their objects and functions, and where fields lie.

Compiled code holds no address but only names, ``mg.np.float64.descr`` for one, which :func:`register_symbols` tells
LLVM. So it may be kept on disk and loaded by another process.

The layout of objects follows the headers of CPython and NumPy, and is tried on objects of known content before use.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from .._errors import UnsupportedError

HEADER = object.__basicsize__  # bytes of the header of any object; it ends with the pointer to the type
TYPE = HEADER - 8

CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400  # NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_ALIGNED, NPY_ARRAY_WRITEABLE

_INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
_NUMBERS = (np.bool_, *_INTEGERS, np.float16, np.float32, np.float64, np.complex64, np.complex128)
DTYPES = {dtype.name: dtype for dtype in map(np.dtype, _NUMBERS)}  # the objects that NumPy gives all its arrays


class _ArrayFields(ctypes.Structure):
    """The public fields of an array, after the header: PyArrayObject_fields of NumPy's ndarraytypes.h."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("nd", ctypes.c_int),
        ("dimensions", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("base", ctypes.c_void_p),
        ("descr", ctypes.c_void_p),
        ("flags", ctypes.c_int),
    )


DATA, ND, DIMENSIONS, DESCR, FLAGS = (
    HEADER + getattr(_ArrayFields, name).offset for name in ("data", "nd", "dimensions", "descr", "flags")
)

_FUNCTIONS = (
    *("Py_IncRef", "Py_DecRef", "PyErr_Occurred", "PyErr_Clear", "PyErr_NoMemory", "PyLong_AsDouble"),
    *("PyLong_AsLongLong", "PyTuple_New", "PyTuple_SetItem", "PyMem_RawMalloc", "PyMem_RawFree"),
    *("PyEval_SaveThread", "PyEval_RestoreThread"),
)
_ARRAY_TYPE, _NEW_FROM_DESCR, _SCALAR_ALLOC = 2, 94, 47  # NumPy's __multiarray_api.h; Py_tp_alloc of typeslots.h


def _c_function(name: str, result: type | None, *arguments: type) -> Callable:
    """Return a function of Python's C API; unlike attributes of ``ctypes.pythonapi``, shared with nobody."""
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


def _differences() -> Iterator[str]:
    """Yield what differs, in this process, from the layout that compiled code relies on."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        yield "this is not a 64-bit CPython"
        return
    whole = np.arange(24.0).reshape(4, 6)
    readonly = np.arange(6, dtype=np.int32)
    readonly.flags.writeable = False
    for array in (whole, whole[1:3], whole[:, ::-2], whole.T, readonly, np.array(True)):
        fields = _ArrayFields.from_address(id(array) + HEADER)
        found = (fields.data, fields.nd, fields.base or id(None), fields.descr, fields.flags)
        known = (array.ctypes.data, array.ndim, id(array.base), id(array.dtype), array.flags.num)
        kind = ctypes.c_void_p.from_address(id(array) + TYPE).value
        if (kind, *found) != (id(np.ndarray), *known):
            yield f"fields of an array: {(kind, *found)}, expected {(id(np.ndarray), *known)}"
            return  # the pointers might lead anywhere
        lengths, steps = tuple(fields.dimensions[: array.ndim]), tuple(fields.strides[: array.ndim])
        if (lengths, steps) != (array.shape, array.strides):
            yield f"dimensions and strides of an array: {lengths}, {steps}, expected {array.shape}, {array.strides}"
        bits = (array.flags.c_contiguous, array.flags.aligned, array.flags.writeable)
        if bits != tuple(bool(fields.flags & bit) for bit in (CONTIGUOUS, ALIGNED, WRITEABLE)):
            yield f"flags of an array: {fields.flags}, expected {bits}"
    for scalar in (1.5, 2.5j, *(dtype.type(1) for dtype in DTYPES.values())):
        value = np.array(scalar)
        if ctypes.string_at(id(scalar) + HEADER, value.itemsize) != value.tobytes():
            yield f"the value of {scalar!r} of type {type(scalar)} is not after the header"


def _array_api() -> ctypes.Array:
    """Return the first addresses of the table of NumPy's C API."""
    module = importlib.import_module("numpy._core._multiarray_umath")
    pointer = _c_function("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    return (ctypes.c_void_p * 100).from_address(pointer(module._ARRAY_API, None))


def _new_array_works(address: int) -> bool:
    """Tell whether the function at the address makes arrays as PyArray_NewFromDescr does."""
    new = ctypes.PYFUNCTYPE(
        *(ctypes.py_object, ctypes.py_object, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p),
        *(ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p),
    )(address)
    shape = (ctypes.c_ssize_t * 2)(2, 3)
    dtype = DTYPES["float64"]
    _c_function("Py_IncRef", None, ctypes.py_object)(dtype)  # the function takes a reference
    array = new(np.ndarray, id(dtype), 2, ctypes.addressof(shape), None, None, 0, None)
    return type(array) is np.ndarray and array.shape == (2, 3) and array.dtype is dtype and array.flags.carray


@functools.cache
def unsupported() -> str:
    """Return why compiled code cannot be called in this process, or nothing if it can."""
    if differences := list(_differences()):
        return "; ".join(differences)
    table = _array_api()
    if table[_ARRAY_TYPE] != id(np.ndarray) or not _new_array_works(table[_NEW_FROM_DESCR]):
        return "NumPy's C API has another order"
    return ""


def symbols() -> dict[str, int]:
    """Return the addresses of objects and functions, by the names that compiled code uses."""
    slot = _c_function("PyType_GetSlot", ctypes.c_void_p, ctypes.py_object, ctypes.c_int)
    objects = {
        **{f"mg.{kind.__name__}.type": kind for kind in (bool, int, float, complex, np.ndarray)},
        **{f"mg.{value}": value for value in (True, False, NotImplemented)},
        **{f"mg.np.{name}.descr": dtype for name, dtype in DTYPES.items()},
        **{f"mg.np.{name}.type": dtype.type for name, dtype in DTYPES.items()},
        **{f"mg.np.{value}": np.bool_(value) for value in (True, False)},
    }
    functions = {
        f"mg.{name}": ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in _FUNCTIONS
    }
    allocators = {f"mg.np.{name}.alloc": slot(dtype.type, _SCALAR_ALLOC) for name, dtype in DTYPES.items()}
    new = {"mg.PyArray_NewFromDescr": _array_api()[_NEW_FROM_DESCR]}
    return {name: id(value) for name, value in objects.items()} | functions | allocators | new


@functools.cache
def register_symbols() -> None:
    """Tell LLVM the addresses that compiled code needs; further calls do nothing.

    Raises
    ------
    UnsupportedError
        If objects of this Python or NumPy are not laid out as compiled code expects.
    """
    if reason := unsupported():
        raise UnsupportedError(
            f"Compiled code cannot be called from Python {sys.version.split()[0]} with NumPy {np.__version__}: "
            f"{reason}. Expected the layout of CPython 3.11 or newer and NumPy 2; run the program without compiling it."
        )
    for name, address in symbols().items():
        llvm.add_symbol(name, address)


class _MethodDef(ctypes.Structure):
    """PyMethodDef of CPython's methodobject.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_METH_FASTCALL = 0x80


class _Machine:
    """The self of a builtin function: keeps alive what it runs."""

    def __init__(self, definition: _MethodDef, code: object) -> None:
        self.definition = definition
        self.code = code


def builtin_function(name: str, address: int, code: object):
    """Return a builtin function object.

    Parameters
    ----------
    name : str
        Its ``__name__``.
    address : int
        Where a C function of the signature METH_FASTCALL lies.
    code : object
        Lives as long as the function object does.

    Returns
    -------
    builtin_function_or_method
    """
    new = _c_function("PyCFunction_NewEx", ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    definition = _MethodDef(name.encode(), address, _METH_FASTCALL, None)
    return new(ctypes.addressof(definition), _Machine(definition, code), None)


POINTER, BYTE, INT, LONG = ir.PointerType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)
DOUBLE, VOID = ir.DoubleType(), ir.VoidType()


class Writer:
    """Writes a C function that deals with objects.

    Attributes
    ----------
    build : ir.IRBuilder
        Where it writes. The first block of the function is kept for memory on the stack.
    """

    def __init__(self, function: ir.Function) -> None:
        self.function = function
        stack, start = function.append_basic_block("stack"), function.append_basic_block("start")
        ir.IRBuilder(stack).branch(start)
        self.build: Any = ir.IRBuilder(start)  # llvmlite's annotations have None where a value is returned

    def slot(self, kind: ir.Type, count: int = 1, align: int = 8) -> Any:
        """Return memory on the stack."""
        with self.build.goto_entry_block():
            memory = self.build.alloca(ir.ArrayType(kind, count))
        memory.align = align
        memory.type = POINTER
        return memory

    def symbol(self, name: str) -> ir.Value:
        """Return the address of an object."""
        module, name = self.function.module, f"mg.{name}"
        if name not in module.globals:
            ir.GlobalVariable(module, BYTE, name).type = POINTER
        return module.globals[name]

    def call(self, name: str, result: ir.Type, *arguments: Any) -> Any:
        """Call a function of Python or NumPy."""
        module, name = self.function.module, f"mg.{name}"
        if name not in module.globals:
            ir.Function(module, ir.FunctionType(result, [argument.type for argument in arguments]), name)
        return self.build.call(module.globals[name], arguments)

    def at(self, pointer: ir.Value, offset: Any) -> Any:
        """Return a pointer, moved by a number of bytes."""
        return self.build.gep(pointer, [LONG(offset) if isinstance(offset, int) else offset], source_etype=BYTE)

    def field(self, pointer: ir.Value, offset: int, kind: ir.Type = POINTER) -> Any:
        """Return what lies a number of bytes behind a pointer."""
        return self.build.load(self.at(pointer, offset), typ=kind)

    def require(self, condition: ir.Value, otherwise: ir.Block) -> None:
        """Go on if a condition holds."""
        following = self.build.append_basic_block()
        self.build.cbranch(condition, following, otherwise).set_weights([1000, 1])
        self.build.position_at_end(following)

    def from_int(self, value: ir.Value, kind: ir.Type, otherwise: ir.Block) -> Any:
        """Return the number, a double or an int64, of a Python int that fits."""
        build = self.build
        number = self.call("PyLong_AsDouble" if kind is DOUBLE else "PyLong_AsLongLong", kind, value)
        compare = build.fcmp_ordered if kind is DOUBLE else build.icmp_signed
        with build.if_then(compare("==", number, kind(-1)), likely=False):  # which an error gives, too
            error = build.icmp_unsigned("!=", self.call("PyErr_Occurred", POINTER), POINTER(None))
            with build.if_then(error):
                self.call("PyErr_Clear", VOID)
                build.branch(otherwise)
        return number
