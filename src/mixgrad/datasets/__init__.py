"""Small data sets that ship with the package, for examples, tests and teaching."""

from mixgrad.datasets._faithful import Dataset, load_faithful

__all__ = ["Dataset", "load_faithful"]
