"""`mg.explain`: the first nan or inf, equality tests, inputs without influence."""

import numpy as np

import mixgrad as mg


def logarithm_of_a_difference(x):
    y = x - 1.0
    z = np.log(y)  # here
    return np.sum(np.sqrt(np.abs(z)))


def square_root_at_zero(p):
    a = p["a"] * 2
    b = np.sqrt(a)  # here
    return np.sum(b * 3) + p["c"]


def early_exit(x, y, unused):
    if y == 0:  # here
        return x * 1.0
    return x * y


def line_of(function, mark="# here"):
    import inspect

    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if mark in line)


def test_first_infinity_in_the_value():
    with np.errstate(all="ignore"):
        report = mg.explain(logarithm_of_a_difference)(np.array([1.0, 2.0]))
    place = report.value_not_finite
    assert (place.op, place.line) == ("log", line_of(logarithm_of_a_difference))
    assert place.file == __file__
    assert place.source.startswith("z = np.log(y)")
    assert report.value_detail == "1 inf of 2"
    assert "value: 1 inf of 2 first from log" in str(report)


def test_first_infinity_in_the_sweep():
    report = mg.explain(square_root_at_zero)({"a": np.array([0.0, 1.0]), "c": 1.0})
    assert report.value_not_finite is None
    place = report.sweep_not_finite
    assert (place.op, place.line) == ("sqrt", line_of(square_root_at_zero))
    assert report.sweep_detail == "1 inf of 2"
    assert f"first from the derivative of sqrt, {__file__}:{place.line}" in str(report)
    assert report.value == 3 * np.sqrt(2.0) + 1


def test_equality_tests_and_inputs_without_influence():
    report = mg.explain(early_exit)(2.0, 0.0, {"k": [1.0]})
    (place,) = report.equality_tests
    assert (place.op, place.line) == ("equal", line_of(early_exit))
    assert report.without_influence == ["argument 1", "argument 2['k'][0]"]
    assert not report.clean
    assert "equality test" in str(report)
    assert "argument 1" in str(report)


def test_a_clean_function():
    report = mg.explain(lambda x, n: {"a": np.sin(x) ** n})(np.ones(3), 2)
    assert report.clean
    assert str(report).startswith("nothing to report")
    np.testing.assert_allclose(report.value["a"], np.sin(1) ** 2)


def test_loops_name_each_line_once():
    def f(x):
        total = x
        for k in range(5):
            if total != k:
                total = total + 1
        return total

    assert len(mg.explain(f)(0.5).equality_tests) == 1
