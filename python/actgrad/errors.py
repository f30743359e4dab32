"""The errors actgrad raises: each is an :class:`ActgradError` and the builtin it refines."""

from numpy.exceptions import AxisError


class ActgradError(Exception):
    """The base of every error of actgrad's own."""


class ActgradTypeError(ActgradError, TypeError):
    """An operand is of a type or dtype that actgrad does not compute with."""


class ActgradValueError(ActgradError, ValueError):
    """A shape, a parameter or a setting is out of the range it may have."""


class ActgradAxisError(ActgradValueError, AxisError):
    """An array does not have the axis asked for."""

    def __init__(self, message: str) -> None:
        AxisError.__init__(self, message)


class ActgradKeyError(ActgradError, KeyError):
    """No activation has the name asked for."""

    def __str__(self) -> str:
        # KeyError shows the repr of its message; a sentence reads better.
        return str(self.args[0]) if self.args else ""


class ActgradImportError(ActgradError, ImportError):
    """A package that an optional part of actgrad needs is not installed."""
