"""Pictures of programs: their numbers against differences and other modes, their layout, and their texts."""

import doctest
import functools
import re
import shutil
import subprocess
import unicodedata
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.core.op import TABLE, Kind, Op
from mixgrad.core.program import Equation, Program, Var
from mixgrad.program import to_svg
from mixgrad.program.drawing import layers
from mixgrad.program.drawing.graph import brief, graph_of, operation_text
from mixgrad.program.drawing.layout import place
from mixgrad.program.drawing.sweeps import numbers_of
from mixgrad.program.names import names_of

F64 = np.dtype(float)


def lecture(x1, x2):
    return x1 * x2 + np.sin(x1)


LECTURE = mg.trace(lecture)(2.0, 3.0)


def random_function(rng, scalars):
    """Return a smooth function of three numbers or arrays, made of random operations, and its arguments."""
    unary = (np.sin, np.tanh, lambda v: np.exp(-v * v), lambda v: np.log(2 + np.cos(v)), lambda v: -v, np.arctan)
    binary = (np.add, np.subtract, np.multiply, lambda a, b: a / (2 + np.sin(b)), np.hypot)
    mixing = (lambda v: np.sum(v) * v, lambda v: v - mg.logsumexp(v), lambda v: v[::-1] * 2.0, lambda v: v * v[1])
    choices = rng.integers(0, 1_000_000, size=(10, 4))

    def function(*args):
        values = list(args)
        for kind, which, one, two in choices.tolist():
            a, b = values[one % len(values)], values[two % len(values)]
            if kind % 3 == 0:
                values.append(unary[which % len(unary)](a))
            elif kind % 3 == 1 or scalars:
                values.append(binary[which % len(binary)](a, b))
            else:
                values.append(mixing[which % len(mixing)](a))
        return values[-1] * values[-2] + values[-3]

    return function, tuple(rng.normal(size=() if scalars else (3,))[()] for _ in range(3))


def variables_of(program):
    return [*program.inputs, *(out for equation in program.equations for out in equation.outs)]


def up_to(program, var):
    return Program(program.inputs, program.equations, (var,), program.name)


def cut_at(program, var):
    """Return the program in which a variable is one more input."""
    if var in program.inputs:
        others = tuple(other for other in program.inputs if other is not var)
        return Program((var, *others), program.equations, program.outputs, program.name)
    rest = tuple(equation for equation in program.equations if var not in equation.outs)
    return Program((var, *program.inputs), rest, program.outputs, program.name)


def difference(function, x, direction, h=1e-3):
    """Return the five-point difference quotient of a function along a direction."""
    nodes = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
    return sum(weight * function(x + k * h * direction) for k, weight in nodes) / h


def tangents_and_adjoints(program, args, seeds):
    forward = numbers_of(program, args, "forward", seeds)
    bar = np.linspace(0.5, 1.5, np.size(forward.values[id(program.outputs[0])]))
    bar = bar.reshape(program.outputs[0].shape)[()]
    return forward, numbers_of(program, args, "reverse", bar), bar


