"""Forms of statements: contractions and linear algebra, on matrices made well conditioned where that matters."""

from __future__ import annotations

import numpy as np

from .form import Form, at_least


def _square(x, *rest):
    return np.ndim(x) == 2 and np.shape(x)[0] == np.shape(x)[1] > 0


def _rows(x, *rest):
    return np.ndim(x) == 2 and min(np.shape(x)) > 0


def _matrix(rng, x, strength: float = 2.0) -> str:
    """Return an expression for a symmetric positive definite matrix made of {0}, an array of two axes."""
    n = np.shape(x)[0]
    return rng.choice([
        f"({{0}} @ {{0}}.T + {strength} * np.eye({n}))",
        f"(np.einsum('ij,kj->ik', {{0}}, {{0}}) + {strength} * np.eye({n}))",
    ])  # fmt: skip


def _general(rng, x) -> str:
    """Return an expression for a well-conditioned matrix that is not symmetric."""
    n = np.shape(x)[0]
    if _square(x):
        return f"(np.tanh({{0}}) + {2 * n} * np.eye({n}))"
    return f"(0.5 * {{0}} @ np.sin({{0}}).T + {8 * n} * np.eye({n}))"


def _solve(rng, x, y) -> str:
    if np.ndim(y) == 0 or np.shape(y)[0] != np.shape(x)[0]:
        raise ValueError("the right-hand side does not fit")
    return f"np.linalg.solve({rng.choice([_matrix, _general])(rng, x)}, {{1}})"


def _triangular(rng, x, y) -> str:
    if np.ndim(y) == 0 or np.shape(y)[0] != np.shape(x)[0]:
        raise ValueError("the right-hand side does not fit")
    lower, trans, unit = rng.choice([True, False]), rng.choice([0, 1]), rng.choice([True, False])
    return f"mg.solve_triangular({_general(rng, x)}, {{1}}, lower={lower}, trans={trans}, unit_diagonal={unit})"


def _of_matrix(*texts, matrix=_matrix):
    return lambda rng, x: rng.choice(texts).replace("A", matrix(rng, x))


def _einsum(rng, x, y) -> str:
    m, n = np.ndim(x), np.ndim(y)
    choices = {
        (1, 1): ["i,i->", "i,i->i", "i,j->ij", "i,j->j", "i,j"],
        (2, 1): ["ij,j->i", "ij,i->j", "ij,j->ij", "ij,k->i", "ij,j", "...j,j->..."],
        (2, 2): ["ij,jk->ik", "ij,ij->", "ij,kj->ki", "ij,ij->j", "ij,kl->jl", "ij,jk", "...ij,...jk->...ik"],
        (1, 2): ["i,ij->j", "j,ij->i", "i,jk->k"],
    }
    return f"np.einsum('{rng.choice(choices[m, n])}', {{0}}, {{1}})"


def _einsum_of_one(rng, x) -> str:
    choices = ["ij->ji", "ij->j", "ij->", "ij", "ji"] + (["ii->i", "ii"] if _square(x) else [])
    return f"np.einsum('{rng.choice(choices)}', {{0}})"


def _tensordot(rng, x, y) -> str:
    axes = rng.choice(["axes=1", "axes=0", "axes=([0], [0])", "axes=(-1, -1)", "axes=2"])
    return f"np.tensordot({{0}}, {{1}}, {axes})"


