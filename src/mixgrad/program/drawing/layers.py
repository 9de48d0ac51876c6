"""Acyclic graphs in layers, ordered to cross few edges: the first half of a layered layout."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Size = tuple[float, float]

_MOST_PASSES = 12_000  # places of passing edges; beyond, the longest edges go round the graph


@dataclass
class Layers:
    """A graph with the places of passing edges.

    Attributes
    ----------
    rank, breadth, depth : list
        The layer of each item and its size across and along the layers. Items are the nodes and, after them, the places
        of passing edges and labels.
    nodes : int
    chains : list of list of int
        The items along each edge.
    orders : list of list of int
        The items of each layer.
    before, after : list of list of int
        The neighbours of each item in the layers beside its own.
    """

    rank: list[int]
    breadth: list[float]
    depth: list[float]
    nodes: int
    chains: list[list[int]]
    orders: list[list[int]]
    before: list[list[int]]
    after: list[list[int]]


# Layers ---------------------------------------------------------------------------------------------------------------


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the number of each node's layer: the longest path to it; what has no predecessor comes when needed."""
    rank = [0] * count
    sources = set(range(count))
    for start, end in sorted(edges, key=lambda edge: edge[1]):
        rank[end] = max(rank[end], rank[start] + 1)
        sources.discard(end)
    first: dict[int, int] = {}
    for start, end in edges:
        first[start] = min(first.get(start, rank[end]), rank[end])
    for node in sources & first.keys():
        rank[node] = first[node] - 1
    return rank


def layers_of(sizes: Sequence[Size], edges: Sequence[tuple[int, int]], labels: Sequence[Size | None]) -> Layers:
    """Put nodes into layers, and passing edges and labels between them; for parameters see `layout.place`."""
    rank = _ranks(len(sizes), edges)
    if any(labels):  # a layer for labels before each layer of nodes
        rank = [2 * r for r in rank]
    spans = sorted(rank[end] - rank[start] for start, end in edges)
    longest, total = 0, 0
    for span in spans:
        total += span - 1
        if total <= _MOST_PASSES:
            longest = span
    layers = Layers(rank, [s[0] for s in sizes], [s[1] for s in sizes], len(sizes), [], [], [], [])
    for (start, end), label in zip(edges, labels):
        passed = list(range(rank[start] + 1, rank[end]))
        if rank[end] - rank[start] > longest:  # round the graph; only the place of its label is in a layer
            passed = passed[-1:] if label else []
        chain = [start]
        for r in passed:
            chain.append(len(rank))
            rank.append(r)
            layers.breadth.append(label[0] if label and r == rank[end] - 1 else 0.0)
            layers.depth.append(label[1] if label and r == rank[end] - 1 else 0.0)
        layers.chains.append([*chain, end])
    _connect(layers)
    return layers


def _connect(layers: Layers) -> None:
    """Fill in the neighbours in adjacent layers, and a first order: that of a search from each node on."""
    count = len(layers.rank)
    layers.before, layers.after = [[] for _ in range(count)], [[] for _ in range(count)]
    for chain in layers.chains:
        for one, two in pairwise(chain):
            if layers.rank[two] == layers.rank[one] + 1:
                layers.after[one].append(two)
                layers.before[two].append(one)
    layers.orders = [[] for _ in range(max(layers.rank, default=-1) + 1)]
    seen = [False] * count
    for root in range(layers.nodes):
        waiting = [root]
        while waiting:
            item = waiting.pop()
            if not seen[item]:
                seen[item] = True
                layers.orders[layers.rank[item]].append(item)
                waiting += reversed(layers.after[item])
    for item in range(layers.nodes, count):  # a label of an edge that goes round has no place before it
        if not seen[item]:
            layers.orders[layers.rank[item]].append(item)


# Order ----------------------------------------------------------------------------------------------------------------


def reduce_crossings(layers: Layers) -> None:
    """Sort each layer by the mean position of neighbours, down and up again; keep the best of all orders."""
    position = positions_in(layers.orders, len(layers.rank))
    best, fewest = [list(order) for order in layers.orders], _crossings(layers, position)
    small = len(layers.rank) < 2000
    for sweep in range(24 if small else 8 if len(layers.rank) < 5000 else 4):
        downwards = sweep % 2 == 0
        neighbours = layers.before if downwards else layers.after
        for order in layers.orders if downwards else reversed(layers.orders):
            centre = {item: _mean([position[other] for other in neighbours[item]], position[item]) for item in order}
            if sweep % 4 >= 2:  # what is equal changes its order
                order.reverse()
            order.sort(key=centre.__getitem__)
            _count(order, position)
        if small:
            _swap(layers, position)
        crossings = _crossings(layers, position)
        if crossings < fewest:
            best, fewest = [list(order) for order in layers.orders], crossings
        if not fewest:
            break
    layers.orders = best


def _count(order: list[int], position: list[int]) -> None:
    for i, item in enumerate(order):
        position[item] = i


def _mean(numbers: list, default: float) -> float:
    return sum(numbers) / len(numbers) if numbers else default


def _swap(layers: Layers, position: list[int]) -> None:
    """Exchange neighbours in a layer where fewer edges cross then."""
    for order in layers.orders:
        for i in range(len(order) - 1):
            one, two = order[i], order[i + 1]
            gain = 0
            for near in (layers.before, layers.after):
                ends = [position[other] for other in near[two]]
                for a in (position[other] for other in near[one]):
                    gain += sum((a > b) - (a < b) for b in ends)
            if gain > 0:
                order[i], order[i + 1] = two, one
                position[one], position[two] = i + 1, i


def _crossings(layers: Layers, position: list[int]) -> int:
    total = 0
    for order in layers.orders:
        ends: list[int] = []
        for item in sorted(order, key=position.__getitem__):
            targets = sorted(position[other] for other in layers.after[item])
            total += sum(len(ends) - bisect_right(ends, target) for target in targets)
            for target in targets:
                insort(ends, target)
    return total


def positions_in(orders: list[list[int]], count: int) -> list[int]:
    """Return the position of each item in its layer."""
    position = [0] * count
    for order in orders:
        _count(order, position)
    return position
