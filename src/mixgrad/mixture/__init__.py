"""Gaussian mixtures whose E-step is one reverse sweep of the log-likelihood.

``GaussianMixture`` is an estimator, and ``KMeans`` that of its limit, clusters with hard labels. What they are
made of can be used by itself and needs no scikit-learn:

==============  =========================================================================================
`likelihood`    the scores of the components and the log-likelihood; statistics as its gradient
`covariance`    what a type of covariance is; the types are in `matrix` and `diagonal`, listed in `gaussian`
`sweep`         a sweep over the rows of a table: the likelihood's programs, compiled or recorded
`em`            the iteration: a state, a step, a reason to stop
`solvers`       ways to the maximum: EM, EM extrapolated, and the second-order ones of `descent`
`chart`         coordinates of mixtures without constraints, and derivatives in them
`checks`        parameters that a user gives
`gap`           how far a log-likelihood is from its limit
`units`         where a table lies and how finely it is resolved
`distinct`      a table without repeated rows, and weights
`hard`          k-means as the limit of EM; `lloyd` is its iteration, `seeds` draws its starts
==============  =========================================================================================

The other modules belong to the estimators: `estimators` and `kmeans` themselves, `distribution`, what a mixture can do
without a fit, `fitting`, what a fit does, `start` and `multistart`, `progress`, and `model_file` (``save``, ``load``).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixgrad.mixture.estimators import GaussianMixture
    from mixgrad.mixture.kmeans import KMeans

__all__ = ["GaussianMixture", "KMeans"]


def __getattr__(name):
    # Loaded on first use: scikit-learn takes a second to import and the pure functions do not need it.
    if name == "GaussianMixture":
        from mixgrad.mixture.estimators import GaussianMixture

        return GaussianMixture
    if name == "KMeans":
        from mixgrad.mixture.kmeans import KMeans

        return KMeans
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
