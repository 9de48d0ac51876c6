"""Other libraries on one thread: BLAS while compiled sweeps use all processors, OpenMP where bits depend on it.

BLAS's threads do not sleep at once when they have nothing to do: after the small matrices of an M-step they would take
half of the processors from the sweep that follows.
"""

import functools
from contextlib import contextmanager
from threading import Lock

__all__ = ["one_blas_thread", "one_openmp_thread"]

NARROW = 32  # columns up to which BLAS uses one thread anyway
_lock = Lock()
_found = []  # the number of threads of each library, when the first of the fits that run began; one entry for each fit


@functools.cache
def _controller():
    from threadpoolctl import ThreadpoolController  # looks through all loaded libraries, which takes a while

    return ThreadpoolController()


def _libraries():
    return _controller().select(user_api="blas").lib_controllers


@contextmanager
def one_blas_thread(n_features):
    """Let BLAS use one thread of the process meanwhile, if matrices have so many columns that it would use more.

    OpenBLAS lets only that thread of Python have more threads again which has asked for less: each fit does.
    """
    if n_features <= NARROW:
        yield
        return
    with _lock:
        before = _found[0] if _found else [library.num_threads for library in _libraries()]
        _found.append(before)
    for library in _libraries():
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, count in zip(_libraries(), before, strict=True):
            library.set_num_threads(count)
        with _lock:
            _found.pop()


def one_openmp_thread():
    """Return a context in which what this thread of Python calls uses one thread of OpenMP."""
    return _controller().limit(limits=1, user_api="openmp")
