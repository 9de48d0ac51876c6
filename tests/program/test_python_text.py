"""What written modules look like: names, operators, constants, loops."""

import subprocess
import sys

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.core.op import TABLE, Kind, Op
from mixgrad.core.program import Equation, Program, Var
from mixgrad.program.to_python import to_python

from .written import PROGRAMS, agree, body, load, same_bits


def test_the_same_program_gives_the_same_text():
    function, args = PROGRAMS["gaussian"]
    texts = {mg.simplify(mg.trace(mg.hessian(function))(*args)).to_python() for _ in range(2)}
    assert len(texts) == 1


def test_a_module_can_be_imported_from_its_file_without_mixgrad(tmp_path):
    function, args = PROGRAMS["logistic"]
    program = mg.simplify(mg.trace(mg.value_and_grad(function))(*args))
    (tmp_path / "written.py").write_text(program.to_python(strict=True))
    code = (
        "import sys, numpy as np, written\n"
        "out = written.logistic(*[np.array(a) for a in eval(sys.argv[1])])\n"
        "assert not any(name.startswith('mixgrad') for name in sys.modules)\n"
        "print([np.asarray(o).tolist() for o in out])"
    )
    shown = repr([np.asarray(arg).tolist() for arg in args])
    result = subprocess.run(
        [sys.executable, "-c", code, shown], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert eval(result.stdout) == [np.asarray(part).tolist() for part in interpret(program, *args)]


def test_names_never_clash():
    F64 = np.dtype(float)
    names = ("np", "lambda", "print", "range", "logsumexp", "a", "a", "f", "x.y", "CONSTANT_1", "len", "\ufb01", "fi")
    inputs = tuple(Var((), F64, name) for name in names)
    equations, total = [], inputs[0]
    for var in inputs[1:]:
        new = Var((), F64, "a_2" if var.name == "a" else "")
        equations.append(Equation((new,), TABLE["subtract"], (total, var)))
        total = new
    wide = Var((40,), F64)
    equations.append(Equation((wide,), TABLE["multiply"], (np.linspace(0, 1, 40), total)))
    last = Var((), F64, "None")
    equations.append(Equation((last,), TABLE["logsumexp"], (wide,), {"axis": (0,), "keepdims": False}))
    program = Program(inputs, tuple(equations), (last, total), "f")
    agree(program, tuple(np.float64(k + 0.5) for k in range(len(inputs))))
    text = to_python(program)
    assert "def f(np_, lambda_, print, range_," in text
    for name in ("class", "np", "weighted_sum", "not a name"):
        assert load(to_python(Program((), (), (1.0,), name)))() == 1.0


@pytest.mark.parametrize(
    "value",
    [
        np.nan, -np.inf, -0.0, 1e-320, 0.1, 3, True, 2j, -2j, complex(-0.0, np.nan), np.float32(0.1), np.float64(-2.5),
        np.int8(3), np.True_, np.complex64(1 + 2j), np.zeros((0, 2), np.float32), np.full((2, 3), -0.0), np.eye(3),
        np.arange(4), np.ones(3, bool), np.array(2.5), np.array([[1, np.nan], [np.inf, -0.0]]),
        np.array([1e-320, 0.1], np.float32),
        np.array([1 + 2j, complex(np.nan, -0.0)]), np.linspace(0, 1, 1500), np.full(3, np.nan),
        np.full((2, 2), 7, np.int16),
    ],
    ids=repr,
)  # fmt: skip
def test_constants_read_back(value):
    program = Program((), (), (value,), "constants")
    got = load(to_python(program))()
    assert type(got) is type(value)
    got, want = np.asarray(got), np.asarray(value)
    assert (got.dtype, got.shape, got.strides) == (want.dtype, want.shape, want.strides)
    assert got.tobytes() == want.tobytes()


def test_constants_keep_their_layout():
    x = np.arange(12.0).reshape(3, 4) / 7
    for constant in (x, x.T, np.broadcast_to(x[0], (3, 4)), np.broadcast_to(x[:, :1], (3, 4)), np.asfortranarray(x)):
        got = load(to_python(Program((), (), (constant,), "constants")))()
        assert got.flags.c_contiguous == constant.flags.c_contiguous
        assert got.flags.f_contiguous == constant.flags.f_contiguous
        assert [step == 0 for step in got.strides] == [step == 0 for step in constant.strides]
        same_bits(got, constant)


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (lambda x, y: x - (y - x), "return x - (y - x)"),
        (lambda x, y: (x - y) - x, "return x - y - x"),
        (lambda x, y: (x + y) * -(x / y), "return (x + y) * -(x / y)"),
        (lambda x, y: np.negative(-(x * y)), "return -(-(x * y))"),
        (lambda x, y: x / (y * x), "return x / (y * x)"),
        (lambda x, y: np.where((x < y) & ~(y < 0), x, 2.0), "return np.where((x < y) & ~(y < 0), x, 2.0)"),
        (lambda x, y: (x + 1) ** 2 + x**3 + (-y) ** y, "return (x + 1)**2 + x**3 + (-y)**y"),
        (lambda x, y: x[None, ::-1][0, :2].sum(), "return np.sum(x[None, ::-1][0, :2])"),
        (lambda x, y: x[..., [0, 2]], "return x[..., [0, 2]]"),
        (lambda x, y: np.max(x) + y.reshape(3, 1).T @ x, "return np.max(x) + np.reshape(y, (3, 1)).T @ x"),
        (lambda x, y: (2.0 * x).astype(np.float32), "return (2 * x).astype(np.float32)"),
    ],
)
def test_what_a_careful_person_would_write(function, line):
    text = to_python(mg.trace(function)(np.ones(3), np.ones(3)))
    assert [part.replace(" ** ", "**").replace("2.0", "2") for part in body(text)] == [line.replace("2.0", "2")]


def test_long_expressions_are_cut():
    def f(x):
        for _ in range(30):
            x = np.sin(x + 1.0) * np.cos(x)
        return x

    text = to_python(mg.simplify(mg.trace(f)(1.0)))
    assert max(map(len, text.splitlines())) <= 110


def test_loops_stay_loops():
    def f(x):
        return mg.fori_loop(0, 100, lambda i, s: np.sin(s) * x, x)

    assert body(to_python(mg.simplify(mg.trace(f)(1.0))))[1:] == [
        "for _ in range(100):",
        "    x_2 = np.sin(x_2) * x",
        "return x_2",
    ]
    count = lambda n: len(to_python(mg.trace(lambda x: mg.fori_loop(0, n, lambda i, s: s * x, x))(1.0)).splitlines())
    assert count(10) == count(1000)


def test_a_branch():
    text = to_python(mg.simplify(mg.trace(lambda x: mg.cond(x > 0, np.sqrt, lambda x: -x, x))(1.0)))
    assert body(text) == ["if x > 0:", "    a = np.sqrt(x)", "else:", "    a = -x", "return a"]


def test_a_row_without_spelling_is_refused():
    op = Op("mystery", Kind.GENERAL, lambda x: x, shape=lambda x: x.shape)
    x = Var((), np.dtype(float), "x")
    program = Program((x,), (Equation((y := Var((), x.dtype),), op, (x,)),), (y,))
    with pytest.raises(mg.UnsupportedError, match="the row 'mystery' has no spelling in Python"):
        to_python(program)
