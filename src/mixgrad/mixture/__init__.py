"""Gaussian mixtures whose E-step is one reverse sweep of the log-likelihood.

``GaussianMixture`` is the estimator. What it is made of can be used by itself and needs no scikit-learn:

==============  =========================================================================================
`likelihood`    the scores of the components and the log-likelihood; statistics as its gradient
`covariance`    what a type of covariance is; the types are in `matrix` and `diagonal`, listed in `gaussian`
`em`            the iteration: a state, a step, a reason to stop
`solvers`       ways to the maximum: EM, EM extrapolated, and the second-order ones of `descent`
`chart`         coordinates of mixtures without constraints, and derivatives in them
`checks`        parameters that a user gives
`gap`           how far a log-likelihood is from its limit
`units`         where a table lies and how finely it is resolved
==============  =========================================================================================

Four modules belong to the estimator: `estimators`, `start`, `progress` and `model_file` (``save`` and ``load``).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixgrad.mixture.estimators import GaussianMixture

__all__ = ["GaussianMixture"]


def __getattr__(name):
    # Loaded on first use: scikit-learn takes a second to import and the pure functions do not need it.
    if name == "GaussianMixture":
        from mixgrad.mixture.estimators import GaussianMixture

        return GaussianMixture
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
