"""Activations side by side: all of them at a point, and one against another over a range."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from actgrad._base import BaseActivation
from actgrad.activation import Activation
from actgrad.diagnostics._batches import elementwise, number
from actgrad.errors import ActgradTypeError, ActgradValueError
from actgrad.registry import activations as all_activations

Function: TypeAlias = Callable[[npt.NDArray[np.float64]], Any]

FORMS = ("value", "derivative", "second_derivative")

# What a parameter without a default is shown with: where the authors of PReLU start.
_ILLUSTRATION = 0.25


def label(activation: Activation) -> str:
    """Return the name, with the parameters that are bound."""
    return repr(activation).removeprefix("actgrad.").replace(".bind", "")


@dataclass(frozen=True)
class ComparisonRow:
    """An activation at a point.

    Attributes
    ----------
    name : str
        With the parameters that are bound.
    value, derivative, second_derivative : float
    """

    name: str
    value: float
    derivative: float
    second_derivative: float


@dataclass(frozen=True)
class Comparison:
    """Activations at a point: iterate over the rows, look one up by its name, or print them all.

    Attributes
    ----------
    x : float
        The point.
    rows : tuple of ComparisonRow
        In the order given, else in that of the catalogue.
    """

    x: float
    rows: tuple[ComparisonRow, ...]

    def __iter__(self) -> Iterator[ComparisonRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> ComparisonRow:
        for row in self.rows:
            if name in (row.name, row.name.partition("(")[0]):
                return row
        raise KeyError(name)

    def __str__(self) -> str:
        point = f"x = {self.x:g}"
        wide = max(len(point), *(len(row.name) for row in self.rows)) if self.rows else len(point)
        heads = ("f", "f'", "f''")
        lines = [f"{point:{wide}}" + "".join(f"  {head:>11}" for head in heads)]
        for row in self.rows:
            numbers = (row.value, row.derivative, row.second_derivative)
            lines.append(f"{row.name:{wide}}" + "".join(f"  {n:11.5g}" for n in numbers))
        return "\n".join(lines)


def compare_at(x: float, activations: Iterable[str | Activation] | None = None) -> Comparison:
    """Compare activations at a point: value, derivative and second derivative.

    Parameters
    ----------
    x : float
    activations : iterable of str or Activation, optional
        By default every element-wise activation of the catalogue; a parameter that has no default
        is then 0.25, as the name in the result says: ``prelu(a=0.25)``.

    Returns
    -------
    Comparison

    Raises
    ------
    ActgradKeyError
        If no activation has that name.
    ActgradTypeError
        If `x` is not a number, or an activation neither a name nor an activation.
    ActgradValueError
        If an activation is not element-wise or has parameters that must be bound.

    Examples
    --------
    >>> import actgrad as ag
    >>> print(ag.diagnostics.compare_at(-2.0, ["sigmoid", "tanh", "relu"]))
    x = -2             f           f'          f''
    sigmoid       0.1192      0.10499     0.079963
    tanh        -0.96403     0.070651      0.13622
    relu               0            0            0
    >>> round(ag.diagnostics.compare_at(3.0)["sigmoid"].derivative, 4)
    0.0452
    """
    point = number("compare_at", "x", x, nan=True)
    if activations is None:
        chosen = [
            one.bind(**{name: _ILLUSTRATION for name, v in one.parameters.items() if v is None})
            for one in all_activations("element-wise")
        ]
    else:
        if isinstance(activations, str | BaseActivation):
            activations = [activations]
        chosen = [elementwise("compare_at", one) for one in activations]
    rows = (
        ComparisonRow(label(one), *(float(getattr(one, form)(point)) for form in FORMS))
        for one in chosen
    )
    return Comparison(point, tuple(rows))


@dataclass(frozen=True)
class ApproximationError:
    """How far an approximation is from what it approximates, over a range.

    Attributes
    ----------
    approximation, exact : str
        What was compared.
    low, high : float
        The range.
    points : int
        How many points of the range were taken, evenly spaced.
    max_absolute, at : float
        The largest absolute error, searched for between the points too, and where it is.
    max_relative, relative_at : float
        The largest error relative to the exact value, likewise, where that is not 0.
    mean_absolute, root_mean_square : float
        Means over the range.
    nan : int
        The points where either function is NaN. They are in no mean.
    """

    approximation: str
    exact: str
    low: float
    high: float
    points: int
    max_absolute: float
    at: float
    max_relative: float
    relative_at: float
    mean_absolute: float
    root_mean_square: float
    nan: int

    def __str__(self) -> str:
        lines = [
            f"{self.approximation} against {self.exact} on [{self.low:g}, {self.high:g}]",
            f"largest error        {self.max_absolute:.4g} at x = {self.at:.6g}",
            f"relative             {self.max_relative:.4g} at x = {self.relative_at:.6g}",
            f"mean absolute error  {self.mean_absolute:.4g}, root mean square "
            f"{self.root_mean_square:.4g}",
        ]
        if self.nan:
            lines.append(f"NaN: at {self.nan} of {self.points} points; they are in no mean")
        return "\n".join(lines)


def approximation_error(
    approximation: str | Activation | Function,
    exact: str | Activation | Function,
    low: float = -8.0,
    high: float = 8.0,
    *,
    form: str = "value",
    points: int = 4001,
) -> ApproximationError:
    """Measure the error of an approximation over a range.

    Parameters
    ----------
    approximation, exact : str, Activation or callable
        Activations by name or as they are, or functions of a float64 array.
    low, high : float, default -8 and 8
        The range, ends included.
    form : {"value", "derivative", "second_derivative"}, default "value"
        Which form of the activations to compare.
    points : int, default 4001
        How many points to take. The largest errors are then searched for between their neighbours.

    Returns
    -------
    ApproximationError

    Raises
    ------
    ActgradKeyError
        If no activation has that name.
    ActgradTypeError
        If a function is none of these, or a setting is not a number.
    ActgradValueError
        If the range is empty, the form unknown, or there are fewer than 3 points.

    Examples
    --------
    >>> import actgrad as ag
    >>> error = ag.diagnostics.approximation_error("gelu_tanh", "gelu", -4, 4)
    >>> print(f"{error.max_absolute:.2e} at {abs(error.at):.3f}")
    4.73e-04 at 2.699
    """
    name = "approximation_error"
    if form not in FORMS:
        raise ActgradValueError(f"{name}: got form={form!r}; wanted one of {', '.join(FORMS)}")
    start = number(name, "low", low)
    stop = number(name, "high", high)
    if not (start < stop and math.isfinite(stop - start)):
        raise ActgradValueError(f"{name}: got low={low!r}, high={high!r}; wanted low < high")
    if isinstance(points, bool) or not hasattr(type(points), "__index__") or points < 3:
        raise ActgradValueError(f"{name}: got points={points!r}; wanted an integer, 3 or more")
    (first, f), (second, g) = _function(approximation, form), _function(exact, form)

    def errors(x: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
        with np.errstate(all="ignore"):
            wanted = np.asarray(g(x), np.float64)
            absolute = np.abs(np.asarray(f(x), np.float64) - wanted)
            relative = np.where(wanted == 0.0, math.nan, absolute / np.abs(wanted))
        return absolute, relative

    x = np.linspace(start, stop, points)
    found = errors(x)
    worst, at = _largest(x, found[0], lambda x: errors(x)[0])
    worst_relative, relative_at = _largest(x, found[1], lambda x: errors(x)[1])
    known = found[0][~np.isnan(found[0])]
    return ApproximationError(
        approximation=first,
        exact=second,
        low=start,
        high=stop,
        points=int(points),
        max_absolute=worst,
        at=at,
        max_relative=worst_relative,
        relative_at=relative_at,
        mean_absolute=float(np.mean(known)) if len(known) else math.nan,
        root_mean_square=float(np.sqrt(np.mean(known * known))) if len(known) else math.nan,
        nan=len(x) - len(known),
    )


def _function(given: Any, form: str) -> tuple[str, Function]:
    """Return the name and the form of an activation, or a function as it is."""
    name = "approximation_error"
    if isinstance(given, str | BaseActivation):
        activation = elementwise(name, given)
        return label(activation), getattr(activation, form)
    if not callable(given):
        raise ActgradTypeError(
            f"{name}: got {type(given).__name__}; wanted the name of an activation, an activation "
            "or a function of an array"
        )
    if form != "value":
        raise ActgradValueError(
            f"{name}: got form={form!r} for a function; wanted form='value', as a function has no "
            "other"
        )
    return getattr(given, "__name__", repr(given)), given


def _largest(
    x: npt.NDArray[np.float64], error: npt.NDArray[np.float64], of: Function
) -> tuple[float, float]:
    """Return the largest error and where it is, closing in on the largest of the points."""
    largest, at = math.nan, math.nan
    for _ in range(5):
        if np.isnan(error).all():
            break
        best = int(np.nanargmax(error))
        if not error[best] <= largest:
            largest, at = float(error[best]), float(x[best])
        x = np.linspace(x[max(best - 1, 0)], x[min(best + 1, len(x) - 1)], 201)
        error = of(x)
    return largest, at
