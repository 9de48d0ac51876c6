"""Arguments and results as nested containers; argnums, has_aux, keywords."""

import collections
import dataclasses

import numpy as np
import pytest

Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Parameters:
    mean: np.ndarray
    scale: float


@dataclasses.dataclass(frozen=True)
class Nested:
    parameters: Parameters
    rest: dict


def test_dict_list_tuple_namedtuple(mg):
    def f(p):
        return np.sum(p["a"] * p["b"][0]) + p["b"][1].x * p["b"][1].y ** 2

    point = {"a": np.array([1.0, 2.0]), "b": [3.0, Point(4.0, 5.0)]}
    gradient = mg.grad(f)(point)
    np.testing.assert_array_equal(gradient["a"], [3.0, 3.0])
    assert gradient["b"][0] == 3.0
    assert gradient["b"][1] == Point(25.0, 40.0)
    assert isinstance(gradient["b"], list)


def test_dataclasses_nested(mg):
    def f(n):
        return np.sum(n.parameters.mean**2) * n.parameters.scale + n.rest["k"]

    point = Nested(Parameters(np.array([1.0, 2.0]), 3.0), {"k": 1.0})
    gradient = mg.grad(f)(point)
    assert isinstance(gradient, Nested)
    np.testing.assert_array_equal(gradient.parameters.mean, [6.0, 12.0])
    assert gradient.parameters.scale == 5.0
    assert gradient.rest == {"k": 1.0}


def test_none_is_an_empty_container(mg):
    assert mg.grad(lambda p: p[0] ** 2)((3.0, None)) == (6.0, None)


def test_argnums(mg):
    f = lambda x, y, z: x * y**2 * z
    assert mg.grad(f, 1)(2.0, 3.0, 5.0) == 60.0
    assert mg.grad(f, -1)(2.0, 3.0, 5.0) == 18.0
    assert mg.grad(f, (0, 2))(2.0, 3.0, 5.0) == (45.0, 18.0)
    assert mg.grad(f, [2])(2.0, 3.0, 5.0) == (18.0,)
    (jacobian_x,) = mg.jacobian(f, (0,))(2.0, 3.0, 5.0)
    assert jacobian_x == 45.0


def test_keywords_and_aux(mg):
    f = lambda x, power=2: (x**power, {"seen": x + 1, "text": "kept"})
    value, gradient = mg.value_and_grad(f, has_aux=True)(3.0, power=3)
    assert value == (27.0, {"seen": 4.0, "text": "kept"})
    assert gradient == 27.0
    assert mg.grad(f, has_aux=True)(3.0) == (6.0, {"seen": 4.0, "text": "kept"})
    assert type(value[1]["seen"]) is np.float64
    tangent = mg.jvp(f, (3.0,), (1.0,), has_aux=True)
    assert tangent[1] == 6.0
    assert tangent[2]["seen"] == 4.0
    value, pullback, aux = mg.vjp(f, 3.0, has_aux=True)
    assert pullback(2.0) == (12.0,)
    assert aux["text"] == "kept"
    for mode in ("auto", "forward", "reverse"):
        jacobian, aux = mg.jacobian(f, mode=mode, has_aux=True)(3.0)
        assert (jacobian, aux["seen"]) == (6.0, 4.0)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian_of_containers(mode, mg):
    def f(p, q):
        return {"u": p["a"] * q, "v": (np.sum(p["a"]), 7.0)}

    a, q = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    j_p, j_q = (mg.jacobian(f, n, mode=mode)({"a": a}, q) for n in (0, 1))
    np.testing.assert_array_equal(j_p["u"]["a"], np.diag(q))
    np.testing.assert_array_equal(j_q["u"], np.diag(a))
    np.testing.assert_array_equal(j_p["v"][0]["a"], np.ones(3))
    np.testing.assert_array_equal(j_p["v"][1]["a"], np.zeros(3))
    both = mg.jacobian(f, (0, 1), mode=mode)({"a": a}, q)
    np.testing.assert_array_equal(both["u"][0]["a"], np.diag(q))
    np.testing.assert_array_equal(both["u"][1], np.diag(a))


def test_hessian_of_containers(mg):
    f = lambda p: p["a"] ** 2 * p["b"]
    h = mg.hessian(f)({"a": 2.0, "b": 3.0})
    assert h == {"a": {"a": 6.0, "b": 4.0}, "b": {"a": 4.0, "b": 0.0}}
    (haa, hab), (hba, hbb) = mg.hessian(lambda a, b: a**2 * b, (0, 1))(2.0, 3.0)
    assert (haa, hab, hba, hbb) == (6.0, 4.0, 4.0, 0.0)


