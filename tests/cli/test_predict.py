"""`mixgrad predict`: labels read back and compared with scikit-learn; columns found by name or place."""

import csv
import io

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as Reference

from mixgrad.datasets import load_faithful


@pytest.fixture
def model(mixgrad, tmp_path):
    path = tmp_path / "model.json"
    assert mixgrad("fit", "faithful", "--save", path, "--quiet").status == 0
    return path


def read(text):
    header, *rows = csv.reader(io.StringIO(text))
    return header, np.array(rows, dtype=float)


def test_labels_agree_with_scikit_learn(mixgrad, model):
    data = load_faithful().data
    reference = Reference(2, tol=1e-12, max_iter=1000, random_state=0).fit(data)
    result = mixgrad("predict", model, "faithful")
    header, rows = read(result.out)
    assert result.err == ""
    assert header == ["label", "uncertainty", "responsibility_1", "responsibility_2"]
    # Which component comes first is chance.
    expected = reference.predict_proba(data)
    if (reference.predict(data) + 1 != rows[:, 0]).mean() > 0.5:
        expected = expected[:, ::-1]
    np.testing.assert_array_equal(rows[:, 0], expected.argmax(axis=1) + 1)
    np.testing.assert_allclose(rows[:, 2:], expected, atol=1e-5)


def test_uncertainty_is_one_minus_the_largest_responsibility_and_keeps_its_digits(mixgrad, model):
    _, rows = read(mixgrad("predict", model, "faithful").out)
    np.testing.assert_allclose(rows[:, 1], 1 - rows[:, 2:].max(axis=1), atol=1e-15)
    np.testing.assert_array_equal(rows[:, 1], rows[:, 2:].min(axis=1))  # of two components, the other
    assert (rows[:, 1] > 0).all()


def test_out_writes_what_would_be_printed(mixgrad, model, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("old")
    result = mixgrad("predict", model, "faithful", "--out", path)
    assert (result.status, result.out, result.err) == (0, "", "")
    assert path.read_text() == mixgrad("predict", model, "faithful").out
    assert sorted(tmp_path.iterdir()) == [path, model]


def test_columns_are_found_by_name(mixgrad, model, table_file):
    path = table_file("park,waiting,note,eruptions\nYellowstone,79,,3.6\nYellowstone,54,,1.8\n")
    expected = mixgrad("predict", model, "faithful").out.splitlines()[:3]
    assert mixgrad("predict", model, path).out.splitlines() == expected


def test_columns_without_a_header_are_taken_by_place(mixgrad, model, table_file):
    expected = mixgrad("predict", model, "faithful").out.splitlines()[:3]
    assert mixgrad("predict", model, table_file("3.6 79\n1.8 54\n")).out.splitlines() == expected
    path = table_file("7;79;3,6\n8;54;1,8\n")
    assert mixgrad("predict", model, path, "--columns", "3,2").out.splitlines() == expected


def test_other_names_can_be_mapped_by_hand(mixgrad, refused, model, table_file):
    path = table_file("duration,waiting\n3.6,79\n1.8,54\n")
    line = refused("predict", model, path)
    assert "the model has features that the table lacks: 'eruptions'; give the columns" in line
    expected = mixgrad("predict", model, "faithful").out.splitlines()[:3]
    assert mixgrad("predict", model, path, "--columns", "duration,waiting").out.splitlines() == expected


def test_a_model_without_names_takes_columns_by_place(mixgrad, table_file, tmp_path):
    path = table_file("1 2\n3 5\n5 5\n")
    saved = tmp_path / "nameless.json"
    assert mixgrad("fit", path, "-k", 1, "--save", saved, "--quiet").status == 0
    assert read(mixgrad("predict", saved, table_file("a,b\n1,2\n", "named.csv")).out)[1].tolist() == [[1, 0, 1]]


def test_a_wrong_number_of_columns_is_refused(refused, model, table_file):
    line = refused("predict", model, table_file("1 2 3\n4 5 6\n"))
    assert "the model has 2 features (eruptions, waiting), but the table has 3 columns to use" in line
    assert "1 column to use" in refused("predict", model, "faithful", "--columns", "1")


def test_a_feature_of_the_model_cannot_be_left_out(refused, model):
    assert "leaves out a feature of the model, 'waiting'" in refused(
        "predict", model, "faithful", "--exclude", "waiting"
    )


@pytest.mark.parametrize(
    "content", ["", "{", "{}", "[1, 2]", "a,b\n1,2\n", '{"format": "mixgrad-mixture"}', b"\xff\xfe"]
)
def test_broken_model_files_are_refused_in_one_line(refused, table_file, content):
    assert "model.json" in refused("predict", table_file(content, "model.json"), "faithful")


def test_missing_files_are_refused(refused, model, tmp_path):
    assert "nothing.json" in refused("predict", tmp_path / "nothing.json", "faithful")
    assert "nothing.csv" in refused("predict", model, tmp_path / "nothing.csv")
    assert "there is no directory" in refused("predict", model, "faithful", "--out", tmp_path / "no" / "labels.csv")
    assert "this is an input" in refused("predict", model, "faithful", "--out", model)


def test_a_failure_while_writing_leaves_the_old_file(mixgrad, model, tmp_path, monkeypatch):
    path = tmp_path / "labels.csv"
    path.write_text("precious")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mixgrad.cli.predict._label", fail)
    result = mixgrad("predict", model, "faithful", "--out", path)
    assert (result.status, result.err) == (2, "mixgrad: No space left on device\n")
    assert path.read_text() == "precious"
    assert sorted(tmp_path.iterdir()) == [path, model]
