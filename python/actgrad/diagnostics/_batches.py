"""What the diagnostics share: resolving activations, checking batches, walking through them."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from actgrad._base import BaseActivation
from actgrad.activation import Activation
from actgrad.errors import ActgradTypeError, ActgradValueError
from actgrad.layers import real_array
from actgrad.registry import get

# Entries whose derivative is computed at a time: it stays in the second-level cache.
BLOCK = 1 << 16


def elementwise(function: str, activation: str | BaseActivation) -> Activation:
    """Return an element-wise activation that can be called with x alone."""
    if not isinstance(activation, str | BaseActivation):
        raise ActgradTypeError(
            f"{function}: got an activation of type {type(activation).__name__}; wanted a name "
            "such as 'relu', or an activation such as actgrad.relu"
        )
    found: BaseActivation = get(activation) if isinstance(activation, str) else activation
    if not isinstance(found, Activation):
        raise ActgradValueError(
            f"{function}: got {found!r}, which is not element-wise; wanted an activation such as "
            "actgrad.relu"
        )
    missing = [name for name, value in found.parameters.items() if value is None]
    if missing:
        raise ActgradValueError(
            f"{function}: got {found!r} without {' and '.join(missing)}; give "
            f"actgrad.{found.name}.bind({', '.join(f'{name}=...' for name in missing)})"
        )
    return found


def number(
    function: str,
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    nan: bool = False,
) -> float:
    """Return a setting as a float, or raise if it is not a number in [low, high]."""
    try:
        result = float(value) if np.ndim(value) == 0 else None
    except (TypeError, ValueError):
        result = None
    if result is None:
        raise ActgradTypeError(f"{function}: got {name}={value!r}; wanted a number")
    if not (low <= result <= high or (nan and math.isnan(result))):
        wanted = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise ActgradValueError(f"{function}: got {name}={value!r}; wanted a number {wanted}")
    return result


def units_last(function: str, batch: npt.ArrayLike, axis: int) -> npt.NDArray[Any]:
    """Return a batch with the axis of the units at the end."""
    array = real_array(function, "a batch", batch)
    if array.ndim == 0:
        raise ActgradValueError(
            f"{function}: got a scalar; wanted an array of shape (..., units), such as (samples, "
            "units)"
        )
    axis = np.lib.array_utils.normalize_axis_index(axis, array.ndim)
    return np.moveaxis(array, axis, -1)


def blocks(batch: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield a batch of shape (..., units) in parts of shape (rows, units), of about `BLOCK`."""
    units = batch.shape[-1]
    if batch.size == 0:
        return
    if batch.ndim == 1 or batch.flags.c_contiguous:
        batch = batch.reshape(-1, units)
    step = max(1, BLOCK // math.prod(batch.shape[1:]))
    for start in range(0, len(batch), step):
        yield batch[start : start + step].reshape(-1, units)