def test_linearize_and_vjp_can_be_called_repeatedly(mg):
    x = np.array([0.1, 0.2])
    value, push = mg.linearize(lambda x: np.sin(x) * x[0], x)
    _, pull = mg.vjp(lambda x: np.sin(x) * x[0], x)
    jacobian = np.array([push(e) for e in np.eye(2)]).T
    np.testing.assert_array_equal(jacobian, np.array([pull(e)[0] for e in np.eye(2)]))
    np.testing.assert_array_equal(value, np.sin(x) * 0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_and_dtype_of_gradients(dtype, mg):
    x = np.ones((2, 1, 3), dtype)
    value, gradient = mg.value_and_grad(lambda x: np.sum(np.float64(2) * x * np.ones((2, 4, 3))))(x)
    assert gradient.shape == x.shape
    assert gradient.dtype == dtype
    assert value.dtype == np.float64
    tangent = mg.jvp(np.sin, (x,), (x,))[1]
    assert tangent.dtype == dtype
    assert mg.jacobian(np.sum)(x).dtype == dtype


def test_gradients_are_arrays_of_their_own(mg):
    x = np.ones(3)
    for f in (np.sum, lambda x: x[0], lambda x: np.sum(x.reshape(3, 1) @ np.ones((1, 2)))):
        gradient = mg.grad(f)(x)
        gradient += 1  # writable
    cotangent = np.ones(3)
    (bar,) = mg.vjp(lambda x: x, x)[1](cotangent)
    bar += 1
    np.testing.assert_array_equal(cotangent, np.ones(3))
    column = mg.grad(lambda x: np.sum(x @ x))(np.ones((2, 2)))
    assert column.flags.owndata


def test_gradient_of_a_constant_is_zero(mg):
    np.testing.assert_array_equal(mg.grad(lambda x: 3.0)(np.ones(2)), np.zeros(2))
    assert mg.jvp(lambda x: (x * 1.0, 5), (2.0,), (1.0,)) == ((2.0, 5), (1.0, 0.0))


def test_inputs_of_no_elements(mg):
    assert mg.grad(np.sum)(np.zeros(0)).shape == (0,)
    assert mg.jacobian(lambda x: x * 2)(np.zeros((0, 2))).shape == (0, 2, 0, 2)


def test_vmap(mg):
    x, y = np.arange(6.0).reshape(3, 2), np.arange(3.0)
    np.testing.assert_array_equal(mg.vmap(lambda a, b: a * b)(x, y), x * y[:, None])
    np.testing.assert_array_equal(mg.vmap(np.sum, in_axes=1)(x), x.sum(0))
    np.testing.assert_array_equal(mg.vmap(lambda a, b: a @ b, (0, None))(x, np.ones(2)), x @ np.ones(2))
    np.testing.assert_array_equal(mg.vmap(lambda a: a * 2, out_axes=1)(x), 2 * x.T)
    np.testing.assert_array_equal(mg.vmap(mg.grad(lambda a: np.sum(a**3)))(x), 3 * x**2)
    np.testing.assert_array_equal(mg.grad(lambda x: np.sum(mg.vmap(lambda a: a[0] * a[1])(x)))(x), x[:, ::-1])
    np.testing.assert_array_equal(mg.vmap(lambda a: 1.0)(x), np.ones(3))


def test_stop_gradient(mg):
    assert mg.grad(lambda x: x * mg.stop_gradient(x))(3.0) == 3.0
    assert mg.grad(mg.grad(lambda x: x * mg.stop_gradient(x) ** 2))(3.0) == 0.0
    assert mg.stop_gradient({"a": 1.0}) == {"a": 1.0}
    assert mg.grad(lambda x: float(mg.stop_gradient(x)) * x)(3.0) == 3.0


def test_complex_gradient_is_steepest_ascent(mg):
    z = 1.0 + 2.0j
    assert mg.grad(lambda z: np.abs(z) ** 2)(z) == pytest.approx(2 * z, rel=1e-15)
    _, tangent = mg.jvp(lambda z: np.abs(z) ** 2, (z,), (0.5 - 1.0j,))
    assert tangent == pytest.approx(np.real(np.conj(2 * z) * (0.5 - 1.0j)), rel=1e-15)
