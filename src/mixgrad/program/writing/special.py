"""The spelling of the rows for `scipy.special`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mixgrad.core.op import Op
from mixgrad.program.writing.expression import ATOM, Expression, call

if TYPE_CHECKING:
    from mixgrad.program.writing.spelling import Spelled

BESSEL = ("jv", "yv", "iv", "kv", "ive", "kve")


def library_of(op: Op) -> str:
    """Return the name of the module that has the row as a function of its name, or an empty string."""
    if op.value is getattr(np, op.name, None):
        return "np"
    function = getattr(sys.modules.get("scipy.special"), op.name, None)
    return "special" if function is not None and getattr(op.value, "__wrapped__", op.value) is function else ""


def spell(row: Spelled) -> Expression:
    """Return the call of a function of `scipy.special`, which takes numbers of Python as float64."""
    single = row.out.dtype == np.float32
    numbers = [type(arg) in (float, int) for arg in row.args]
    args = [call("np.float32", arg) if single and number else arg for arg, number in zip(row.all(), numbers)]
    return call(f"{row.around.helper('special')}.{row.name}", *args)


def _with_order(helper: str, name: str) -> Callable[[Spelled], Expression]:
    """Spell a function of an order and a number; SciPy's have all digits for doubles only."""

    def spelling(row: Spelled) -> Expression:
        single = row.out.dtype != np.float64
        x = call(f"{row[0].within(ATOM)}.astype", "np.float64") if single else row[0]
        function = row.around.helper(helper)
        order = Expression(repr(row.static["order"]))
        text = call(f"{function}.{name}", order, x) if name else call(function, x, order)
        if name == "polygamma" and not row.out.shape:
            text = Expression(f"{text.within(ATOM)}[()]")
        return call(f"{text.within(ATOM)}.astype", f"np.{row.out.dtype.name}") if single else text

    return spelling


SPELLINGS: dict[str, Callable[[Spelled], Expression]] = {
    **{name: _with_order("special", name) for name in (*BESSEL, "polygamma")},
    "erfcx_integral": _with_order("erfcx_integral", ""),
    "exponential_moment": _with_order("exponential_moment", ""),
}
