"""Forms of statements: reductions, shapes, joining, indexing, sorting."""

from __future__ import annotations

import numpy as np

from .form import ANY, Form, arguments, at_least, axis, equal, level, near, near_multiple, one_axis, tied, vanishes


def _nonempty(x, *rest):
    return np.size(x) > 0


# Reductions ---------------------------------------------------------------------------------------------------------


def _reduce(name, several=True, method=False):
    """Return the text of a reduction with random axes: a function's or a method's."""

    def text(rng, x):
        keepdims = rng.choice(["", "", "keepdims=True"])
        if method:
            return f"{{0}}.{name}({arguments(axis(rng, x, several), keepdims)[2:]})"
        return f"{name}({{0}}{arguments(axis(rng, x, several), keepdims)})"

    return text


def _over_axis(name):
    """Return the text of a function along one axis or the flattened array."""
    return lambda rng, x: f"{name}({{0}}{arguments(axis(rng, x, False))})"


def _along_axis(name, *more):
    """Return the text of a function that needs an axis."""
    return lambda rng, x, *rest: f"{name}({{0}}{arguments(*more, f'axis={one_axis(rng, x)}')})"


def _norm(rng, x):
    order = rng.choice(["", "ord=2", "ord=1", "ord=np.inf", "ord=3"])
    where = f"axis={one_axis(rng, x)}" if np.ndim(x) > 1 or rng.random() < 0.5 else ""
    return f"np.linalg.norm({{0}}{arguments(order, where)})"


def _variance(name):
    def text(rng, x):
        few = np.size(x) < 2 or min(np.shape(x)) < 2
        return f"np.{name}({{0}}{arguments(axis(rng, x), '' if few else rng.choice(['', 'ddof=1']))})"

    return text


def _corner_of_norm(x):
    return near(x) or tied(np.abs(x))


REDUCTIONS = [
    Form(_reduce("np.sum")),
    Form(_reduce("sum", method=True)),
    Form(_reduce("np.mean"), domain=_nonempty),
    Form(_reduce("mean", method=True), domain=_nonempty),
    *(Form(_reduce(f"np.{name}"), limit=ANY, kink=tied, domain=_nonempty) for name in ("max", "min")),
    *(Form(_reduce(name, method=True), kink=tied, domain=_nonempty) for name in ("max", "min")),
    *(Form(_reduce(f"np.{name}.reduce"), domain=at_least(1), exact=False) for name in ("add", "multiply")),
    *(Form(_reduce(f"np.{name}.reduce"), kink=tied, domain=lambda x: np.ndim(x) and np.size(x), exact=False)
      for name in ("maximum", "minimum")),
    Form(lambda rng, x: f"np.logaddexp.reduce({{0}}, axis={one_axis(rng, x)})", domain=_nonempty, analytic=False,
         exact=False),
    Form(_reduce("np.prod"), limit=4, exact=False),
    Form(_reduce("prod", method=True), limit=4, exact=False),
    Form(_variance("var"), domain=_nonempty, analytic=False),
    Form(_variance("std"), domain=_nonempty, analytic=False, kink=level, singular=level),
    Form(_over_axis("np.ptp"), kink=tied, domain=_nonempty),
    Form(_over_axis("np.median"), kink=tied, domain=_nonempty, analytic=False),
    Form(_over_axis("np.cumsum")),
    Form(_reduce("mg.logsumexp"), limit=ANY, analytic=False, domain=_nonempty),
    Form("mg.logsumexp({0} * 3 + 500.0)", analytic=False, domain=_nonempty),
    Form("{0} - mg.logsumexp({0}, axis=-1, keepdims=True)", analytic=False,
         domain=lambda x: np.ndim(x) > 0 and np.size(x)),
    Form("np.exp({0} - np.max({0})) / np.sum(np.exp({0} - np.max({0})))", domain=_nonempty, kink=tied),
    Form("np.average({0}, weights=1.0 + {0} ** 2)", domain=_nonempty, exact=False),
    Form(lambda rng, x: f"np.average({{0}}{arguments(axis(rng, x))})", domain=_nonempty, exact=False),
    Form(_norm, domain=lambda x: np.size(x) > 0 and np.all(np.abs(x) > 0.05), analytic=False, exact=False,
         kink=_corner_of_norm),
    Form("np.linalg.norm({0})", domain=lambda x: np.all(np.abs(x) > 1e-100) or not np.any(x), analytic=False,
         exact=False, kink=vanishes, singular=vanishes),
    Form("np.linalg.norm({0}) ** 2", domain=lambda x: np.all(np.abs(x) > 1e-100) or not np.any(x), analytic=False,
         exact=False, kink=vanishes, singular=vanishes),
    Form(lambda rng, x: f"np.linalg.vector_norm({{0}}, axis={one_axis(rng, x)}, ord={rng.choice([1, 2, 3])})",
         domain=lambda x: not near(x), analytic=False, exact=False),
]  # fmt: skip


