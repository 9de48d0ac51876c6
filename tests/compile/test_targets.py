"""Whole kernels for other processors: vector instructions, and no calls of scalar functions of the C library."""

import re

import numpy as np
import pytest
from llvmlite import ir

import mixgrad as mg
from mixgrad.compile.emission import WIDTH, Kernel
from mixgrad.compile.fusion import fused
from mixgrad.compile.lowering import Lowering
from mixgrad.compile.tensor import settle_updates
from mixgrad.compile.zeros import plain_products

from . import vecmath_harness as harness

# The processor, and what packed instructions on doubles and on floats look like, of `WIDTH` numbers or as many as fit.
TARGETS = {
    "AVX2": (("x86_64-linux-gnu", "x86-64-v3", ""), r"pd\s.*ymm", r"ps\s.*ymm"),
    "AVX-512": (("x86_64-linux-gnu", "x86-64-v4", "-prefer-256-bit"), r"pd\s.*zmm", r"ps\s.*ymm"),
    "NEON": (("aarch64-linux-gnu", "apple-m1", ""), r"\.2d", r"\.4s"),
}


def loss(weights, bias, x, y):
    z = x @ weights + bias
    return np.sum(np.logaddexp(0.0, z) - y * z)


def kernel(function, *args):
    """A module with the kernel of a function, not yet compiled."""
    program = mg.simplify(mg.trace(function)(*args), "all")
    plain = plain_products(program)
    lowering = Lowering(plain)
    lowering.program(program)
    module = ir.Module("kernel")
    Kernel(module, fused(settle_updates(lowering.statements, []), WIDTH), "kernel", WIDTH, refuse_nan=bool(plain))
    return module


def multiplies(line):
    """Whether an instruction multiplies or adds numbers, whatever their type and count."""
    words = line.split()
    return bool(words) and words[0].startswith(("vfm", "vfnm", "vmul", "vadd", "fmla", "fmls", "fmul", "fadd", "fmadd"))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("target", TARGETS)
def test_gradient_of_a_logistic_likelihood(target, dtype, random):
    machine, double, single = TARGETS[target]
    args = [random.normal(size=shape).astype(dtype) for shape in ((5,), (), (1024, 5), (1024,))]
    module = kernel(mg.value_and_grad(loss, argnums=(0, 1)), *args)
    try:
        lines = harness.assembly_of(module, *machine).splitlines()
    except RuntimeError as error:
        pytest.skip(f"no such target in this LLVM: {error}")
    calls = [line for line in lines if line.split()[:1] and line.split()[0] in ("call", "callq", "bl", "blr", "jmpq")]
    assert not calls, calls[:5]
    arithmetic = [line for line in lines if multiplies(line)]
    own = [line for line in arithmetic if re.search(double if dtype == np.float64 else single, line)]
    assert len(own) > 40
    packed = [line for line in arithmetic if re.search(f"{double}|{single}", line)]
    assert len(packed) > 0.7 * len(arithmetic), f"{len(packed)} of {len(arithmetic)} instructions are packed"