# Numbers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scalars", [True, False], ids=["numbers", "arrays"])
@pytest.mark.parametrize("case", range(6))
def test_every_number_of_both_sweeps(random, case, scalars):
    rng = np.random.default_rng([random.integers(2**31), case])
    function, args = random_function(rng, scalars)
    program = mg.trace(function)(*args)
    assert len(program) > 10
    seeds = tuple(rng.normal(size=np.shape(x))[()] for x in args)
    forward, reverse, bar = tangents_and_adjoints(program, args, seeds)
    for var in variables_of(program):
        part = up_to(program, var)
        value, tangent = mg.jvp(lambda *xs: interpret(part, *xs)[0], args, seeds)  # noqa: B023
        quotient = difference(
            lambda t: interpret(part, *[x + t * s for x, s in zip(args, seeds)])[0],  # noqa: B023
            0.0,
            1.0,
        )
        np.testing.assert_array_equal(forward.values[id(var)], value)
        np.testing.assert_allclose(forward.derivatives[id(var)], tangent, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(forward.derivatives[id(var)], quotient, rtol=1e-6, atol=1e-8)

        tail, rest = cut_at(program, var), [x for v, x in zip(program.inputs, args) if v is not var]

        def seen(x):
            return np.sum(bar * interpret(tail, x, *rest)[0])  # noqa: B023

        np.testing.assert_allclose(reverse.derivatives[id(var)], mg.grad(seen)(value), rtol=1e-12, atol=1e-13)
        direction = np.asarray(rng.normal(size=var.shape))[()]
        quotient = difference(seen, value, direction)
        np.testing.assert_allclose(np.sum(reverse.derivatives[id(var)] * direction), quotient, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", range(6))
def test_partial_derivatives_and_contributions(random, case):
    rng = np.random.default_rng([random.integers(2**31), case])
    function, args = random_function(rng, scalars=True)
    program = mg.trace(function)(*args)
    forward, reverse, bar = tangents_and_adjoints(program, args, tuple(rng.normal(size=3)))
    adjoints = dict.fromkeys(map(id, variables_of(program)), 0.0)
    adjoints[id(program.outputs[0])] = bar
    for number, equation in enumerate(program.equations):
        total = 0.0
        for var in {id(v): v for v in equation.variables()}.values():
            single = Program((var, *(v for v in variables_of(program) if v is not var)), (equation,), equation.outs)
            others = [forward.values[id(v)] for v in single.inputs[1:]]
            edge = (number, id(var))
            quotient = difference(lambda x: interpret(single, x, *others)[0], forward.values[id(var)], 1.0)  # noqa: B023
            assert forward.partials[edge] == pytest.approx(quotient, rel=1e-6, abs=1e-8)
            assert reverse.partials[edge] == forward.partials[edge]
            assert forward.flows[edge] == pytest.approx(forward.partials[edge] * forward.derivatives[id(var)])
            total += forward.flows[edge]
            if edge in reverse.flows:
                arriving = reverse.partials[edge] * reverse.derivatives[id(equation.outs[0])]
                assert reverse.flows[edge] == pytest.approx(arriving)
                adjoints[id(var)] += reverse.flows[edge]
        assert total == pytest.approx(forward.derivatives[id(equation.outs[0])], abs=1e-13)
    for var in variables_of(program):
        assert adjoints[id(var)] == pytest.approx(reverse.derivatives[id(var)], abs=1e-13)


def test_the_example_of_the_lectures():
    texts = texts_of(LECTURE.to_svg(2.0, 3.0, sweep="reverse"))
    for text in ("x1", "2", "x̄1 = 2.584", "x2", "3", "x̄2 = 2", "a = x1 * x2", "6", "b = sin(x1)", "0.9093"):
        assert unicodedata.normalize("NFC", text) in texts
    for text in (
        "c = a + b",
        "6.909",
        "c̄ = 1",
        "× 3",
        "+3",
        "× -0.4161",
        "-0.4161",
        "output",
        "lecture, reverse sweep",
    ):
        assert unicodedata.normalize("NFC", text) in texts
    texts = texts_of(LECTURE.to_svg(2.0, 3.0, sweep="forward", tangents=(1.0, 10.0)))
    for text in ("ẋ1 = 1", "ẋ2 = 10", "ȧ = 23", "ḃ = -0.4161", "ċ = 22.58", "× 2", "+20"):
        assert unicodedata.normalize("NFC", text) in texts


def test_seeds():
    def first(program, args, **options):
        numbers = numbers_of(program, args, **options)
        return [numbers.derivatives[id(var)] for var in program.inputs]

    assert first(LECTURE, (2, 3), sweep="forward") == [1.0, 0.0]
    two = mg.trace(lambda x, v: x * v)(1.0, np.ones(2))
    one, ones = first(two, (2.0, np.array([3.0, 4.0])), sweep="forward")
    assert one == 1.0
    assert ones.tolist() == [1.0, 1.0]
    indexed = mg.trace(lambda x, i: x[i] * 2.0)(np.ones(3), 1)
    numbers = numbers_of(indexed, (np.arange(3.0), 2), "reverse")
    assert numbers.derivatives[id(indexed.inputs[0])].tolist() == [0.0, 0.0, 2.0]
    assert id(indexed.inputs[1]) not in numbers.derivatives
    tangents = (np.array([1.0, 2.0, 3.0]), None)
    numbers = numbers_of(indexed, (np.arange(3.0), 2), "forward", tangents)
    assert numbers.derivatives[id(indexed.outputs[0])] == 6.0
    outputs = mg.trace(lambda x: (x * 2.0, x * 3.0))(1.0)
    assert first(outputs, (1.0,), sweep="reverse") == [2.0]
    assert first(outputs, (1.0,), sweep="reverse", seeds=(10.0, 100.0)) == [320.0]


def test_poles_are_silent_and_zeros_are_strong():
    program = mg.trace(lambda x: np.where(x > 0, np.log(x), 0.0))(1.0)
    numbers = numbers_of(program, (0.0,), "reverse")
    assert numbers.derivatives[id(program.inputs[0])] == 0.0
    program.show(0.0, sweep="forward")


def test_several_results_and_complex_numbers():
    program = mg.trace(lambda a: np.linalg.slogdet(a)[1])(np.eye(2))
    a = np.array([[2.0, 1.0], [0.5, 3.0]])
    numbers = numbers_of(program, (a,), "reverse")
    np.testing.assert_allclose(numbers.derivatives[id(program.inputs[0])], np.linalg.inv(a).T, rtol=1e-12)
    assert "slogdet(a)" in program.to_svg(a, sweep="forward")
    program = mg.trace(lambda z: np.abs(z) ** 2)(1j)
    numbers = numbers_of(program, (3 + 4j,), "reverse")
    assert numbers.derivatives[id(program.inputs[0])] == pytest.approx(6 + 8j)
    assert "3+4j" in texts_of(program.to_svg(3 + 4j))


# Layout ---------------------------------------------------------------------------------------------------------------


def random_graph(rng, nodes):
    edges = {
        (int(start), end)
        for end in range(1, nodes)
        for start in rng.integers(max(0, end - 12), end, size=rng.integers(0, 4))
    }
    edges = sorted(edges | {(0, int(end)) for end in rng.integers(1, nodes, size=3)})
    sizes = [tuple(size) for size in rng.uniform((30, 20), (200, 70), size=(nodes, 2))]
    labels = [tuple(rng.uniform(10, 60, size=2)) if rng.random() < 0.5 else None for _ in edges]
    return sizes, edges, labels


def along(path, direction):
    """Yield points of a path, of which every second piece is curved."""
    for i, (p, q) in enumerate(pairwise(path)):
        p, q = np.array(p), np.array(q)
        bend = np.array([p[0], (p[1] + q[1]) / 2]), np.array([q[0], (p[1] + q[1]) / 2])
        if direction == "right":
            bend = np.array([(p[0] + q[0]) / 2, p[1]]), np.array([(p[0] + q[0]) / 2, q[1]])
        for t in np.linspace(0, 1, 12):
            if i % 2:
                yield (1 - t) ** 3 * p + 3 * t * (1 - t) ** 2 * bend[0] + 3 * t**2 * (1 - t) * bend[1] + t**3 * q
            else:
                yield (1 - t) * p + t * q


@pytest.mark.parametrize("direction", ["down", "right"])
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("most", [12_000, 30], ids=["all", "round"])
def test_boxes_do_not_overlap_and_edges_pass_none(random, monkeypatch, direction, labelled, most):
    monkeypatch.setattr(layers, "_MOST_PASSES", most)
    for nodes in (1, 2, 5, 20, 60):
        sizes, edges, labels = random_graph(random, nodes) if nodes > 1 else ([(50.0, 20.0)], [], [])
        labels = labels if labelled else [None] * len(edges)
        layout = place(sizes, edges, labels, direction)
        assert layout == place(sizes, edges, labels, direction)
        boxes = [(c, s) for c, s in zip(layout.centres, sizes)]
        boxes += [(c, s) for c, s in zip(layout.labels, labels) if s is not None]
        centres, extents = np.array([c for c, _ in boxes]), np.array([s for _, s in boxes])
        apart = np.abs(centres[:, None] - centres[None]) - (extents[:, None] + extents[None]) / 2
        np.fill_diagonal(apart[..., 0], 1.0)
        assert np.all(apart.max(axis=-1) >= 5.0 - 5.0 * np.eye(len(boxes)))
        assert np.all(centres - extents / 2 >= -1e-9)
        assert np.all(centres + extents / 2 <= np.array(layout.size) + 1e-9)
        for edge, ((start, end), path) in enumerate(zip(edges, layout.paths)):
            points = np.array(list(along(path, direction)))
            assert np.all(points >= -1e-9)
            assert np.all(points <= np.array(layout.size) + 1e-9)
            inside = np.all(np.abs(points[:, None] - centres[None]) < extents[None] / 2 - 1e-6, axis=-1).any(axis=0)
            own = nodes + sum(label is not None for label in labels[:edge])
            assert set(np.flatnonzero(inside)) <= ({own} if labels[edge] else set())
            for node, point in ((start, path[0]), (end, path[-1])):  # it begins and ends on the border
                distance = np.abs(np.array(point) - centres[node]) / (extents[node] / 2)
                assert np.max(distance) == pytest.approx(1.0)
            axis = 1 if direction == "down" else 0
            assert np.all(np.diff(np.array(path)[:, axis]) >= -1e-9)


def test_trees_are_drawn_without_crossings(random):
    for _ in range(20):
        count = int(random.integers(2, 40))
        edges = [(int(random.integers(0, end)), end) for end in range(1, count)]
        graph = layers.layers_of([(50.0, 20.0)] * count, edges, [None] * len(edges))
        layers.reduce_crossings(graph)
        assert layers._crossings(graph, layers.positions_in(graph.orders, len(graph.rank))) == 0


def test_crossings_are_counted(random):
    for _ in range(20):
        sizes, edges, _ = random_graph(random, 15)
        graph = layers.layers_of(sizes, edges, [None] * len(edges))
        position = layers.positions_in(graph.orders, len(graph.rank))
        steps = [(one, two) for one, others in enumerate(graph.after) for two in others]
        count = sum(
            graph.rank[a] == graph.rank[c] and position[a] < position[c] and position[b] > position[d]
            for a, b in steps
            for c, d in steps
        )
        assert layers._crossings(graph, position) == count
        layers.reduce_crossings(graph)
        assert layers._crossings(graph, layers.positions_in(graph.orders, len(graph.rank))) <= count


def test_straight_lines_are_straight():
    layout = place([(50.0, 20.0)] * 5, [(0, 1), (1, 2), (2, 3), (3, 4)], [None] * 4)
    assert {x for x, _ in layout.centres} == {25.0}
    assert {x for path in layout.paths for x, _ in path} == {25.0}


# SVG ------------------------------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def tips_of(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}title")]


def mlp(p, x, y):
    return np.mean((np.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] - y) ** 2)


def network(random):
    p = {"W1": random.normal(size=(2, 3)), "b1": random.normal(size=3), "W2": random.normal(size=(3, 1))}
    return p, random.normal(size=(5, 2)), random.normal(size=(5, 1))


@pytest.mark.parametrize("sweep", [None, "forward", "reverse"])
@pytest.mark.parametrize("direction", ["down", "right"])
def test_svg_is_well_formed_and_always_the_same(random, sweep, direction):
    args = network(random)
    for function in (mlp, mg.grad(mlp)):
        program = mg.trace(function)(*args)
        svg = program.to_svg(*args, sweep=sweep, direction=direction)
        assert svg == mg.trace(function)(*args).to_svg(*args, sweep=sweep, direction=direction)
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        assert f"{len(program.inputs) + len(program)} nodes" in root.get("aria-label")
        width, height = map(float, root.get("viewBox").split()[2:])
        assert (float(root.get("width")), float(root.get("height"))) == (width, height)
        assert "nan" not in svg
        assert svg.count('fill="#ffffff"') >= 1
        names = names_of(program)
        for var in program.inputs:
            assert names[id(var)] in texts_of(svg)


def test_arrows_of_a_sweep():
    plain, forward, reverse = (LECTURE.to_svg(2.0, 3.0, sweep=sweep) for sweep in (None, "forward", "reverse"))
    assert "dasharray" not in plain + forward
    assert reverse.count("dasharray") == 5 + 1  # and one in the legend
    assert "tangents" in forward
    assert "adjoints" in reverse
    indexed = mg.trace(lambda x, i: x[i] * 2.0)(np.ones(3), 1)
    assert indexed.to_svg(np.ones(3), 1, sweep="reverse").count("dasharray") == 2 + 1  # none to the index


def test_tooltips_have_all_digits(random):
    x = random.normal(size=20)
    program = mg.trace(lambda x: np.exp(x) / 3.0)(x)
    tips = "\n".join(tips_of(program.to_svg(x)))
    for value in interpret(program, x)[0]:
        assert str(value) in tips
    tips = "\n".join(tips_of(LECTURE.to_svg(2.0, 3.0, sweep="reverse")))
    assert f"∂b/∂x1 = {np.cos(2.0)}" in tips
    assert f"x1_bar = {3 + np.cos(2.0)}" in tips


def test_without_arguments_types_stand_on_the_nodes():
    texts = texts_of(mg.trace(lambda x, y: x @ y)(np.ones((2, 3)), np.ones(3)).to_svg())
    assert {"f64[2, 3]", "f64[3]", "f64[2]"} <= set(texts)


def test_strange_names_are_escaped():
    x, y = Var((), F64, "x"), Var((), F64, "y")
    name = 'a<b>&"c"\x00\\\n]]>'
    program = Program((x,), (Equation((y,), TABLE["sin"], (x,)),), (y,), name)
    assert any("a<b>&" in text for text in texts_of(program.to_svg(1.0)))
    nodes, edges = parse_dot(program.to_dot(1.0))
    assert len(nodes) == 2
    assert len(edges) == 1


# Nodes and labels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "args", "text"),
    [
        (lambda a, b: a - b, (1.0, 1.0), "a - b"),
        (lambda a, b: a @ b, (np.ones(2), np.ones(2)), "vecdot(a, b)"),
        (lambda a: a**3.5, (2.0,), "a ** 3.5"),
        (lambda a: -a, (1.0,), "-a"),
        (lambda a: a * -2.0, (1.0,), "a * (-2)"),
        (lambda a: a * a, (1.0,), "a²"),
        (lambda a: a[1], (np.ones(3),), "a[1]"),
        (lambda a, i: a[:, 1:, None, i], (np.ones((3, 2, 4)), np.array([0, 1])), "a[:, 1:, None, i]"),
        (lambda a: a[..., ::2], (np.ones(3),), "a[..., ::2]"),
        (lambda a: np.sum(a, axis=0), (np.ones((3, 2)),), "sum(a, axis=0)"),
        (lambda a: np.sum(a), (np.ones((3, 2)),), "sum(a, axis=(0, 1))"),
        (lambda a: a > 0, (1.0,), "a > 0"),
    ],
)
def test_operations_are_short(function, args, text):
    program = mg.trace(function)(*args)
    (equation,) = program.equations
    assert operation_text(equation, names_of(program)) == text


