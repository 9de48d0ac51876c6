"""LLVM IR as machine code for this processor."""

from __future__ import annotations

import functools
import os

import llvmlite.binding as llvm
from llvmlite import ir
from llvmlite.binding import ffi
from llvmlite.binding.newpassmanagers import NewPassManager

from mixgrad.compile import cache

LONG = 1500  # lines of LLVM IR


class Code:
    """Compiled functions; their addresses are valid as long as this object lives."""

    def __init__(self, engine: llvm.ExecutionEngine, assembly: str) -> None:
        self._engine = engine
        self.assembly = assembly

    def address(self, name: str) -> int:
        """Return the address of a function."""
        return self._engine.get_function_address(name)

    def variable(self, name: str) -> int:
        """Return the address of a global variable."""
        return self._engine.get_global_value_address(name)


@functools.cache
def _ready() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if hasattr(os, "register_at_fork"):  # a child must not find LLVM in the middle of another thread's work, and locked
        lock = ffi.lib._lock
        os.register_at_fork(before=lock.__enter__, after_in_parent=lock.__exit__, after_in_child=lock.__exit__)


@functools.cache
def host() -> tuple[str, str]:
    """Return the name of this processor, and its features."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def host_architecture() -> str:
    """Return the first part of this processor's triple: ``x86_64``, for one."""
    return llvm.get_process_triple().partition("-")[0]


def target_machine(triple: str = "", cpu: str = "", features: str = "") -> llvm.TargetMachine:
    """Return the target for a processor; by default the one that runs this."""
    _ready()
    if triple:
        return llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=3)
    cpu, features = host()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


def optimised(text: str, target: llvm.TargetMachine) -> llvm.ModuleRef:
    """Return the verified module after LLVM's passes.

    Loops of short ones are unrolled; in long ones that would take most of the time and gain nothing. Neither do level 3
    and vectors made of single numbers: ours are made already, and where they are not, loops become vectors.
    """
    parsed = llvm.parse_assembly(text)
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization, options.slp_vectorization = True, False
    options.loop_unrolling = text.count("\n") < LONG
    builder = llvm.create_pass_builder(target, options)
    passes = builder.getModulePassManager()
    try:
        passes.run(parsed, builder)
    finally:
        # Its own `close` frees nothing (llvmlite 0.45 to 0.50): it finds the method of the other base class first.
        NewPassManager._dispose(passes)
        passes.detach()
    return parsed


def reassociate(module: ir.Module) -> None:
    """Let LLVM sum in any order, except in the functions of the vector mathematics, whose order is their accuracy."""
    for function in module.functions:
        for block in () if function.name.startswith("mg.") else function.blocks:
            for instruction in block.instructions:
                if instruction.opname in ("fadd", "fsub", "fmul", "fdiv", "fneg"):
                    instruction.flags = [*instruction.flags, "reassoc", "nsz", "arcp"]


def compile_module(module: ir.Module, keep_assembly: bool = False) -> Code:
    """Return the machine code of a module, from disk if it is there."""
    target = target_machine()
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    return compile_text(str(module), keep_assembly)


def compile_text(text: str, keep_assembly: bool = False) -> Code:
    """Return the machine code of a module that is written out, from disk if it is there."""
    target = target_machine()
    name = cache.key(text, " ".join(host()))
    code = None if keep_assembly else cache.read(name)
    assembly = ""
    if code is None:
        parsed = optimised(text, target)
        assembly = target.emit_assembly(parsed) if keep_assembly else ""
        code = target.emit_object(parsed)
        cache.write(name, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(f'target triple = "{target.triple}"'), target)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Code(engine, assembly)
