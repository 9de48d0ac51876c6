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
        "solver": "em",
        "sweeps": 5,
        "gap": None,
        "modes": [],
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


@pytest.mark.parametrize(
    ("starts", "kept"),
    [("auto", "maxima found; this one by 7 of 10 runs"), (10, "maxima found; this one by 3 of 10 starts")],
)
def test_the_mode_that_is_kept_and_its_spurious_components_are_told(starts, kept):
    modes = [
        {"log_likelihood": -3.0, "runs": 7, "spurious": []},
        {"log_likelihood": -1.0, "runs": 3, "spurious": [1, 2]},
    ]
    console = Console(file=io.StringIO(), width=400)
    show_fit(make_document(2) | {"starts": starts, "modes": modes, "gap": 2.5e-7}, console)
    text = console.file.getvalue()
    assert kept in text
    assert ("components on a handful of rows: 1, 2" in text) is (starts == 10)
    assert "2.5e-07" in text
    assert ("in the best mode of a search" in text) is (starts == "auto")


def test_a_wide_terminal_gets_the_matrices():
    console = Console(file=io.StringIO(), force_terminal=True, width=400, color_system=None)
    show_fit(make_document(6), console)
    assert "with feature with a long name 5" in console.file.getvalue()
