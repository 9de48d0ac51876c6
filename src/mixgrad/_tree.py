"""Nested containers: dict, list, tuple, namedtuple, dataclass and what `optree` knows, with arrays as leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from mixgrad._errors import ShapeError

NAMESPACE = "mixgrad"
_PLAIN_LEAVES = (np.ndarray, np.generic, float, complex, int)
_PLAIN_TYPES = frozenset((np.ndarray, float, complex, int, bool))  # of leaves about which there is nothing to find out
_dataclasses: set[type] = set()


@dataclasses.dataclass(frozen=True)
class Structure:
    """The shape of a nested container. `spec` is None for a single leaf."""

    spec: Any

    def unflatten(self, leaves: list) -> Any:
        """Return a container of this structure."""
        return leaves[0] if self.spec is None else optree.tree_unflatten(self.spec, leaves)

    def paths(self) -> list[str]:
        """Return how each leaf is reached: ``['mean'][0]``; empty for a single leaf."""
        if self.spec is None:
            return [""]
        return [accessor.codify("") for accessor in optree.treespec_accessors(self.spec)]


LEAF = Structure(None)


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list, Structure]:
    """Return the leaves of a container, in a fixed order, and its structure. None has no leaves."""
    if isinstance(tree, _PLAIN_LEAVES):
        return [tree], LEAF
    if hasattr(tree, "_trace"):
        return [tree.settled()], LEAF
    leaves, spec = optree.tree_flatten(tree, is_leaf=is_leaf, namespace=NAMESPACE)
    if _PLAIN_TYPES.issuperset(map(type, leaves)):
        return leaves, Structure(spec)
    while sum(_learn(leaf) for leaf in leaves):  # every leaf has its turn
        leaves, spec = optree.tree_flatten(tree, is_leaf=is_leaf, namespace=NAMESPACE)
    if len(leaves) == 1 and leaves[0] is tree:
        return leaves, LEAF
    return [leaf.settled() if hasattr(leaf, "_trace") else leaf for leaf in leaves], Structure(spec)


def _learn(leaf: Any) -> bool:
    """Register the type of `leaf` if it is a dataclass that is not known yet."""
    kind = type(leaf)
    if not dataclasses.is_dataclass(kind) or kind in _dataclasses:
        return False
    names = [field.name for field in dataclasses.fields(kind)]

    def take_apart(instance):
        return [getattr(instance, name) for name in names], None, names

    def put_together(_, children):
        instance = object.__new__(kind)  # a check in __post_init__ is not meant for gradients
        for name, child in zip(names, children):
            object.__setattr__(instance, name, child)
        return instance

    optree.register_pytree_node(
        kind, take_apart, put_together, path_entry_type=optree.DataclassEntry, namespace=NAMESPACE
    )
    _dataclasses.add(kind)
    return True


def map_leaves(function: Callable, tree: Any) -> Any:
    """Apply `function` to each leaf."""
    leaves, structure = flatten(tree)
    return structure.unflatten([function(leaf) for leaf in leaves])


def flatten_like(tree: Any, structure: Structure, what: str) -> list:
    """Return the leaves of `tree`, which must have the given structure."""
    leaves, found = flatten(tree)
    if found != structure:
        raise ShapeError(
            f"{what} must have the structure {_describe(structure)}, got {_describe(found)}. Pass the same nesting of "
            "containers as the value it belongs to."
        )
    return leaves


def _describe(structure: Structure) -> str:
    return "of a single array" if structure.spec is None else str(structure.spec)
