"""The check that a batch is a loop: for the op, its forward and its reverse derivative, in every order of the modes."""

from __future__ import annotations

import itertools

import numpy as np

from mixgrad.core.op import Kind
from mixgrad.derivatives import jvp, vjp, vmap

from .cases import Case, direction
from .conformance import close, epsilon, fail

MEMBERS = 3


def subsets(places: tuple) -> list[tuple]:
    """Return all subsets but the empty one."""
    return [chosen for n in range(1, len(places) + 1) for chosen in itertools.combinations(places, n)]


def _stack(arrays) -> np.ndarray:
    return np.stack([np.asarray(array) for array in arrays])


def check_batch(case: Case, whole_only: bool = False) -> None:
    """Batched in each subset of its arguments, a row gives what a loop gives."""
    every = tuple(range(len(case.args))) if case.op.kind is Kind.DISCRETE else case.places
    for chosen in [every] if whole_only else subsets(every):
        _check_values(case, chosen)
        if case.op.kind not in (Kind.ZERO, Kind.DISCRETE):
            _check_derivatives(case, tuple(case.places.index(i) for i in chosen))


def _members(case: Case, chosen: tuple) -> list[tuple]:
    """Return the arguments of each member: those in `chosen` are new for each."""
    others = [case.another(case.seed + k + 1).args for k in range(MEMBERS)]
    return [tuple(o if i in chosen else x for i, (x, o) in enumerate(zip(case.args, args))) for args in others]


def _compare(case: Case, what: str, got: list, want: list) -> None:
    for part, members in zip(got, zip(*want)):
        loop = _stack(members)
        if np.asarray(part).dtype != loop.dtype:
            fail(case, f"{what}: dtype {np.asarray(part).dtype}, in a loop {loop.dtype}")
        if loop.dtype.kind not in "fc":
            if np.shape(part) != loop.shape or not np.array_equal(part, loop):
                fail(case, f"{what}: {part!r}, in a loop {loop!r}")
            continue
        close(case, what, part, loop, 200 * epsilon(loop.dtype), 1e-300)


def _check_values(case: Case, chosen: tuple) -> None:
    op = case.op
    members = _members(case, chosen)
    args = [_stack([m[i] for m in members]) if i in chosen else x for i, x in enumerate(case.args)]

    def call(*args):
        out = op(*args, **case.static)
        return list(out) if op.multiple else [out]

    got = vmap(call, [0 if i in chosen else None for i in range(len(args))])(*args)
    want = [[np.asarray(part) for part in call(*m)] for m in members]
    _compare(case, f"batched in arguments {chosen}", got, want)


def _check_derivatives(case: Case, chosen: tuple) -> None:
    """Compare batched derivatives with a loop; `chosen` counts the arguments that have a tangent space."""
    places = range(len(case.floats))
    members = [tuple(m[i] for i in case.places) for m in _members(case, tuple(case.places[i] for i in chosen))]
    rng = case.rng(f"batch {chosen}")
    tangents = [tuple(direction(rng, x) for x in m) for m in members]
    bars = [[direction(rng, out) for out in case.value()] for _ in members]
    axes = [0 if i in chosen else None for i in places]
    x = [_stack([m[i] for m in members]) if i in chosen else case.floats[i] for i in places]
    v = [_stack([t[i] for t in tangents]) for i in places]
    u = [_stack(parts) for parts in zip(*bars)]
    n = len(x)

    def push(*xv):
        return jvp(case.outputs, xv[:n], xv[n:])[1]

    def pull(*xu):
        return vjp(case.outputs, *xu[:n])[1](list(xu[n:]))

    pushes = [push(*m, *t) for m, t in zip(members, tangents)]
    pulls = [pull(*m, *b) for m, b in zip(members, bars)]
    say = f"batched in arguments {chosen}"
    _compare(case, f"derivative {say}", vmap(push, axes + [0] * n)(*x, *v), pushes)
    _compare(case, f"reverse derivative {say}", vmap(pull, axes + [0] * len(u))(*x, *u), pulls)
    # One direction, one cotangent for all members.
    same = vmap(push, axes + [None] * n)(*x, *tangents[0])
    _compare(case, f"derivative in one direction {say}", same, [push(*m, *tangents[0]) for m in members])
    same = vmap(pull, axes + [None] * len(u))(*x, *bars[0])
    _compare(case, f"one cotangent {say}", same, [pull(*m, *bars[0]) for m in members])
    # The batch inside the derivative.
    whole = vmap(case.outputs, axes)
    moved = [v[i] if i in chosen else tangents[0][i] for i in places]
    wants = [push(*m, *[t[i] if i in chosen else tangents[0][i] for i in places]) for m, t in zip(members, tangents)]
    _compare(case, f"derivative of the batch {say}", jvp(whole, x, moved)[1], wants)
    for i, bar in enumerate(vjp(whole, *x)[1](u)):
        parts = _stack([p[i] for p in pulls])
        want = parts if i in chosen else parts.sum(0)
        close(case, f"reverse derivative of the batch {say}", bar, want, 400 * epsilon(want.dtype), 1e-300)


def check_directions(case: Case) -> None:
    """Many directions and many cotangents at one point: what columns and rows of a Jacobian are made of."""
    if not case.floats:
        return
    rng = case.rng("many")
    tangents = [tuple(direction(rng, x) for x in case.floats) for _ in range(MEMBERS)]
    bars = [[direction(rng, out) for out in case.value()] for _ in range(MEMBERS)]
    pull = vjp(case.outputs, *case.floats)[1]
    got = vmap(lambda *v: jvp(case.outputs, case.floats, v)[1])(*[_stack(parts) for parts in zip(*tangents)])
    _compare(case, "many directions", got, [jvp(case.outputs, case.floats, t)[1] for t in tangents])
    got = vmap(lambda *u: pull(list(u)))(*[_stack(parts) for parts in zip(*bars)])
    _compare(case, "many cotangents", got, [pull(b) for b in bars])
