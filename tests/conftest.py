"""A seed for the whole run, printed at its start: ``pytest --seed 7`` repeats a run."""

import os

import numpy as np
import pytest

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
