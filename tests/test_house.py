"""The repository keeps its own rules: the picture of the architecture is true, documents name what exists."""

import pathlib
import re

import pytest

import mixgrad as mg

from .pages import expected, run_page

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "mixgrad"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
OPEN_FLOORS = ("core", "rules", "modes", "compile", "program")  # shown module by module; other folders as one room


def picture():
    return re.search(r"```\nsrc/mixgrad/\n(.*?)```", ARCHITECTURE, re.DOTALL).group(1)


def test_the_picture_shows_every_room():
    shown = set(re.findall(r"\b(_?[a-z_]+(?:\.py|/))", picture()))
    rooms = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py")}
    for floor in OPEN_FLOORS:
        modules |= {path.name for path in (PACKAGE / floor).glob("*.py")}
        rooms |= {f"{path.parent.name}/" for path in (PACKAGE / floor).glob("*/__init__.py")}
    assert shown == (rooms | modules)


def test_the_picture_and_the_linter_agree_on_the_order():
    import tomllib

    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [name for layer in contract["layers"] for name in layer.split(" | ")]
    floors = dict(re.findall(r"^  (_?[a-z_]+)(?:\.py|/)\s+(\d)", picture(), re.MULTILINE))
    numbers = [int(floors[name.removeprefix("mixgrad.")]) for name in layers if name.removeprefix("mixgrad.") in floors]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == len(floors)


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
)
def test_documents_name_what_exists(document):
    text = (ROOT / document).read_text()
    for name in re.findall(r"\bmg\.([a-z_A-Z]+)", text):
        assert hasattr(mg, name), f"mg.{name}"
    for path in re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./]+)`", text):
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([\w./]+)\)", text):
        assert ((ROOT / document).parent / link).exists(), link
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?m)(?:`|^)make ([a-z]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


def test_no_module_hides_a_function():
    """Importing ``mixgrad.name`` makes the module the package's attribute: a function of that name would be gone."""
    modules = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    assert not modules & set(mg._HOME)


@pytest.mark.parametrize("page", ["programs.md", "loops.md", "compiled.md"])
def test_pages_show_what_their_code_prints(page, tmp_path):
    text = (ROOT / "docs" / page).read_text()
    for shown, printed in zip(expected(text), run_page(text, tmp_path), strict=True):
        assert shown.rstrip() == printed.rstrip()
    for picture in tmp_path.glob("*.svg"):
        assert picture.read_text() == (ROOT / "docs" / "pictures" / picture.name).read_text()


def test_the_example_of_the_readme_runs(tmp_path):
    text = (ROOT / "README.md").read_text()
    assert len(expected(text)) >= 3
    run_page(text, tmp_path)


def test_the_examples_of_docstrings_run():
    import doctest
    import importlib

    tried = 0
    for name in ("derivatives", "control_flow", "custom", "linter", "testing", "compiled", "row_sums"):
        result = doctest.testmod(importlib.import_module(f"mixgrad.{name}"))
        assert result.failed == 0
        tried += result.attempted
    assert tried >= 10
