"""Parameters of a mixture that come from a user or a file: arrays of the right shape and meaning, or a `DataError`."""

import warnings

import numpy as np

from mixgrad._errors import DataError
from mixgrad.mixture.covariance import Fixed

__all__ = [
    "check_covariances",
    "check_fixed",
    "check_labels",
    "check_means",
    "check_parameters",
    "check_precisions",
    "check_weights",
]


def check_parameters(weights, means, covariances, covariance):
    """Weights, means and covariances of one mixture, whose size is that of the means."""
    try:
        shape = np.shape(means)
    except ValueError as error:
        raise DataError(
            f"The parameter 'means' should be an array of shape (n_components, n_features): {error}."
        ) from None
    if len(shape) != 2 or 0 in shape:
        raise DataError(f"The parameter 'means' should have the shape (n_components, n_features), but got {shape}.")
    weights, means = check_weights(weights, shape[0]), check_means(means, *shape)
    return weights, means, check_covariances(covariances, covariance, *shape)


def check_weights(weights, n_components, name="weights"):
    """Weights of shape (K,), in [0, 1], that sum to 1."""
    weights = _floats(weights, (n_components,), name)
    if np.any(weights < 0.0) or np.any(weights > 1.0):
        raise DataError(
            f"The parameter '{name}' should be in the range [0, 1], but got max value {weights.max():.5f}, "
            f"min value {weights.min():.5f}."
        )
    total = weights.sum(dtype=np.float64)
    if abs(total - 1.0) > (1e-6 if weights.dtype == np.float32 else 1e-8):
        raise DataError(
            f"The parameter '{name}' should be normalized, but got sum({name}) = {total:.9g}. Divide it by its sum."
        )
    return weights


def check_means(means, n_components, n_features, name="means"):
    """Means of shape (K, d)."""
    return _floats(means, (n_components, n_features), name)


def check_covariances(covariances, covariance, n_components, n_features, name="covariances"):
    """Symmetric positive definite covariances, or positive variances, of the shape that the type asks for."""
    covariances = _floats(covariances, covariance.shape(n_components, n_features), name, covariance)
    if not covariance.is_positive(covariances):
        raise DataError(f"The parameter '{name}': a '{covariance.name} covariance' should be {covariance.positivity}.")
    return covariances


def check_precisions(precisions, covariance, n_components, n_features, name="precisions"):
    """Symmetric positive definite precisions of the shape that the type asks for."""
    precisions = _floats(precisions, covariance.shape(n_components, n_features), name, covariance)
    if not covariance.is_positive(precisions):
        raise DataError(f"The parameter '{name}': a '{covariance.name} precision' should be {covariance.positivity}.")
    return precisions


def check_fixed(fixed):
    """Blocks of parameters that stay as they are, from their names, as `Fixed`."""
    names = (fixed,) if isinstance(fixed, str) else () if fixed is None else tuple(fixed)
    unknown = sorted(set(map(str, names)) - set(Fixed._fields))
    if unknown:
        raise DataError(f"fixed should name some of {', '.join(Fixed._fields)}, but got {', '.join(unknown)}.")
    return Fixed(**{name: name in names for name in Fixed._fields})


def check_labels(y, n_rows, n_components):
    """Known components of rows: integers of shape (n,), -1 where unknown; None if `y` is something else or all unknown.

    scikit-learn's mixtures ignore `y`, and pipelines hand it on to every step: what are no components is no error.
    """
    if y is None or n_components == 1:
        return None
    labels = np.asarray(y)
    if labels.dtype.kind not in "iub" or labels.shape != (n_rows,):
        return None
    labels = labels.astype(np.intp)
    if np.any(labels < -1) or np.any(labels >= n_components):
        warnings.warn(
            f"y holds integers from {labels.min()} to {labels.max()}, which are not all components (0 to "
            f"{n_components - 1}, or -1 for unknown): it is ignored.",
            stacklevel=5,
        )
        return None
    return labels if np.any(labels >= 0) else None


def _floats(values, shape, name, covariance=None):
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"The parameter '{name}' should be an array of shape {shape}: {error}.") from None
    if array.dtype.kind not in "fiu":
        raise DataError(f"The parameter '{name}' should hold real numbers, but got the dtype {array.dtype}.")
    if array.shape != shape:
        of_type = "" if covariance is None else f" for covariance_type={covariance.name!r}"
        raise DataError(f"The parameter '{name}' should have the shape of {shape}{of_type}, but got {array.shape}.")
    if not np.all(np.isfinite(array)):
        raise DataError(f"The parameter '{name}' holds NaN or infinity.")
    # Single precision stays as it is; integers and exotic widths become float64.
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