def test_weighted_sums_are_sums():
    a, b, c = (Var((), F64, name) for name in "abc")
    static = {"shape": (), "dtype": F64}
    equation = Equation((c,), TABLE["weighted_sum"], (1, a, -1, b), static)
    assert operation_text(equation, {id(a): "a", id(b): "b"}) == "a - b"
    equation = Equation((c,), TABLE["weighted_sum"], (2.5, a, a, b), static)
    assert operation_text(equation, {id(a): "a", id(b): "b"}) == "2.5 * a + a * b"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2 * np.pi, "6.283"),
        (3, "3"),
        (True, "True"),
        (1 - 2j, "1-2j"),
        (np.array([0.1, 2.0, 3.0]), "[0.1, 2, 3]"),
        (np.arange(6.0), "6 [0, 1, …, 5]"),
        (np.ones((2, 3)), "2×3 [1, 1, …, 1]"),
        (np.zeros((0, 3)), "0×3 []"),
        (np.nan, "nan"),
    ],
)
def test_values_are_short(value, text):
    assert brief(value) == text


def test_outputs_are_marked():
    program = mg.trace(lambda x, y: (x, y * 2.0, 7.5, x))(1.0, 2.0)
    texts = texts_of(program.to_svg(1.0, 2.0))
    assert {"outputs 0, 3", "output 1", "output 2", "7.5"} <= set(texts)
    empty = Program((), (), ())
    ElementTree.fromstring(empty.to_svg())
    assert parse_dot(empty.to_dot()) == ({}, [])


