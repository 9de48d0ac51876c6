"""The command as a process of its own: quick help, clean streams."""

import os
import subprocess
import sys

COMMAND = "import sys; from mixgrad.cli import main; main()"


def run(*arguments, code=COMMAND, **options):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, **options
    )


def test_fits_old_faithful_even_where_unicode_cannot_be_printed(tmp_path):
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = run("fit", "faithful", "--components", "2", "--plot", "faithful.png", cwd=tmp_path, env=plain)
    assert result.returncode == 0
    assert result.stderr == ""
    assert "-1130.263960" in result.stdout
    assert (tmp_path / "faithful.png").stat().st_size > 10_000


def test_an_error_is_one_line_and_status_2():
    result = run("fit", "nothing.csv")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "mixgrad: nothing.csv: there is no such file\n"


def test_a_reader_that_leaves_early_is_no_error_of_ours():
    code = f"""
import subprocess, sys
process = subprocess.Popen(
    [sys.executable, "-c", {COMMAND!r}, "fit", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
)
process.stdout.close()
print(process.stderr.read().decode())
"""
    assert "Traceback" not in run(code=code).stdout


def test_help_loads_nothing_heavy():
    code = """
import sys
sys.argv = ["mixgrad", "fit", "--help"]
from mixgrad.cli import main
assert "typer" not in sys.modules
try:
    main()
except SystemExit as end:
    assert not end.code
heavy = {"sklearn", "scipy", "matplotlib", "mixgrad.mixture.estimators"} & set(sys.modules)
assert not heavy, heavy
"""
    result = run(code=code, env={**os.environ, "COLUMNS": "120"})
    assert result.returncode == 0, result.stderr
    for word in ("--components", "--covariance", "--exclude", "Example:"):
        assert word in result.stdout


def test_the_version_and_both_helps():
    assert run("--version").stdout.startswith("mixgrad ")
    assert "fit" in run("--help").stdout
    assert "--out" in run("predict", "-h", env={**os.environ, "COLUMNS": "120"}).stdout
