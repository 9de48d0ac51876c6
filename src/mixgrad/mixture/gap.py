"""How far a sequence of bounds is from its limit."""

import math
import sys
from collections.abc import Sequence

__all__ = ["aitken_gap"]

# Steps up to this share of the bound are rounding. Log-densities have no unit, so 1 is their natural scale.
_ROUNDING = 64 * sys.float_info.epsilon


def aitken_gap(bounds: Sequence[float]) -> float:
    """Estimate what an increasing sequence still gains, by Aitken's extrapolation from its last three members.

    EM converges linearly: near the limit each step of the log-likelihood is a constant share of the one before. If the
    last two steps are ``a`` and ``b``, the steps to come are ``b (b/a), b (b/a)^2, ...`` and their sum is
    ``b^2 / (a - b)``: exact for geometric sequences.

    Parameters
    ----------
    bounds : sequence of float
        The log-likelihood by iteration, in total or per row; the last three are looked at.

    Returns
    -------
    float
        The limit minus the last member, not negative, in the unit of the bounds. 0.0 if the sequence stands still up to
        rounding, inf if its steps do not shrink, nan if nothing can be said: fewer than three members, members that are
        not finite, a decrease.

    References
    ----------
    Boehning, Dietz, Schaub, Schlattmann, Lindsay, "The distribution of the likelihood ratio for mixtures of densities
    from the one-parameter exponential family", Annals of the Institute of Statistical Mathematics 46 (1994).

    Examples
    --------
    >>> aitken_gap([0.0, 0.5, 0.75])
    0.25
    """
    if len(bounds) < 3:
        return math.nan
    first, second, third = (float(bound) for bound in bounds[-3:])
    if not (math.isfinite(first) and math.isfinite(second) and math.isfinite(third)):
        return math.nan
    rounding = _ROUNDING * max(1.0, abs(third))
    earlier, later = (0.0 if abs(step) <= rounding else step for step in (second - first, third - second))
    if earlier < 0.0 or later < 0.0:
        return math.nan
    if later == 0.0:
        return 0.0
    return later * (later / (earlier - later)) if later < earlier else math.inf
