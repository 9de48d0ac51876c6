"""Pictures of programs: the computational graph as SVG, with values and with the forward or the reverse sweep on it.

Importing this module gives programs the methods `to_svg` and `show`.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from mixgrad._errors import DataError
from mixgrad._files import replacing
from mixgrad.core.program import Program
from mixgrad.program.drawing.graph import LIMIT, Edge, Graph, Node, graph_of
from mixgrad.program.drawing.layout import Direction, Layout, place
from mixgrad.program.drawing.sweeps import Sweep
from mixgrad.program.to_dot import BORDERS, FILLS, INK, LINE, SOFT_INK, SWEEPS, dot_of

_FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_WIDE = 0.62  # of a character, as a part of the size of the font: the widest usual monospaced font, and some room
_MARGIN, _HEAD, _FOOT = 20.0, 30.0, 30.0
_PAD_X, _PAD_Y, _LINE_HEIGHT = 12.0, 7.0, 17.0
_LABEL, _SMALL = 13.0, 11.0
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_svg(program: Program, *args: Any, direction: Direction = "down", **options: Any) -> str:
    """Return the computational graph of a program as SVG, self-contained; parameters are those of `show`."""
    return svg_of(graph_of(program, args, **options), direction)


@dataclass(frozen=True)
class Picture:
    """The computational graph of a program as a picture: notebooks draw it, `save` writes it.

    Attributes
    ----------
    svg, dot : str
        The picture, and the same graph for Graphviz.
    summary : str
        What it shows, in a line.
    """

    svg: str
    dot: str
    summary: str

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<{self.summary}; .save('graph.svg') writes it>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture, whole or not at all: as SVG (.svg) or for Graphviz (.dot, .gv)."""
        suffix = Path(path).suffix.lower()
        if suffix not in (".svg", ".dot", ".gv"):
            raise DataError(
                f"{os.fspath(path)}: graphs are written as .svg, .dot or .gv, by the suffix of the file; got "
                f"{repr(suffix) if suffix else 'none'}"
            )
        with replacing(path) as file:
            file.write((self.svg if suffix == ".svg" else self.dot).encode())


def show(
    program: Program,
    *args: Any,
    sweep: Sweep | None = None,
    tangents: Any = None,
    cotangents: Any = None,
    direction: Direction = "down",
    limit: int = LIMIT,
) -> Picture:
    """Return a picture of the computational graph of a program, which notebooks draw.

    Parameters
    ----------
    program : Program
    *args : arrays, numbers or containers
        Example arguments, those that the program was traced with or others of the same shapes: their values, and those
        of all variables, stand on the nodes. Without them nodes show types.
    sweep : {"forward", "reverse"} or None
        Draw a sweep: the tangent or the adjoint of each variable, and on each edge between numbers the local partial
        derivative (×) and the contribution to what it points to (+). A reverse sweep points backwards.
    tangents, cotangents : container or None
        What a forward sweep begins with, one for each input, and a reverse sweep, one for each output. None stands for
        1 for the first and 0 for the others if all are numbers, and for ones otherwise.
    direction : {"down", "right"}
        Where the computation goes.
    limit : int
        The largest number of nodes that is drawn.

    Returns
    -------
    Picture
        The same for the same program and arguments.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> program = mg.trace(lambda x, y: x * y + np.sin(x))(2.0, 3.0)
    >>> program.show(2.0, 3.0, sweep="reverse")
    <computational graph of program: 5 nodes, 5 edges, with its reverse sweep; .save('graph.svg') writes it>
    """
    graph = graph_of(program, args, sweep, tangents, cotangents, limit)
    return Picture(svg_of(graph, direction), dot_of(graph, direction), _summary(graph))


Program.to_svg = to_svg  # type: ignore[attr-defined]
Program.show = show  # type: ignore[attr-defined]


# The sheet ------------------------------------------------------------------------------------------------------------


def svg_of(graph: Graph, direction: Direction) -> str:
    """Return a graph as SVG, the programs inside its boxes beneath it."""
    if direction not in ("down", "right"):
        raise ValueError(f"direction must be 'down' or 'right', got {direction!r}")
    drawn = [(part, _Panel(part, direction)) for part in graph.whole()]
    legend = _LEGENDS[graph.sweep]
    widths = [max(panel.width, _text_width(part.title, 14.0)) for part, panel in drawn]
    width = max([*widths, _text_width(legend, _SMALL) + 40.0]) + 2 * _MARGIN
    parts, top = [], _MARGIN
    for i, (part, panel) in enumerate(drawn):
        weight = ' font-weight="bold"' if i == 0 else ""
        title = f"{part.title}, {part.sweep} sweep" if part.sweep else part.title
        parts.append(_text(_MARGIN, top + 10, title, 14.0, INK if i == 0 else SOFT_INK, "start", weight))
        if i:
            parts.append(f'<path d="M{_n(_MARGIN)} {_n(top - 12)}H{_n(width - _MARGIN)}" stroke="#e8eaee"/>')
        shift = (width - panel.width) / 2
        parts += [f'<g transform="translate({_n(shift)} {_n(top + _HEAD)})">', *panel.elements, "</g>"]
        top += _HEAD + panel.height + 2 * _MARGIN
    if graph.sweep:
        parts += _draw_legend(graph.sweep, _MARGIN, top - 4)
        top += _FOOT
    return _sheet(parts, width, top - _MARGIN, _summary(graph))


