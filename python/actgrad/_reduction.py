"""The gradient of a parameter: products summed over the axes the parameter was broadcast along."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from actgrad import _threads

# Elements computed at a time: two float64 buffers of this size stay in the second-level cache.
_BLOCK = 1 << 15
# The most partial sums: enough to keep many threads busy.
_GROUPS = 32


def gradient_of_parameter(
    derivative: np.ufunc,
    backward: np.ufunc,
    grad: Any,
    x: Any,
    parameters: Sequence[Any],
    index: int,
) -> Any:
    """Return the sum of grad df/dp in the shape of ``parameters[index]``.

    Each term is computed in float64 from the operands as they are, and the sums are float64, so ten
    million float32 terms lose nothing that their own rounding has not lost. `derivative` is the
    ufunc of df/dp; `backward` the one whose dtype the result takes.
    """
    dtype = backward(*(_first_of_none(operand) for operand in (grad, x, *parameters))).dtype
    shape = np.broadcast_shapes(*map(np.shape, (grad, x, *parameters)))
    wanted = np.shape(parameters[index])
    # A Python number is what it is in the dtype of the operands, as in every form.
    parameters = [np.asarray(p, dtype) if type(p) in (int, float) else p for p in parameters]
    grad, x, *values = (np.broadcast_to(operand, shape) for operand in (grad, x, *parameters))
    kept = (1,) * (len(shape) - len(wanted)) + wanted
    summed = tuple(axis for axis, size in enumerate(kept) if size == 1)

    blocks = list(_blocks(shape))
    # Groups of blocks are summed apart, each in order, and then in order: what they are depends on
    # the shape only, so the bits are the same at every number of threads.
    groups = max(1, min(_GROUPS, len(blocks), math.prod(shape) // (4 * max(1, math.prod(kept)))))
    totals = [np.zeros(kept) for _ in range(groups)]

    def add_group(group: int) -> None:
        with np.errstate(all="ignore"):  # infinities and NaN are results, not mishaps
            for block in blocks[
                group * len(blocks) // groups : (group + 1) * len(blocks) // groups
            ]:
                operands = (x[block], *(value[block] for value in values))
                terms = np.atleast_1d(derivative(*operands, dtype=np.float64, order="C"))
                np.multiply(terms, grad[block], out=terms)
                place = tuple(slice(None) if size == 1 else block[a] for a, size in enumerate(kept))
                terms = terms.reshape(grad[block].shape)
                totals[group][place] += terms.sum(axis=summed, keepdims=True)

    _threads.for_each(add_group, range(groups))
    with np.errstate(all="ignore"):  # a sum beyond float32 is its infinity
        return sum(totals[1:], totals[0]).reshape(wanted).astype(dtype)[()]


def _first_of_none(operand: Any) -> Any:
    """Return an empty array of the operand's dtype, or a Python number as it is."""
    return operand if isinstance(operand, int | float) else np.asarray(operand).reshape(-1)[:0]


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield slices that tile an array in parts of about `_BLOCK` elements."""
    if 0 in shape:
        return
    axis, inner = len(shape), 1
    while axis > 0 and inner * shape[axis - 1] <= _BLOCK:
        axis -= 1
        inner *= shape[axis]
    if axis == 0:
        yield (slice(None),) * len(shape)
        return
    step = max(1, _BLOCK // inner)
    rest = (slice(None),) * (len(shape) - axis)
    for outer in np.ndindex(shape[: axis - 1]):
        lead = tuple(slice(i, i + 1) for i in outer)
        for start in range(0, shape[axis - 1], step):
            yield (*lead, slice(start, start + step), *rest)
