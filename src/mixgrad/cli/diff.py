"""`mixgrad diff`: the derivative of a function in a file, as a readable module."""

import ast
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixgrad._errors import DataError, MixgradError
from mixgrad._files import replacing
from mixgrad.cli.columns import suggest
from mixgrad.cli.output import check_destination

_MAKERS = {"zeros": np.zeros, "ones": np.ones}


@dataclass(frozen=True)
class DiffOptions:
    """The options of `mixgrad diff`; see its help."""

    file: str
    function: str
    args: str
    mode: str | None
    argnums: str
    strict: bool
    out: str | None


def run_diff(options: DiffOptions) -> None:
    """Load the function, differentiate it, and write the module."""
    if options.out is not None:
        check_destination(options.out, (options.file,))
    args = parse_arguments(options.args)
    argnums = _parse_argnums(options.argnums, args)
    function = load_function(options.file, options.function)
    from mixgrad.source_code import source

    try:
        text = source(function, *args, mode=options.mode, strict=options.strict, argnums=argnums)  # type: ignore[arg-type]
    except MixgradError as error:
        raise DataError(f"{options.file}: {options.function}: {error}") from error
    except Exception as error:  # the user's function, run on placeholders
        raise DataError(
            f"{options.file}: {options.function}({options.args}) raises {type(error).__name__}: {error}"
        ) from error
    if options.out is None:
        sys.stdout.write(text)
        return
    with replacing(options.out) as file:
        file.write(text.encode("utf-8"))


# The function ---------------------------------------------------------------------------------------------------------


def load_function(path: str, name: str) -> Callable:
    """Run a file of Python, and return its function of this name.

    Raises
    ------
    DataError
        If the file cannot be run or has no such function.
    """
    if not Path(path).is_file():
        raise DataError(f"{path}: there is no such file" if not Path(path).exists() else f"{path}: this is no file")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise DataError(f"{path}: expected a file of Python, whose name ends with .py")
    module = importlib.util.module_from_spec(spec)
    folder = str(Path(path).resolve().parent)
    sys.path.insert(0, folder)  # where the file finds its neighbours, as if it were run
    sys.modules[spec.name], before = module, sys.modules.get(spec.name)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise DataError(f"{path}{line}: running the file raises {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(folder)
        if before is None:
            del sys.modules[spec.name]
        else:
            sys.modules[spec.name] = before
    found = getattr(module, name, None)
    if not callable(found):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise DataError(f"{path}: there is no function {name!r}{suggest(name, functions)}")
    return found


# The arguments --------------------------------------------------------------------------------------------------------


def parse_arguments(text: str) -> list[Any]:
    """Return the values of ``1.0, [1.0, 2.0], zeros(3, 4)``: numbers, lists of them and arrays by their shape.

    Raises
    ------
    DataError
        If it is anything else.
    """
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise DataError(f"--args: cannot read {text!r}; expected for example '1.0, [1.0, 2.0], zeros(3, 4)'") from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.keywords:
        raise DataError(f"--args: expected values with commas between them, got {text!r}")
    return [_value(node) for node in call.args]


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKERS and not node.keywords:
        return _MAKERS[node.func.id](_shape(node))
    try:
        value = ast.literal_eval(node)
        array = np.array(value)
    except (ValueError, TypeError, SyntaxError):
        array = None
    if array is None or array.dtype.kind not in "ifcb":
        raise DataError(
            f"--args: {ast.unparse(node)} is neither a number, nor a list of numbers, nor zeros(...) or ones(...) with "
            "a shape"
        )
    return array[()] if array.ndim == 0 or array.dtype.kind != "i" else array.astype(float)


def _shape(node: ast.Call) -> tuple[int, ...]:
    try:
        lengths: list[Any] = [ast.literal_eval(arg) for arg in node.args]
    except ValueError:
        lengths = [None]
    if len(lengths) == 1 and isinstance(lengths[0], tuple):
        lengths = list(lengths[0])
    if not all(type(n) is int and 0 <= n < 2**31 for n in lengths):
        raise DataError(f"--args: {ast.unparse(node)}: a shape is made of whole numbers, such as zeros(3, 4)")
    return tuple(lengths)


def _parse_argnums(text: str, args: list[Any]) -> tuple[int, ...]:
    """Return the numbers of arguments; by default those made of floats."""
    count = len(args)
    if not text:
        return tuple(i for i, arg in enumerate(args) if arg.dtype.kind in "fc") or tuple(range(count))
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise DataError(f"--argnums: expected numbers from 0 with commas between them, got {text!r}") from None
    bad = [n for n in numbers if not 0 <= n < count]
    if bad:
        raise DataError(f"--argnums: there is no argument {bad[0]}; --args has {count}, numbered from 0")
    return numbers
