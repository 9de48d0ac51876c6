"""Threads that stay: `pool.ll`, and the name by which compiled code calls it."""

from __future__ import annotations

import ctypes
import functools
import os
from importlib.resources import files

import llvmlite.binding as llvm

from mixgrad.compile.machine import compile_text, host_architecture

LOOKS = 5000
"""How often a thread looks for new work before it sleeps: for some 200 microseconds, which other code between two
kernels often takes; to be woken takes as long."""
_PAUSES = {"x86_64": "@llvm.x86.sse2.pause()", "aarch64": "@llvm.aarch64.hint(i32 1)"}


@functools.cache
def register() -> None:
    """Tell LLVM where ``void mg.share(work, records, stride, count)`` is; further calls do nothing."""
    pause = _PAUSES.get(host_architecture())
    declaration = "" if pause is None else "declare void " + pause.replace("i32 1", "i32")
    text = (files("mixgrad.compile") / "pool.ll").read_text()
    code = compile_text(
        text.format(looks=LOOKS, declare_pause=declaration, pause="" if pause is None else f"call void {pause}")
    )
    # Sleeping threads are in this code until the process has ended: it must not go when Python's objects do.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(code))
    reset = ctypes.CFUNCTYPE(None)(code.address("reset"))
    reset()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)
    llvm.add_symbol("mg.share", code.address("share"))