def test_programs_inside_programs():
    """Bodies of loops are graphs of their own beneath the graph; in DOT they are clusters."""
    x, y = Var((), F64, "x"), Var((), F64, "y")
    body = Program((x,), (Equation((y,), TABLE["sin"], (x,)),), (y,), "body")

    def run(x, *, body, **static):
        return (interpret(body, x)[0],)

    def program_of(name, **static):
        row = Op(name, Kind.ZERO, run, shape=lambda x, **static: ((),), dtype=lambda x, **static: (F64,), multiple=True)
        u, v = Var((), F64, "u"), Var((), F64, "v")
        return Program((u,), (Equation((v,), row, (u,), static),), (v,), "outer")

    for name, static, label, titles in (
        ("loop", {"body": body, "test": None, "length": 100}, "loop (100 steps)", ["v: body of the loop"]),
        ("loop", {"body": body, "test": body, "length": None}, "while", ["v: body of the", "v: test of the"]),
        ("cond", {"body": body, "branches": (body, body)}, "if", ["v: if false", "v: if true"]),
    ):
        program = program_of(name, **static)
        texts = texts_of(program.to_svg(1.0))
        assert f"v = {label}" in texts, texts
        for title in titles:
            assert any(text.startswith(title) for text in texts), texts
        assert "y = sin(x)" in texts
        assert f"{0.841471:.4g}" in texts  # of the whole
        nodes, edges = parse_dot(program.to_dot())
        parts = len(graph_of(program, (), None, None, None, 100).whole()) - 1
        assert len(nodes) == 2 + 2 * parts
        assert len(edges) == 1 + parts
        assert program.to_dot().count("subgraph cluster_") == parts


