"""Functions of arrays, recorded once for each shape: a recording of a derivative no longer takes it.

For small tables, where compiling does not pay.
"""

from mixgrad.core.interpret import compiled as as_function
from mixgrad.program.simplify import simplify
from mixgrad.staging import record

__all__ = ["run_recorded"]

MOST_RECORDINGS = 64
_recordings = {}


def run_recorded(function, name, leaves):
    """Run a recording of a function.

    Parameters
    ----------
    function : callable
        Of arrays; does the same whenever `name` is the same.
    name : tuple
        Hashable.
    leaves : list of ndarray

    Returns
    -------
    object
        What the function returns.
    """
    key = name, *((leaf.shape, leaf.dtype) for leaf in leaves)
    if key not in _recordings:
        recorded, result = record(function, leaves, [f"x{i}" for i in range(len(leaves))], name[0])
        if len(_recordings) >= MOST_RECORDINGS:
            _recordings.pop(next(iter(_recordings)))
        _recordings[key] = as_function(simplify(recorded, "all")), result
    run, result = _recordings[key]
    return result.unflatten(list(run(*leaves)))
