"""Every message of the engine: what failed, what was got and expected, what to do."""

import math
import threading

import numpy as np
import pytest

import mixgrad as mg

VECTOR = np.array([1.0, 2.0])


def raises(error, *parts):
    """Expect an error whose message holds all the parts, in order."""
    return pytest.raises(error, match="(?s)" + ".*".join(map(__import__("re").escape, parts)))


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        (lambda x: x * 2, ("real number", "shape (2,)", "jacobian(f)")),
        (lambda x: (x[0], x[1]), ("real number", "container of 2", "has_aux=True")),
        (lambda x: None, ("real number", "None", "return")),
        (lambda x: x[0] * 1j, ("real number", "complex", "np.real")),
        (lambda x: 3, ("real number", "3 (int)", "does not vary smoothly")),
        (lambda x: x[0] > 1, ("real number", "bool", "does not vary smoothly")),
    ],
)
def test_grad_of_what_is_not_a_real_number(function, parts):
    with raises(mg.DerivativeError, "grad(f) expects", *parts):
        mg.grad(function)(VECTOR)


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        (3, ("argument 0", "int 3", "Pass 3.0")),
        (True, ("argument 0", "bool")),
        (np.array([1, 2]), ("argument 0", "ndarray of dtype int64", "x.astype(float)")),
        ({"a": 1.0, "b": ["text"]}, ("argument 0['b'][0]", "str 'text'")),
        (np.array([None]), ("dtype object",)),
    ],
)
def test_arguments_without_a_tangent_space(argument, parts):
    with raises(mg.DerivativeError, *parts):
        mg.grad(lambda x: 1.0)(argument)


def test_frames_are_told_how_to_become_arrays():
    pandas = pytest.importorskip("pandas")
    with raises(mg.DerivativeError, "Series", "x.to_numpy(dtype=float)"):
        mg.grad(np.sum)(pandas.Series([1.0]))


@pytest.mark.parametrize("argnums", [1, -2, "x", (0, 3)])
def test_argnums_out_of_range(argnums):
    with raises(mg.DerivativeError, "argnums", "1 of them", "by position"):
        mg.grad(np.sum, argnums)(VECTOR)


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        ("lambda x: float(x[0])", ("float(x)", "lose its derivative", "mg.stop_gradient")),
        ("lambda x: math.sin(x[0])", ("float(x)", "np.sin instead of math.sin")),
        ("lambda x: complex(x[0])", ("complex(x)",)),
        ("lambda x: np.array([x[0], 1.0])", ("np.array([x, 1.0])", "np.stack")),
        ("lambda x: np.asarray(x)", ("np.asarray(x)", "np.stack")),
        ("lambda x: [1, 2, 3][x[0]]", ("index", "int(x)")),
        ("lambda x: range(x[0])", ("index", "int(x)")),
    ],
)
def test_conversions_that_would_lose_the_derivative(function, parts):
    with raises(mg.BoxConversionError, *parts):
        mg.grad(without_source(function))(VECTOR)


def without_source(text):
    """Return a function whose text nobody can find, so that it is called as it is."""
    names = {"np": np, "math": math}
    if text.startswith("lambda"):
        return eval(text, names)
    exec(text, names)
    return names["f"]


def test_assignment_into_arrays_without_source():
    start = "def f(x):\n    y = np.zeros(2)\n    "
    with pytest.raises(mg.BoxConversionError) as caught:
        mg.grad(without_source(start + "y[0] = x[0]\n    return np.sum(y)"))(VECTOR)
    assert "source of f was not found" in caught.value.__notes__[0]
    with raises(mg.BoxConversionError, "y[i] = x", "np.stack"):
        mg.grad(without_source(start + "y[0] = x[0]\n    return np.sum(y)"))(VECTOR)
    with raises(mg.UnsupportedError, "out=", "y = y + x"):
        mg.grad(without_source(start + "y += x\n    return np.sum(y)"))(VECTOR)


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        (lambda x: np.fft.fft(x), ("np.fft.fft", "no rule", "CONTRIBUTING.md", "mg.stop_gradient")),
        (lambda x: np.frexp(x), ("np.frexp", "no rule")),
        (lambda x: np.sum(x, where=x > 1), ("np.sum", "where=", "np.where")),
        (lambda x: np.sin(x, where=[True, False]), ("np.sin", "where=")),
        (lambda x: np.sum(x, out=np.zeros(())), ("np.sum", "out=")),
        (lambda x: np.add.accumulate(x), ("np.add.accumulate", "no rule")),
        (lambda x: np.linalg.qr(np.outer(x, x)), ("np.linalg.qr", "no rule")),
        (lambda x: np.pad(x, 1, mode="mean"), ("np.pad", "'mean'", "np.concatenate")),
    ],
)
def test_functions_without_a_rule(function, parts):
    with raises(mg.UnsupportedError, *parts):
        mg.grad(lambda x: np.sum(function(x)))(VECTOR)