def test_control_flow(random):
    def function(a, xs):
        root = mg.fori_loop(0, 30, lambda i, x: 0.5 * (x + a / x), a)
        total, squares = mg.scan(lambda carry, x: (carry + x * root, x * x), 0.0, xs)
        return mg.cond(root > 1.0, lambda t: np.sin(t), lambda t: 2.0 * t, total) + np.sum(squares)

    args = 2.0, random.normal(size=4)
    program = mg.trace(function)(*args)
    forward = numbers_of(program, args, "forward", (1.0, np.ones(4)))
    reverse = numbers_of(program, args, "reverse")
    slope = difference(lambda t: function(2.0 + t, args[1] + t), 0.0, 1.0)
    gradient = [reverse.derivatives[id(var)] for var in program.inputs]
    assert forward.derivatives[id(program.outputs[0])] == pytest.approx(slope, rel=1e-6)
    assert gradient[0] + np.sum(gradient[1]) == pytest.approx(slope, rel=1e-6)
    for graph in graph_of(program, (), None, None, None, 100).whole():  # names are those of the text
        for node in graph.nodes:
            name = node.label.split(" = ")[0] if " = " in node.label else ""
            assert re.search(rf"\b{name}\b.* = ", str(program))
    assert any("arguments: a, 0, a" in tip for tip in tips_of(program.to_svg(*args)))
    texts = texts_of(program.to_svg(*args, sweep="reverse"))
    for text in ("loop (30 steps)", "d: if true"):
        assert any(text.split(":")[-1].strip() in shown for shown in texts), texts


