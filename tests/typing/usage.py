"""Code as users write it; pyright reads it (`make lint`)."""

from collections.abc import Callable
from typing import Any, assert_type

import numpy as np

import mixgrad as mg


def f(x: np.ndarray) -> np.floating:
    return np.sum(x * x)


gradient: Callable = mg.grad(f)
value, slope = mg.jvp(f, (np.ones(2),), (np.ones(2),))
assert_type(mg.hvp(f, np.ones(2), np.ones(2)), Any)
jacobian = mg.jacobian(f, mode="forward")(np.ones(2))
model = mg.GaussianMixture(n_components=2, covariance_type="full").fit(mg.datasets.load_faithful().data)
labels = model.predict(np.ones((1, 2)))
report: str = str(mg.explain(f)(np.ones(2)))
compiled = mg.jit(mg.grad(f))
slope = compiled(np.ones(2), out=np.empty(2))
plan: str = mg.explain(compiled, np.ones(2))
total: Callable = mg.sum_rows(lambda p, x, weights: np.sum(weights * (x @ p)), rows=(1, 2), block=1000)
mg.check_grads(f, (np.ones(2),), order=1)
