"""pomegranate's mixture of normal laws, called as scikit-learn's is; it runs on PyTorch, with all its threads."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from pomegranate.distributions import Normal
from pomegranate.gmm import GeneralMixtureModel


class Pomegranate:
    """Begins at given parameters and makes all iterations; adds nothing to covariances."""

    def __init__(
        self,
        n_components: int,
        covariance_type: str,
        weights_init: np.ndarray,
        means_init: np.ndarray,
        precisions_init: np.ndarray,
        max_iter: int,
        reg_covar: float,
        tol: float,
    ) -> None:
        inverse = np.linalg.inv if covariance_type == "full" else np.reciprocal
        laws = [
            Normal(*map(torch.tensor, (mean, inverse(precision))), covariance_type=covariance_type)
            for mean, precision in zip(means_init, precisions_init, strict=True)
        ]
        self.n_iter_ = max_iter
        self._model = GeneralMixtureModel(laws, priors=torch.tensor(weights_init), max_iter=max_iter, tol=-np.inf)

    def fit(self, X: np.ndarray) -> Any:
        torch.set_num_threads(os.cpu_count() or 1)
        self._model.fit(torch.from_numpy(X))
        return self

    def score(self, X: np.ndarray) -> float:
        """Return the mean log-likelihood per row."""
        return float(self._model.log_probability(torch.from_numpy(X)).mean())
