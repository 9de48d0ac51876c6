"""A seed for the whole run, printed at its start: ``pytest --seed 7`` repeats a run."""

import os

import numpy as np
import pytest

import mixgrad

from .backends import BACKENDS, Compiled

os.environ["MIXGRAD_CACHE"] = ""  # tests keep no machine code in the home of whoever runs them


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=20261121, help="seed of all random inputs (default: %(default)s)")


def pytest_report_header(config):
    return f"seed: {config.getoption('--seed')} (repeat a run with --seed)"


@pytest.fixture
def seed(request):
    """The seed of the run."""
    return request.config.getoption("--seed")


@pytest.fixture
def random(seed):
    """A generator of random numbers of the run's seed."""
    return np.random.default_rng(seed)


@pytest.fixture(params=BACKENDS)
def backend(request):
    """The name of a back end: a test that takes this, `mg` or `run` runs on all of them."""
    return request.param


@pytest.fixture
def mg(backend):
    """mixgrad, or its functions with derivatives that are machine code."""
    return mixgrad if backend == "eager" else Compiled()


@pytest.fixture
def run(backend):
    """What makes a function run on a back end: nothing, or `mixgrad.jit`."""
    return (lambda function: function) if backend == "eager" else mixgrad.jit
