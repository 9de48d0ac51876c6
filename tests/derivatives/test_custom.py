"""Custom rules: one rule serves every mode; recomputation keeps only arguments."""

import numpy as np
import pytest

import mixgrad as mg

from ..backends import some_compiled

X = np.array([0.1, 0.5, 0.9])


@mg.custom_jvp
def softplus(x, scale=1.0):
    return np.logaddexp(0.0, x) * scale


@softplus.defjvp
def _softplus_rule(primals, tangents):
    (x, scale), (x_dot, scale_dot) = primals, tangents
    return softplus(x, scale), x_dot * scale / (1 + np.exp(-x)) + np.logaddexp(0.0, x) * scale_dot


def plain_softplus(x, scale=1.0):
    return np.logaddexp(0.0, x) * scale


@mg.custom_vjp
def rotate(x, parameters):
    return {"u": np.sin(x) * parameters[0], "v": x + parameters[1]}


def _rotate_forward(x, parameters):
    return {"u": np.sin(x) * parameters[0], "v": x + parameters[1]}, (x, parameters[0])


def _rotate_backward(kept, bar):
    x, a = kept
    return np.cos(x) * a * bar["u"] + bar["v"], (np.sum(np.sin(x) * bar["u"]), np.sum(bar["v"]))


rotate.defvjp(_rotate_forward, _rotate_backward, check=(X, (2.0, 3.0)))


def plain_rotate(x, parameters):
    return {"u": np.sin(x) * parameters[0], "v": x + parameters[1]}


def with_rotate(function):
    def f(x):
        first = function(x, (x[0] * 2, 1.0))
        second = function(first["u"], (3.0, x[1]))
        return np.sum(first["v"] * second["u"] * second["v"])

    return f


def with_softplus(function):
    return lambda x: np.sum(function(x * x, scale=x[0]) * np.sin(x))


recomputed = mg.checkpoint(lambda x, y: np.sin(np.exp(x) * y))


def with_checkpoint(function):
    return lambda x: np.sum(function(x, function(x, 2.0)) * x)


PAIRS = {
    "custom_jvp": (with_softplus(softplus), with_softplus(plain_softplus)),
    "custom_vjp": (with_rotate(rotate), with_rotate(plain_rotate)),
    "checkpoint": (with_checkpoint(recomputed), with_checkpoint(lambda x, y: np.sin(np.exp(x) * y))),
}

MODES = {
    "value": lambda f: f,
    "reverse": mg.grad,
    "forward": mg.jacfwd,
    "one direction": lambda f: lambda x: mg.jvp(f, (x,), (np.cos(x),)),
    "forward over reverse": mg.hessian,
    "reverse over reverse": lambda f: mg.jacrev(mg.grad(f)),
    "reverse over forward": lambda f: mg.jacrev(mg.jacfwd(f)),
    "forward over forward": lambda f: mg.jacfwd(mg.jacfwd(f)),
    "third order": lambda f: mg.jacfwd(mg.jacrev(mg.grad(f))),
    "batch": lambda f: lambda x: mg.vmap(f)(np.outer([1.0, 2.0], x)),
    "batch of gradients": lambda f: lambda x: mg.vmap(mg.grad(f))(np.outer([1.0, 2.0], x)),
    "batch of Hessians": lambda f: lambda x: mg.vmap(mg.hessian(f))(np.outer([1.0, 2.0], x)),
    "gradient of a batch": lambda f: mg.grad(lambda x: np.sum(mg.vmap(f)(np.outer(np.array([1.0, 2.0]), x)))),
    "linearize": lambda f: lambda x: mg.linearize(f, x)[1](np.cos(x)),
    "Taylor": lambda f: lambda x: mg.taylor(f, x, np.cos(x), 5),
}


@some_compiled(6, MODES, "mode")
@pytest.mark.parametrize("rule", PAIRS)
def test_one_rule_serves_every_mode(rule, mode, run):
    custom, plain = (MODES[mode](function) for function in PAIRS[rule])
    custom, plain = run(custom)(X), plain(X)
    np.testing.assert_allclose(custom, plain, rtol=1e-12, atol=1e-13)


