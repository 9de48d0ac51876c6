"""Chains of hundreds of ``elif``: no limit of recursion is met, at once or recorded."""

import ast
import linecache

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.core.program import check
from mixgrad.program.reading.chains import LONGEST, shorten_chains

HEADS = {
    "assigned": ("def f(x):\n", "y = x * {k} + x * x", "y = -x", "    return y\n"),
    "written": (
        "def f(x):\n    z = np.zeros(2) * x\n",
        "z[{k} % 2] = x * {k}",
        "z[1] = -x",
        "    return z[0] + z[1]\n",
    ),
    "returned": ("def f(x):\n", "return np.sin(x * {k})", "return -x", ""),
    "only one": ("def f(x):\n    y = x\n", "y = y * {k}", "pass", "    return y\n"),
}
TESTS = {
    "compared": "x < {k}.5",
    "called": "np.sqrt(abs(x)) < np.sqrt({k}.5)",
    "assigned on the way": "(w := x - {k}) < 0.5",
    "half known": "{k} > 3 and x < {k}.5",
}


def function_of(head, test, count):
    """Return a function with a chain of `count` tests, and the same from its text as it stands."""
    start, block, last, end = HEADS[head]
    lines = [
        f"    {'el' if k else ''}if {TESTS[test].format(k=k)}:\n        {block.format(k=k)}\n" for k in range(count)
    ]
    text = start + "".join(lines) + f"    else:\n        {last}\n" + end
    name = f"<chain {head} {test} {count}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names = {"np": np, "__name__": "chains"}
    exec(compile(text, name, "exec"), names)
    return names["f"]


def assert_right(program, function, points):
    run = {}
    exec(program.to_python(strict=True), run)
    for x in points:
        np.testing.assert_allclose(interpret(program, x)[0], function(x), rtol=1e-13)
        np.testing.assert_allclose(run["f"](x), function(x), rtol=1e-13)


def test_three_hundred_branches():
    f = function_of("assigned", "compared", 300)
    assert_right(check(mg.trace(f)(1.0)), f, (-3.0, 0.2, 7.1, 150.2, 298.7, 299.9))
    assert mg.grad(f)(250.2) == 250 + 2 * 250.2


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("head", HEADS)
def test_long_chains(head, test):
    f = function_of(head, test, LONGEST + 3)
    points = (-3.0, 0.2, 2.9, 3.2, 9.9, 17.2, LONGEST + 1.8, LONGEST + 2.1, LONGEST + 9.0)
    assert_right(check(mg.trace(f)(1.0)), f, points)
    slope = check(mg.trace(mg.grad(f))(1.0))
    for x in points:
        want = (f(x + 1e-5) - f(x - 1e-5)) / 2e-5
        np.testing.assert_allclose(mg.grad(f)(x), want, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(interpret(slope, x)[0], want, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("count", "depth"), [(LONGEST, LONGEST), (LONGEST + 1, 6), (500, 10)])
def test_levels(count, depth):
    """A chain that is short enough stays as it is; others have as many levels as their tree."""
    tree = ast.parse("if c0: b0\n" + "".join(f"elif c{k}: b{k}\n" for k in range(1, count)))
    shorten_chains(tree)
    deepest, level = 0, [(part, 1) for part in tree.body if isinstance(part, ast.If)]
    while level:
        node, height = level.pop()
        deepest = max(deepest, height)
        level += [(part, height + 1) for part in (*node.body, *node.orelse) if isinstance(part, ast.If)]
    assert deepest <= depth
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    assert sorted(name for name in names if name[0] in "bc") == sorted(f"{x}{k}" for x in "bc" for k in range(count))
