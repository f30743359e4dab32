"""Units that pass no gradient: dead ones, and saturated entries."""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from actgrad.activation import Activation
from actgrad.diagnostics._batches import blocks, elementwise, number, units_last
from actgrad.errors import ActgradValueError


class _UnitCounter:
    """Counts, per unit, the entries seen, those that are NaN, and those with a small derivative."""

    def __init__(
        self, activation: str | Activation, from_output: bool, tolerance: float, axis: int
    ) -> None:
        name = type(self).__name__
        self.activation = elementwise(name, activation)
        self.tolerance = number(name, "tolerance", tolerance, 0.0)
        self.axis = axis
        form = "derivative_from_output" if from_output else "derivative"
        if from_output and form not in vars(self.activation):
            raise ActgradValueError(
                f"{name}: got from_output=True for {self.activation.name}, whose derivative is not "
                "a function of its output; give the pre-activations"
            )
        self._derivative = getattr(self.activation, form)
        self._entries = 0
        self._nan: npt.NDArray[np.int64] | None = None
        self._small: npt.NDArray[np.int64] | None = None

    def _is_small(self, slope: npt.NDArray[Any]) -> Any:
        raise NotImplementedError

    def update(self, batch: npt.ArrayLike) -> Self:
        """Count a batch.

        Parameters
        ----------
        batch : array_like
            Of any shape; `axis` is that of the units, all others are samples. It may be empty.

        Returns
        -------
        The accumulator itself.

        Raises
        ------
        ActgradTypeError
            If the batch is not real numbers.
        ActgradValueError
            If it is a scalar, or has not as many units as the batches before.
        """
        function = f"{type(self).__name__}.update"
        array = units_last(function, batch, self.axis)
        units = array.shape[-1]
        if self._nan is not None and len(self._nan) != units:
            raise ActgradValueError(
                f"{function}: got a batch of {units} units, shape {np.shape(batch)}; wanted "
                f"{len(self._nan)} along axis {self.axis} as in the batches before"
            )
        nan, small = np.zeros(units, np.int64), np.zeros(units, np.int64)
        for block in blocks(array):
            slope = np.abs(self._derivative(block))
            unknown = np.isnan(slope)
            if unknown.any():
                nan += np.count_nonzero(unknown, axis=0)
            small += np.count_nonzero(self._is_small(slope), axis=0)
        self._entries += math.prod(array.shape[:-1])
        self._nan = nan if self._nan is None else self._nan + nan
        self._small = small if self._small is None else self._small + small
        return self

    def _counts(self) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        if self._nan is None or self._small is None:
            raise ActgradValueError(
                f"{type(self).__name__}.result: got no batch; call update first"
            )
        return self._entries, self._nan.copy(), self._small.copy()


