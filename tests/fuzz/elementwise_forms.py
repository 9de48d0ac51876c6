"""Forms of statements: elementwise functions, smooth, with kinks, and at points where the law decides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

import mixgrad.rules
import mixgrad.rules.special  # noqa: F401  (fill the table)
from mixgrad.core.numpy_table import UFUNCS
from mixgrad.core.op import Kind, Op

from .form import ANY, Form, above, always, at_least, away, equal, inside, near, near_multiple, tied


def _same_shape(x, y):
    return np.shape(x) == np.shape(y)


SMOOTH = [
    # Entire functions, and functions kept inside their domain by what stands around the operand.
    *(Form(f"np.{name}({{0}})") for name in ("sin", "cos", "arcsinh", "negative", "positive", "square")),
    *(Form(f"np.{name}({{0}})", limit=4) for name in ("exp", "exp2", "expm1", "sinh", "cosh")),
    Form("np.tanh({0})", limit=300, analytic=True),
    Form("np.arctan({0})", domain=lambda x: not near(x * x, -1)),
    Form("np.tan({0})", limit=1.3),
    Form("np.log(1.0 + np.square({0}))"),
    Form("np.log1p({0} * {0})"),
    Form("np.sqrt(1.0 + {0} ** 2)"),
    Form("np.arcsin(0.9 * np.tanh({0}))"),
    Form("np.arccos(np.sin({0}) / 1.5)"),
    Form("np.arctanh(0.5 * np.cos({0}))"),
    Form("np.arccosh(1.5 + {0} * {0})"),
    Form("1.0 / (2.0 + np.sin({0}))"),
    Form("np.reciprocal(1.0 + {0} * {0})"),
    Form("np.cbrt(1.0 + {0} ** 2)", analytic=False),
    # The same on the bare operand, where the value allows it.
    *(Form(f"np.{name}({{0}})", domain=above(0.1)) for name in ("log", "log2", "log10", "sqrt")),
    *(Form(f"np.{name}({{0}})", domain=inside(0.9)) for name in ("arcsin", "arccos", "arctanh")),
    Form("np.arccosh({0})", domain=above(1.1)),
    Form("np.log1p({0})", domain=above(-0.9)),
    Form("np.reciprocal({0})", domain=away()),
    Form("np.cbrt({0})", domain=away(), analytic=False),
    Form("1 / {0}", domain=away()),
    *(Form(f"np.{name}({{0}})", analytic=False) for name in ("deg2rad", "rad2deg", "radians", "degrees")),
    # Powers
    *(Form(f"{{0}} ** {n}") for n in ("0", "1", "2", "3", "1.0", "2.0", "3.0", "4")),
    *(Form(f"{{0}} ** {n}", domain=above(0.1)) for n in ("0.5", "1.5", "-0.5", "-1.3")),
    *(Form(f"{{0}} ** {n}", domain=away()) for n in ("-1.0", "-2.0")),
    Form("np.power({0}, 3)"),
    Form("np.float_power({0}, 2.0)"),
    Form("2.0 ** {0}", limit=6),
    Form("(1.5 + {0} * {0}) ** {1}", 2, limit=4),
    Form("np.power({0}, {1})", 2, limit=4, domain=above(0.1)),
    # Two operands
    *(Form(f"{{0}} {sign} {{1}}", 2) for sign in ("+", "-", "*")),
    *(Form(f"np.{name}({{0}}, {{1}})", 2) for name in ("add", "subtract", "multiply")),
    Form("{0} / {1}", 2, domain=away()),
    Form("np.divide({0}, 2.0 + np.cos({1}))", 2),
    Form("{0} / (1.0 + {1} ** 2)", 2),
    Form("np.hypot({0}, {1})", 2, domain=away(), analytic=False),
    Form("np.arctan2({0}, {1})", 2, domain=away(), kink=lambda y, x: bool(np.any((x < 0) & (np.abs(y) < 1e-6))),
         analytic=False),
    Form("np.logaddexp({0}, {1})", 2, analytic=False),
    Form("np.logaddexp2({0}, {1})", 2, analytic=False),
    Form("np.sinc({0})", limit=5, exact=False),
    # Constants
    *(Form(text) for text in ("2 * {0}", "{0} - 1", "1.5 - {0}", "-{0}", "0.5 + {0}", "{0} / 3", "{0} * 0")),
    Form("0.0 * {0}"),
    Form("np.float64(0.5) * {0}"),
    Form("{0} * np.array([0.5, -1.0, 2.0])", domain=lambda x: np.ndim(x) == 0 or np.shape(x)[-1] in (1, 3)),
    Form("np.add({0}, np.ones((2, 1)))", domain=lambda x: np.ndim(x) < 2 or np.shape(x)[-2] in (1, 2)),
    # Not the derivative of the value: no oracle.
    Form("mg.stop_gradient({0})", analytic=False, kink=always),
    Form("{0} * mg.stop_gradient({0})", analytic=False, kink=always),
]  # fmt: skip


def _at_masks(x, y):
    return near(x) or near(y, 0.5)


KINKED = [
    *(Form(f"{name}({{0}})", kink=near, analytic=False) for name in ("np.abs", "np.fabs", "abs")),
    *(Form(f"np.{name}({{0}}, {{1}})", 2, limit=ANY, kink=equal, analytic=name[0] != "f")
      for name in ("maximum", "minimum", "fmax", "fmin")),
    *(Form(f"np.{name}({{0}}, 1.0 * {{0}})", kink=always) for name in ("maximum", "minimum")),
    Form("np.maximum({0}, np.flip({0}))", limit=ANY, kink=tied, domain=at_least(1)),
    Form("np.minimum({0}, {0}.T) + np.maximum({0}, 0.5)", kink=lambda x: tied(x) or near(x, 0.5)),
    Form("np.maximum({0}, 0)", limit=ANY, kink=near),
    Form("np.maximum({0}, 0.0) ** 2", kink=near),
    Form("np.minimum(1.0, {0})", limit=ANY, kink=lambda x: near(x, 1)),
    Form("np.clip({0}, -0.5, 0.5)", limit=ANY, kink=lambda x: near(np.abs(x), 0.5), analytic=False),
    Form("{0}.clip(0, 1)", limit=ANY, kink=lambda x: near(x) or near(x, 1), analytic=False),
    Form("np.clip({0}, None, 1.0)", limit=ANY, kink=lambda x: near(x, 1), analytic=False),
    Form("np.clip({0}, {1}, 1.0)", 2, limit=ANY, kink=lambda x, y: equal(x, y) or near(x, 1) or near(y, 1),
         domain=lambda x, y: bool(np.all(np.asarray(y) <= 1)), analytic=False),
    Form("np.where({0} > {1}, {0}, {1} * 2)", 2, kink=equal),
    Form("np.where({0} > 0, {0} * {1}, np.sin({1}))", 2, kink=lambda x, y: near(x)),
    Form("np.where(({0} > -1) & ({0} < 1), {0}, 0.5 * {0} ** 3)", kink=lambda x: near(np.abs(x), 1)),
    Form("np.where({0} == {1}, {0}, {1})", 2, limit=ANY, kink=equal),
    Form("np.copysign({0}, {1})", 2, kink=lambda x, y: near(x) or near(y), analytic=False),
    Form("np.heaviside({0}, 0.5) * {0}", kink=near, analytic=False),
    *(Form(f"np.{name}({{0}})", kink=near_multiple, analytic=False) for name in ("floor", "ceil", "trunc", "fix")),
    *(Form(text, kink=lambda x: near_multiple(x, 1.0, 0.5), analytic=False)
      for text in ("np.rint({0})", "np.round({0})", "{0} - np.round({0})")),
    Form("np.round({0}, 1)", kink=lambda x: near_multiple(x, 0.1, 0.05), analytic=False, exact=False),
    Form("np.sign({0})", kink=near, analytic=False),
    Form("{0} * np.sign({0})", kink=near, analytic=False),
    Form("{0} * (0.2 < {0})", kink=lambda x: near(x, 0.2)),
    *(Form(text, kink=lambda x: near_multiple(x, 0.7), analytic=False)
      for text in ("np.remainder({0}, 0.7)", "{0} % 0.7", "np.divmod({0}, 0.7)[1]", "{0} // 0.7", "np.fmod({0}, 0.7)")),
    Form("np.remainder({0}, 1.5 + {1} * {1})", 2, kink=lambda x, y: near_multiple(x / (1.5 + y * y)), analytic=False),
    Form("np.fmod({0}, 1.5 + {1} * {1})", 2, kink=lambda x, y: near_multiple(x / (1.5 + y * y)), analytic=False),
    Form("np.modf({0})[0]", kink=near_multiple, analytic=False, exact=False),
    Form("np.nan_to_num({0}, posinf=2.0, neginf=-1.0)", limit=ANY, analytic=False),
]  # fmt: skip


def _zero_or_large(y, x):
    size = np.hypot(x, y)  # near zero an angle turns so fast that rounding decides its derivative
    return bool(np.all((size == 0) | (size > 0.01)))


LAWS = [
    # Branches that are not taken, behind poles and the ends of domains.
    *(Form(f"np.where({{0}} > 0, np.{name}({{0}}), 0.0)", kink=near,
           domain=lambda x: bool(np.all((x <= 0) | (x > 0.01)))) for name in ("log", "sqrt")),
    Form("np.where({0} != 0, 1 / {0}, 0.0)", domain=lambda x: bool(np.all((x == 0) | (np.abs(x) > 0.1))), kink=near),
    Form("np.where(np.abs({0}) < 1, np.arcsin({0}), {0})", kink=lambda x: near(np.abs(x), 1), analytic=False,
         domain=lambda x: bool(np.all(np.abs(np.abs(x) - 1) > 0.05) or np.all(np.abs(x) >= 1))),
    Form("np.where(np.isfinite({0}), {0}, 0.25)", limit=ANY),
    # Zeros of norms, of angles and of powers.
    Form("np.sqrt({0} ** 2)", kink=near, singular=near, analytic=False,
         domain=lambda x: bool(np.all((np.abs(x) > 1e-100) | (x == 0)))),  # the square of a smaller number is zero
    Form("np.hypot({0}, {1})", 2, kink=lambda x, y: near(np.hypot(x, y)), singular=lambda x, y: near(np.hypot(x, y)),
         analytic=False),
    Form("np.arctan2({0}, {1})", 2, kink=lambda y, x: near(y) or near(x), analytic=False, domain=_zero_or_large,
         singular=lambda y, x: near(np.hypot(x, y))),
    Form("np.sinc({0} * {1})", 2, limit=2, exact=False),
    Form("np.abs({0}) ** 3", kink=near, analytic=False, singular=near),
    Form("np.abs({0}) ** 1.5", kink=near, analytic=False, singular=near),
    *(Form(text, kink=always, singular=always, analytic=False) for text in (
        "np.std({0} * 0)", "np.linalg.norm({0} - {0})", "np.hypot({0} * 0, 0 * {0})", "np.arctan2(0 * {0}, {0} * 0)",
        "np.sqrt(({0} - {0}) ** 2) + {0}", "np.linalg.norm({0} * 0) ** 2 + {0}")),
    # Infinities and huge numbers where a limit exists.
    Form("np.tanh({0})", limit=ANY),
    Form("np.arctan({0})", limit=ANY, kink=lambda x: bool(np.any(np.abs(x) > 1e6)), analytic=False),
    Form("np.exp({0})", limit=ANY, domain=lambda x: bool(np.all(x < 4))),
    Form("np.logaddexp({0}, {1})", 2, limit=ANY, analytic=False, kink=lambda x, y: not _moderate(x, y)),
    Form("np.hypot({0}, {1}) / (1.0 + np.hypot({0}, {1}))", 2, limit=1e150, domain=away(), analytic=False),
    Form("np.add({0}, {1})", 2, limit=ANY),
    Form("-{0}", limit=ANY),
    # Derivatives inside the program.
    Form("mg.grad(lambda y: np.sum(np.sin(y * {1})))({0})", 2, analytic=False, limit=4),
    Form("mg.grad(lambda y: np.sum(np.cos(y) * {0} * y))({0} * 0.5)", analytic=False, limit=4),
    Form("mg.jvp(lambda y: np.tanh(y) * {1}, ({0},), ({1},))[1]", 2, analytic=False, limit=4, domain=_same_shape),
    Form("mg.jacobian(lambda y: y[:1] * np.sum(y ** 3))({0})[0]", analytic=False, limit=4,
         domain=lambda x: np.ndim(x) == 1 and np.size(x) > 0),
    Form("mg.vmap(lambda y: np.sin(y) * np.sum(y))({0})", analytic=False, domain=at_least(1)),
    Form("mg.checkpoint(lambda y: np.sin(y) * y)({0})"),
    Form("mg.checkpoint(lambda y, z: np.exp(0.1 * y) * z)({0}, {1})", 2),
]  # fmt: skip


def _moderate(*values) -> bool:
    return all(bool(np.all(np.abs(x) < 1e6)) for x in values)


MASKS = [
    # Truth values and counts, computed from differentiated values.
    *(Form(f"np.where(np.{name}({{0}} > 0, {{1}} < 0.5), {{0}}, {{1}} * {{1}})", 2, kink=_at_masks, limit=30)
      for name in ("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor")),
    *(Form(f"np.where({negation}, {{0}}, 0.25 * {{0}})", kink=near)
      for negation in ("np.logical_not({0} > 0)", "~({0} >= 0)", "np.less_equal({0}, 0)")),
    Form("np.where(np.signbit({0}), {0}, 0.25 * {0})", kink=near, analytic=False),
    *(Form(f"np.where(np.{name}({{0}}), 0.5, {{0}})", limit=ANY, analytic=False)
      for name in ("isinf", "isnan", "isposinf", "isneginf")),
    *(Form(f"{{0}} * np.{name}({{0}} > 0.2)", kink=lambda x: near(x, 0.2)) for name in ("any", "all", "count_nonzero")),
    Form("{0} * np.any({1} != 0, axis=0)", 2, kink=lambda x, y: near(y), domain=lambda x, y: np.ndim(y) > 0),
    Form("{0} * np.isclose({0}, {1})", 2, kink=always, batch=False),
    Form("{0} if np.allclose({0}, {1}) else 2 * {0}", 2, kink=always, batch=False),
    Form("{0}[np.flatnonzero({0} > 0)]", kink=near, batch=False, domain=lambda x: np.ndim(x) == 1),
    Form("np.ldexp({0}, 2)", analytic=False),
    Form("sum(np.broadcast_arrays({0}, {1}))", 2),
]  # fmt: skip


COMPLEX = [
    # Complex numbers between real ones.
    Form("np.real(np.exp(1j * {0}))", analytic=False),
    Form("np.imag(np.exp((0.3 - 1j) * {0}))", limit=8, analytic=False),
    Form("(({0} + 2j) * ({1} - 1j)).real", 2, analytic=False),
    Form("(({0} + 2j) / ({1} - 1j)).imag", 2, analytic=False),
    Form("np.abs({0} + {1} * 1j)", 2, domain=away(), analytic=False, exact=False),
    Form("np.angle(2.0 + 0.3j * {0})", analytic=False),
    Form("np.real(np.conj({0} * (1 + 2j)) * {0})", analytic=False),
    Form("np.real(np.vdot({0} * (1 + 1j), {0}))", domain=at_least(1), analytic=False, exact=False),
    Form("np.imag(np.sum({0} * (0.5 + 1j)) ** 2)", limit=8, analytic=False, exact=False),
    Form("np.real(np.sqrt({0} ** 2 + 1 + 0.5j))", analytic=False),
    Form("np.imag((0.5j * {0} + np.ones(3)) @ np.ones(3))", domain=lambda x: np.shape(x) == (3,), analytic=False,
         exact=False),
]  # fmt: skip


MENTIONED = " ".join(form.text for form in SMOOTH + KINKED + MASKS + LAWS + COMPLEX if isinstance(form.text, str))


def _spelling(ufunc: np.ufunc) -> str | None:
    """Return the name of a ufunc in a program."""
    for module, prefix in ((np, "np"), (special, "special")):
        if getattr(module, ufunc.__name__, None) is ufunc:
            return f"{prefix}.{ufunc.__name__}"
    return None


def _within(intervals: tuple):
    def domain(*values):
        bounds = (*intervals, *(intervals[-1],) * (len(values) - len(intervals)))
        return all(bool(np.all((low <= x) & (x <= high))) for x, (low, high) in zip(values, bounds, strict=True))

    return domain


_TWINS = ("cbrt", "exp2", "expm1", "log1p")
"""Functions of SciPy that boxes compute as NumPy does."""

_CORNERS: dict[str, Callable] = {
    "huber": lambda delta, r: near(np.abs(r) - delta),
    "i0e": near,
    "i1e": near,
}
"""Where functions of the table have no second derivative; all others are smooth on the domains of their rows."""


def _from_row(ufunc: np.ufunc, op: Op) -> Form | None:
    """Return the form of an elementwise row that no form above names, on the domain that the row names."""
    name = _spelling(ufunc)
    if name is None or op.kind is not Kind.ELEMENTWISE or f"{name}(" in MENTIONED:
        return None
    names = ", ".join(f"{{{i}}}" for i in range(len(op.partials)))
    corner = _CORNERS.get(ufunc.__name__)
    domain = _within(op.samples[0])
    return Form(
        f"{name}({names})",
        len(op.partials),
        domain=domain,
        kink=corner,
        singular=corner,
        analytic=False,
        exact=ufunc.__name__ not in _TWINS,
    )


TABLE_FORMS = [form for form in (_from_row(ufunc, op) for ufunc, op in UFUNCS.items() if isinstance(op, Op)) if form]
"""One form for each elementwise row that no form above names: a new row is tried without a line of its own."""

TABLE_FORMS += [
    # Functions with an order
    *(Form(f"special.{name}({order}, {{0}})", domain=_within(((0.3, 8.0),)), analytic=False)
      for name in ("jv", "yv", "iv", "kv", "ive", "kve") for order in (0, 1, 2)),
]  # fmt: skip