def test_the_rule_is_used(mg):
    @mg.custom_jvp
    def wrong(x):
        return x**2

    wrong.defjvp(lambda primals, tangents: (wrong(*primals), 10 * tangents[0]))
    assert mg.grad(wrong)(3.0) == 10.0
    assert mg.jvp(wrong, (3.0,), (1.0,)) == (9.0, 10.0)
    np.testing.assert_array_equal(mg.vmap(mg.grad(wrong))(X), [10, 10, 10])
    np.testing.assert_array_equal(mg.grad(lambda x: np.sum(mg.vmap(wrong)(x)))(X), [10, 10, 10])
    np.testing.assert_array_equal(mg.taylor(wrong, 3.0, 1.0, 2), [9, 10, 0])

    @mg.custom_vjp
    def clipped(x):
        return x

    clipped.defvjp(lambda x: (x, None), lambda kept, bar: (np.clip(bar, -1, 1),))
    assert mg.grad(lambda x: 5 * clipped(x))(2.0) == 1.0


def test_arguments_without_a_tangent_space_pass_through(mg):
    @mg.custom_jvp
    def power(x, n, name):
        assert name == "text"
        return x**n

    power.defjvp(lambda p, t: (power(*p), p[1] * p[0] ** (p[1] - 1) * t[0]))
    assert mg.grad(power)(2.0, 3, "text") == 12.0

    @mg.custom_vjp
    def gather(x, places):
        return x[places]

    gather.defvjp(
        lambda x, places: (x[places], (x, places)),
        lambda kept, bar: (mg.vjp(lambda x: x[kept[1]], kept[0])[1](bar)[0], None),
    )
    np.testing.assert_array_equal(mg.grad(lambda x: np.sum(gather(x, np.array([0, 0, 2]))))(X), [2, 0, 1])


def test_checkpoint_keeps_only_arguments_and_runs_twice():
    from mixgrad._runs import run_recorded

    calls = []

    def body(x):
        calls.append(1)
        for _ in range(50):
            x = np.sin(x)
        return x

    plain = run_recorded(body, (X,), {}, 0, False, "test").tape.equations
    calls.clear()
    kept = run_recorded(mg.checkpoint(body), (X,), {}, 0, False, "test").tape.equations
    assert len(plain) == 51
    assert len(kept) <= 6
    calls.clear()
    gradient = mg.grad(lambda x: np.sum(mg.checkpoint(body)(x)))(X)
    assert len(calls) == 2
    np.testing.assert_allclose(gradient, mg.grad(lambda x: np.sum(body(x)))(X), rtol=1e-14)


def test_a_wrong_rule_is_found_on_registration():
    function = mg.custom_jvp(np.sin)
    with pytest.raises(AssertionError, match="forward mode, order 1"):
        function.defjvp(lambda p, t: (np.sin(p[0]), -np.cos(p[0]) * t[0]), check=(1.0,))
    function = mg.custom_vjp(lambda x: np.sin(x))
    with pytest.raises(AssertionError, match="order 1"):
        function.defvjp(lambda x: (np.sin(x), x), lambda x, bar: (bar,), check=(1.0,))


def bad_jvp(result):
    f = mg.custom_jvp(lambda x: x * 2)
    f.defjvp(lambda p, t: result)
    return f


def bad_vjp(forward, backward):
    f = mg.custom_vjp(lambda x: x * 2)
    f.defvjp(forward, backward)
    return f


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (mg.custom_jvp(lambda x: x), mg.DerivativeError, "custom_jvp without a rule"),
        (mg.custom_vjp(lambda x: x), mg.DerivativeError, "custom_vjp without a rule"),
        (bad_jvp(1.0), mg.DerivativeError, r"must return \(value, tangent\), got float"),
        (bad_jvp((X, np.ones(2))), mg.ShapeError, r"tangent for each output.*\(3,\).*\(2,\)"),
        (bad_vjp(lambda x: x, lambda _, b: b), mg.DerivativeError, r"must return \(value, kept\)"),
        (bad_vjp(lambda x: (x, None), lambda _, b: b), mg.DerivativeError, "tuple of 1 cotangents"),
        (bad_vjp(lambda x: (x, None), lambda _, b: (b[:2],)), mg.ShapeError, r"cotangents like the arguments.*\(2,\)"),
    ],
)
def test_messages(function, error, message):
    with pytest.raises(error, match=message):
        mg.grad(lambda x: np.sum(function(x)))(X)


def test_differentiated_values_from_outside_are_refused():
    def f(x):
        return mg.checkpoint(lambda y: y * x)(2.0 * x)

    with pytest.raises(mg.DerivativeError, match=r"not among its arguments.*pass the value as an argument"):
        mg.grad(f)(2.0)
