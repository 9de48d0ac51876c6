"""Silence for NumPy's floating-point warnings while a derivative is computed: a pole is no concern of the user's code.

``np.errstate`` does the same and costs a microsecond, as much as everything else about a small operation. Setting the
context variable behind it, where this version of NumPy has one, costs a fifth.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class _Errstate:
    """The interface of a context variable, by ``np.errstate``."""

    def set(self, state: Any) -> Any:
        previous = np.errstate(all="ignore")
        previous.__enter__()
        return previous

    def reset(self, previous: Any) -> None:
        previous.__exit__(None, None, None)


try:
    from numpy._core.umath import _extobj_contextvar as STATE  # type: ignore[attr-defined]
    from numpy._core.umath import _make_extobj  # type: ignore[attr-defined]

    QUIET = _make_extobj(all="ignore")
except ImportError:  # another version of NumPy
    STATE, QUIET = _Errstate(), None
