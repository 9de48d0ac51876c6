"""The command line, `mixgrad`: fit a mixture to a table, label the rows of another."""


def main() -> None:
    """Run the command line on the arguments of the process, and exit with its status."""
    # Imported here so that `import mixgrad.cli` costs nothing.
    from mixgrad.cli.app import app

    app(prog_name="mixgrad")
