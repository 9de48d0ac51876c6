"""A layered layout of acyclic graphs (Sugiyama, Tagawa and Toda, 1981).

Nodes lie in layers, every edge points to a later one. Where an edge passes a layer it has a place of its own in it, so
that no edge crosses a box; a label of an edge is such a place, in a layer between two layers of nodes. Layers are
ordered to cross few edges (barycentres), then the coordinates are chosen such that edges are straight where they can be
(Brandes and Koepf, 2001). Nothing is random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from mixgrad.program.drawing.coordinates import coordinates, ends_of
from mixgrad.program.drawing.layers import Layers, Size, layers_of, reduce_crossings

Point = tuple[float, float]
Direction = Literal["down", "right"]

_TRACK = 6.0  # between edges that go round the graph
_PORT = 20.0  # between edges at the border of a box


@dataclass(frozen=True)
class Layout:
    """Where everything is.

    Attributes
    ----------
    centres : list of (x, y)
        Of the nodes.
    paths : list of list of (x, y)
        Of the edges. Pieces between the points are straight and curved in turns, the first and the last one straight;
        curves begin and end in the direction of the layers and stay in the gap between two of them.
    labels : list of (x, y) or None
        Centres of the labels of the edges.
    size : (width, height)
    """

    centres: list[Point]
    paths: list[list[Point]]
    labels: list[Point | None]
    size: Size


def place(
    sizes: Sequence[Size],
    edges: Sequence[tuple[int, int]],
    labels: Sequence[Size | None],
    direction: Direction = "down",
    gap: float = 30.0,
) -> Layout:
    """Place the nodes and edges of an acyclic graph.

    Parameters
    ----------
    sizes : sequence of (width, height)
        Of the nodes.
    edges : sequence of (int, int)
        From a node to one that comes later in the sequence.
    labels : sequence of (width, height) or None
        For each edge the size of its label.
    direction : {"down", "right"}
        Where edges point.
    gap : float
        The least distance between layers.
    """
    flip = direction == "right"
    if flip:
        sizes = [(height, width) for width, height in sizes]
        labels = [None if label is None else (label[1], label[0]) for label in labels]
    layers = layers_of(sizes, edges, labels)
    reduce_crossings(layers)
    across = coordinates(layers)
    layout = _draw(layers, across, edges, labels, gap)
    if not flip:
        return layout
    paths = [[(x, y) for y, x in path] for path in layout.paths]
    swapped = [None if label is None else (label[1], label[0]) for label in layout.labels]
    return Layout([(x, y) for y, x in layout.centres], paths, swapped, (layout.size[1], layout.size[0]))


# Paths ----------------------------------------------------------------------------------------------------------------


def _draw(layers: Layers, across: list[float], edges, labels, gap: float) -> Layout:
    """Return points for items that have their coordinates across the layers: bands, ports, tracks round the graph."""
    left, right = ends_of(layers, across)
    across, right = [x - left for x in across], right - left
    tracks = _tracks(layers)
    stations = [_stations(layers, across, chain, tracks, right) for chain in layers.chains]
    leaving, arriving = _ports(layers, across, stations)
    for i, places in enumerate(stations):
        places[0], places[-1] = (places[0][0], leaving[i]), (places[-1][0], arriving[i])
    begins, ends = _bands(layers, stations, gap)
    middles = [(begins[r] + ends[r]) / 2 for r in layers.rank]
    paths = []
    for (start, end), places in zip(edges, stations):
        path = [(places[0][1], middles[start] + layers.depth[start] / 2), (places[0][1], ends[places[0][0]])]
        for rank, x in places[1:-1]:
            path += [(x, begins[rank]), (x, ends[rank])]
        path += [(places[-1][1], begins[places[-1][0]]), (places[-1][1], middles[end] - layers.depth[end] / 2)]
        paths.append(path)
    where = [(across[c[-2]], middles[c[-2]]) if label else None for c, label in zip(layers.chains, labels)]
    width = max([right, *(x for path in paths for x, _ in path)])
    centres = list(zip(across[: layers.nodes], middles))
    return Layout(centres, paths, where, (width, ends[-1] if ends else 0.0))


def _tracks(layers: Layers) -> dict[int, int]:
    """Return the number of the track round the graph of each node that has an edge there; tracks are used again."""
    until: dict[int, int] = {}
    for chain in layers.chains:
        if layers.rank[chain[1]] > layers.rank[chain[0]] + 1:
            until[chain[0]] = max(until.get(chain[0], 0), layers.rank[chain[1]])
    free: list[int] = []
    result: dict[int, int] = {}
    for start in sorted(until, key=lambda node: (layers.rank[node], node)):
        number = next((i for i, rank in enumerate(free) if rank < layers.rank[start]), len(free))
        free[number : number + 1] = [until[start]]
        result[start] = number
    return result


def _stations(layers: Layers, across: list[float], chain: list[int], tracks: dict[int, int], right: float) -> list:
    """Return the layers that an edge passes through, each with the coordinate across."""
    result = [(layers.rank[item], across[item]) for item in chain]
    if result[1][0] > result[0][0] + 1:
        x = right + 24.0 + _TRACK * tracks[chain[0]]
        result[1:1] = [(result[0][0] + 1, x)] + [(result[1][0] - 1, x)] * (result[1][0] > result[0][0] + 2)
    return result


def _ports(layers: Layers, across: list[float], stations: list) -> tuple[list[float], list[float]]:
    """Return where on the border of its node each edge leaves and where it arrives, in the order of where it goes."""
    result = []
    for end, near in ((0, 1), (-1, -2)):
        groups: dict[int, list[int]] = {}
        for i, chain in enumerate(layers.chains):
            groups.setdefault(chain[end], []).append(i)
        port = [0.0] * len(stations)
        for node, members in groups.items():
            members.sort(key=lambda i: stations[i][near][1])
            room, last = 0.34 * layers.breadth[node], len(members) - 1
            step = min(_PORT, 2 * room / max(last, 1))
            wishes = []
            for k, i in enumerate(members):  # straight on, if that is on the border
                wish = stations[i][near][1] - across[node]
                wishes.append(min(max(wish, k * step - room), room - (last - k) * step) - k * step)
            for k, (i, x) in enumerate(zip(members, _isotonic(wishes))):
                port[i] = across[node] + x + k * step
        result.append(port)
    return result[0], result[1]


def _bands(layers: Layers, stations: list, gap: float) -> tuple[list[float], list[float]]:
    """Return where each layer begins and ends: gaps grow with the distance that edges go across in them."""
    reach = [0.0] * len(layers.orders)
    for places in stations:
        for (_, x), (rank, other) in pairwise(places):
            reach[rank] = max(reach[rank], abs(x - other))
    begins, ends = [], []
    for rank, order in enumerate(layers.orders):
        begins.append(ends[-1] + max(gap, min(0.1 * reach[rank], 2.5 * gap)) if rank else 0.0)
        ends.append(begins[-1] + max((layers.depth[item] for item in order), default=0.0))
    return begins, ends


def _isotonic(wishes: list[float]) -> list[float]:
    """Return the increasing numbers that are nearest to `wishes` in least squares."""
    blocks: list[tuple[float, int]] = []  # mean, count
    for mean in wishes:
        count = 1
        while blocks and blocks[-1][0] >= mean:
            other, more = blocks.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        blocks.append((mean, count))
    return [mean for mean, count in blocks for _ in range(count)]
