"""scikit-learn's own suite of checks for estimators."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from mixgrad.mixture import GaussianMixture

TYPES = ("full", "tied", "diag", "spherical")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::mixgrad._errors.CollapseWarning")  # 15 rows of 30 features
@parametrize_with_checks([GaussianMixture(covariance_type=name, max_iter=30) for name in TYPES])
def test_scikit_learn_checks(estimator, check):
    check(estimator)
