"""Running an `Example`: filling in random arrays, and comparing a function on boxes with NumPy and with differences."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from mixgrad.core.bind import Traced
from mixgrad.derivatives import jvp, taylor, vjp, vmap

from .cases import decimals, direction
from .numpy_examples import Example, Placeholder
from .oracles import five_points


@dataclass
class Call:
    """A function, the example of a call, and values for its placeholders."""

    function: object
    example: Example
    dtype: np.dtype

    def __post_init__(self):
        self.name = getattr(self.function, "__name__", str(self.function))
        self.seed = zlib.crc32(f"{self.name} {self.example}".encode())
        self.values = self.draw(self.seed)

    def draw(self, seed: int) -> list:
        """Return a value for each placeholder."""
        rng = np.random.default_rng(seed)
        places = [*_placeholders(self.example.args), *_placeholders(self.example.kwargs)]
        return [_value(rng, place, self.dtype, k, len(places)) for k, place in enumerate(places)]

    def call(self, values: list):
        """Call the function with these values in the places of the placeholders."""
        rest = iter(values)
        args = _fill(self.example.args, rest)
        return self.function(*args, **_fill(self.example.kwargs, rest))

    @property
    def places(self) -> list[int]:
        """The values that have a tangent space."""
        return [i for i, value in enumerate(self.values) if value.dtype.kind in "fc"]

    def smooth(self, *floats) -> list:
        """Return the results of the call that are made of floats, for values of the differentiable arguments."""
        values = list(self.values)
        for i, value in zip(self.places, floats):
            values[i] = value
        return [part for part in parts_of(self.call(values)) if is_smooth(part)]

    def fail(self, what: str) -> None:
        """Fail with the arguments and the seed."""
        raise AssertionError(f"{self.name}({self.example}), {self.dtype}, seed {self.seed}: {self.values}\n  {what}")


def _placeholders(tree):
    if isinstance(tree, Placeholder):
        yield tree
    elif isinstance(tree, dict):
        for part in tree.values():
            yield from _placeholders(part)
    elif isinstance(tree, (list, tuple)):
        for part in tree:
            yield from _placeholders(part)


def _fill(tree, values):
    if isinstance(tree, Placeholder):
        value = next(values)
        return value if tree.inside is None else tree.inside(value)
    if isinstance(tree, dict):
        return {key: _fill(part, values) for key, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_fill(part, values) for part in tree)
    return tree


def _value(rng, place: Placeholder, dtype, k: int, of: int):
    if place.kind == "i":
        return np.asarray(rng.integers(0, 5, place.shape))
    if place.kind == "b":
        return np.asarray(rng.integers(0, 2, place.shape) == 1)
    low, high = place.domain
    x = decimals(rng, place.shape, low, high, k, of)
    if place.kind == "c":
        x = x + 1j * decimals(rng, place.shape, low, high)
        return x.astype(np.result_type(dtype, np.complex64))[()]
    x = x if place.make is None else place.make(x)
    return x.astype(dtype)[()]


def parts_of(out) -> list:
    """Return the results one by one: functions like ``np.split`` return several."""
    if isinstance(out, (list, tuple)) and not (isinstance(out, tuple) and all(isinstance(n, int) for n in out)):
        return [part for member in out for part in parts_of(member)]
    return [out]


def is_smooth(part) -> bool:
    """Return whether a result has a tangent space."""
    if isinstance(part, (float, complex)):
        return True
    return getattr(part, "dtype", np.dtype(object)).kind in "fc"


def same(call: Call, what: str, got, want, relative: float) -> None:
    """Compare a result with NumPy's: dtype, shape, values."""
    if type(want) in (bool, float, complex) and hasattr(got, "dtype"):  # Python's operators on NumPy's numbers
        want = np.asarray(want)[()]
    if not hasattr(want, "dtype"):
        if got != want or type(got) is not type(want):
            call.fail(f"{what}: {got!r}, NumPy gives {want!r}")
        return
    if not hasattr(got, "dtype") or got.dtype != want.dtype or np.shape(got) != np.shape(want):
        found = f"{getattr(got, 'dtype', type(got))}, shape {np.shape(got)}"
        call.fail(f"{what}: {found}; NumPy gives {want.dtype}, shape {np.shape(want)}")
    if want.dtype.kind not in "fc":
        if not np.array_equal(got, want):
            call.fail(f"{what}: {got!r}, NumPy gives {want!r}")
        return
    close(call, what, got, want, relative)


