"""Threads for calls whose operands broadcast: NumPy hands those to a loop in small pieces."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from actgrad import _core

# Elements above which starting threads pays; the loops split contiguous operands themselves.
_LEAST = 1 << 18


def call(ufunc: np.ufunc, operands: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """Call a ufunc, in threads over parts of the result where that helps.

    The result is that of the plain call, bit for bit.
    """
    parts = _plan(ufunc, operands, keywords)
    if parts is None:
        return ufunc(*operands, **keywords)
    outputs, pieces = parts
    for_each(lambda piece: ufunc(*piece[0], out=piece[1]), pieces)
    return outputs if ufunc.nout > 1 else outputs[0]


def for_each(work: Callable[[Any], object], pieces: Iterable[Any]) -> None:
    """Call `work` for each piece, in as many threads as a call may use; raise what it raises."""
    left = list(pieces)[::-1]
    errors: list[BaseException] = []

    def take() -> None:
        while not errors:
            try:
                piece = left.pop()  # atomic
            except IndexError:
                return
            try:
                work(piece)
            except BaseException as error:
                errors.append(error)

    count = min(_core.get_num_threads(), len(left))
    helpers = [threading.Thread(target=take) for _ in range(count - 1)]
    for helper in helpers:
        helper.start()
    take()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]


def _plan(
    ufunc: np.ufunc, operands: Sequence[Any], keywords: Mapping[str, Any]
) -> tuple[tuple[Any, ...], list[tuple[list[Any], tuple[Any, ...]]]] | None:
    """Return the outputs, and for each thread its part of the operands and of the outputs."""
    limit = _core.get_num_threads()
    arrays = [operand for operand in operands if type(operand) is np.ndarray and operand.ndim]
    numbers = sum(
        isinstance(operand, int | float | np.generic)
        or (type(operand) is np.ndarray and not operand.ndim)
        for operand in operands
    )
    if limit == 1 or not keywords.keys() <= {"out"} or len(arrays) + numbers < len(operands):
        return None
    if all(array.shape == arrays[0].shape for array in arrays):
        return None  # nothing repeats: the loop splits the call itself
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        return None  # the ufunc says what is wrong
    axis = next((axis for axis, size in enumerate(shape) if size >= limit), None)
    if axis is None or np.prod(shape) < _LEAST:
        return None

    outputs = keywords.get("out")
    if outputs is None:
        nothing = [o.reshape(-1)[:0] if type(o) is np.ndarray else o for o in operands]
        results = ufunc(*nothing)
        kinds = results if ufunc.nout > 1 else (results,)
        outputs = tuple(np.empty(shape, kind.dtype) for kind in kinds)
    else:
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for output in outputs:
            if type(output) is not np.ndarray or output.shape != shape:
                return None
            if any(np.may_share_memory(output, array) for array in arrays):
                return None  # NumPy orders or copies overlapping operands

    edges = [shape[axis] * part // limit for part in range(limit + 1)]

    def part(operand: Any, start: int, stop: int) -> Any:
        if type(operand) is not np.ndarray or operand.ndim < len(shape) - axis:
            return operand
        own = operand.ndim - (len(shape) - axis)
        if operand.shape[own] == 1:
            return operand
        return operand[(slice(None),) * own + (slice(start, stop),)]

    pieces = [
        (
            [part(operand, start, stop) for operand in operands],
            tuple(part(output, start, stop) for output in outputs),
        )
        for start, stop in pairwise(edges)
    ]
    return outputs, pieces
