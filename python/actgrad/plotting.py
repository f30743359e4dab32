"""Curves of activations and of the signal in a network, with matplotlib (extra ``[plot]``).

matplotlib is imported when a plot is drawn. Every function draws into the axes given, or into those
of a new figure, and returns them: what else a figure needs is matplotlib's own interface.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from actgrad._base import BaseActivation
from actgrad.activation import Activation
from actgrad.diagnostics import FlowResult
from actgrad.diagnostics._batches import elementwise, number
from actgrad.diagnostics.comparison import FORMS, label
from actgrad.errors import ActgradImportError, ActgradTypeError, ActgradValueError
from actgrad.layers import real_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["compare", "curves", "signal_fade"]

_POINTS = 2001
_LABELS = dict(zip(FORMS, ("$f$", "$f'$", "$f''$"), strict=True))


def curves(
    activation: str | Activation,
    low: float = -5.0,
    high: float = 5.0,
    *,
    forms: Sequence[str] = FORMS,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw an activation and its derivatives.

    Parameters
    ----------
    activation : str or Activation
        An element-wise activation.
    low, high : float, default -5 and 5
        The range of x.
    forms : sequence of {"value", "derivative", "second_derivative"}
        Which curves to draw; by default all three.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ActgradImportError
        If matplotlib is not installed.
    ActgradKeyError
        If no activation has that name.
    ActgradTypeError
        If the activation is neither a name nor an activation, or the range is not numbers.
    ActgradValueError
        If the activation is not element-wise or has parameters that must be bound, the range is
        empty, or a form is unknown.

    Examples
    --------
    >>> import actgrad as ag
    >>> ax = ag.plotting.curves("sigmoid")  # doctest: +SKIP
    >>> ax.figure.savefig("sigmoid.png")  # doctest: +SKIP
    """
    chosen = elementwise("curves", activation)
    x = _range("curves", low, high)
    for form in forms:
        _check_form("curves", form)
    ax = _axes("curves", ax)
    for form in forms:
        ax.plot(x, _without_jumps(getattr(chosen, form)(x)), label=_LABELS[form])
    ax.set_title(_title(chosen))
    return _finish(ax, "$x$")


