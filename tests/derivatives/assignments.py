"""Random straight-line programs that create, view, read and write arrays. NumPy, run on the way, says what is valid.

A program is the lines of a function of ``x`` (4 numbers) and ``m`` (2 rows of 3); ``create`` has the functions that
create arrays, ``np`` all others. Every variable is an array and is returned.
"""

from __future__ import annotations

import warnings

import numpy as np

X, M = (4,), (2, 3)
SHAPES = ((3,), (4,), (2, 3), (3, 2), (4, 1), (6,), (2, 2), (2, 1, 3))
VIEWS = (
    "{a}.T", "{a}.ravel()", "{a}.reshape(-1)", "{a}.reshape({a}.shape[::-1])", "{a}.squeeze()", "np.flip({a})",
    "np.flip({a}, -1)", "np.expand_dims({a}, 0)", "np.atleast_2d({a})", "np.swapaxes({a}, 0, -1)", "np.real({a})",
    "np.moveaxis({a}, 0, -1)", "np.transpose({a})", "np.split({a}, 2, -1)[1]", "np.array_split({a}, 2)[0]",
    "list({a})[-1]", "{a}.reshape(2, -1, order='F')", "np.rot90({a})", "np.rot90({a}, 3)", "{a}.mT",
    "np.diagonal({a})", "np.broadcast_to({a}, (2, *{a}.shape))", "create.asarray({a})", "np.unstack({a})[0]",
)  # fmt: skip
ARITHMETIC = (
    "0.5 * {a}", "{a} - {b}", "{a} * {b}", "np.sin({a})", "np.where({a} > {b}, {a}, 0.3)", "{a} + {a}.T",
    "np.cos({a} + {b})",
    "{a}.copy()", "create.copy({a})", "np.concatenate([{a}, {b}])", "np.cumsum({a}, 0)", "np.tanh({a}).T",
    "abs({a})",
    "{a} @ {b}", "create.array({a})", "np.stack([{a}, {a}])", "{a}.astype(float)", "-{a}.T", "np.maximum({a}, {b})",
)  # fmt: skip
CREATIONS = (
    "create.zeros({s})", "create.ones({s})", "create.full({s}, {v})", "create.zeros_like({a})",
    "create.array([{v}, 0.25, {v}])", "create.array([[{v}, 1], [2, {v}]])", "create.arange({n}) * 0.1",
    "create.eye({n})",
    "create.linspace(0.0, {v}, {n})", "create.full_like({a}, {v})", "create.ones_like({a})",
    "create.zeros({s}, order='F')",
    "create.asarray([{v}, {v}])", "create.identity({n})", "create.array({a}, dtype=np.float32)",
)  # fmt: skip
WRITES = (
    "{a}[{i}] = {v}", "{a}[{i}] = {b}", "{a}[{i}] = {a}[{j}]", "{a}[{i}] = {b}[{j}]", "{a}[{i}] += {v}",
    "{a}[{i}] *= {b}",
    "{a}[{i}] += {b}[{j}]", "{a}[{i}][{j}] = {v}", "{a} += {b}", "{a} *= {v}", "{a} -= 0.5 * {a}[::-1]",
    "{a} /= 1.5",
    "{a}[{i}] -= {a}[{j}]", "{a}.fill({v})", "{a}.sort()", "{a}.sort(0)", "np.add.at({a}, np.s_[{i}], {v})",
    "{a}[{a} > {t}] = {v}",
    "np.subtract.at({a}, np.s_[{i}], {b})", "np.copyto({a}, {b})", "np.copyto({a}, {b}, where={a} > {t})",
    "{a}[...] = {b}",
    "np.put({a}, [0, 2, 0], {b})", "np.fill_diagonal({a}, {v})", "np.add({a}, {b}, out={a})",
    "np.sin({b}, out={a})",
    "{a}.flat[{f}] = {v}", "{a}.flat[{f}] = {b}", "np.putmask({a}, {a} > {t}, {b})",
    "np.place({a}, {a} > {t}, [{v}, 0.7])",
    "np.multiply({a}, {b}, out={a}, where={b} > {t})", "{a}[:] = [{v}] * len({a})", "{a} += [0.1]",
    "np.cumsum({b}, 0, out={a})",
    "{a}[k] = {b}", "{a}[k] += {v}", "k[{i}] = 1.7", "k += 1", "k[k > 1] = 0", "k[0] = k[-1]", "mask[0] = ~mask[1]",
    "mask[...] = {a}[0] > {t}", "mask |= {a} > {t}", "{a}[mask] = {v}", "{a}[mask] *= 0.5", "{a} **= 2",
    "{a} @= {b}",
    "np.put_along_axis({a}, k[None] % len({a}), {v}, 0)", "{a}.put([1, 1], [{v}, {v} + 1])", "{a} %= 3.0",
    "{a} += {a}.T", "{a}[{i}] = {a}.T[{j}]", "np.add.at({a}, k, {b})", "{a} //= 0.7",
)  # fmt: skip
START = ("k = create.array([0, 1, 0])", "mask = create.array([True, False, True])", "w = create.zeros((2, 3))")


