"""How much of a gradient is left after each layer of a stack."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from actgrad.activation import Activation
from actgrad.diagnostics._batches import BLOCK, blocks, elementwise, number
from actgrad.errors import ActgradValueError
from actgrad.layers import real_array

# 50 digits leave every float64 exact to its last bit after far more layers than there can be, and
# the exponents do not end. Nothing is trapped: infinity times 0 is NaN.
_CONTEXT = Context(prec=50, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
# The smallest float64: all others are multiples of it.
_UNIT = Fraction(1, 1 << 1074)
_HALF = (1 << 26) - 1  # of a mantissa


@dataclass(frozen=True)
class SignalProduct:
    """A product that may lie far below the smallest float.

    Attributes
    ----------
    decimal : decimal.Decimal
        The product to 50 digits. ``float`` rounds it once, to 0 if it is too small.

    Examples
    --------
    >>> from actgrad.diagnostics import flow_of_factors
    >>> product = flow_of_factors([0.1] * 500).product
    >>> str(product), float(product)
    ('1.00e-500', 0.0)
    >>> product.exponent, product.log10
    (-500, -500.0)
    """

    decimal: Decimal

    @property
    def mantissa(self) -> float:
        """The product without its power of ten: from 1 to 10, or 0, infinity or NaN."""
        return float(self.decimal.scaleb(-self.exponent, _CONTEXT))

    @property
    def exponent(self) -> int:
        """The power of ten; 0 if the product is 0, infinite or NaN."""
        return self.decimal.adjusted() if self.decimal.is_finite() and self.decimal else 0

    @property
    def log10(self) -> float:
        """The decimal logarithm of the product; -inf if it is 0."""
        return float(self.decimal.log10(_CONTEXT))

    def __float__(self) -> float:
        return float(self.decimal)

    def __str__(self) -> str:
        if not self.exponent:
            return f"{float(self.decimal):.3g}"
        mantissa, exponent = f"{self.decimal:.2e}".split("e")
        return f"{mantissa}e{int(exponent):+03d}"  # as floats are written


@dataclass(frozen=True, eq=False)
class FlowResult:
    """What is left of a gradient on its way back through a stack of layers.

    Layers are numbered from 0 at the input. A gradient enters at the last and meets layer 0 last.

    Attributes
    ----------
    layers : tuple of str
        The activation of each layer; empty strings where only factors were given.
    mean : ndarray of float, shape (layers,)
        The mean of abs(f'), or the root of the mean of its square, over the entries of each layer
        that are not NaN; NaN if there are none.
    gains : ndarray of float, shape (layers,)
        By what the weights of each layer multiply the gradient besides, as given.
    entries : ndarray of int, shape (layers,)
        How many pre-activations each layer has had, those that are NaN among them.
    nan : ndarray of int, shape (layers,)
        How many of them are NaN. They are in no mean.
    signals : tuple of SignalProduct
        For each layer, what is left of a gradient of 1 once it has passed from the last layer back
        through this one: the product of mean times gain over this layer and all after it.
    lost_below, exploding_above : float
        The limits.
    """

    layers: tuple[str, ...]
    mean: npt.NDArray[np.float64]
    gains: npt.NDArray[np.float64]
    entries: npt.NDArray[np.int64]
    nan: npt.NDArray[np.int64]
    signals: tuple[SignalProduct, ...]
    lost_below: float
    exploding_above: float

    @property
    def product(self) -> SignalProduct:
        """What is left after all layers; 1 if there are none."""
        return self.signals[0] if self.signals else SignalProduct(Decimal(1))

    @property
    def log10(self) -> npt.NDArray[np.float64]:
        """The decimal logarithms of `signals`."""
        return np.array([signal.log10 for signal in self.signals])

    @property
    def lost_at(self) -> int | None:
        """The first layer, on the way back, at which less than `lost_below` is left."""
        limit = -math.inf if self.lost_below == 0.0 else math.log10(self.lost_below)
        return self._first(self.log10 < limit)

    @property
    def exploding_at(self) -> int | None:
        """The first layer, on the way back, at which more than `exploding_above` arrives."""
        return self._first(self.log10 > math.log10(self.exploding_above))

    @staticmethod
    def _first(met: npt.NDArray[np.bool_]) -> int | None:
        found = np.flatnonzero(met)
        return int(found[-1]) if len(found) else None

    def __str__(self) -> str:
        wide = max(len("activation"), *map(len, self.layers)) if self.layers else 0
        lines = [f"layer  {'activation':{wide}}  mean |f'|      gain  left of the gradient"]
        for i in reversed(range(len(self.layers))):
            lines.append(
                f"{i:5}  {self.layers[i]:{wide}}  {self.mean[i]:9.3g}  {self.gains[i]:8.3g}  "
                f"{self.signals[i]}"
            )
        for i in np.flatnonzero(self.nan).tolist():
            lines.append(
                f"NaN: {self.nan[i]} of {self.entries[i]} entries of layer {i}; they are in no mean"
            )
        if self.lost_at is not None:
            lines.append(self._where("lost: less than", self.lost_below, self.lost_at))
        if self.exploding_at is not None:
            lines.append(
                self._where("exploding: more than", self.exploding_above, self.exploding_at)
            )
        return "\n".join(lines)

    def _where(self, what: str, limit: float, layer: int) -> str:
        depth = len(self.layers) - layer
        return f"{what} {limit:g} is left at layer {layer}, {depth} back from the output"


def _flow(
    layers: tuple[str, ...],
    mean: npt.NDArray[np.float64],
    gains: npt.NDArray[np.float64],
    entries: npt.NDArray[np.int64],
    nan: npt.NDArray[np.int64],
    limits: tuple[float, float],
) -> FlowResult:
    signals = []
    left = Decimal(1)
    for factor, gain in zip(mean[::-1].tolist(), gains[::-1].tolist(), strict=True):
        left = _CONTEXT.multiply(left, _CONTEXT.multiply(Decimal(factor), Decimal(gain)))
        signals.append(SignalProduct(left))
    return FlowResult(layers, mean, gains, entries, nan, tuple(signals[::-1]), *limits)


def _limits(function: str, lost_below: float, exploding_above: float) -> tuple[float, float]:
    low = number(function, "lost_below", lost_below, 0.0)
    high = number(function, "exploding_above", exploding_above, 0.0)
    if not 0.0 < high > low:
        raise ActgradValueError(
            f"{function}: got lost_below={lost_below!r}, exploding_above={exploding_above!r}; "
            "wanted the second above the first"
        )
    return low, high


def _factors(function: str, name: str, values: Any, count: int | None) -> npt.NDArray[np.float64]:
    """Return non-negative factors as float64, one for each layer; a scalar is that of them all."""
    array = real_array(function, name, values).astype(np.float64)
    if count is not None and array.ndim == 0:
        array = np.full(count, array)
    if array.ndim != 1 or (count is not None and len(array) != count):
        wanted = "one number for each layer" if count is None else f"one number, or {count}"
        raise ActgradValueError(f"{function}: got {name} of shape {array.shape}; wanted {wanted}")
    if np.any(array < 0):
        raise ActgradValueError(
            f"{function}: got {name} with {array.min()}; wanted numbers that are not negative"
        )
    return array


def flow_of_factors(
    factors: npt.ArrayLike,
    *,
    gains: npt.ArrayLike = 1.0,
    lost_below: float = 1e-6,
    exploding_above: float = 1e6,
) -> FlowResult:
    r"""What is left of a gradient after layers whose mean :math:`|f'|` are given.

    .. math:: s_i = \prod_{j \ge i} m_j \, g_j

    Parameters
    ----------
    factors : array_like, shape (layers,)
        The mean :math:`m_j` of :math:`|f'|` in each layer, from the input to the output.
    gains : array_like, shape (layers,) or (), default 1
        By what the weights of each layer multiply the gradient besides.
    lost_below : float, default 1e-6
        The signal is lost where less of it is left.
    exploding_above : float, default 1e6
        The signal explodes where more of it arrives.

    Returns
    -------
    FlowResult

    Raises
    ------
    ActgradTypeError
        If factors, gains or limits are not real numbers.
    ActgradValueError
        If a factor or gain is negative, their numbers differ, or the limits are out of order.

    Notes
    -----
    The product is taken exactly (50 digits, unlimited exponents), so it neither underflows nor
    gathers rounding errors; each of `mantissa` and `log10` is rounded once.

    Examples
    --------
    >>> from actgrad.diagnostics import flow_of_factors
    >>> flow = flow_of_factors([0.045] * 20)
    >>> print(flow.product, flow.lost_at)
    1.16e-27 15
    >>> print(flow_of_factors([0.6] * 100).product)
    6.53e-23
    """
    function = "flow_of_factors"
    limits = _limits(function, lost_below, exploding_above)
    mean = _factors(function, "factors", factors, None)
    count = len(mean)
    gain = _factors(function, "gains", gains, count)
    nothing = np.zeros(count, np.int64)
    return _flow(("",) * count, mean, gain, nothing, nothing.copy(), limits)


class GradientFlow:
    r"""Measure the gradient flow through a stack of layers over a stream of batches.

    Parameters
    ----------
    activations : str, Activation, or sequence of them
        One for all layers, or one for each, from the input to the output.
    gains : array_like, shape (layers,) or (), default 1
        By what the weights of each layer multiply the gradient besides; for independent weights
        of variance v and m units, :math:`\sqrt{m v}`.
    quadratic : bool, default False
        Take the root of the mean of :math:`f'^2` for each layer, not the mean of :math:`|f'|`. That
        is what a gradient loses on average in a network of independent random weights.
    lost_below : float, default 1e-6
        The signal is lost where less of it is left.
    exploding_above : float, default 1e6
        The signal explodes where more of it arrives.

    Raises
    ------
    ActgradKeyError
        If no activation has that name.
    ActgradTypeError
        If an activation is neither a name nor an activation, or gains or limits are not numbers.
    ActgradValueError
        If an activation is not element-wise or has parameters that must be bound, a gain is
        negative, or the limits are out of order.

    Notes
    -----
    Sums are exact, and a mean is rounded once: the results are the same, exactly, however the
    samples are split into batches.

    Examples
    --------
    >>> import numpy as np
    >>> from actgrad.diagnostics import GradientFlow
    >>> stream = GradientFlow(["sigmoid", "relu"])
    >>> stream.update([np.zeros((2, 3)), np.array([[1.0, -1.0]])]).result().mean
    array([0.25, 0.5 ])
    """

    def __init__(
        self,
        activations: str | Activation | Sequence[str | Activation],
        *,
        gains: npt.ArrayLike = 1.0,
        quadratic: bool = False,
        lost_below: float = 1e-6,
        exploding_above: float = 1e6,
    ) -> None:
        name = "GradientFlow"
        if isinstance(activations, str | Activation) or not isinstance(activations, Sequence):
            self._single: Activation | None = elementwise(name, activations)
            self._activations: tuple[Activation, ...] | None = None
        else:
            self._single = None
            self._activations = tuple(elementwise(name, one) for one in activations)
        self.quadratic = bool(quadratic)
        self._limits = _limits(name, lost_below, exploding_above)
        self._gains = real_array(name, "gains", gains)
        count = None if self._activations is None else len(self._activations)
        if self._gains.ndim == 0:
            _factors(name, "gains", self._gains, 1)
        else:
            self._gains = _factors(name, "gains", self._gains, count)
        self._sums: list[int | float] = []  # in units of `_UNIT`; a float where it is infinite
        self._entries: npt.NDArray[np.int64] | None = None
        self._nan: npt.NDArray[np.int64] | None = None

    def update(self, pre_activations: Sequence[npt.ArrayLike]) -> Self:
        """Count a batch.

        Parameters
        ----------
        pre_activations : sequence of array_like
            The pre-activations of each layer, from the input to the output, of any shapes.

        Returns
        -------
        GradientFlow
            The accumulator itself.

        Raises
        ------
        ActgradTypeError
            If an array is not real numbers.
        ActgradValueError
            If the number of layers is not that of the activations, the gains or the batches before.
        """
        function = "GradientFlow.update"
        arrays = [
            real_array(function, f"pre-activations of layer {i}", layer)
            for i, layer in enumerate(pre_activations)
        ]
        count = len(arrays)
        wanted = self._layers()
        if wanted is not None and count != wanted:
            raise ActgradValueError(
                f"{function}: got the pre-activations of {count} layers; wanted those of {wanted}"
            )
        activations = self._of_layers(count)
        batch = [_sum(f, z, self.quadratic) for f, z in zip(activations, arrays, strict=True)]
        if self._entries is None or self._nan is None:
            self._entries, self._nan = np.zeros(count, np.int64), np.zeros(count, np.int64)
            self._sums = [0] * count
        for i, (total, nan) in enumerate(batch):
            self._sums[i] = _plus(self._sums[i], total)
            self._nan[i] += nan
            self._entries[i] += arrays[i].size
        return self

    def _layers(self) -> int | None:
        """Return how many layers there are, if it is known yet."""
        if self._activations is not None:
            return len(self._activations)
        if self._entries is not None:
            return len(self._entries)
        return len(self._gains) if self._gains.ndim else None

    def _of_layers(self, count: int) -> tuple[Activation, ...]:
        if self._activations is not None:
            return self._activations
        assert self._single is not None
        return (self._single,) * count

    def result(self) -> FlowResult:
        """Return what the batches so far show.

        Returns
        -------
        FlowResult

        Raises
        ------
        ActgradValueError
            If there was no batch.
        """
        if self._entries is None or self._nan is None:
            raise ActgradValueError("GradientFlow.result: got no batch; call update first")
        count = len(self._entries)
        seen = self._entries - self._nan
        mean = [
            _mean(total, known) if known else math.nan
            for total, known in zip(self._sums, seen.tolist(), strict=True)
        ]
        return _flow(
            tuple(activation.name for activation in self._of_layers(count)),
            np.sqrt(mean) if self.quadratic else np.array(mean),
            _factors("GradientFlow", "gains", self._gains, count),
            self._entries.copy(),
            self._nan.copy(),
            self._limits,
        )


def gradient_flow(
    pre_activations: Sequence[npt.ArrayLike],
    activations: str | Activation | Sequence[str | Activation],
    *,
    gains: npt.ArrayLike = 1.0,
    quadratic: bool = False,
    lost_below: float = 1e-6,
    exploding_above: float = 1e6,
) -> FlowResult:
    r"""Measure the gradient flow through a stack of layers.

    Parameters
    ----------
    pre_activations : sequence of array_like
        Those of each layer, from the input to the output, of any shapes.
    activations, gains, quadratic, lost_below, exploding_above
        As for :class:`GradientFlow`, which takes a stream of batches.

    Returns
    -------
    FlowResult

    Raises
    ------
    ActgradKeyError, ActgradTypeError, ActgradValueError
        As :class:`GradientFlow` and its ``update`` do.

    Examples
    --------
    >>> import actgrad as ag
    >>> print(ag.diagnostics.gradient_flow([[3.0], [3.0], [3.0]], "sigmoid", lost_below=0.01))
    layer  activation  mean |f'|      gain  left of the gradient
        2  sigmoid        0.0452         1  4.52e-02
        1  sigmoid        0.0452         1  2.04e-03
        0  sigmoid        0.0452         1  9.22e-05
    lost: less than 0.01 is left at layer 1, 2 back from the output
    """
    flow = GradientFlow(
        activations,
        gains=gains,
        quadratic=quadratic,
        lost_below=lost_below,
        exploding_above=exploding_above,
    )
    return flow.update(pre_activations).result()


def _plus(one: int | float, other: int | float) -> int | float:
    """Return the sum of two integers, or infinity; they cannot be added as numbers."""
    return one + other if isinstance(one, int) and isinstance(other, int) else math.inf


def _mean(total: int | float, count: int) -> float:
    return float(total * _UNIT / count) if isinstance(total, int) else total


def _sum(activation: Activation, z: npt.NDArray[Any], quadratic: bool) -> tuple[int | float, int]:
    """Return the sum of |f'(z)| or f'(z)^2 over what is not NaN, and how many entries are.

    The sum is a number of `_UNIT`, or infinite.
    """
    nan = 0
    total: int | float = 0
    for block in blocks(np.atleast_1d(z)):
        slope = np.abs(activation.derivative(block))
        unknown = np.isnan(slope)
        if unknown.any():
            nan += int(np.count_nonzero(unknown))
            slope = slope[~unknown]
        slope = slope.astype(np.float64, copy=False).ravel()
        if quadratic:
            with np.errstate(all="ignore"):
                slope = slope * slope
        if np.isinf(slope).any():
            total = math.inf
            continue
        for start in range(0, len(slope), BLOCK):
            total = _plus(total, _exact_sum(slope[start : start + BLOCK]))
    return total, nan


def _exact_sum(numbers: npt.NDArray[np.float64]) -> int:
    """Return the exact sum of finite numbers, none of them negative, as a number of `_UNIT`.

    For each exponent the halves of the mantissas are summed. Up to 2^27 of these integers, below
    2^26, have an exact sum in float64.
    """
    bits = numbers.view(np.int64)
    exponent = (bits >> 52).astype(np.intp, copy=False)
    count = np.bincount(exponent)
    high = np.bincount(exponent, (bits >> 26) & _HALF)
    low = np.bincount(exponent, bits & _HALF)
    total = 0
    for place in np.flatnonzero(count).tolist():
        mantissas = (int(high[place]) << 26) + int(low[place])
        if place:  # from the subnormals up there is a leading 1
            mantissas = (mantissas + (int(count[place]) << 52)) << (place - 1)
        total += mantissas
    return total
