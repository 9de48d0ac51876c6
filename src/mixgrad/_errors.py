"""Every exception of mixgrad. Messages say what failed, what was got and expected, where, and what to do."""


class MixgradError(Exception):
    """Base class of the errors that mixgrad raises on purpose."""


class DerivativeError(MixgradError, TypeError):
    """A derivative was asked for that does not exist, or of a value that has none."""


class UnsupportedError(MixgradError, NotImplementedError):
    """A NumPy feature for which the table has no rule; the message names a way round."""


class BoxConversionError(MixgradError, TypeError):
    """A traced value was about to lose its derivative by conversion to a plain number or array."""


class ShapeError(MixgradError, ValueError):
    """Shapes or structures of arguments do not fit each other."""


class DataError(MixgradError, ValueError):
    """A table, a file or an option given by the user cannot be used; the message says where and why."""


class ProgramError(MixgradError, ValueError):
    """A program is not well formed, or its text cannot be read."""


class StagingError(MixgradError, TypeError):
    """A value that is only known when a program runs was needed while the program was made."""


class SourceError(MixgradError, SyntaxError):
    """A construct of Python that cannot be rewritten; the message names file, line and column."""


class CollapseWarning(UserWarning):
    """Components of a mixture shrank onto single rows, lines or planes, or have lost all their rows."""
