"""Arguments for the conformance test: random short decimals, from the samples that the rows carry."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from mixgrad.core.op import Kind, Op
from mixgrad.rules.row import REALS, Sample

from .oracles import MPMATH, is_real, partial

FLOAT64, FLOAT32, COMPLEX128 = np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.complex128)

SHAPES = {
    1: [((),), ((3,),), ((1, 4),), ((2, 0),)],
    2: [((), ()), ((3,), (3,)), ((1, 4), (1, 4)), ((2, 1), (3,)), ((), (2, 3)), ((3,), ()), ((1, 3), (2, 1))],
}
"""Shapes on which an elementwise row is tried, by its number of arguments."""

_FLAGS = np.array([[True, False, True], [False, True, True]])
_WHOLE = np.array([[1, 0, 3], [6, 2, 5]])
_FLOATS = (Sample(((2, 3),)), Sample(((3,),)), Sample(((),)))
_PAIRS = (Sample(((2, 3), (2, 3))), Sample(((3,), (2, 1))), Sample(((), (2,))))

CONSTANT_SAMPLES = {
    "isinf": (*_FLOATS, Sample((np.array([np.inf, -np.inf, 1.5, np.nan]),))),
    "isnan": (*_FLOATS, Sample((np.array([np.inf, -np.inf, 1.5, np.nan]),))),
    "isfinite": (*_FLOATS, Sample((np.array([np.inf, -np.inf, 1.5, np.nan]),))),
    "isposinf": (*_FLOATS, Sample((np.array([np.inf, -np.inf, 1.5, np.nan]),))),
    "isneginf": (*_FLOATS, Sample((np.array([np.inf, -np.inf, 1.5, np.nan]),))),
    "floor_divide": (Sample(((2, 3), (2, 3)), domain=(0.3, 3.0)), Sample(((3,), (2, 1)), domain=(0.3, 3.0))),
    "logical_and": (*_PAIRS, Sample((_FLAGS, _FLAGS[1:]))),
    "logical_or": (*_PAIRS, Sample((_FLAGS, _FLAGS[1:]))),
    "logical_xor": (*_PAIRS, Sample((_FLAGS, _FLAGS[1:]))),
    "logical_not": (*_FLOATS, Sample((_FLAGS,))),
    "bitwise_and": (Sample((_FLAGS, _FLAGS[1:])), Sample((_WHOLE, _WHOLE[1]))),
    "bitwise_or": (Sample((_FLAGS, _FLAGS[1:])), Sample((_WHOLE, _WHOLE[1]))),
    "bitwise_xor": (Sample((_FLAGS, _FLAGS[1:])), Sample((_WHOLE, _WHOLE[1]))),
    "invert": (Sample((_FLAGS,)), Sample((_WHOLE,))),
    "left_shift": (Sample((_WHOLE, _WHOLE[1])),),
    "right_shift": (Sample((_WHOLE, _WHOLE[1])),),
    "astype_discrete": (Sample(((2, 3),), {"dtype": np.dtype(int)}), Sample(((3,),), {"dtype": np.dtype(bool)})),
}
"""Samples of rows without a derivative, which carry none themselves; the others take random floats."""

POINTS = {
    "arccos": (0.999999999, -0.999999999),
    "arcsin": (0.999999999, -0.999999999),
    "arctan": (1e8, -1e-8),
    "arctan2": ((1e-10, 1.0), (1.0, 1e-10), (-3.0, -4.0)),
    "arctanh": (0.999999999,),
    "cbrt": (1e-300, 1e30),
    "cosh": (700.0, -30.0),
    "divide": ((1e-150, 1e150), (3.0, -1e-150)),
    "exp": (-80.0, 80.0),
    "exp2": (-100.0, 100.0),
    "expm1": (80.0,),
    "hypot": ((1e-200, 1e-200), (0.0, -2.0), (-1e30, 1.0)),
    "log": (1e-300, 1e300, 1.0),
    "log1p": (-0.999999999, 1e30),
    "logaddexp": ((1000.0, 1000.5), (-1000.0, -1000.25), (0.0, 40.0), (-5000.0, 3.0)),
    "logaddexp2": ((1000.0, 1000.5), (-1000.0, -1000.25), (0.0, 40.0), (1000.0, 1000.0)),
    "multiply": ((0.0, 1e300),),
    "power": ((1e-5, 30.0), (1e5, -20.0), (1.0, 7.5), (3.0, 1.0)),
    "reciprocal": (1e100, -1e-100),
    "sin": (1e6,),
    "sinh": (700.0, 1e-10, 0.0),
    "sqrt": (1e-300, 1e300),
    "square": (0.0, 1e150),
    "tan": (1.5707,),
    "tanh": (0.0, 5.0, 40.0),
}
"""Points at which a careless formula loses digits or overflows, besides those that the rows name."""

COMPLEX_PART_SAMPLES = (Sample(((2, 3),)), Sample(((),)))


@dataclass(frozen=True)
class Case:
    """One call of a row.

    Attributes
    ----------
    op : Op
    args : tuple of arrays or numpy scalars
    static : dict
    seed : int
        Of the random values; printed with every failure.
    sample : Sample
        Where the arguments come from.
    fixed : tuple of int
        Arguments by which there is no derivative at this point.
    """

    op: Op
    args: tuple
    static: dict
    seed: int
    sample: Sample = field(default_factory=lambda: Sample(()))
    fixed: tuple[int, ...] = ()

    @property
    def places(self) -> tuple[int, ...]:
        """The arguments that have a tangent space."""
        places = [i for i, arg in enumerate(self.args) if np.asarray(arg).dtype.kind in "fc"]
        return tuple(i for i in places if i not in self.fixed)

    @property
    def floats(self) -> tuple:
        """The arguments that have a tangent space."""
        return tuple(self.args[i] for i in self.places)

    def call(self, *floats):
        """Apply the row to floats or boxes, with the other arguments as they are."""
        return self.op(*self._filled(floats), **self.static)

    def outputs(self, *floats) -> list:
        """Apply the row; return a list of its results, of which there may be one."""
        out = self.call(*floats)
        return list(out) if self.op.multiple else [out]

    def value(self) -> list:
        """Return the results that the row's own definition gives, without any dispatch."""
        out = self.op.value(*self.args, **self.static)
        return list(out) if self.op.multiple else [out]

    def reference(self, function, *floats):
        """Apply a plain NumPy function to the same arguments."""
        return function(*self._filled(floats), **self.static)

    def _filled(self, floats):
        args = list(self.args)
        for i, x in zip(self.places, floats):
            args[i] = x
        return args

    def rng(self, purpose: str) -> np.random.Generator:
        """Return random numbers for directions and the like, the same in every run."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])

    def another(self, seed: int) -> Case:
        """Return a case of the same shapes with other random values."""
        dtype = next((np.asarray(x).dtype for x in self.floats), FLOAT64)
        return replace(self, args=draw(self.sample, seed, dtype), seed=seed)

    def __str__(self) -> str:
        static = "".join(f", {key}={value!r}" for key, value in self.static.items())
        return f"{self.op.name}({', '.join(map(repr, self.args))}{static}), seed {self.seed}"


def direction(rng: np.random.Generator, like):
    """Return a random short decimal array of the shape and dtype of `like`."""
    like = np.asarray(like)
    v = np.asarray(rng.integers(1, 200, like.shape) * rng.choice([-1, 1], like.shape) / 100)
    if like.dtype.kind == "c":
        v = v + 1j * rng.integers(-200, 200, like.shape) / 100
    return v.astype(like.dtype)[()]


def decimals(rng: np.random.Generator, shape: tuple, low: float, high: float, rest: int = 0, of: int = 1) -> np.ndarray:
    """Return numbers of three decimals, all different, away from multiples of a half.

    Of all candidates every `of`-th is taken, from `rest` on: so different arguments have no number in common, and
    maxima no ties.
    """
    k = np.arange(int(np.ceil(low * 1000)), int(np.floor(high * 1000)) + 1)
    k = k[(k % of == rest % of) & (np.abs((k + 250) % 500 - 250) >= 10)]
    return np.asarray(rng.choice(k, size=shape, replace=False) / 1000)


def draw(sample: Sample, seed: int, dtype: np.dtype) -> tuple:
    """Return the arguments of a sample: random arrays in place of shapes."""
    rng = np.random.default_rng(seed)
    args = []
    for i, arg in enumerate(sample.args):
        if isinstance(arg, tuple):
            low, high = sample.domain if not isinstance(sample.domain[0], tuple) else sample.domain[i]
            x = decimals(rng, arg, low, high, i, len(sample.args))
            if dtype.kind == "c":
                x = x + 1j * decimals(rng, arg, -1.5, 1.5)
            x = x if sample.make is None else sample.make(x)
            args.append(x.astype(dtype)[()])
        elif isinstance(arg, np.ndarray) and arg.dtype.kind == "f":
            args.append(arg.astype(dtype)[()])
        else:
            args.append(arg)
    return tuple(args)


def samples_of(op: Op) -> tuple:
    """Return the samples of a row, in one form for all kinds."""
    if op.kind is Kind.ELEMENTWISE:
        domain, at = op.samples
        arity = len(op.partials)
        domain = tuple(domain) + (domain[-1],) * (arity - len(domain))
        random = [Sample(shapes, domain=domain) for shapes in SHAPES[arity]]
        points = [point if isinstance(point, tuple) else (point,) for point in (*at, *POINTS.get(op.name, ()))]
        return (*random, *(Sample(tuple(np.array(x) for x in point)) for point in points))
    if op.samples:
        return op.samples
    if op.kind in (Kind.ZERO, Kind.DISCRETE):
        return CONSTANT_SAMPLES.get(op.name, _PAIRS if getattr(op.value, "nin", 1) == 2 else _FLOATS)
    if op.name in ("conjugate", "real", "imag"):
        return COMPLEX_PART_SAMPLES
    raise ValueError(f"the row {op.name} has no samples")


def cases(op: Op, dtype: np.dtype) -> list[Case]:
    """Return the cases on which a row is tried in one dtype, without special points that this dtype cannot hold."""
    found = []
    for number, sample in enumerate(samples_of(op)):
        seed = zlib.crc32(f"{op.name} {number}".encode())
        with np.errstate(all="ignore"):
            args = draw(sample, seed, dtype)
            if not all(_survives(old, new) for old, new in zip(sample.args, args)):
                continue
            case = Case(op, args, dict(sample.static), seed, sample)
            if op.name in MPMATH and not is_random(case) and dtype.kind == "f":
                if not np.isfinite(op.value(*args)):
                    continue
                case = replace(case, fixed=_without_derivative(case))
        if case.places or not case.fixed:
            found.append(case)
    return found


def is_random(case: Case) -> bool:
    """Return whether the arguments are drawn, not special points."""
    return any(isinstance(arg, tuple) for arg in case.sample.args)


def _survives(old, new) -> bool:
    """Return whether a given array is the same in another dtype, but for rounding."""
    if not isinstance(old, np.ndarray) or old.dtype.kind != "f":
        return True
    return bool(np.all(np.isfinite(new) == np.isfinite(old)) and np.all((new == 0) == (old == 0)))


def _without_derivative(case: Case) -> tuple[int, ...]:
    """Return the arguments by which a real function has no derivative here: -2 to the power y, the end of a domain."""
    numbers = tuple(arg.item() for arg in case.args)
    return tuple(i for i in case.places if not is_real(partial(case.op.name, numbers, i)))


__all__ = ["COMPLEX128", "FLOAT32", "FLOAT64", "REALS", "Case", "cases", "decimals", "direction", "draw", "is_random"]
