"""`mixgrad diff`: modules that run, and errors of one line."""

import numpy as np
import pytest

MODEL = """
import numpy as np
import neighbour

def loss(w, x, n=2):
    for i in range(3):
        w = w * neighbour.FACTOR
    return np.sum((x @ w) ** 2)

def textbook(x1, x2):
    w3 = x1 * x2
    return w3 + np.sin(x1)

def fails(x):
    raise KeyError("no such thing")

def whole(x):
    return x.astype(int)
"""


@pytest.fixture
def model(tmp_path):
    (tmp_path / "neighbour.py").write_text("FACTOR = 0.5\n")
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return path


def load(text):
    names = {"__name__": "written"}
    exec(text, names)
    return next(value for value in names.values() if getattr(value, "__module__", "") == "written")


def test_prints_a_module_that_computes_the_gradient(mixgrad, model):
    result = mixgrad("diff", model, "loss", "--args", "zeros(2), [[1, 2], [3, 4.5]]")
    assert (result.status, result.err) == (0, "")
    w, x = np.array([0.3, -0.7]), np.array([[1, 2], [3, 4.5]])
    value, w_bar, x_bar = load(result.out)(w, x)
    np.testing.assert_allclose(value, np.sum((x @ w / 8) ** 2))
    np.testing.assert_allclose(w_bar, 2 * x.T @ x @ w / 64)
    np.testing.assert_allclose(x_bar, 2 * np.outer(x @ w, w) / 64)


def test_writes_the_file_whole(mixgrad, model, tmp_path):
    out = tmp_path / "out.py"
    out.write_text("old")
    result = mixgrad("diff", model, "textbook", "--args", "1.0, 2.0", "--mode", "forward", "-o", out)
    assert (result.status, result.out, result.err) == (0, "", "")
    value, value_dot = load(out.read_text())(0.5, 2.0, 1.0, 0.0)
    np.testing.assert_allclose([value, value_dot], [1.0 + np.sin(0.5), 2.0 + np.cos(0.5)])
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["model.py", "neighbour.py", "out.py"]


def test_modes_and_argnums(mixgrad, model):
    run = lambda *options: mixgrad("diff", model, "textbook", "--args", "1.0, 2.0", *options).out
    assert load(run("--mode", "none"))(0.5, 2.0) == 1.0 + np.sin(0.5)
    assert "def textbook_gradient(x1, x2)" in run("--mode", "reverse")
    assert "x2_dot" not in run("--mode", "forward", "--argnums", "0")
    assert "weighted_sum(" in run("--mode", "forward", "--strict")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["textbok", "--args", "1.0"], ["model.py: there is no function 'textbok'", "did you mean 'textbook'"]),
        (["textbook", "--args", "1.0"], ["model.py: textbook(1.0) raises TypeError", "x2"]),
        (["fails", "--args", "1.0"], ["model.py: fails(1.0) raises KeyError", "no such thing"]),
        (["whole", "--args", "1.0"], ["model.py: whole", "returns nothing made of floats"]),
        (["textbook", "--args", "1.0 +"], ["--args", "cannot read '1.0 +'"]),
        (["textbook", "--args", "1.0) + (2"], ["--args", "expected values with commas"]),
        (["textbook", "--args", "open('x')"], ["--args", "neither a number"]),
        (["textbook", "--args", "'a'"], ["--args", "neither a number"]),
        (["textbook", "--args", "[[1], [1, 2]]"], ["--args", "neither a number"]),
        (["textbook", "--args", "zeros(x)"], ["--args", "whole numbers"]),
        (["textbook", "--args", "zeros(-1)"], ["--args", "whole numbers"]),
        (["textbook", "--args", "1.0, 2.0", "--argnums", "2"], ["--argnums: there is no argument 2"]),
        (["textbook", "--args", "1.0, 2.0", "--argnums", "x"], ["--argnums: expected numbers"]),
        (["textbook", "--args", "1, 2.0", "--argnums", "0"], ["must be made of floats"]),
        (["textbook", "--args", "1.0, 2.0", "--mode", "backward"], ["--mode", "backward"]),
        (["textbook", "--args", "1.0, 2.0", "-o", "/no/such/place/out.py"], ["there is no directory"]),
        (["textbook"], ["--args"]),
    ],
)
def test_mistakes_are_one_line(refused, model, arguments, words):
    line = refused("diff", model, *arguments)
    for word in words:
        assert word in line


def test_files_that_cannot_be_run(refused, tmp_path):
    path = tmp_path / "model.py"
    assert "there is no such file" in refused("diff", path, "f", "--args", "1.0")
    assert "this is no file" in refused("diff", tmp_path, "f", "--args", "1.0")
    path.write_text("def f(:\n")
    assert "model.py, line 1: running the file raises SyntaxError" in refused("diff", path, "f", "--args", "1.0")
    path.write_text("1 / 0\n")
    assert "model.py: running the file raises ZeroDivisionError" in refused("diff", path, "f", "--args", "1.0")
    text = tmp_path / "model.txt"
    text.write_text("f = 1\n")
    assert "ends with .py" in refused("diff", text, "f", "--args", "1.0")


def test_the_input_is_never_overwritten(refused, model):
    assert "this is an input" in refused("diff", model, "textbook", "--args", "1.0, 2.0", "-o", model)