def test_boxes_with_many_results():
    row = Op("many", Kind.ZERO, lambda x, n: (x,) * n, shape=lambda x, n: ((),) * n, dtype=lambda x, n: (F64,) * n)
    row.multiple = True
    x, outs = Var((), F64, "x"), tuple(Var((), F64, f"y{i}") for i in range(20))
    program = Program((x,), (Equation(outs, row, (x,), {"n": 20}),), outs)
    texts = texts_of(program.to_svg(3.0, sweep="forward"))
    assert {"many(x, n=20)", "y0 = 3", "y4 = 3", "… 15 more"} <= set(texts)
    assert "y5 = 3" not in texts
    assert {"y0: f64", "… 15 more"} <= set(texts_of(program.to_svg()))


# DOT ------------------------------------------------------------------------------------------------------------------

STRING = r'"(?:[^"\\]|\\.)*"'
ATTRIBUTES = rf"\[((?:\w+=(?:{STRING}|\w+)(?:, )?)*)\]"


def parse_dot(text):
    """Return the nodes and edges, with their attributes; what is not understood is an error."""
    nodes, edges = {}, []
    first, *lines, last = text.splitlines()
    assert re.fullmatch(rf"digraph {STRING} {{", first), first
    assert last == "}"
    for line in map(str.strip, lines):
        if found := re.fullmatch(rf"(\w+) -> (\w+) {ATTRIBUTES};", line):
            edges.append((found[1], found[2], attributes(found[3])))
        elif (found := re.fullmatch(rf"(\w+) {ATTRIBUTES};", line)) and found[1] not in ("graph", "node", "edge"):
            nodes[found[1]] = attributes(found[2])
        else:
            other = rf"(graph|node|edge) {ATTRIBUTES};|subgraph \w+ {{|label={STRING};|color={STRING};|}}"
            assert re.fullmatch(other, line), line
    assert {end for start, end, _ in edges} | {start for start, end, _ in edges} <= nodes.keys()
    return nodes, edges