def compare(
    activations: Iterable[str | Activation],
    form: str = "value",
    low: float = -5.0,
    high: float = 5.0,
    *,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw one form of several activations.

    Parameters
    ----------
    activations : iterable of str or Activation
        Element-wise activations.
    form : {"value", "derivative", "second_derivative"}, default "value"
    low, high : float, default -5 and 5
        The range of x.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ActgradImportError
        If matplotlib is not installed.
    ActgradKeyError
        If no activation has such a name.
    ActgradTypeError
        If an activation is neither a name nor an activation, or the range is not numbers.
    ActgradValueError
        If an activation is not element-wise or has parameters that must be bound, the range is
        empty, or the form is unknown.

    Examples
    --------
    >>> import actgrad as ag
    >>> ax = ag.plotting.compare(["sigmoid", "tanh"], "derivative")  # doctest: +SKIP
    """
    if isinstance(activations, str | BaseActivation):
        activations = [activations]
    chosen = [elementwise("compare", one) for one in activations]
    x = _range("compare", low, high)
    _check_form("compare", form)
    ax = _axes("compare", ax)
    for one in chosen:
        ax.plot(x, _without_jumps(getattr(one, form)(x)), label=label(one))
    ax.set_title(_LABELS[form])
    return _finish(ax, "$x$")


def signal_fade(
    signals: Mapping[str, FlowResult | npt.ArrayLike],
    *,
    limit: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw how a signal fades through the layers of networks, on a logarithmic scale.

    Parameters
    ----------
    signals : mapping of str to FlowResult or array_like
        For each curve its label, and a result of :mod:`actgrad.diagnostics`, or the size of the
        signal at each layer from the input to the output. A result is drawn from its logarithms, so
        what is too small for a float is drawn all the same.
    limit : float, optional
        Where to draw a line below which the signal counts as lost.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Its vertical scale is the decimal logarithm of the signal.

    Raises
    ------
    ActgradImportError
        If matplotlib is not installed.
    ActgradTypeError
        If `signals` is not a mapping, or a signal is not real numbers.
    ActgradValueError
        If a signal is not one number for each layer or is negative, or the limit is not positive.

    Examples
    --------
    >>> from actgrad.diagnostics import flow_of_factors
    >>> import actgrad as ag
    >>> flow = flow_of_factors([0.25] * 20)
    >>> ax = ag.plotting.signal_fade({"sigmoid": flow}, limit=1e-6)  # doctest: +SKIP
    """
    name = "signal_fade"
    if not isinstance(signals, Mapping):
        raise ActgradTypeError(
            f"{name}: got signals of type {type(signals).__name__}; wanted a mapping from labels "
            "to results or arrays"
        )
    logarithms = {text: _log10(name, text, signal) for text, signal in signals.items()}
    if limit is not None and number(name, "limit", limit, 0.0) == 0.0:
        raise ActgradValueError(f"{name}: got limit={limit!r}; wanted a positive number")
    ax = _axes(name, ax)
    for text, values in logarithms.items():
        ax.plot(np.arange(len(values)), values, label=text)
    if limit is not None:
        ax.axhline(np.log10(limit), color="0.6", linestyle="--", label=f"lost: {limit:g}")
    ax.set_ylabel(r"$\log_{10}$ of the signal")
    return _finish(ax, "layer")


def _log10(name: str, text: str, signal: Any) -> npt.NDArray[np.float64]:
    """Return the logarithms of a signal; NaN, which is not drawn, where it is 0."""
    if isinstance(signal, FlowResult):
        values = signal.log10
    else:
        array = real_array(name, f"signal {text!r}", signal).astype(np.float64)
        if array.ndim != 1 or np.any(array < 0):
            raise ActgradValueError(
                f"{name}: got signal {text!r} of shape {array.shape}; wanted one number for each "
                "layer, not negative"
            )
        with np.errstate(divide="ignore"):
            values = np.log10(array)
    return np.where(np.isfinite(values), values, np.nan)


def _axes(name: str, ax: "Axes | None") -> "Axes":
    """Return the axes to draw into."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ActgradImportError(
            f"{name}: matplotlib is not installed; install it with pip install 'actgrad[plot]'"
        ) from None
    return pyplot.subplots()[1]


def _finish(ax: "Axes", across: str) -> "Axes":
    ax.set_xlabel(across)
    ax.grid(visible=True, alpha=0.3)
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax


def _range(name: str, low: float, high: float) -> npt.NDArray[np.float64]:
    start, stop = number(name, "low", low), number(name, "high", high)
    if not (start < stop and np.isfinite(stop - start)):
        raise ActgradValueError(f"{name}: got low={low!r}, high={high!r}; wanted low < high")
    return np.linspace(start, stop, _POINTS)


def _check_form(name: str, form: str) -> None:
    if form not in FORMS:
        raise ActgradValueError(f"{name}: got form {form!r}; wanted one of {', '.join(FORMS)}")


def _title(activation: Activation) -> str:
    """Return the name and the formula, without the formula if matplotlib cannot set it."""
    from matplotlib.mathtext import MathTextParser

    formula = f"$f(x) = {activation.formula}$".replace(r"\tfrac", r"\frac")
    try:
        MathTextParser("path").parse(formula)
    except ValueError:
        return label(activation)
    return f"{label(activation)}: {formula}"


def _without_jumps(y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a curve with NaN where it jumps, so that no line is drawn there.

    A jump is a step far larger than those two further on: it may stop halfway, at the kink itself.
    """
    y = np.where(np.isfinite(y), y, np.nan)
    with np.errstate(invalid="ignore"):
        step = np.abs(np.diff(y))
        around = np.zeros_like(step)
        around[2:] += step[:-2]
        around[:-2] += step[2:]
        jumps = np.flatnonzero(step > 20.0 * around + 1e-3 * np.nanmax(np.abs(y), initial=0.0))
    y[jumps] = np.nan
    return y
