"""The spelling of the rows of linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mixgrad.program.writing.expression import Expression, call

if TYPE_CHECKING:
    from mixgrad.program.writing.spelling import Spelled


def _function(name: str) -> Callable[[Spelled], Expression]:
    return lambda row: call(f"np.linalg.{name}", *row.all())


def _solve_triangular(row: Spelled) -> Expression:
    keywords = {"lower": row.static["lower"], **({"unit_diagonal": True} if row.static["unit"] else {})}
    if all(len(arg.shape) == 2 for arg in row.args):
        return call(row.around.helper("solve_triangular"), *row.all(), **keywords, check_finite=False)
    return call(row.around.helper("solve_stack"), *row.all(), **keywords)


def _of_triangle(name: str) -> Callable[[Spelled], Expression]:
    return lambda row: call(f"np.linalg.{name}", row[0], **({} if row.static["uplo"] == "L" else {"UPLO": '"U"'}))


def _pinv(row: Spelled) -> Expression:
    return call("np.linalg.pinv", row[0], **{key: value for key, value in row.static.items() if value is not None})


SPELLINGS: dict[str, Callable[[Spelled], Expression]] = {
    **{name: _function(name) for name in ("solve", "inv", "cholesky", "det", "slogdet", "svdvals")},
    "solve_triangular": _solve_triangular,
    "cofactor": lambda row: call(row.around.helper("cofactors"), row[0]),
    "eigh": _of_triangle("eigh"),
    "eigvalsh": _of_triangle("eigvalsh"),
    "svd": lambda row: call("np.linalg.svd", row[0], full_matrices=False),
    "pinv": _pinv,
    "well_defined": lambda row: call(row.around.helper("well_defined"), *row.all(), what=repr(row.static["what"])),
}
