"""``python -m mixgrad``: the command line."""

from mixgrad.cli import main

main()
