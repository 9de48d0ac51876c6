"""A progress bar on the standard error, for work that takes more than a moment."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE_SECONDS = 1.0


class PatientProgress:
    """A bar that appears once the work has taken a second, and vanishes at the end of the `with` block.

    Parameters
    ----------
    enabled : bool
        Whether to show anything at all; nothing is shown either where the standard error is no terminal.
    console : rich.console.Console, optional
        Where to show it; by default the standard error.
    """

    def __init__(self, enabled: bool = True, console: Any = None) -> None:
        self._enabled = enabled
        self._console = console
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> "PatientProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, description: str, fraction: float | None) -> None:
        """Say what is going on, and how much of it is done: None if that cannot be known, then the bar pulses."""
        if not self._enabled or time.monotonic() - self._began < _PATIENCE_SECONDS:
            return
        if self._bar is None:
            self._start()
        if self._bar is None:
            return
        # A task that pulses stays one, so another takes its place.
        if self._task is None or (self._bar.tasks[0].total is None) is not (fraction is None):
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(description, total=None if fraction is None else 1.0)
        self._bar.update(self._task, description=description, completed=fraction)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = self._console or Console(stderr=True)
        if not console.is_terminal:
            self._enabled = False
            return
        columns = BarColumn(), TextColumn("{task.description}", markup=False)
        self._bar = Progress(*columns, console=console, transient=True)
        self._bar.start()