def close(call: Call, what: str, got, want, relative: float, scale: float = 0.0) -> None:
    """Compare arrays up to a relative error of their largest entry."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        call.fail(f"{what}: shape {got.shape}, expected {want.shape}")
    size = max(scale, float(np.max(np.abs(want), initial=0.0)))
    error = np.max(np.abs(got - want), initial=0.0)
    if not error <= relative * size:
        call.fail(f"{what}: error {error:.3g}\n  got      {got!r}\n  expected {want!r}")


# The checks -----------------------------------------------------------------------------------------------------------


def check_value(call: Call) -> None:
    """On boxes the function gives what NumPy gives, and keeps its containers."""
    want = call.call(call.values)
    seen = []

    def observe(*floats):
        values = list(call.values)
        for i, value in zip(call.places, floats):
            values[i] = value
        out = call.call(values)
        seen.append((out, [plain(part) for part in parts_of(out)]))
        return 0.0

    floats = [call.values[i] for i in call.places]
    jvp(observe, floats, [np.ones_like(x) for x in floats])
    out, found = seen[0]
    if isinstance(want, (list, tuple)) and type(out) is not type(want):
        call.fail(f"a {type(out).__name__} of results, NumPy gives a {type(want).__name__}")
    expected = parts_of(want)
    if len(found) != len(expected):
        call.fail(f"{len(found)} results, NumPy gives {len(expected)}")
    rounding = 100 * float(np.finfo(call.dtype).eps)
    for got, part in zip(found, expected):
        same(call, "value", got, part, rounding)


def plain(part):
    """Return the plain value of a box."""
    return part.concrete() if isinstance(part, Traced) else part


def check_derivatives(call: Call) -> None:
    """Forward mode is the difference quotient, reverse mode its transpose; both orders of modes agree."""
    x = [call.values[i] for i in call.places]
    rng = np.random.default_rng(call.seed + 1)
    v = [direction(rng, value) for value in x]
    outs, dots = jvp(call.smooth, x, v)
    precision = max([call.dtype, *(out.dtype for out in outs)], key=lambda dtype: np.finfo(dtype).eps)
    eps = float(np.finfo(precision).eps)
    for out, dot in zip(outs, dots):
        if dot.dtype != out.dtype or np.shape(dot) != np.shape(out):
            call.fail(f"tangent of {dot.dtype}, shape {np.shape(dot)}; value {out.dtype}, shape {np.shape(out)}")
    if eps < 1e-10:
        scale = max((float(np.max(np.abs(out), initial=0.0)) for out in outs), default=0.0)
        for dot, want in zip(dots, five_points(call.smooth, x, v, step=1e-4)):
            close(call, f"derivative in the direction {v}", dot, want, 1e-8, max(scale, 1e-3))
    u = [direction(rng, out) for out in outs]
    bars = vjp(call.smooth, *x)[1](u)
    for value, bar in zip(x, bars):
        if bar.dtype != value.dtype or np.shape(bar) != np.shape(value):
            found = f"{bar.dtype}, shape {np.shape(bar)}"
            call.fail(f"cotangent of {found}; argument {value.dtype}, shape {np.shape(value)}")
    left, right, size = inner(u, dots), inner(bars, v), inner(map(np.abs, u), map(np.abs, dots))
    least = max((float(np.max(np.abs(part), initial=0.0)) for part in v), default=0.0)
    if not abs(left - right) <= 200 * eps * (size + inner(map(np.abs, bars), map(np.abs, v)) + least):
        call.fail(f"<u, Jv> = {left}, <J'u, v> = {right}")
    check_second(call, x, v, u, eps, [*bars, *dots])


def inner(first, second) -> float:
    """Return Re sum(conj(u) v)."""
    return sum(float(np.sum(np.real(np.conjugate(a) * b))) for a, b in zip(first, second))


def check_second(call: Call, x: list, v: list, u: list, eps: float, first: list) -> None:
    """Forward over reverse and reverse over forward give the same product with the Hessian."""
    one = jvp(lambda *x: vjp(call.smooth, *x)[1](u), x, v)[1]
    two = vjp(lambda *x: jvp(call.smooth, x, v)[1], *x)[1](u)
    scale = max((float(np.max(np.abs(part), initial=0.0)) for part in (*one, *two, *first)), default=0.0)
    for a, b in zip(one, two):
        if not np.isfinite(a).all():
            call.fail(f"second derivative is not finite: {a!r}")
        if all(value.dtype.kind == "f" for value in x):
            close(call, "forward over reverse and reverse over forward", a, b, 1e4 * eps, scale)


def check_taylor(call: Call) -> None:
    """The Taylor coefficients are value, derivative and half the second derivative in a direction."""
    x = [call.values[i] for i in call.places]
    v = [direction(np.random.default_rng(call.seed + 1), value) for value in x]

    def smooth(x):
        return call.smooth(*x)

    def slope(x):
        return jvp(smooth, (x,), (v,))[1]

    orders = [smooth(x), slope(x), [0.5 * part for part in jvp(slope, (x,), (v,))[1]]]
    orders = [[np.asarray(part) for part in parts] for parts in orders]
    scale = max((float(np.max(np.abs(part), initial=0.0)) for parts in orders for part in parts), default=0.0)
    for got, *wanted in zip(taylor(smooth, x, v, 2), *orders):
        for k, want in enumerate(wanted):
            if got.dtype != want.dtype or got.shape != (3, *np.shape(want)):
                call.fail(
                    f"Taylor coefficients of {got.dtype}, shape {got.shape}; value {want.dtype}, {np.shape(want)}"
                )
            close(call, f"Taylor coefficient {k}", got[k], want, 1e3 * float(np.finfo(want.dtype).eps), scale)


def check_batch(call: Call, members: int = 3) -> None:
    """Over a batch of all its arrays the function is a loop, and so is its reverse derivative."""
    drawn = [call.draw(call.seed + 2 + k) for k in range(members)]

    def parts(*values):
        return parts_of(call.call(list(values)))

    stacks = [np.stack(column) for column in zip(*drawn)]
    wanted = zip(*[parts(*values) for values in drawn])
    for got, want in zip(vmap(parts)(*stacks), wanted):
        same(call, "batch and loop", got, np.stack(want), 100 * float(np.finfo(call.dtype).eps))
    if call.places and len(call.places) == len(call.values):

        def pull(*values):
            outs, back = vjp(call.smooth, *values)
            return back([np.ones(np.shape(out), out.dtype) for out in outs])

        for got, want in zip(vmap(pull)(*stacks), zip(*[pull(*values) for values in drawn])):
            same(call, "reverse derivative: batch and loop", got, np.stack(want), 1e3 * float(np.finfo(call.dtype).eps))