def attributes(text):
    return {key: value.strip('"') for key, value in re.findall(rf"(\w+)=({STRING}|\w+)", text)}


def test_dot():
    nodes, edges = parse_dot(LECTURE.to_dot(2.0, 3.0, sweep="reverse"))
    assert nodes["n0"]["label"] == "x1\\n2\\nx\u03041 = 2.584"
    assert nodes["n4"]["label"] == "c = a + b\\n6.909\\nc\u0304 = 1\\noutput"
    assert {(start, end) for start, end, _ in edges} == {
        ("n0", "n2"), ("n1", "n2"), ("n0", "n3"), ("n2", "n4"), ("n3", "n4"),
    }  # fmt: skip
    assert all(look["dir"] == "back" and look["style"] == "dashed" for _, _, look in edges)
    assert edges[0][2]["label"] == r"× 3\n+3"
    assert "rankdir=LR" in LECTURE.to_dot(direction="right")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_it(random):
    args = network(random)
    text = mg.trace(mg.grad(mlp))(*args).to_dot(*args)
    subprocess.run(["dot", "-Tsvg"], input=text.encode(), check=True, capture_output=True)


# Showing, saving, refusing --------------------------------------------------------------------------------------------


def test_show_and_save(tmp_path):
    picture = LECTURE.show(2.0, 3.0, sweep="reverse")
    assert picture._repr_svg_() == picture.svg == LECTURE.to_svg(2.0, 3.0, sweep="reverse")
    assert picture.dot == LECTURE.to_dot(2.0, 3.0, sweep="reverse")
    assert repr(picture) == (
        "<computational graph of lecture: 5 nodes, 5 edges, with its reverse sweep; .save('graph.svg') writes it>"
    )
    picture.save(tmp_path / "f.svg")
    picture.save(str(tmp_path / "f.dot"))
    assert (tmp_path / "f.svg").read_text(encoding="utf-8") == picture.svg
    assert (tmp_path / "f.dot").read_text(encoding="utf-8") == picture.dot
    with pytest.raises(mg.DataError, match=r"f\.png: graphs are written as \.svg, \.dot or \.gv.*got '\.png'"):
        picture.save(tmp_path / "f.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.dot", "f.svg"]


