"""Running written modules, comparing them with the interpreter, and functions to write."""

import numpy as np

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.program.to_python import to_python


def load(text):
    """Return the function of a module."""
    names = {"__name__": "written"}
    exec(compile(text, "written.py", "exec"), names)
    return next(value for value in names.values() if getattr(value, "__module__", "") == "written")


def run(program, args, strict=False):
    """Run the written module; return its outputs as a tuple."""
    function = load(to_python(program, strict))
    with np.errstate(all="ignore"):
        out = function(*args)
    return (out,) if len(program.outputs) == 1 else out


def same_bits(got, want):
    got, want = np.asarray(got), np.asarray(want)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if want.dtype.kind == "f":  # whatever nan
        got, want = (np.where(np.isnan(x), np.nan, x) for x in (got, want))
    np.testing.assert_array_equal(got, want)
    if want.dtype.kind in "fc":
        np.testing.assert_array_equal(np.signbit(got.real), np.signbit(want.real))


def agree(program, args, strict=(False, True)):
    """Compare the written module with the interpreter."""
    with np.errstate(all="ignore"):
        wanted = interpret(program, *[np.array(arg)[()] for arg in args])
    for way in strict:
        for got, want in zip(run(program, [np.array(arg)[()] for arg in args], way), wanted, strict=True):
            try:
                same_bits(got, want)
            except AssertionError as error:
                raise AssertionError(f"strict={way}\n{program}\n{to_python(program, way)}\n{error}") from None


def body(text):
    """Return the statements of the function."""
    inside = text.split('    """\n', 1)[1].split("\n\n")[0]
    return [line.removeprefix("    ") for line in inside.splitlines()]


def logistic(w, x, y):
    z = x @ w
    return np.sum(np.logaddexp(0.0, z) - y * z) + 0.5 * np.sum(w**2)


def mixture(weights, means, x):
    scores = np.log(weights) - 0.5 * np.sum((x[:, None, :] - means) ** 2, axis=-1)
    return np.sum(mg.logsumexp(scores, axis=1))


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def network(p, x):
    h = np.tanh(p["first"] @ x + p["bias"])
    return np.sum(np.exp(-((p["second"] @ h) ** 2)))


def gaussian(mean, covariance, x):
    factor = np.linalg.cholesky(covariance)
    z = mg.solve_triangular(factor, (x - mean).T, lower=True)
    return -0.5 * np.sum(z**2) - len(x) * np.sum(np.log(np.diagonal(factor)))


def evidence(a, b):
    return b @ np.linalg.solve(a, b) + np.linalg.slogdet(a)[1] + np.linalg.det(a)


def tensor(a, b):
    return np.einsum("ijk,kl,il->", a, b, b) + np.max(np.einsum("ijk->kij", a)[1]) ** 3


def gather(x):
    return np.sum(x[[0, 2, 2]] * np.sort(x)[:3]) + np.prod(x) - x[..., -1] / np.linalg.norm(x) + np.std(x)


def special(x):
    return (
        np.sum(np.where(x > 0, np.log(np.abs(x)), np.sqrt(np.abs(x)))) + np.hypot(x[0], x[1]) + np.sum(np.abs(x) ** 1.5)
    )


def polynomial(x):
    return (((x - 2.0) * x + 3.0) * x - x / (1.0 + x * x)) ** 3 - -x


def newton(x):
    return np.sum(mg.while_loop(lambda y: np.any(np.abs(y * y - x) > 1e-9), lambda y: (y + x / y) / 2, x))


def recurrence(x):
    def step(carry, u):
        carry = mg.cond(carry > u, lambda c: np.sin(c) * u, lambda c: c + u * u, carry)
        return carry, carry * u

    last, ys = mg.scan(step, x[0], x)
    return last + np.sum(ys * mg.scan(step, x[1], x, reverse=True)[1])


def counted(x):
    return mg.fori_loop(0, 4, lambda i, s: s * np.cos(x[i]) + mg.fori_loop(1, 3, lambda j, t: t * i + x[j], x[i]), 1.0)


def spd(rng, n):
    a = rng.normal(size=(n, n))
    return a @ a.T + n * np.eye(n)


def programs():
    rng = np.random.default_rng(5)
    x = rng.uniform(0.5, 2.0, 4)
    network_parameters = {
        "first": rng.normal(size=(3, 4)),
        "bias": rng.normal(size=3),
        "second": rng.normal(size=(2, 3)),
    }
    return {
        "logistic": (logistic, (rng.normal(size=4), rng.normal(size=(6, 4)), (rng.uniform(size=6) > 0.5) * 1.0)),
        "mixture": (mixture, (np.array([0.2, 0.8]), rng.normal(size=(2, 3)), rng.normal(size=(7, 3)))),
        "rosenbrock": (rosenbrock, (x,)),
        "network": (network, (network_parameters, x)),
        "gaussian": (gaussian, (x[:3], spd(rng, 3), rng.normal(size=(5, 3)))),
        "evidence": (evidence, (spd(rng, 4), x)),
        "tensor": (tensor, (rng.normal(size=(2, 2, 3)), rng.normal(size=(3, 2))[:, [0, 0]][:2].repeat(2, 0)[:3])),
        "gather": (gather, (x,)),
        "special": (special, (x * [1, -1, 1, 1],)),
        "polynomial": (polynomial, (1.7,)),
        "newton": (newton, (x,)),
        "recurrence": (recurrence, (x,)),
        "counted": (counted, (x,)),
    }


PROGRAMS = programs()
PROGRAMS["tensor"] = (tensor, (np.ones((3, 2, 3)) * [1.0, 2.0, 3.5], np.arange(9.0).reshape(3, 3) / 7))
