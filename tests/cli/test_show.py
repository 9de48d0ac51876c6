"""How numbers and tables are printed."""

import io

import numpy as np
import pytest
from rich.console import Console

from mixgrad.cli.show import format_numbers, show_fit


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 22.5], ["1.000", "22.500"]),
        ([0.001234567, -0.5], ["0.00123", "-0.50000"]),
        ([123456.7], ["123457"]),
        ([0.0, 0.0], ["0.0000", "0.0000"]),
        ([1e-12, 2.0e-11], ["1.0000e-12", "2.0000e-11"]),
        ([1.5e12], ["1.5000e+12"]),
        ([], []),
    ],
)
def test_numbers_of_a_column_share_their_decimals(values, expected):
    assert format_numbers(values) == expected


def make_document(d):
    rng = np.random.default_rng(20240604)
    return {
        "components": 2,
        "features": d,
        "feature_names": [f"feature with a long name {i}" for i in range(d)],
        "covariance_type": "full",
        "weights": [0.25, 0.75],
        "means": rng.normal(size=(2, d)).tolist(),
        "covariances": [np.eye(d).tolist()] * 2,
        "log_likelihood": -1.0,
        "bic": 2.0,
        "aic": 3.0,
        "rows": 10,
        "free_parameters": 4,
        "converged": True,
        "iterations": 5,
        "starts": 1,
        "seconds": 0.5,
        "model_file": None,
        "plot_file": "a.png",
        "frames_file": "a.gif",
    }


def test_a_narrow_terminal_gets_variances_and_a_remark():
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    show_fit(make_document(6), console)
    text = console.file.getvalue()
    assert "variance" in text
    assert "covariance with" not in text
    assert "covariances: see --json or --save" in text
    assert "a.png" in text
    assert "best of" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_wide_terminal_gets_the_matrices():
    console = Console(file=io.StringIO(), force_terminal=True, width=400, color_system=None)
    show_fit(make_document(6), console)
    assert "with feature with a long name 5" in console.file.getvalue()