def _index(rng: np.random.Generator, shape: tuple[int, ...]) -> str:
    """Return the text of a random index for an array of a shape."""
    parts = []
    for n in shape[: rng.integers(0, len(shape) + 1) or 1]:
        parts.append(_part(rng, n))
    if rng.random() < 0.1:
        parts.insert(rng.integers(0, len(parts) + 1), "None")
    if rng.random() < 0.15:
        parts.insert(rng.integers(0, len(parts) + 1), "...")
    return ", ".join(parts)


def _part(rng: np.random.Generator, n: int) -> str:
    choice = rng.integers(0, 8)
    if choice < 3:
        return str(rng.integers(-n, n))
    if choice < 6:
        bounds = [str(rng.integers(-n, n + 1)) if rng.random() < 0.6 else "" for _ in range(2)]
        return ":".join([*bounds, str(rng.choice(["", "2", "-1", "-2"]))]).removesuffix(":")
    if choice == 6:
        return str([int(i) for i in rng.integers(-n, n, rng.integers(1, 4))])
    return str([bool(flag) for flag in rng.integers(0, 2, n)])


def _statement(rng: np.random.Generator, env: dict, number: int) -> str:
    names = [name for name, value in env.items() if value.dtype.kind == "f" and value.ndim]
    a, b = (str(rng.choice(names)) for _ in range(2))
    value = str(rng.choice([f"x[{rng.integers(0, 4)}]", f"m[{_index(rng, M)}]", "0.37"], p=[0.5, 0.1, 0.4]))
    templates = (VIEWS, ARITHMETIC, CREATIONS, WRITES, WRITES)[rng.integers(0, 5)]
    fields = {
        "a": a, "b": b, "i": _index(rng, env[a].shape), "v": value, "n": rng.integers(2, 5),
        "t": round(rng.random(), 6), "s": SHAPES[rng.integers(0, len(SHAPES))], "f": _part(rng, env[a].size),
    }  # fmt: skip
    text = str(rng.choice(templates))
    fields["j"] = _index(rng, env[b].shape if "{b}[{j}]" in text else env[a].shape)
    text = text.format(**fields)
    if templates is WRITES:
        return text
    if rng.random() < 0.15:
        text = f"{a}[{fields['i']}]"
    return f"{a if a[0] == 'v' and rng.random() < 0.5 else f'v{number}'} = {text}"


def run(lines: list[str], x, m, create=np) -> dict:
    """Run a program; return its variables."""
    env = {"x": x, "m": m}
    exec("\n".join(lines), {"np": np, "create": create}, env)
    return env


def _plain(lines: list[str], x, m) -> dict | None:
    """Run a program with NumPy alone; None if it is not valid, or not smooth."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            env = run(lines, x.copy(), m.copy())
    except (ValueError, IndexError, TypeError, NameError, Warning, AttributeError):
        return None
    for value in env.values():
        if type(value) is not np.ndarray or value.ndim > 4 or value.size > 60 or not value.size:
            return None
        if value.dtype.kind == "f" and not (np.isfinite(value).all() and np.abs(value).max() < 50):
            return None
    return env


def _kinks(lines: list[str]) -> bool:
    """Whether the last line is not differentiable where values are equal: ties are left out."""
    return any(word in lines[-1] for word in (".sort(", "maximum", "abs(", "//", "%="))


def generate(seed: int, length: int = 12) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the lines of a valid program and its arguments."""
    rng = np.random.default_rng(seed)
    x, m = rng.uniform(0.2, 1.0, X), rng.uniform(0.2, 1.0, M)
    lines = list(START)
    env = _plain(lines, x, m)
    assert env is not None
    for number in range(400):
        if len(lines) == length + len(START):
            break
        line = _statement(rng, env, number)
        after = _plain([*lines, line], x, m)
        if after is not None and not _overlaps(env, line) and not (_kinks([line]) and _has_ties(env, line)):
            lines.append(line)
            env = after
    return lines, x, m


def _overlaps(env: dict, line: str) -> bool:
    """Whether a function that does not care about overlap reads what it writes."""
    if ".at(" in line and not env[line.split("(")[1].split(",")[0]].flags.writeable:
        return True  # NumPy writes there
    if not any(word in line for word in (".flat", "cumsum", "put", "place", "copyto", "True", "False")):
        return False
    used = [value for name, value in env.items() if name in line]
    return any(np.may_share_memory(a, b) for i, a in enumerate(used) for b in used[:i]) or any(
        len(line.split(name)) > 2 for name in env if name[0] not in "k"
    )


def _has_ties(env: dict, line: str) -> bool:
    floats = [value.ravel() for name, value in env.items() if name in line and value.dtype.kind == "f"]
    values = np.concatenate(floats) if floats else np.zeros(0)
    return len(np.unique(np.round(values, 9))) < len(values) or bool((np.abs(values) < 1e-6).any())
