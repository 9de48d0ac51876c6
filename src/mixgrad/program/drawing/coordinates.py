"""Coordinates across the layers of a graph, such that edges are straight where they can be.

U. Brandes and B. Koepf, "Fast and simple horizontal coordinate assignment", Graph Drawing 2001; boxes have any width.
"""

from __future__ import annotations

from itertools import pairwise

from mixgrad.program.drawing.layers import Layers, positions_in

_SPACE = 22.0  # between boxes of a layer
_TRACK = 12.0  # between edges that pass side by side


def coordinates(layers: Layers) -> list[float]:
    """Return the coordinate of each item across the layers: the median of four layouts, one towards each corner."""
    conflicts = _conflicts(layers)
    results, sides = [], []
    for upwards in (False, True):
        for mirrored in (False, True):
            orders = [order[::-1] if mirrored else order for order in layers.orders]
            near = layers.after if upwards else layers.before
            root = _blocks(orders[::-1] if upwards else orders, near, conflicts)
            across = _compact(layers, orders, root)
            results.append([-x for x in across] if mirrored else across)
            sides.append(mirrored)
    ends = [ends_of(layers, across) for across in results]
    low, high = min(ends, key=lambda pair: pair[1] - pair[0])
    for across, (left, right), mirrored in zip(results, ends, sides):
        shift = high - right if mirrored else low - left
        across[:] = [x + shift for x in across]
    across = [(a + b) / 2 for _, a, b, _ in map(sorted, zip(*results))]
    for _ in range(3):
        for order in layers.orders:
            _gather(layers, order, across)
    return across


def ends_of(layers: Layers, across: list[float]) -> tuple[float, float]:
    """Return where the first item begins and the last one ends."""
    left = min((x - b / 2 for x, b in zip(across, layers.breadth)), default=0.0)
    return left, max((x + b / 2 for x, b in zip(across, layers.breadth)), default=0.0)


def _conflicts(layers: Layers) -> set[tuple[int, int]]:
    """Return the steps of edges that cross a passing edge: they give way, so that passing edges can be straight."""
    result = set()
    position = positions_in(layers.orders, len(layers.rank))
    for above, below in pairwise(layers.orders):
        first, low = 0, 0
        for i, item in enumerate(below):
            inner = next((o for o in layers.before[item] if min(o, item) >= layers.nodes), None)
            if inner is None and i < len(below) - 1:
                continue
            high = len(above) if inner is None else position[inner]
            for other in below[first : i + 1]:
                for start in layers.before[other]:
                    if not low <= position[start] <= high and min(start, other) < layers.nodes:
                        result.add((start, other))
            first, low = i + 1, high
    return result


def _blocks(orders: list[list[int]], near: list[list[int]], conflicts: set[tuple[int, int]]) -> list[int]:
    """Return the first item of the straight line that each item stands in: it follows the median of its neighbours."""
    position = positions_in(orders, len(near))
    root = list(range(len(near)))
    for order in orders:
        last = -1
        for item in order:
            others = sorted(near[item], key=position.__getitem__)
            for other in others[(len(others) - 1) // 2 : len(others) // 2 + 1]:
                free = (other, item) not in conflicts and (item, other) not in conflicts
                if root[item] == item and last < position[other] and free:
                    root[item], last = root[other], position[other]
    return root


def _compact(layers: Layers, orders: list[list[int]], root: list[int]) -> list[float]:
    """Place the lines as far to the left as their distances allow, then towards the lines right of them."""
    after: dict[int, dict[int, float]] = {block: {} for block in sorted(set(root))}
    missing = dict.fromkeys(after, 0)
    for order in orders:
        for one, two in pairwise(order):
            distance = _distance(layers, one, two)
            near = after[root[one]]
            missing[root[two]] += root[two] not in near
            near[root[two]] = max(distance, near.get(root[two], 0.0))
    place = dict.fromkeys(after, 0.0)
    ready = [block for block in after if not missing[block]]
    for block in ready:  # grows on the way
        for other, distance in after[block].items():
            place[other] = max(place[other], place[block] + distance)
            missing[other] -= 1
            if not missing[other]:
                ready.append(other)
    for block in reversed(ready):
        if after[block]:
            room = min(place[other] - distance for other, distance in after[block].items())
            place[block] = max(place[block], room)
    return [place[block] for block in root]


def _gather(layers: Layers, order: list[int], across: list[float]) -> None:
    """Move what stands in no straight line to the middle of its neighbours, as far as there is room."""
    for i, item in enumerate(order):
        others = [across[other] for other in (*layers.before[item], *layers.after[item])]
        if not others or any(abs(x - across[item]) < 0.5 for x in others):
            continue
        wish = sum(others) / len(others)
        if i:
            wish = max(wish, across[order[i - 1]] + _distance(layers, order[i - 1], item))
        if i < len(order) - 1:
            wish = min(wish, across[order[i + 1]] - _distance(layers, item, order[i + 1]))
        across[item] = wish


def _distance(layers: Layers, one: int, two: int) -> float:
    """Return how far the centres of neighbours in a layer are from each other at least."""
    space = _SPACE if min(one, two) < layers.nodes else _TRACK
    return (layers.breadth[one] + layers.breadth[two]) / 2 + space
