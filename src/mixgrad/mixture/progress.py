"""What ``verbose`` prints."""

from time import perf_counter

__all__ = ["Printer"]


class Printer:
    """Prints the course of a fit to the standard output.

    Parameters
    ----------
    verbose : int
        0 prints nothing, 1 the starts and iterations, 2 and more also times and changes of the bound.
    interval : int
        Iterations from one line to the next.
    """

    def __init__(self, verbose, interval):
        self.verbose = verbose
        self.interval = interval

    def begin(self, start):
        """Tell that a start begins."""
        self.began = self.last = perf_counter()
        self._print(f"Initialization {start}")

    def iteration(self, state):
        """Tell that an iteration of EM has ended in this state."""
        if state.iteration % self.interval == 0:
            now = perf_counter()
            self._print(
                f"  Iteration {state.iteration}", f"\t time lapse {now - self.last:.5f}s\t ll change {state.change:.5f}"
            )
            self.last = now

    def end(self, fit, converged):
        """Tell that a start has ended."""
        self._print(
            f"Initialization {'converged' if converged else 'did not converge'}.",
            f" time lapse {perf_counter() - self.began:.5f}s\t lower bound {fit.lower_bound:.5f}.",
        )

    def _print(self, line, details=""):
        if self.verbose:
            print(line + (details if self.verbose > 1 else ""))
