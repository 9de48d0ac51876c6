"""Saving and loading: the same model bit by bit, and clear words for files that are none."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from mixgrad._errors import DataError
from mixgrad.mixture import GaussianMixture
from mixgrad.mixture.model_file import load, save

ATTRIBUTES = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")


@pytest.fixture
def model(tables, covariance_type):
    return GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(tables["iris"] / 3.0)


@pytest.fixture
def document(tmp_path, tables):
    """Path of a saved model, and its content."""
    path = tmp_path / "model.json"
    save(GaussianMixture(2, random_state=0).fit(tables["faithful"]), path)
    return path, json.loads(path.read_text())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_round_trip_is_exact(tables, covariance_type, dtype, tmp_path):
    X = (tables["iris"] / 3.0).astype(dtype)
    model = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
    save(model, tmp_path / "model.json")
    again = load(str(tmp_path / "model.json"))
    for name in ATTRIBUTES:
        assert getattr(again, name).dtype == dtype
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name), err_msg=name)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.score(X) == model.score(X)
    for name in ("lower_bound_", "n_iter_", "converged_", "n_features_in_", "covariance_type", "n_components"):
        assert getattr(again, name) == getattr(model, name), name


def test_extreme_numbers_survive(tmp_path):
    means = [[5e-324, -1.7976931348623157e308], [0.1 + 0.2, 1 / 3]]
    model = GaussianMixture.from_parameters([1 / 3, 1 - 1 / 3], means, [np.pi, 1e-300], covariance_type="spherical")
    save(model, tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    for name in ATTRIBUTES:
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
    assert not hasattr(again, "converged_")


def test_names_of_columns_survive(tmp_path, tables):
    frame = pd.DataFrame(tables["faithful"], columns=["eruptions", "Wartezeit (min) ü"])
    save(GaussianMixture(2, random_state=0).fit(frame), tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    assert list(again.feature_names_in_) == list(frame.columns)
    again.predict(frame)


def test_a_start_without_iterations_survives(tmp_path, tables):
    save(GaussianMixture(2, random_state=0, max_iter=0).fit(tables["faithful"]), tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    assert (again.lower_bound_, again.n_iter_, again.converged_) == (-np.inf, 0, False)


def test_file_is_replaced_as_a_whole(document, monkeypatch):
    path, content = document
    model = load(path)

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(DataError, match=r"model.json: the model cannot be written: no space left"):
        save(model.set_params(n_components=2), path)
    assert json.loads(path.read_text()) == content
    assert [entry.name for entry in path.parent.iterdir()] == ["model.json"]


def test_places_that_cannot_be_used(tmp_path, model):
    with pytest.raises(DataError, match=r"nowhere/model.json: the model cannot be written: No such file"):
        save(model, tmp_path / "nowhere" / "model.json")
    with pytest.raises(DataError, match=r"absent.json: the model cannot be read: No such file"):
        load(tmp_path / "absent.json")
    with pytest.raises(DataError, match="the model cannot be read"):
        load(tmp_path)
    with pytest.raises(DataError, match=r"the model has no parameters to save\. Call its fit"):
        save(GaussianMixture(), tmp_path / "model.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "this is not JSON"),
        (b"weights,means\n1,2\n", "this is not JSON"),
        (b"\x80\x04\x95\xff", "this is not a text file"),
        (b"[" * 100_000, "this is not JSON"),
        (b"[1, 2]", "this is not a model that mixgrad saved"),
        (b'{"format": "other"}', "this is not a model that mixgrad saved"),
    ],
)
def test_files_of_another_kind(tmp_path, content, message):
    path = tmp_path / "model.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"model.json: {message}"):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "has the version 2 of the format, this mixgrad reads version 1"),
        (
            {"covariance_type": "banded"},
            "covariance_type should be one of full, tied, diag, spherical, but got 'banded'",
        ),
        ({"covariance_type": 3}, "'covariance_type' should be of type str, but got 3"),
        ({"covariance_type": "diag"}, r"'covariances' should have the shape of \(2, 2\) for covariance_type='diag'"),
        ({"dtype": "float16"}, "'dtype' should be one of float64, float32, but got 'float16'"),
        ({"weights": [0.5, 0.4]}, "'weights' should be normalized"),
        ({"weights": [True, False]}, "'weights' should hold real numbers"),
        ({"weights": ["0.5", "0.5"]}, "'weights' should hold real numbers"),
        ({"weights": 1.0}, "'weights' should be of type list"),
        ({"means": [[1.0, 2.0], [3.0]]}, "the lists in 'means' differ in length"),
        ({"means": [[1.0, float("nan")], [3.0, 4.0]]}, "'means' holds NaN or infinity"),
        ({"means": [[1.0], [3.0]]}, r"'covariances' should have the shape of \(2, 1, 1\)"),
        ({"covariances": [[[1.0, 0.0], [0.0, -1.0]]] * 2}, "'full covariance' should be symmetric, positive-definite"),
        ({"feature_names": ["a"]}, "'feature_names' should be 2 strings"),
        ({"feature_names": ["a", 3]}, "'feature_names' should be 2 strings"),
        ({"fit": {"lower_bound": -1.0, "n_iter": True, "converged": True}}, "'n_iter' should be of type int"),
        ({"fit": {"lower_bound": -1.0, "n_iter": 3}}, "the entry 'converged' is missing"),
    ],
)
def test_files_with_a_mistake(document, change, message):
    path, content = document
    path.write_text(json.dumps(content | change))
    with pytest.raises(DataError, match=rf"model.json: .*{message}"):
        load(path)


@pytest.mark.parametrize("name", ["version", "covariance_type", "dtype", "feature_names", "weights", "means", "fit"])
def test_files_with_an_entry_missing(document, name):
    path, content = document
    del content[name]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"model\.json: .*(is missing|version)"):
        load(path)