# Shapes -------------------------------------------------------------------------------------------------------------


def _reshape(rng, x):
    size = np.size(x)
    shapes = ["-1", f"({size},)", "(1, -1)", "(-1, 1)"]
    shapes += [f"({n}, {size // n})" for n in (1, 2, 3) if size and size % n == 0]
    if size == 1:
        shapes.append("()")
    if not size:
        shapes = ["(0,)", "(0, 2)", "(1, 0)"]
    shape = rng.choice(shapes)
    order = ", order='F'" if rng.random() < 0.2 else ""
    return rng.choice([f"np.reshape({{0}}, {shape}{order})", f"{{0}}.reshape({shape}{order})"])


def _broadcast(rng, x):
    shape = tuple(2 if n == 1 and rng.random() < 0.7 else n for n in np.shape(x))
    return f"np.broadcast_to({{0}}, {(2, *shape) if rng.random() < 0.5 else shape})"


def _expand(rng, x):
    return f"np.expand_dims({{0}}, {rng.randrange(-np.ndim(x) - 1, np.ndim(x) + 1)})"


def _split(rng, x):
    name, parts = rng.choice([("split", "[1]"), ("array_split", "2"), ("array_split", "[1, 2]")])
    return f"np.{name}({{0}}, {parts}, axis={one_axis(rng, x)})[{rng.choice([0, 1, -1])}]"


def _pad(rng, x):
    if not np.size(x):
        raise ValueError("nothing to repeat")
    mode = rng.choice(["constant", "edge", "wrap", "reflect", "symmetric"])
    width = ", ".join(str((rng.randrange(2), rng.randrange(3))) for _ in np.shape(x))
    return f"np.pad({{0}}, ({width},), mode='{mode}')"


def _repeat(rng, x):
    where = axis(rng, x, False)
    return f"np.repeat({{0}}, 2{arguments(where)})"


