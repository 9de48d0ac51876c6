from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

try:
    RUNNER = CliRunner(mix_stderr=False)
except TypeError:  # newer versions always keep the streams apart
    RUNNER = CliRunner()


@pytest.fixture
def mixgrad():
    """Run a command line in this process; what it printed, and its status."""

    def run(*arguments, **options):
        from mixgrad.cli.app import app

        result = RUNNER.invoke(app, [str(argument) for argument in arguments], **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return SimpleNamespace(status=result.exit_code, out=result.stdout, err=result.stderr)

    return run


@pytest.fixture
def refused(mixgrad):
    """Run a command line that is refused; return the one line that says why."""

    def run(*arguments, **options):
        result = mixgrad(*arguments, **options)
        assert result.status == 2
        assert result.out == ""
        assert result.err.startswith("mixgrad: ")
        assert result.err.count("\n") == 1, result.err
        assert result.err.endswith("\n")
        return result.err

    return run


@pytest.fixture
def table_file(tmp_path):
    """Write a table; its path."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write
