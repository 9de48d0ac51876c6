"""Programs as DOT, the language of Graphviz, for those who have it.

Importing this module gives programs the method `to_dot`.
"""

from __future__ import annotations

from typing import Any

from mixgrad.core.program import Program
from mixgrad.program.drawing.graph import Edge, Graph, Node, graph_of
from mixgrad.program.drawing.layout import Direction
from mixgrad.program.drawing.sweeps import Sweep

# Of all pictures of programs. The colours of the sweeps are Okabe and Ito's blue and vermillion.
INK, SOFT_INK, LINE = "#2b2f36", "#6b7280", "#9097a3"
FILLS = {"input": "#e6f1f8", "equation": "#ffffff", "nested": "#f4f5f7", "constant": "#ffffff"}
BORDERS = {"input": "#8fb8d3", "equation": "#c3c8d0", "nested": "#9097a3", "constant": "#9097a3"}
SWEEPS = {"forward": "#0072b2", "reverse": "#c24e00"}


def to_dot(program: Program, *args: Any, direction: Direction = "down", **options: Any) -> str:
    """Return the computational graph of a program as DOT; parameters are those of `mixgrad.program.to_svg.show`.

    The programs inside the boxes of loops and branches are clusters.
    """
    return dot_of(graph_of(program, args, **options), direction)


Program.to_dot = to_dot  # type: ignore[attr-defined]


def dot_of(graph: Graph, direction: Direction) -> str:
    """Return a graph as DOT."""
    if direction not in ("down", "right"):
        raise ValueError(f"direction must be 'down' or 'right', got {direction!r}")
    lines = [
        f"digraph {_quoted(graph.title)} {{",
        f"  graph [rankdir={'TB' if direction == 'down' else 'LR'}, fontname=monospace, fontsize=12, "
        f"label={_quoted(graph.title)}, labelloc=t];",
        "  node [shape=box, fontname=monospace, fontsize=12];",
        "  edge [fontname=monospace, fontsize=10];",
    ]
    for number, part in enumerate(graph.whole()):
        prefix = f"g{number}n" if number else "n"
        inner = [_node(node, f"{prefix}{i}", graph.sweep) for i, node in enumerate(part.nodes)]
        inner += [_edge(edge, prefix, part.sweep) for edge in part.edges]
        if number:
            lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted(part.title)};", f'    color="{LINE}";']
            lines += [f"    {line}" for line in inner] + ["  }"]
        else:
            lines += [f"  {line}" for line in inner]
    return "\n".join([*lines, "}"]) + "\n"


def _node(node: Node, name: str, sweep: Sweep | None) -> str:
    lines = [node.label, *node.values, *node.derivatives, *([node.output] if node.output else [])]
    style = "rounded,filled" if node.kind in ("input", "equation") else "filled"
    look = {
        "label": _quoted("\n".join(lines)),
        "tooltip": _quoted(node.tooltip),
        "style": _quoted(style),
        "fillcolor": _quoted(FILLS[node.kind]),
        "color": _quoted(INK if node.output else BORDERS[node.kind]),
        "penwidth": "2" if node.output else "1",
    }
    if node.kind == "nested":
        look["peripheries"] = "2"
    return f"{name} [{_attributes(look)}];"


def _edge(edge: Edge, prefix: str, sweep: Sweep | None) -> str:
    look = {"tooltip": _quoted(edge.tooltip), "color": _quoted(LINE)}
    if sweep and edge.carries:
        look["color"] = look["fontcolor"] = _quoted(SWEEPS[sweep])
        if sweep == "reverse":
            look |= {"dir": "back", "style": "dashed"}
    text = "\n".join(line for line in (edge.partial, edge.flow) if line)
    if text:
        look["label"] = _quoted(text)
    return f"{prefix}{edge.source} -> {prefix}{edge.target} [{_attributes(look)}];"


def _attributes(look: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in look.items())


def _quoted(text: str) -> str:
    """Return a string of DOT, in which backslashes begin escapes."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\0", "")
    return '"' + text.replace("\n", "\\n") + '"'
