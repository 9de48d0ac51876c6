"""What `import mixgrad` brings: the names, and nothing heavy."""

import subprocess
import sys

import mixgrad as mg

HEAVY = ("sklearn", "matplotlib", "llvmlite", "typer", "rich", "optree", "pandas")


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_is_light():
    code = "import sys, mixgrad; print([m for m in sys.modules])"
    modules = eval(run(code))
    assert "numpy" not in modules
    assert not [m for m in modules if m.split(".")[0] in (*HEAVY, "scipy")]


def test_derivatives_do_not_load_what_they_do_not_need():
    code = "import sys, numpy, mixgrad; mixgrad.grad(lambda x: x * x)(1.0); print([m for m in sys.modules])"
    modules = eval(run(code))
    assert not [m for m in modules if m.split(".")[0] in set(HEAVY) - {"optree"}]
    assert not [m for m in modules if m.startswith(("scipy.linalg", "scipy.special", "scipy.optimize"))]


def test_every_public_name_exists_and_is_documented():
    for name in mg.__all__:
        assert getattr(mg, name).__doc__, name
    assert set(mg.__all__) <= set(dir(mg))


def test_the_list_for_type_checkers_is_the_same():
    import ast
    import pathlib

    tree = ast.parse(pathlib.Path(mg.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    names = {alias.asname for node in block.body for alias in node.names}
    assert names == set(mg.__all__)


def test_unknown_names():
    import pytest

    with pytest.raises(AttributeError, match="'mixgrad' has no attribute 'gradd'"):
        mg.gradd  # noqa: B018
