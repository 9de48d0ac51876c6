"""What the progress of a fit says, against sequences whose course is known."""

import math

import pytest

from mixgrad.cli.course import Course, iterations_left, write_duration


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def bounds(ratio, count, limit=-4.0):
    return [limit - ratio**power for power in range(count)]


@pytest.mark.parametrize(("ratio", "tol"), [(0.5, 1e-6), (0.9, 1e-4), (0.97, 1e-9)])
def test_iterations_that_are_left_of_a_geometric_sequence(ratio, tol):
    sequence = bounds(ratio, 2000)
    stop = next(i for i in range(1, 2000) if sequence[i] - sequence[i - 1] < tol)
    for known in (3, 10):
        assert abs(iterations_left(sequence[:known], tol) - (stop - known + 1)) <= 1
    assert iterations_left(sequence[: stop + 1], tol) == 0


@pytest.mark.parametrize("sequence", [[], [1.0, 2.0], [1.0, 2.0, 4.0], [1.0, 0.5, 0.6], [1.0, math.nan, 2.0]])
def test_where_nothing_can_be_said(sequence):
    assert iterations_left(sequence, 1e-3) == math.inf


def test_without_a_tolerance_rounding_is_the_end():
    assert 40 < iterations_left(bounds(0.5, 3), 0.0) < 50
    assert iterations_left([1.0, 1.0, 1.0], 0.0) == 0


def test_the_line_tells_log_likelihood_gap_and_time_left():
    clock = Clock()
    course = Course(10, 2, 1000, 1e-6, clock)
    lines, fractions = [], []
    for start in range(2):
        for iteration, bound in enumerate(bounds(0.5, 20), start=1):
            clock.now += 2.0
            line, fraction = course.follow(start, iteration, bound)
            lines.append(line)
            fractions.append(fraction)
    assert lines[0] == "start 1 of 2, iteration 1, log-likelihood -50.0000"
    # What is left is ten rows times 0.25; this start ends after 21 iterations, so will the next, two seconds each.
    assert lines[2] == "start 1 of 2, iteration 3, log-likelihood -42.5000, gap 2.5e+00, 78 s left"
    assert lines[22].startswith("start 2 of 2, iteration 3, log-likelihood -42.5000, gap 2.5e+00, 36 s left")
    assert lines[-1].endswith("gap 1.9e-05, 2 s left")
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[2] < 0.1 < 0.4 < fractions[19] < fractions[22] < 0.6 < fractions[-1] <= 1


def test_a_fit_ends_at_the_latest_with_max_iter():
    clock = Clock()
    course = Course(1, 1, 5, 1e-9, clock)
    for iteration, bound in enumerate(bounds(0.9, 4), start=1):
        clock.now += 60.0
        line, _ = course.follow(0, iteration, bound)
    assert line.endswith("60 s left")


def test_of_other_solvers_than_em_no_rate_is_made_up():
    course, lines, fractions = Course(10, 2, 4, None, Clock()), [], []
    for start in range(2):
        for iteration, bound in enumerate(bounds(0.5, 3), start=1):
            line, fraction = course.follow(start, iteration, bound)
            lines.append(line)
            fractions.append(fraction)
    assert lines[-1] == "start 2 of 2, iteration 3, log-likelihood -42.5000"
    assert fractions == [0.125, 0.25, 0.375, 0.625, 0.75, 0.875]


def test_after_a_search_there_is_one_mode_to_finish():
    line, fraction = Course(10, "auto", 4, None, Clock()).follow(0, 1, -5.0)
    assert (line, fraction) == ("best mode of the search, iteration 1, log-likelihood -50.0000", 0.25)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (0.2, "1 s"), (89.5, "90 s"), (100.0, "2 min"), (3000.0, "50 min"), (7500.0, "2 h 5 min")],
)
def test_durations(seconds, text):
    assert write_duration(seconds) == text
