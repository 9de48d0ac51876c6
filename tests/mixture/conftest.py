"""Tables and seeds of the mixture tests. The seed is a parameter, so that a failing test's name shows it."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from mixgrad.datasets import load_faithful

TYPES = ("full", "tied", "diag", "spherical")


def clusters(rng, n_features=3, rows=(120, 80, 60)):
    """Overlapping clusters of different shapes; short decimals, so that a failure can be read."""
    parts = [
        rng.normal(size=(n, n_features)) @ rng.normal(size=(n_features, n_features)) + 4.0 * rng.normal(size=n_features)
        for n in rows
    ]
    return np.round(np.vstack(parts), 3)


@pytest.fixture(params=TYPES)
def covariance_type(request):
    return request.param


@pytest.fixture(params=[11, 12], ids=lambda seed: f"seed{seed}")
def rng(request):
    return np.random.default_rng(request.param)


@pytest.fixture
def table(rng):
    return clusters(rng)


@pytest.fixture(scope="session")
def faithful():
    return load_faithful().data


@pytest.fixture(scope="session")
def tables(faithful):
    rng = np.random.default_rng(7)
    return {
        "faithful": faithful,
        "iris": load_iris().data,
        "one column": np.round(np.r_[rng.normal(size=150), 3.0 + 0.5 * rng.normal(size=100)], 3)[:, None],
        "clusters": clusters(rng, n_features=5, rows=(200, 150, 100, 50)),
        "no structure": np.round(rng.normal(size=(300, 2)), 3),
    }
