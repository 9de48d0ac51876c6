"""No blank cell: every row has each rule that its kind demands, samples to be tried on, and an oracle."""

import inspect

import numpy as np
import pytest

import mixgrad.rules.special
from mixgrad.core.numpy_table import FUNCTIONS, REDUCTIONS, UFUNCS
from mixgrad.core.op import TABLE, Kind, add_row

from . import oracles
from .cases import FLOAT32, FLOAT64, cases

assert mixgrad.rules.special  # importing it fills the table

ROWS = pytest.mark.parametrize("name", sorted(TABLE))
# Rows with nested programs are tried on programs, in test_control.py, which says for each of them on which.
PLAIN_ROWS = pytest.mark.parametrize("name", sorted(name for name, op in TABLE.items() if op.kind is not Kind.NESTED))
DEMANDED = {
    Kind.ELEMENTWISE: ("jvp", "partials", "batch", "shape"),
    Kind.LINEAR: ("jvp", "transpose", "batch", "shape"),
    Kind.MULTILINEAR: ("jvp", "transpose", "batch", "shape"),
    Kind.GENERAL: ("jvp", "batch", "shape"),
    Kind.ZERO: ("batch", "shape"),
    Kind.DISCRETE: ("batch", "shape"),
    Kind.NESTED: ("lifted", "check", "shape", "dtype", "multiple"),
}
NESTED_ONLY = ("lifted", "linearise", "check")
FORBIDDEN = {Kind.ZERO: ("jvp", "transpose", "partials"), Kind.DISCRETE: ("jvp", "transpose", "partials")}


@ROWS
def test_every_rule_that_the_kind_demands_is_there(name):
    op = TABLE[name]
    for rule in ("value", *DEMANDED[op.kind]):
        assert getattr(op, rule), f"{name} has no {rule}"
    for rule in FORBIDDEN.get(op.kind, ()):
        assert not getattr(op, rule), f"{name} is of kind {op.kind.name} and has a {rule}"


@ROWS
def test_rows_with_programs_have_rules_for_reverse_mode_or_are_made_of_others(name):
    op = TABLE[name]
    if op.kind is Kind.NESTED:
        assert (op.linearise and op.transpose and not op.expand) or (op.expand and not op.linearise)


@ROWS
def test_only_rows_with_programs_have_rules_for_programs(name):
    op = TABLE[name]
    assert op.kind is Kind.NESTED or not any(getattr(op, rule) for rule in NESTED_ONLY)


def test_every_kind_is_looked_at():
    assert set(DEMANDED) == set(Kind)


@ROWS
def test_linear_arguments_have_a_transpose(name):
    op = TABLE[name]
    if op.kind is Kind.GENERAL:
        assert bool(op.linear_in) == (op.transpose is not None)
    if op.kind in (Kind.LINEAR, Kind.MULTILINEAR):
        assert op.linear_in is None or len(op.linear_in) > 0
    if op.accumulate is not None:
        assert op.transpose is not None


@PLAIN_ROWS
def test_there_are_samples(name):
    for dtype in (FLOAT64, FLOAT32):
        assert len(cases(TABLE[name], dtype)) >= 1


@PLAIN_ROWS
def test_there_is_an_oracle(name):
    op = TABLE[name]
    assert oracles.has_oracle(name), f"add what {name} means to tests/rules/oracles.py"
    if op.kind is Kind.ELEMENTWISE:
        assert name in oracles.MPMATH
        assert len(inspect.signature(oracles.MPMATH[name]).parameters) >= 1
        assert len(op.partials) == getattr(op.value, "nin", len(op.partials))
    elif op.kind in (Kind.ZERO, Kind.DISCRETE):
        assert name in oracles.CONSTANT
    else:
        assert name in oracles.NUMPY or name in oracles.COMPLEX_PARTS


def test_no_oracle_is_left_over():
    known = set(oracles.MPMATH) | set(oracles.NUMPY) | set(oracles.COMPLEX_PARTS) | set(oracles.CONSTANT)
    assert known <= set(TABLE)


def test_names_are_unique_and_those_of_numpy():
    assert all(TABLE[name].name == name for name in TABLE)
    assert len({id(op) for op in TABLE.values()}) == len(TABLE)
    for ufunc, meaning in UFUNCS.items():
        if ufunc.__name__ in TABLE and ufunc.__name__ != "vecdot":  # whose row does not conjugate, as NumPy's does
            is_row = meaning is TABLE[ufunc.__name__]
            assert is_row or inspect.isfunction(meaning), f"np.{ufunc.__name__} does not mean the row of its name"
    with pytest.raises(ValueError, match="has a row named 'sin' already"):
        add_row(TABLE["sin"])


def test_rows_named_after_a_ufunc_are_reached_by_it():
    for name, op in TABLE.items():
        ufunc = getattr(np, name, None)
        if isinstance(ufunc, np.ufunc):
            assert ufunc in UFUNCS, f"np.{name} on a box does not reach the row {name}"
            assert op.kind is not Kind.ELEMENTWISE or ufunc.nin == len(op.partials)


def test_everything_registered_can_be_called():
    for table in (UFUNCS, REDUCTIONS, FUNCTIONS):
        for function, meaning in table.items():
            assert callable(function)
            assert callable(meaning)