CONTRACTIONS = [
    *(Form(text, 2, exact=False)
      for text in ("{0} @ {1}", "np.matmul({0}, {1})", "np.dot({0}, {1})", "np.inner({0}, {1})")),
    Form("{0} @ {1}.T", 2, exact=False),
    Form("{0}.dot({0}.T)", exact=False, limit=6, domain=at_least(1)),
    Form("{0} @ {0}", exact=False, limit=6),
    Form("{0} @ {0}.T", exact=False, limit=6, domain=at_least(1)),
    Form("np.outer({0}, {1})", 2),
    Form("np.kron({0}, {1})", 2, domain=lambda x, y: np.size(x) * np.size(y) < 40),
    Form("np.vdot({0}, {1})", 2, exact=False, analytic=False),
    Form("np.vecdot({0}, {1})", 2, exact=False, analytic=False),
    Form("np.matvec({0}, {1})", 2, exact=False),
    Form("np.vecmat({0}, {1})", 2, exact=False, analytic=False),
    Form(_tensordot, 2, exact=False, domain=lambda x, y: np.size(x) * np.size(y) < 100),
    *(Form(_einsum, 2, exact=False, domain=lambda x, y: np.size(x) * np.size(y) < 100) for _ in range(3)),
    Form(_einsum_of_one, exact=False, domain=lambda x: np.ndim(x) == 2),
    Form("np.einsum('i,ij,kj->k', {0}[:, 0], {0}, {1})", 2, exact=False, limit=6,
         domain=lambda x, y: _rows(x) and _rows(y)),
    Form("np.einsum('...i,...i->...', {0}, {0})", exact=False, domain=at_least(1)),
    Form("np.linalg.multi_dot([{0}, {1}, {0}])", 2, exact=False, limit=6),
    Form("np.matmul(np.stack([{0}, {0} * {0}]), {1})", 2, exact=False, limit=6, domain=lambda x, y: _rows(x)),
]  # fmt: skip


LINALG = [
    *(Form(_solve, 2, exact=False, limit=6, domain=lambda x, y: _rows(x)) for _ in range(3)),
    *(Form(_triangular, 2, exact=False, limit=6, domain=lambda x, y: _rows(x)) for _ in range(2)),
    Form(_of_matrix("np.linalg.cholesky(A)", "np.linalg.cholesky(A, upper=True)"), exact=False, analytic=False, limit=4,
         domain=_rows),
    Form(lambda rng, x: f"np.linalg.cholesky({{0}} + {{0}}.T + {22 * len(x)} * np.eye({len(x)}))", exact=False, limit=9,
         analytic=False, domain=_square),
    Form(_of_matrix("np.linalg.inv(A)", matrix=_general), exact=False, limit=6, domain=_rows),
    Form(_of_matrix("np.linalg.inv(A)"), exact=False, limit=4, domain=_rows),
    Form(_of_matrix("np.linalg.det(A)", "np.linalg.det(0.2 * A)"), exact=False, limit=3, domain=_rows),
    Form(_of_matrix("np.linalg.det(0.2 * A)", matrix=_general), exact=False, limit=4, domain=_rows),
    Form("np.linalg.det({0})", exact=False, limit=4, domain=_square),
    Form("np.linalg.det(np.outer({0}, {0}))", exact=False, limit=3,
         domain=lambda x: np.ndim(x) == 1 and 0 < np.size(x) < 4),
    Form(_of_matrix("np.linalg.slogdet(A)[1]", "np.linalg.slogdet(A).logabsdet"), exact=False, analytic=False, limit=4,
         domain=_rows),
    Form(_of_matrix("np.sum(np.log(np.diagonal(np.linalg.cholesky(A))))"), exact=False, analytic=False, limit=4,
         domain=_rows),
    Form("np.linalg.matrix_power({0}, 3)", exact=False, limit=3, domain=_square),
    Form(_of_matrix("np.linalg.matrix_power(A, -2)", matrix=_general), exact=False, limit=3, domain=_rows),
    Form("np.linalg.norm({0}, ord='fro')", exact=False, analytic=False,
         domain=lambda x: _rows(x) and np.max(np.abs(x)) > 0.1),
    Form("np.linalg.matrix_norm({0})", exact=False, analytic=False,
         domain=lambda x: _rows(x) and np.max(np.abs(x)) > 0.1),
    Form(_of_matrix("np.linalg.trace(A)", "np.linalg.solve(A, A)"), exact=False, limit=4, domain=_rows),
]  # fmt: skip