# Where NumPy lays out the same numbers in another order of memory, sums of them round differently: not exact.
SHAPES = [
    Form(_reshape, limit=ANY),
    Form("np.ravel({0})", limit=ANY),
    Form("{0}.flatten()", limit=ANY),
    Form("{0}.T", limit=ANY),
    Form("np.matrix_transpose({0})", limit=ANY, domain=at_least(2)),
    Form("np.transpose({0})", limit=ANY),
    Form(lambda rng, x: f"np.transpose({{0}}, {tuple(rng.sample(range(np.ndim(x)), np.ndim(x)))})", limit=ANY),
    Form(lambda rng, x: f"np.swapaxes({{0}}, {one_axis(rng, x)}, {one_axis(rng, x)})", limit=ANY),
    Form(lambda rng, x: f"np.moveaxis({{0}}, {one_axis(rng, x)}, {one_axis(rng, x)})", limit=ANY),
    Form(_expand, limit=ANY),
    Form("np.squeeze({0})", limit=ANY),
    Form("{0}.squeeze()", limit=ANY),
    Form(_broadcast, limit=ANY),
    Form(_along_axis("np.flip"), limit=ANY),
    Form("np.flip({0})", limit=ANY),
    Form("np.flipud({0})", limit=ANY, domain=at_least(1)),
    Form("np.fliplr({0})", limit=ANY, domain=at_least(2)),
    Form(_along_axis("np.roll", "1"), limit=ANY, exact=False),
    Form("np.roll({0}, 2)", limit=ANY, exact=False),
    Form("np.roll({0}, (1, -1), axis=(0, 1))", limit=ANY, exact=False, domain=at_least(2)),
    Form("np.rot90({0})", limit=ANY, exact=False, domain=at_least(2)),
    Form("np.tile({0}, 2)", limit=ANY, exact=False),
    Form("np.tile({0}, (2, 1))", limit=ANY, exact=False),
    Form(_repeat, limit=ANY, exact=False),
    Form("np.tril({0})", limit=ANY, domain=at_least(2)),
    Form("np.triu({0}, 1)", limit=ANY, domain=at_least(2)),
    Form(lambda rng, x: f"np.diff({{0}}, n={rng.choice([1, 2])}, axis={one_axis(rng, x)})"),
    Form("np.diag({0})", limit=ANY, domain=at_least(1)),
    Form("np.diag({0}, k=1)", limit=ANY, domain=at_least(1)),
    Form("np.diagonal({0})", limit=ANY, exact=False, domain=at_least(2)),
    Form("np.trace({0})", domain=at_least(2)),
    Form(_pad, limit=ANY, exact=False),
    Form("np.atleast_1d({0})", limit=ANY),
    Form("np.atleast_2d({0})", limit=ANY),
    Form("np.copy({0})", limit=ANY),
    Form("{0}.astype(float)", limit=ANY, analytic=False),
    Form(_split, limit=ANY),
    Form("np.full_like({0}, 0.5) * {0}"),
    Form("np.zeros_like({0}) + {0}"),
    Form("np.ones_like({0})", limit=ANY),
    # Joining
    *(Form(f"np.{name}([{{0}}, {{1}}])", 2, limit=ANY) for name in ("concatenate", "stack", "vstack", "hstack")),
    Form("np.concatenate([{0}, {1}], axis=-1)", 2, limit=ANY),
    Form("np.concatenate([{0}, {1}, {0}], axis=None)", 2, limit=ANY),
    Form("np.stack([{0}, {1}], axis=-1)", 2, limit=ANY),
    Form("np.stack([{0}, 1.0, {1}])", 2, limit=ANY, domain=lambda x, y: np.ndim(x) == np.ndim(y) == 0),
    Form("np.column_stack([{0}, {1}])", 2, limit=ANY),
    Form("np.append({0}, {1})", 2, limit=ANY),
    Form("sum([{0}, {1}, 1.0])", 2),
]


# Indexing -----------------------------------------------------------------------------------------------------------


def _index(rng, x):
    parts = []
    for n in np.shape(x):
        simple = [":", "::-1", "1:", ":-1", "::2", ":0"]
        integers = [str(i) for i in range(-n, n)]
        parts.append(rng.choice(simple + integers if rng.random() < 0.7 else ["None, :", *simple]))
    if rng.random() < 0.2:
        parts.insert(rng.randrange(len(parts) + 1), "...")
    if not parts:
        parts = [rng.choice(["None", "...", "()"])]
    return f"{{0}}[{', '.join(parts)}]"


def _integers(rng, n):
    """Return a list of places, some of them twice, one of them counted from the end."""
    return [rng.randrange(-n, n) for _ in range(rng.choice([1, 2, 2, 3, 4]))]


def _advanced(rng, x):
    shape = np.shape(x)
    first = _integers(rng, shape[0])
    if len(shape) == 1:
        return rng.choice([f"{{0}}[{first}]", f"{{0}}[np.array([{first}, {first[::-1]}])]"])
    second = [rng.randrange(shape[1]) for _ in first]
    return rng.choice([
        f"{{0}}[{first}]", f"{{0}}[{first}, {second}]", f"{{0}}[:, {_integers(rng, shape[1])}]",
        f"{{0}}[{first}, 0]", f"{{0}}[1:, {_integers(rng, shape[1])}]", f"{{0}}[{first}, None, 1:]",
        f"{{0}}[np.ix_({first}, {second})]", f"{{0}}[..., np.array({second})]",
    ])  # fmt: skip


