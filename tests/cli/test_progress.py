"""The progress bar: late, on a terminal only, gone at the end."""

import io

import pytest
from rich.console import Console

from mixgrad.cli import progress as module
from mixgrad.cli.progress import PatientProgress


@pytest.fixture
def console():
    return Console(file=io.StringIO(), force_terminal=True, width=100)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.0)


def test_quick_work_shows_nothing(console):
    with PatientProgress(console=console) as progress:
        progress.show("fitting", 0.5)
    assert console.file.getvalue() == ""


@pytest.mark.usefixtures("impatient")
def test_long_work_shows_what_goes_on(console):
    with PatientProgress(console=console) as progress:
        progress.show("start [1] of 5", 0.1)
        progress.show("start 2 of 5", 0.3)
    text = console.file.getvalue()
    assert "start [1] of 5" in text
    assert "start 2 of 5" in text
    assert text.rstrip().endswith("\x1b[2K")  # the line is cleared at the end


@pytest.mark.usefixtures("impatient")
def test_work_of_unknown_length_pulses(console):
    with PatientProgress(console=console) as progress:
        for fraction, total in ((0.5, 1.0), (None, None), (None, None), (0.25, 1.0)):
            progress.show(f"at {fraction}", fraction)
            (task,) = progress._bar.tasks
            assert (task.description, task.total, task.completed) == (f"at {fraction}", total, fraction or 0)
    assert "at 0.25" in console.file.getvalue()


@pytest.mark.usefixtures("impatient")
def test_nothing_when_disabled_or_without_a_terminal(console):
    with PatientProgress(enabled=False, console=console) as progress:
        progress.show("fitting", 0.5)
    assert console.file.getvalue() == ""
    plain = Console(file=io.StringIO())
    with PatientProgress(console=plain) as progress:
        progress.show("fitting", 0.5)
    assert plain.file.getvalue() == ""


@pytest.mark.usefixtures("impatient")
def test_a_fit_reports_starts_and_iterations(mixgrad, monkeypatch):
    seen = []
    monkeypatch.setattr(PatientProgress, "show", lambda self, text, fraction: seen.append((text, fraction)))
    assert mixgrad("fit", "faithful", "--starts", 2, "--quiet").status == 0
    texts, fractions = zip(*seen)
    assert texts[0] == "reading"
    assert texts[1].startswith("start 1 of 2, iteration 1, log-likelihood -")
    assert texts[-1].startswith("start 2 of 2, iteration ")
    assert "gap " in texts[-1]
    assert texts[-1].endswith(" s left")
    assert list(fractions[1:]) == sorted(fractions[1:])
    assert 0 < fractions[1] < fractions[-1] <= 1


@pytest.mark.usefixtures("impatient")
def test_the_drawing_of_frames_is_reported(mixgrad, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(PatientProgress, "show", lambda self, text, fraction: seen.append((text, fraction)))
    monkeypatch.setattr("mixgrad.plot.film._DOTS_PER_INCH", {"gif": 30})
    options = ("--starts", 1, "--max-iter", 1, "--quiet", "--columns", 1)
    assert mixgrad("fit", "faithful", *options, "--frames", tmp_path / "em.gif").status == 0
    fractions = [fraction for text, fraction in seen if text == "drawing frames"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