def _fraction(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return part / whole, NaN where the whole is 0."""
    result = np.full(part.shape, math.nan)
    np.divide(part, whole, out=result, where=whole != 0)
    return result


def _nan_line(nan: npt.NDArray[np.int64], entries: int) -> list[str]:
    total = int(nan.sum())
    if not total:
        return []
    units = np.count_nonzero(nan)
    return [
        f"NaN: {total} of {entries * len(nan)} entries, in {units} of {len(nan)} units; they are "
        "in no fraction"
    ]


@dataclass(frozen=True, eq=False)
class DeadUnitsResult:
    """Which units are dead.

    Attributes
    ----------
    dead : ndarray of bool, shape (units,)
        Whether a unit has passed no gradient for any sample. A unit without a sample, or with NaN
        only, is not known to be dead.
    fraction : float
        Dead units of all units; NaN if there was no sample, or no unit.
    inactive : ndarray of float, shape (units,)
        For each unit, the fraction of samples for which it passes no gradient.
    samples : int
        How many entries each unit has had, those that are NaN among them.
    nan : ndarray of int, shape (units,)
        How many of them are NaN. They are in no fraction.
    advice_threshold : float
        The fraction of dead units from which there is advice.
    """

    dead: npt.NDArray[np.bool_]
    fraction: float
    inactive: npt.NDArray[np.float64]
    samples: int
    nan: npt.NDArray[np.int64]
    advice_threshold: float

    @property
    def advice(self) -> str | None:
        """What to do if more than `advice_threshold` of the units are dead, else None."""
        if not self.fraction > self.advice_threshold:
            return None
        return (
            f"{self.fraction:.1%} of the units are dead, more than {self.advice_threshold:.0%}: "
            "lower the learning rate, or take leaky_relu or gelu"
        )

    def __str__(self) -> str:
        lines = [
            f"dead units: {np.count_nonzero(self.dead)} of {len(self.dead)} "
            f"({self.fraction:.1%}) over {self.samples} samples"
        ]
        lines += _nan_line(self.nan, self.samples)
        if self.advice is not None:
            lines.append(self.advice)
        return "\n".join(lines)


class DeadUnits(_UnitCounter):
    r"""Find dead units in a stream of batches.

    A unit is dead if :math:`|f'(z)| \le` `tolerance` for every sample: no gradient passes, so its
    weights never change again.

    Parameters
    ----------
    activation : str or Activation, default "relu"
        An element-wise activation.
    from_output : bool, default False
        The batches are outputs y = f(z), not pre-activations z. Where y has lost the tail, as that
        of sigmoid, a unit may then look dead that is only saturated.
    tolerance : float, default 0
        Up to which derivative no gradient passes.
    advice_threshold : float, default 0.2
        The fraction of dead units from which :attr:`DeadUnitsResult.advice` has advice. After the
        first epochs 20 to 30 % are usually taken as a sign of trouble.
    axis : int, default -1
        The axis of the units; 1 for images of shape (samples, channels, height, width).

    Raises
    ------
    ActgradKeyError
        If no activation has that name.
    ActgradTypeError
        If the activation is neither a name nor an activation, or a setting is not a number.
    ActgradValueError
        If the activation is not element-wise, has parameters that must be bound, or offers no
        derivative from its output; or a setting is out of range.

    Notes
    -----
    The results are counts and quotients of counts: the same, exactly, however the samples are split
    into batches.

    Examples
    --------
    >>> from actgrad.diagnostics import DeadUnits
    >>> found = DeadUnits("relu").update([[-1.0, 2.0], [-2.0, -1.0]]).update([[-3.0, 1.0]]).result()
    >>> found.dead
    array([ True, False])
    >>> print(found)
    dead units: 1 of 2 (50.0%) over 3 samples
    50.0% of the units are dead, more than 20%: lower the learning rate, or take leaky_relu or gelu
    """

    def __init__(
        self,
        activation: str | Activation = "relu",
        *,
        from_output: bool = False,
        tolerance: float = 0.0,
        advice_threshold: float = 0.2,
        axis: int = -1,
    ) -> None:
        super().__init__(activation, from_output, tolerance, axis)
        self.advice_threshold = number("DeadUnits", "advice_threshold", advice_threshold, 0.0, 1.0)

    def _is_small(self, slope: npt.NDArray[Any]) -> Any:
        return np.less_equal(slope, self.tolerance)

    def result(self) -> DeadUnitsResult:
        """Return what the batches so far show.

        Returns
        -------
        DeadUnitsResult

        Raises
        ------
        ActgradValueError
            If there was no batch.
        """
        samples, nan, small = self._counts()
        seen = samples - nan
        dead = (small == seen) & (seen > 0)
        known = samples > 0 and len(dead) > 0
        return DeadUnitsResult(
            dead=dead,
            fraction=int(np.count_nonzero(dead)) / len(dead) if known else math.nan,
            inactive=_fraction(small, seen),
            samples=samples,
            nan=nan,
            advice_threshold=self.advice_threshold,
        )


def dead_units(
    batch: npt.ArrayLike,
    activation: str | Activation = "relu",
    *,
    from_output: bool = False,
    tolerance: float = 0.0,
    advice_threshold: float = 0.2,
    axis: int = -1,
) -> DeadUnitsResult:
    r"""Find dead units in one array.

    A unit is dead if :math:`|f'(z)| \le` `tolerance` for every sample.

    Parameters
    ----------
    batch : array_like
        Pre-activations, or outputs if `from_output`; of any shape, `axis` is that of the units.
    activation, from_output, tolerance, advice_threshold, axis
        As for :class:`DeadUnits`, which takes a stream of batches.

    Returns
    -------
    DeadUnitsResult

    Raises
    ------
    ActgradKeyError, ActgradTypeError, ActgradValueError
        As :class:`DeadUnits` and its ``update`` do.

    Examples
    --------
    A neuron with the weights -2, -3 and the bias 1 is dead for the inputs (1, 1) and (2, 2):

    >>> import actgrad as ag
    >>> z = ag.weighted_sum([[1.0, 1.0], [2.0, 2.0]], [[-2.0], [-3.0]], [1.0])
    >>> ag.diagnostics.dead_units(z, "relu").dead
    array([ True])
    >>> ag.diagnostics.dead_units(ag.relu(z), "relu", from_output=True).fraction
    1.0
    """
    counter = DeadUnits(
        activation,
        from_output=from_output,
        tolerance=tolerance,
        advice_threshold=advice_threshold,
        axis=axis,
    )
    return counter.update(batch).result()


@dataclass(frozen=True, eq=False)
class SaturationResult:
    """How much of a layer is saturated.

    Attributes
    ----------
    fraction : float
        Entries with a derivative below the tolerance, of all that are not NaN; NaN if there are
        none.
    per_unit : ndarray of float, shape (units,)
        The same for each unit.
    samples : int
        How many entries each unit has had, those that are NaN among them.
    nan : ndarray of int, shape (units,)
        How many of them are NaN. They are in no fraction.
    tolerance : float
        What the derivatives were compared with.
    """

    fraction: float
    per_unit: npt.NDArray[np.float64]
    samples: int
    nan: npt.NDArray[np.int64]
    tolerance: float

    def __str__(self) -> str:
        lines = [
            f"saturated: {self.fraction:.1%} of the entries have |f'| < {self.tolerance:g}, over "
            f"{self.samples} samples of {len(self.nan)} units"
        ]
        return "\n".join(lines + _nan_line(self.nan, self.samples))


class Saturation(_UnitCounter):
    r"""Measure saturation in a stream of batches.

    An entry is saturated if :math:`|f'(z)| <` `tolerance`.

    Parameters
    ----------
    activation : str or Activation
        An element-wise activation.
    from_output : bool, default False
        The batches are outputs y = f(z), not pre-activations z.
    tolerance : float, default 0.01
        Below which derivative an entry is saturated.
    axis : int, default -1
        The axis of the units; 1 for images of shape (samples, channels, height, width).

    Raises
    ------
    ActgradKeyError
        If no activation has that name.
    ActgradTypeError
        If the activation is neither a name nor an activation, or a setting is not a number.
    ActgradValueError
        If the activation is not element-wise, has parameters that must be bound, or offers no
        derivative from its output; or a setting is out of range.

    Notes
    -----
    The results are quotients of counts: the same, exactly, however the samples are split into
    batches.

    Examples
    --------
    >>> from actgrad.diagnostics import Saturation
    >>> stream = Saturation("sigmoid")
    >>> for batch in ([[0.0, 5.0]], [[1.0, -9.0]]):
    ...     _ = stream.update(batch)
    >>> stream.result().per_unit
    array([0., 1.])
    """

    def __init__(
        self,
        activation: str | Activation,
        *,
        from_output: bool = False,
        tolerance: float = 0.01,
        axis: int = -1,
    ) -> None:
        super().__init__(activation, from_output, tolerance, axis)

    def _is_small(self, slope: npt.NDArray[Any]) -> Any:
        return np.less(slope, self.tolerance)

    def result(self) -> SaturationResult:
        """Return what the batches so far show.

        Returns
        -------
        SaturationResult

        Raises
        ------
        ActgradValueError
            If there was no batch.
        """
        samples, nan, small = self._counts()
        seen = samples - nan
        total = int(seen.sum())
        return SaturationResult(
            fraction=int(small.sum()) / total if total else math.nan,
            per_unit=_fraction(small, seen),
            samples=samples,
            nan=nan,
            tolerance=self.tolerance,
        )


def saturation(
    batch: npt.ArrayLike,
    activation: str | Activation,
    *,
    from_output: bool = False,
    tolerance: float = 0.01,
    axis: int = -1,
) -> SaturationResult:
    r"""Measure saturation in one array: the fraction of entries with :math:`|f'| <` `tolerance`.

    Parameters
    ----------
    batch : array_like
        Pre-activations, or outputs if `from_output`; of any shape, `axis` is that of the units.
    activation, from_output, tolerance, axis
        As for :class:`Saturation`, which takes a stream of batches.

    Returns
    -------
    SaturationResult

    Raises
    ------
    ActgradKeyError, ActgradTypeError, ActgradValueError
        As :class:`Saturation` and its ``update`` do.

    Examples
    --------
    >>> import actgrad as ag
    >>> print(ag.diagnostics.saturation([[0.0, 5.0], [1.0, -9.0]], "sigmoid"))
    saturated: 50.0% of the entries have |f'| < 0.01, over 2 samples of 2 units
    """
    counter = Saturation(activation, from_output=from_output, tolerance=tolerance, axis=axis)
    return counter.update(batch).result()
