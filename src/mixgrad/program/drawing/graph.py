"""The computational graph of a program: nodes and edges with their texts, for pictures of any kind."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mixgrad._errors import ProgramError
from mixgrad.core.program import Equation, Program, Var
from mixgrad.program.drawing.sweeps import Numbers, Sweep, inputs_of, numbers_of
from mixgrad.program.names import name_of_function, names_of
from mixgrad.program.to_text import type_text
from mixgrad.rules.index import SLOT, Form

LIMIT = 2000
_LONGEST_LABEL, _MOST_LINES = 40, 6

Kind = Literal["input", "equation", "nested", "constant"]


@dataclass
class Node:
    """A box.

    Attributes
    ----------
    kind : {"input", "equation", "nested", "constant"}
    label : str
        ``c = a * b``
    values, derivatives : list of str
        For each variable of the box a line, or nothing.
    tooltip : str
        Type and full values.
    output : str
        "output" or "outputs 0 and 2" if it is one; empty otherwise.
    """

    kind: Kind
    label: str
    values: list[str]
    derivatives: list[str]
    tooltip: str
    output: str = ""


@dataclass
class Edge:
    """A variable that an equation reads: an arrow from one box to a later one.

    Attributes
    ----------
    source, target : int
    partial : str
        The factor on the way, if it is a number.
    flow : str
        What arrives: with its sign, as a term of a sum.
    carries : bool
        Whether tangents or adjoints go along it.
    tooltip : str
    """

    source: int
    target: int
    partial: str
    flow: str
    carries: bool
    tooltip: str


@dataclass
class Graph:
    """A program as nodes, in an order in which they can run, and edges; `parts` are the programs inside its boxes."""

    title: str
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    parts: list[Graph] = field(default_factory=list)
    sweep: Sweep | None = None

    def whole(self) -> list[Graph]:
        """Return this graph and all those inside it."""
        return [self, *(graph for part in self.parts for graph in part.whole())]


def graph_of(
    program: Program,
    args: Sequence[Any],
    sweep: Sweep | None = None,
    tangents: Any = None,
    cotangents: Any = None,
    limit: int = LIMIT,
) -> Graph:
    """Return the graph of a program, with numbers if there are arguments; parameters as in `show`."""
    if sweep not in (None, "forward", "reverse"):
        raise ValueError(f"sweep must be None, 'forward' or 'reverse', got {sweep!r}")
    for seeds, name, needed in ((tangents, "tangents", "forward"), (cotangents, "cotangents", "reverse")):
        if seeds is not None and sweep != needed:
            raise ValueError(f"{name} belong to sweep={needed!r}, got sweep={sweep!r}")
    if sweep and not args and program.inputs:
        raise ValueError(
            f"a sweep needs numbers: pass {len(program.inputs)} arguments, as in program.show(x, sweep=...)"
        )
    size = _size(program)
    if size > limit:
        raise ProgramError(
            f"the graph of {program.name} has {size} nodes, more than the limit of {limit}. Draw a smaller program: "
            "mg.simplify(program), or the trace of a part of the function; limit=... draws it all the same."
        )
    seeds = tangents if sweep == "forward" else cotangents
    return _graph(program, program.name, numbers_of(program, args, sweep, seeds) if args else None, sweep)


def _size(program: Program) -> int:
    parts = sum(_size(part) for equation in program.equations for _, part in nested(equation))
    return len(program.inputs) + len(program) + parts


def nested(equation: Equation) -> list[tuple[str, Program]]:
    """Return the programs inside an equation with the names of their places: ``body``, ``branches 0`` ..."""
    result = []
    for key, value in equation.static.items():
        if isinstance(value, Program):
            result.append((key, value))
        elif isinstance(value, tuple) and any(isinstance(part, Program) for part in value):
            result += [(f"{key} {i}", part) for i, part in enumerate(value) if isinstance(part, Program)]
    return result


# Nodes and edges ------------------------------------------------------------------------------------------------------


def _graph(
    program: Program, title: str, numbers: Numbers | None, sweep: Sweep | None, outside: frozenset[str] = frozenset()
) -> Graph:
    graph, names = Graph(title, sweep=sweep), names_of(program, outside)
    taken = {*outside, *names.values()}  # as in the text of the program
    home: dict[int, int] = {}
    for var in program.inputs:
        home[id(var)] = len(graph.nodes)
        graph.nodes.append(_node("input", names[id(var)], (var,), names, numbers, sweep))
    for number, equation in enumerate(program.equations):
        target = len(graph.nodes)
        inside = nested(equation)
        label = operation_text(equation, names)
        if len(equation.outs) == 1:
            label = f"{names[id(equation.outs[0])]} = {label}"
        node = _node("nested" if inside else "equation", label, equation.outs, names, numbers, sweep)
        if inside:
            node.tooltip += f"\narguments: {', '.join(_atom_text(arg, names) for arg in equation.args)}"
        graph.nodes.append(node)
        home.update({id(out): target for out in equation.outs})
        for var in inputs_of(equation):
            graph.edges.append(_edge(home[id(var)], target, number, equation, var, names, numbers))
        owner = _cut(", ".join(names[id(out)] for out in equation.outs))
        for key, part in inside:
            taken.add(name_of_function(part, taken))
            graph.parts.append(_graph(part, f"{owner}: {_place(equation, key)}", None, None, frozenset(taken)))
    _mark_outputs(graph, program, home)
    return graph


def _node(kind: Kind, label: str, outs: tuple[Var, ...], names: dict, numbers: Numbers | None, sweep: Any) -> Node:
    several = len(outs) > 1
    if numbers is None:
        types = [f"{names[id(var)]}: {type_text(var)}" if several else type_text(var) for var in outs]
        return Node(kind, _cut(label), _few(types), [], "\n".join([label, *types]))
    values, derivatives, lines = [], [], [label]
    for var in outs:
        name, value = names[id(var)], numbers.values[id(var)]
        values.append(f"{name} = {brief(value)}" if several else brief(value))
        lines.append(f"{name}: {type_text(var)} = {_full(value)}")
        if id(var) in numbers.derivatives:
            derivative = numbers.derivatives[id(var)]
            derivatives.append(f"{_accented(name, sweep)} = {brief(derivative, False)}")
            lines.append(f"{name}_{'dot' if sweep == 'forward' else 'bar'} = {_full(derivative)}")
    return Node(kind, _cut(label), _few(values), _few(derivatives), "\n".join(lines))


def _edge(source: int, target: int, number: int, equation: Equation, var: Var, names: dict, numbers: Any) -> Edge:
    flow = numbers.flows.get((number, id(var))) if numbers else None
    partial = numbers.partials.get((number, id(var))) if numbers else None
    lines = [f"{names[id(var)]} → {', '.join(names[id(out)] for out in equation.outs)}"]
    if partial is not None:
        lines.append(f"∂{names[id(equation.outs[0])]}/∂{names[id(var)]} = {_full(partial)}")
    if flow is not None:
        lines.append(f"contribution: {_full(flow)}")
    numeric = flow is not None and partial is not None
    texts = (f"× {brief(partial)}", _signed(flow)) if numeric else ("", "")
    return Edge(source, target, *texts, flow is not None, "\n".join(lines))


def _mark_outputs(graph: Graph, program: Program, home: dict[int, int]) -> None:
    """Say on each box which outputs it holds; an output that is a constant gets a box."""
    marks: dict[int, list[str]] = {}
    for number, output in enumerate(program.outputs):
        if isinstance(output, Var):
            marks.setdefault(home[id(output)], []).append(str(number))
        else:
            marks[len(graph.nodes)] = [str(number)]
            graph.nodes.append(Node("constant", _cut(brief(output)), [], [], _full(output)))
    for node, numbers in marks.items():
        if len(program.outputs) == 1:
            graph.nodes[node].output = "output"
        else:
            plural = "s" if len(numbers) > 1 else ""
            graph.nodes[node].output = f"output{plural} {', '.join(numbers)}"


# Texts ----------------------------------------------------------------------------------------------------------------

_INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "matmul": "@", "floor_divide": "//",
    "remainder": "%", "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=", "equal": "==",
    "not_equal": "!=", "logical_and": "&", "logical_or": "|",
}  # fmt: skip
_UNSAID = {"axis": None, "keepdims": False}


def operation_text(equation: Equation, names: dict[int, str]) -> str:
    """Return the right-hand side of an equation, short and readable: ``a * b``, ``x[0]``, ``sum(x, axis=0)``."""
    args = [_atom_text(arg, names) for arg in equation.args]
    name, static = equation.op.name, equation.static
    if name in _INFIX and len(args) == 2:
        return f"{args[0]} {_INFIX[name]} {args[1]}"
    if name == "negative":
        return f"-{args[0]}"
    if name == "square":
        return f"{args[0]}²"
    if name == "weighted_sum":
        return " + ".join(_product(args[i], args[i + 1]) for i in range(0, len(args), 2)).replace("+ -", "- ")
    if isinstance(static.get("form"), Form) and name == "index":
        return f"{args[0]}[{_index_text(static['form'], args[1:])}]"
    if nested(equation):
        return _nested_text(equation)
    said = [(key, value) for key, value in static.items() if not (key in _UNSAID and value == _UNSAID[key])]
    return f"{name}({', '.join([*args, *(f'{key}={_static(value)}' for key, value in said)])})"


def _product(weight: str, term: str) -> str:
    if weight in ("1", "(-1)"):
        return term if weight == "1" else f"-{term}"
    return f"{weight} * {term}"


def _index_text(form: Form, arrays: list[str]) -> str:
    rest = iter(arrays)
    texts = []
    for part in form.parts:
        if isinstance(part, slice):
            ends = ["" if end is None else str(end) for end in (part.start, part.stop, part.step)]
            texts.append(":".join(ends if ends[2] else ends[:2]))
        else:
            texts.append(next(rest) if part is SLOT else "..." if part is Ellipsis else str(part))
    return ", ".join(texts)


def _nested_text(equation: Equation) -> str:
    static = equation.static
    if equation.op.name == "cond":
        return "if"
    if static.get("test") is not None:
        return "while"
    length = static.get("length")
    return equation.op.name if length is None else f"{equation.op.name} ({length} steps)"


def _place(equation: Equation, key: str) -> str:
    if equation.op.name == "cond":
        return {"branches 0": "if false", "branches 1": "if true"}.get(key, key)
    return f"{key} of the {_nested_text(equation).split()[0]}"


def _static(value: Any) -> str:
    if isinstance(value, Form):
        return f"[{_index_text(value, ['_'] * len(value.parts))}]"
    if isinstance(value, tuple) and len(value) == 1:
        return _static(value[0])
    return value.__name__ if callable(value) and hasattr(value, "__name__") else str(value)


def _atom_text(atom: Any, names: dict[int, str]) -> str:
    if isinstance(atom, Var):
        return names[id(atom)]
    text = brief(atom)
    return f"({text})" if text.startswith("-") else text


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def _few(lines: list[str]) -> list[str]:
    """Return lines that fit into a box."""
    shown = (
        lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], f"… {len(lines) - _MOST_LINES + 1} more"]
    )
    return [_cut(line) for line in shown]


def _number(value: Any, digits: int = 4) -> str:
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return str(value)
    if isinstance(value, (complex, np.complexfloating)):
        return f"{value.real:.{digits}g}{value.imag:+.{digits}g}j"
    return f"{value:.{digits}g}"


def brief(value: Any, with_shape: bool = True) -> str:
    """Return a number with four digits, or the shape of an array and a few of its elements."""
    array = np.asarray(value)
    if array.ndim == 0:
        return _number(array[()])
    flat = array.ravel()
    few = [_number(element, 3) for element in (flat if flat.size <= 4 else [flat[0], flat[1], flat[-1]])]
    if flat.size > 4:
        few.insert(2, "…")
    shape = "×".join(map(str, array.shape)) + " " if with_shape and (array.ndim > 1 or array.size > 4) else ""
    return f"{shape}[{', '.join(few)}]"


def _signed(value: Any) -> str:
    text = brief(value + 0.0)  # no negative zero
    return text if text.startswith("-") else f"+{text}"


def _full(value: Any) -> str:
    return np.array2string(np.asarray(value), threshold=100, floatmode="unique")


def _accented(name: str, sweep: Any) -> str:
    """Return ``ẋ1`` or ``x̄1``; a name of several letters has no place for the mark."""
    if re.fullmatch(r"[A-Za-z]_?\d*", name):
        return unicodedata.normalize("NFC", name[0] + ("\u0307" if sweep == "forward" else "\u0304")) + name[1:]
    return f"{name}_{'dot' if sweep == 'forward' else 'bar'}"
