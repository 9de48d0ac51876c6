"""All constructs of Python that are tried, one small function for each."""

from . import of_assignment, of_branches, of_containers, of_functions, of_jumps, of_loops, of_numbers
from .construct import CONSTRUCTS

assert all((of_assignment, of_branches, of_containers, of_functions, of_jumps, of_loops, of_numbers))  # they fill it
__all__ = ["ANY_LENGTH", "CONSTRUCTS"]

ANY_LENGTH = (
    "for over an array", "break in for", "break and continue", "for else without break",
    "return in a loop", "element after the loop", "zip of two arrays", "enumerate of zip", "enumerate from a start",
    "loop carry changes from integer to float", "for over a reversed array", "short circuit protects an index",
)  # fmt: skip
"""Loops over the whole argument, whatever its length: a program keeps them."""