def _sheet(parts: list[str], width: float, height: float, summary: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label={_attribute(summary)} width="{_n(width)}" '
        f'height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}" style="max-width:100%" '
        f'font-family="{_FONT}" fill="none">'
    )
    panel = (
        f'<rect x="0.5" y="0.5" width="{_n(width - 1)}" height="{_n(height - 1)}" rx="10" fill="#ffffff" '
        'stroke="#e8eaee"/>'
    )
    return "\n".join([head, panel, *parts, "</svg>"]) + "\n"


def _summary(graph: Graph) -> str:
    nodes = sum(len(part.nodes) for part in graph.whole())
    edges = sum(len(part.edges) for part in graph.whole())
    sweep = f", with its {graph.sweep} sweep" if graph.sweep else ""
    return f"computational graph of {graph.title}: {nodes} nodes, {edges} edges{sweep}"


_LEGENDS = {
    None: "",
    "forward": "tangents:   × local partial derivative   + contribution",
    "reverse": "adjoints:   × local partial derivative   + contribution",
}


def _draw_legend(sweep: Sweep, x: float, y: float) -> list[str]:
    colour = SWEEPS[sweep]
    tip, back = (x + 30, -8) if sweep == "forward" else (x, 8)
    head = f"M{_n(tip)} {_n(y)}L{_n(tip + back)} {_n(y - 4)}V{_n(y + 4)}Z"
    line = f'<path d="M{_n(x)} {_n(y)}H{_n(x + 30)}" stroke="{colour}" stroke-width="1.5"{_dashes(sweep)}/>'
    text = _text(x + 40, y + 4, _LEGENDS[sweep], _SMALL, SOFT_INK, "start")
    return [line, f'<path d="{head}" fill="{colour}"/>', text]


# One graph ------------------------------------------------------------------------------------------------------------


class _Panel:
    """The elements of one graph, and the size of their rectangle."""

    def __init__(self, graph: Graph, direction: Direction) -> None:
        sizes = [_node_size(node) for node in graph.nodes]
        labels = [_label_size(edge) for edge in graph.edges]
        gap = 20.0 if any(labels) else 34.0
        layout = place(sizes, [(e.source, e.target) for e in graph.edges], labels, direction, gap)
        self.width, self.height = layout.size
        self.elements = [_edge(edge, path, graph.sweep, direction) for edge, path in zip(graph.edges, layout.paths)]
        self.elements += _edge_labels(graph, layout)
        self.elements += [
            _node(node, centre, size, graph.sweep) for node, centre, size in zip(graph.nodes, layout.centres, sizes)
        ]


def _node_size(node: Node) -> tuple[float, float]:
    lines = [*node.values, *node.derivatives]
    widths = [_text_width(node.label, _LABEL), *(_text_width(line, _LABEL) for line in lines)]
    extra = _LINE_HEIGHT * (len(lines) + bool(node.output))
    return max(54.0, max(widths) + 2 * _PAD_X), _LINE_HEIGHT + extra + 2 * _PAD_Y


def _label_size(edge: Edge) -> tuple[float, float] | None:
    lines = [text for text in (edge.partial, edge.flow) if text]
    if not lines:
        return None
    return max(_text_width(text, _SMALL) for text in lines) + 8.0, 14.0 * len(lines) + 2.0