@pytest.mark.parametrize(
    ("function", "error", "parts"),
    [
        (lambda x: x @ np.ones(3), ValueError, ("matmul", "(2,)", "(3,)", "do not fit")),
        (lambda x: x @ 3.0, ValueError, ("matmul", "no axes", "*")),
        (lambda x: x + np.ones(3), ValueError, ("(2,)", "(3,)")),
        (lambda x: x.reshape(3), ValueError, ("reshape", "size 2", "(3,)")),
        (lambda x: x[5], IndexError, ("5", "2")),
        (lambda x: x["a"], IndexError, ("index must be an integer", "'a'")),
        (lambda x: x[x], IndexError, ("index must be an integer", "differentiated", "int(x)")),
        (lambda x: np.einsum("i,j", x), ValueError, ("einsum", "2 operands", "got 1")),
        (lambda x: np.einsum("ij->i", x), ValueError, ("einsum", "operand 0", "1 axes")),
        (lambda x: np.einsum("i,i", x, np.ones(3)), ValueError, ("einsum", "'i'", "length 2", "3")),
        (lambda x: np.linalg.inv(x), ValueError, ("np.linalg.inv", "square", "(2,)")),
        (lambda x: np.linalg.solve(np.outer(x, x), np.ones(3)), ValueError, ("np.linalg.solve", "(2, 2)", "(3,)")),
        (lambda x: np.stack([x, x[0]]), ValueError, ("np.stack", "(2,)", "()")),
        (lambda x: np.split(x, 3), ValueError, ("np.split", "length 2", "3")),
    ],
)
def test_shapes_that_do_not_fit(function, error, parts):
    with raises(error, *parts):
        mg.grad(lambda x: np.sum(function(x)))(VECTOR)


def test_tangents_and_cotangents_must_fit():
    with raises(mg.ShapeError, "tangent", "(3,)", "(2,)"):
        mg.jvp(np.sin, (VECTOR,), (np.ones(3),))
    with raises(mg.ShapeError, "1 primals", "2 tangents"):
        mg.jvp(np.sin, (VECTOR,), (VECTOR, VECTOR))
    with raises(mg.DerivativeError, "jvp", "tuple", "jvp(fun, (x,), (v,))"):
        mg.jvp(np.sin, VECTOR, VECTOR)
    _, pull = mg.vjp(lambda x: {"a": x}, VECTOR)
    with raises(mg.ShapeError, "structure"):
        pull(VECTOR)
    with raises(mg.ShapeError, "cotangent", "()", "(2,)"):
        pull({"a": 1.0})
    with raises(mg.ShapeError, "complex", "real"):
        pull({"a": 1j * VECTOR})
    with raises(mg.ShapeError, "takes 1 tangents", "got 2"):
        mg.linearize(np.sin, VECTOR)[1](VECTOR, VECTOR)


def test_options():
    with raises(ValueError, "mode", "'auto', 'forward' or 'reverse'", "'sideways'"):
        mg.jacobian(np.sin, mode="sideways")
    with raises(mg.DerivativeError, "has_aux=True", "pair", "shape ()"):
        mg.grad(lambda x: np.sum(x), has_aux=True)(VECTOR)
    with raises(mg.DerivativeError, "jacobian(f)", "None"):
        mg.jacobian(lambda x: None)(VECTOR)
    with raises(ValueError, "modes", "backwards"):
        mg.check_grads(np.sin, (VECTOR,), modes=("backwards",))


def test_vmap_errors():
    with raises(mg.BoxConversionError, "vmap", "np.where"):
        mg.vmap(lambda x: 1.0 if x > 0 else 2.0)(VECTOR)
    with raises(mg.BoxConversionError, "under vmap", "nor index one", "np.where"):
        mg.vmap(lambda i: np.ones(3)[i])(np.array([0, 1]))
    with raises(mg.ShapeError, "vmap", "[2, 3]", "in_axes=None"):
        mg.vmap(np.add)(VECTOR, np.ones(3))
    with raises(mg.ShapeError, "in_axes has 1", "2 arguments"):
        mg.vmap(np.add, (0,))(VECTOR, VECTOR)


def test_values_that_leave_their_run():
    kept = []
    mg.grad(lambda x: kept.append(x) or np.sum(x))(VECTOR)
    with raises(mg.DerivativeError, "after the function", "returned", "has_aux=True"):
        np.sin(kept[0])


def test_wrong_derivative_is_reported_by_check_grads():
    from mixgrad.core.op import TABLE

    row = TABLE["sinh"]
    right = row.jvp
    row.jvp = lambda out, args, tangents: 1.01 * right(out, args, tangents)
    try:
        with raises(AssertionError, "forward mode, order 1", "seed 0", "derivative:", "expected:"):
            mg.check_grads(np.sinh, (1.0,))
    finally:
        row.jvp = right
    mg.check_grads(np.sinh, (1.0,))


def test_an_exception_leaves_no_state_behind():
    def fails(x):
        mg.grad(lambda y: y * x)(1.0)
        raise KeyError("mine")

    for _ in range(3):
        with pytest.raises(KeyError, match="mine"):
            mg.grad(fails)(2.0)
    assert mg.grad(lambda x: x * mg.grad(lambda y: x + y)(1.0))(2.0) == 1.0
    assert np.geterr() == np.geterr()
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.float64(1) / np.float64(0)


def test_the_warnings_of_the_function_stay():
    with pytest.warns(RuntimeWarning, match="invalid value"):
        mg.grad(lambda x: np.log(x))(-1.0)


def test_threads_do_not_meet():
    results = {}
    barrier = threading.Barrier(2)

    def work(name, factor):
        def f(x):
            total = x
            for _ in range(200):
                barrier.wait()
                total = total + mg.grad(lambda y: factor * y * x)(1.0)
            return total

        results[name] = mg.grad(f)(1.0)

    threads = [threading.Thread(target=work, args=(name, factor)) for name, factor in (("a", 2.0), ("b", 3.0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"a": 401.0, "b": 601.0}


def test_printing_shows_values():
    seen = []
    mg.grad(lambda x: seen.extend([f"{x:.2f}", repr(x), str(x)]) or x * 1)(3.0)
    assert seen[0] == "3.00"
    assert seen[1].startswith("Dual(")
    assert "eps" in seen[2]