@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        ((), {"sweep": "backward"}, ValueError, "sweep must be None, 'forward' or 'reverse', got 'backward'"),
        ((), {"sweep": "reverse"}, ValueError, "a sweep needs numbers: pass 2 arguments"),
        ((1.0, 2.0), {"tangents": (1.0, 2.0)}, ValueError, "tangents belong to sweep='forward', got sweep=None"),
        (
            (1.0, 2.0),
            {"sweep": "forward", "cotangents": 1.0},
            ValueError,
            "cotangents belong to sweep='reverse', got sweep='forward'",
        ),
        ((1.0,), {}, mg.ShapeError, r"lecture takes 2 arrays \(x1, x2\), got 1"),
        ((1.0, np.ones(2)), {}, mg.ShapeError, r"input x2 has the shape \(\), got \(2,\)"),
        ((1.0, 1j), {}, mg.ShapeError, "input x2 has the dtype float64, got complex128"),
        ((1.0, 2.0), {"sweep": "forward", "tangents": 1.0}, mg.ShapeError, "expected 2 tangents.*got 1"),
        (
            (1.0, 2.0),
            {"sweep": "forward", "tangents": (1.0, np.ones(2))},
            mg.ShapeError,
            r"the tangent of input x2 must have the shape \(\), got \(2,\)",
        ),
        ((1.0, 2.0), {"limit": 4}, mg.ProgramError, "has 5 nodes, more than the limit of 4. Draw a smaller program"),
        ((1.0, 2.0), {"direction": "up"}, ValueError, "direction must be 'down' or 'right', got 'up'"),
    ],
)
def test_errors(args, options, error, message):
    for draw in (LECTURE.show, LECTURE.to_svg, LECTURE.to_dot):
        with pytest.raises(error, match=message):
            draw(*args, **options)


def test_the_example_of_the_docstring():
    result = doctest.testmod(to_svg)
    assert (result.failed, result.attempted) == (0, 3)


def test_there_must_be_something_to_differentiate():
    program = mg.trace(lambda i: i * 2)(3)
    with pytest.raises(mg.DerivativeError, match="no input is made of floats, so there are no tangents"):
        program.show(3, sweep="forward")


def test_arguments_may_be_containers(random):
    args = network(random)
    assert mg.trace(mlp)(*args).to_svg(*args) == mg.trace(mlp)(*args).to_svg(*mg._tree.flatten(args)[0])


def test_large_programs():
    def chain(x):
        return functools.reduce(lambda x, _: np.sin(x) * x, range(150), x)

    program = mg.trace(mg.grad(chain))(1.0)
    assert len(program) > 800
    ElementTree.fromstring(program.to_svg(0.5, sweep="forward"))
