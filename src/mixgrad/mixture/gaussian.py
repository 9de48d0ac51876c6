"""The types of covariance by the name that users give."""

from mixgrad.mixture.diagonal import DIAGONAL, SPHERICAL
from mixgrad.mixture.matrix import FULL, TIED

__all__ = ["COVARIANCES"]

COVARIANCES = {covariance.name: covariance for covariance in (FULL, TIED, DIAGONAL, SPHERICAL)}
