"""Models as files: readable text, the same model bit by bit after reading.

A file is one JSON object. Numbers are written with as many digits as tell them apart from every other float64, so that
reading gives back each bit. Nothing in a file is ever executed.

==================  ==========================================================================================
``format``          "mixgrad-mixture"
``version``         1
``covariance_type`` "full", "tied", "diag" or "spherical"
``dtype``           "float64" or "float32"
``feature_names``   list of str, or null
``weights``         list of K numbers
``means``           K lists of d numbers
``covariances``     nested lists, of the shape that the type of covariance asks for
``fit``             null, or an object: ``lower_bound`` (a number or null), ``n_iter``, ``converged``
==================  ==========================================================================================
"""

import json
from pathlib import Path

import numpy as np

from mixgrad._errors import DataError
from mixgrad._files import replacing

__all__ = ["load", "save"]

FORMAT = "mixgrad-mixture"
VERSION = 1


def save(model, path):
    """Write a fitted model to a file.

    The file appears complete or not at all: an interrupted write leaves what was there before.

    Parameters
    ----------
    model : GaussianMixture
    path : str or path-like

    Raises
    ------
    DataError
        The model is not fitted, or the file cannot be written.
    """
    if not hasattr(model, "means_"):
        raise DataError(f"{path}: the model has no parameters to save. Call its fit method first.")
    text = json.dumps(_document(model), indent=1, allow_nan=False)
    try:
        with replacing(path) as file:
            file.write((text + "\n").encode())
    except OSError as error:
        raise DataError(f"{path}: the model cannot be written: {error.strerror or error}.") from error


def load(path):
    """Read a model from a file that `save` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    GaussianMixture

    Raises
    ------
    DataError
        The file cannot be read, or does not hold a valid model; the message says what is wrong.
    """
    from mixgrad.mixture.estimators import GaussianMixture

    document = _read(path)
    try:
        dtype = _member(document, "dtype", ("float64", "float32"))
        arrays = (_array(document, name, dtype) for name in ("weights", "means", "covariances"))
        model = GaussianMixture.from_parameters(*arrays, covariance_type=_entry(document, "covariance_type", str))
        names = _feature_names(document, model.n_features_in_)
        if names is not None:
            model.feature_names_in_ = names
        _restore_fit(model, _entry(document, "fit", dict, type(None)))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return model


def _document(model):
    """Return the model as an object that JSON can write."""
    names = getattr(model, "feature_names_in_", None)
    fit = None
    if hasattr(model, "converged_"):
        bound = float(model.lower_bound_)
        fit = {
            # Without iterations there is no bound, and JSON knows no infinity.
            "lower_bound": bound if np.isfinite(bound) else None,
            "n_iter": int(model.n_iter_),
            "converged": bool(model.converged_),
        }
    return {
        "format": FORMAT,
        "version": VERSION,
        "covariance_type": model.covariance_type,
        "dtype": model.means_.dtype.name,
        "feature_names": None if names is None else [str(name) for name in names],
        "weights": model.weights_.tolist(),
        "means": model.means_.tolist(),
        "covariances": model.covariances_.tolist(),
        "fit": fit,
    }


def _read(path):
    """Return the object in the file, known to be of our format and version."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: the model cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError:
        raise DataError(f"{path}: this is not a text file; expected a model that mixgrad saved.") from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: this is not JSON ({error}); expected a model that mixgrad saved.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DataError(f'{path}: this is not a model that mixgrad saved: no "format": "{FORMAT}".')
    if document.get("version") != VERSION:
        raise DataError(
            f"{path}: the file has the version {document.get('version')!r} of the format, this mixgrad reads version "
            f"{VERSION}. Read it with the mixgrad that wrote it, or fit and save the model anew."
        )
    return document


def _entry(document, name, *types):
    if name not in document:
        raise DataError(f"the entry {name!r} is missing.")
    value = document[name]
    # JSON's true is an int to Python, but no number.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in types)
        raise DataError(f"the entry {name!r} should be of type {wanted}, but got {value!r:.60}.")
    return value


def _member(document, name, choices):
    value = _entry(document, name, str)
    if value not in choices:
        raise DataError(f"the entry {name!r} should be one of {', '.join(choices)}, but got {value!r:.60}.")
    return value


def _array(document, name, dtype):
    """Return numbers as they stand; what they mean is checked where the model is made."""
    values = _entry(document, name, list)
    try:
        array = np.asarray(values)
    except ValueError:
        raise DataError(f"the lists in {name!r} differ in length.") from None
    return array.astype(dtype) if array.dtype.kind in "fi" else array


def _feature_names(document, n_features):
    names = _entry(document, "feature_names", list, type(None))
    if names is None:
        return None
    if len(names) != n_features or not all(isinstance(name, str) for name in names):
        raise DataError(f"'feature_names' should be {n_features} strings, one per feature, but got {names!r:.60}.")
    return np.asarray(names, dtype=object)


def _restore_fit(model, fit):
    if fit is not None:
        bound = _entry(fit, "lower_bound", float, int, type(None))
        model.lower_bound_ = -np.inf if bound is None else float(bound)
        model.n_iter_ = _entry(fit, "n_iter", int)
        model.converged_ = _entry(fit, "converged", bool)