def _boolean(rng, x):
    n = np.shape(x)[0]
    mask = [rng.random() < 0.6 for _ in range(n)]
    whole = [[rng.random() < 0.5 for _ in range(m)] for m in np.shape(x)[1:2] for _ in range(n)]
    choices = [f"{{0}}[np.array({mask}, dtype=bool)]", f"np.compress({mask}, {{0}}, axis=0)"]
    if np.ndim(x) == 2 and whole:
        choices.append(f"{{0}}[np.array({whole})]")
    return rng.choice(choices)


def _take(rng, x):
    i = one_axis(rng, x)
    return f"np.take({{0}}, {_integers(rng, np.shape(x)[i])}, axis={i})"


def _delete(rng, x):
    i = one_axis(rng, x)
    return f"np.delete({{0}}, {rng.randrange(np.shape(x)[i])}, axis={i})"


def _gather(rng, x):
    i = one_axis(rng, x)
    return f"np.take_along_axis({{0}}, np.argsort({{0}}, axis={i}, kind='stable'), axis={i})"


def _sort(rng, x):
    return f"np.sort({{0}}, axis={rng.choice([*range(-np.ndim(x), np.ndim(x)), None])})"


def _one_axis_only(x):
    return np.ndim(x) == 1 and np.size(x) > 0


def _whole_sum(x):
    """Return whether the sum is at an integer."""
    return near_multiple(np.sum(x))


INDEXING = [
    Form(_index, limit=ANY),
    Form(_advanced, limit=ANY, domain=at_least(1)),
    Form(_boolean, limit=ANY, domain=at_least(1)),
    Form(_take, limit=ANY, exact=False),
    Form(_delete, limit=ANY, exact=False),
    Form(_sort, limit=ANY, kink=tied),
    Form(_gather, limit=ANY, kink=tied),
    Form("np.sort({0})[..., ::-1] * {0}", kink=tied, domain=at_least(1)),
    Form("{0}[{0} > 0.1]", kink=lambda x: near(x, 0.1), domain=at_least(1), batch=False),
    Form("np.extract({0} < {1}, {0})", 2, kink=equal, batch=False,
         domain=lambda x, y: np.ndim(x) > 0 and np.shape(x) == np.shape(y)),
    Form("{0}[np.nonzero({0})[0]]", kink=near, domain=_one_axis_only, batch=False),
    Form("{0}[np.argmax({0})]", kink=tied, domain=_one_axis_only),
    Form("({1} + 0 * {0})[np.argmin({0})]", 2, kink=lambda x, y: tied(x),
         domain=lambda x, y: _one_axis_only(x) and np.shape(x) == np.shape(y)),
    Form("({1} + 0 * {0})[np.argsort({0}, kind='stable')]", 2, kink=lambda x, y: tied(x),
         domain=lambda x, y: _one_axis_only(x) and np.shape(x) == np.shape(y)),
    Form("np.where({0} > 0, {0}, 0)[..., None]", kink=near, limit=ANY),
    Form("{0}[int(abs(np.sum({0}))) % len({0})]", batch=False, analytic=False, kink=_whole_sum,
         domain=lambda x: np.ndim(x) and np.size(x)),
    Form("np.stack([part * part for part in {0}])", domain=lambda x: np.ndim(x) and np.shape(x)[0] > 0),
    Form("sum(part for part in {0})", domain=lambda x: np.ndim(x) and np.shape(x)[0] > 0),
    Form("{0}.ravel()[-1]", limit=ANY, domain=_nonempty),
    Form("{0}.item(0) + 0 * {0}", domain=_nonempty, analytic=False),
]  # fmt: skip