def _node(node: Node, centre: tuple[float, float], size: tuple[float, float], sweep: Sweep | None) -> str:
    (x, y), (width, height) = centre, size
    rounding = min(height / 2, 20.0) if node.kind == "input" else 6.0
    stroke = f'stroke="{INK if node.output else BORDERS[node.kind]}" stroke-width="{2 if node.output else 1.2}"'
    dashes = ' stroke-dasharray="2 3"' if node.kind == "constant" else ""
    box = _box(x, y, width, height, rounding, f'fill="{FILLS[node.kind]}" {stroke}{dashes}')
    if node.kind == "nested":
        box += _box(x, y, width - 6, height - 6, 4.0, f'stroke="{BORDERS["nested"]}" stroke-width="0.8"')
    lines = [(node.label, INK, ' font-weight="bold"')]
    lines += [(line, INK, "") for line in node.values]
    lines += [(line, SWEEPS[sweep or "forward"], ' font-weight="bold"') for line in node.derivatives]
    texts, top = [], y - height / 2 + _PAD_Y + 13.0
    for i, (line, colour, weight) in enumerate(lines):
        texts.append(_text(x, top + i * _LINE_HEIGHT, line, _LABEL, colour, "middle", weight))
    if node.output:
        texts.append(_text(x, top + len(lines) * _LINE_HEIGHT, node.output, _SMALL, SOFT_INK, "middle"))
    return f"<g><title>{_escaped(node.tooltip)}</title>{box}{''.join(texts)}</g>"


def _box(x: float, y: float, width: float, height: float, rounding: float, look: str) -> str:
    corner = f'x="{_n(x - width / 2)}" y="{_n(y - height / 2)}"'
    return f'<rect {corner} width="{_n(width)}" height="{_n(height)}" rx="{_n(rounding)}" {look}/>'


def _edge(edge: Edge, path: list, sweep: Sweep | None, direction: Direction) -> str:
    active = sweep is not None and edge.carries
    colour = SWEEPS[sweep] if active and sweep else LINE
    backwards = active and sweep == "reverse"
    data = _path_data(path, direction)
    line = f'<path d="{data}" stroke="{colour}" stroke-width="1.5"{_dashes(sweep) if active else ""}/>'
    touch = f'<path d="{data}" stroke="#000000" stroke-opacity="0" stroke-width="10"/>'
    (x, y), sign = (path[0], 1) if backwards else (path[-1], -1)
    if direction == "down":
        head = f"M{_n(x)} {_n(y)}L{_n(x - 4)} {_n(y + 8 * sign)}H{_n(x + 4)}Z"
    else:
        head = f"M{_n(x)} {_n(y)}L{_n(x + 8 * sign)} {_n(y - 4)}V{_n(y + 4)}Z"
    return f'<g><title>{_escaped(edge.tooltip)}</title>{touch}{line}<path d="{head}" fill="{colour}"/></g>'


def _path_data(path: list, direction: Direction) -> str:
    """Return straight and curved pieces in turns."""
    data = [f"M{_point(*path[0])}"]
    for i, ((x, y), (u, v)) in enumerate(pairwise(path)):
        if (x, y) == (u, v):
            continue
        if i % 2 == 0 or (direction == "down" and x == u) or (direction == "right" and y == v):
            data.append(f"L{_point(u, v)}")
        elif direction == "down":
            data.append(f"C{_point(x, (y + v) / 2)} {_point(u, (y + v) / 2)} {_point(u, v)}")
        else:
            data.append(f"C{_point((x + u) / 2, y)} {_point((x + u) / 2, v)} {_point(u, v)}")
    return "".join(data)


def _edge_labels(graph: Graph, layout: Layout) -> list[str]:
    result = []
    for edge, centre in zip(graph.edges, layout.labels):
        size = _label_size(edge)
        if centre is None or size is None:
            continue
        x, y = centre
        colour = SWEEPS[graph.sweep or "forward"]
        lines = [(text, c) for text, c in ((edge.partial, SOFT_INK), (edge.flow, colour)) if text]
        top = y - size[1] / 2 + 12.0
        texts = [_text(x, top + 14.0 * i, text, _SMALL, c, "middle") for i, (text, c) in enumerate(lines)]
        back = _box(x, y, *size, 3.0, 'fill="#ffffff"')
        result.append(f"<g><title>{_escaped(edge.tooltip)}</title>{back}{''.join(texts)}</g>")
    return result


# Small parts ----------------------------------------------------------------------------------------------------------


def _dashes(sweep: Sweep | None) -> str:
    return ' stroke-dasharray="6 4"' if sweep == "reverse" else ""


def _text(x: float, y: float, text: str, size: float, colour: str, anchor: str, look: str = "") -> str:
    place = f'x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}"{look} xml:space="preserve">{_escaped(text)}</text>'


def _text_width(text: str, size: float) -> float:
    wide = sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
    return _WIDE * size * wide


def _n(number: float) -> str:
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")  # + 0.0: no negative zero


def _point(x: float, y: float) -> str:
    return f"{_n(x)} {_n(y)}"


def _escaped(text: str) -> str:
    return escape(_NOT_XML.sub("�", text), quote=False)


def _attribute(text: str) -> str:
    return f'"{escape(_NOT_XML.sub("�", text))}"'
