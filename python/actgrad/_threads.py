"""Calls past NumPy's iteration, and threads for work in Python.

NumPy hands a call whose operands broadcast, or are parts of arrays of several axes, to a loop in
small pieces, which no thread pays for.
"""

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from actgrad import _core

# Elements from which looking at the shapes pays.
_LEAST = 1 << 14

# Elements from which threads of Python pay.
_LEAST_IN_THREADS = 1 << 20

# How long to look for an element that arrays have in common: two halves of one have none.
_MOST_WORK = 1000


def call(ufunc: np.ufunc, operands: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """Call a ufunc, past NumPy's iteration where operands repeat or are parts of larger arrays.

    The result is that of the plain call, bit for bit.
    """
    plan = _plan(ufunc, operands, keywords)
    if plan is None:
        return ufunc(*operands, **keywords)
    inputs, outputs = plan
    if not _core.compute_broadcast(ufunc, [*inputs, *outputs]):
        # What repeats does so after a few elements: NumPy's iteration copies less, and each
        # thread takes rows.
        rows = len(outputs[0])
        threads = _core.get_num_threads() if outputs[0].size >= _LEAST_IN_THREADS else 1
        step = -(-rows // (4 * threads)) if threads > 1 else rows
        for_each(
            lambda part: ufunc(
                *(operand[part] for operand in inputs), out=tuple(o[part] for o in outputs)
            ),
            [slice(start, start + step) for start in range(0, rows, step)],
        )
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
) -> tuple[list[Any], tuple[Any, ...]] | None:
    """Return the operands in one shape and dtype, and the outputs; None to leave it to NumPy."""
    arrays = [operand for operand in operands if type(operand) is np.ndarray]
    numbers = [operand for operand in operands if isinstance(operand, int | float | np.generic)]
    if not keywords.keys() <= {"out"} or len(arrays) + len(numbers) < len(operands):
        return None
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        return None  # the ufunc says what is wrong
    repeating = any(array.shape != shape for array in arrays if array.ndim)
    parts = any(array.ndim > 1 and not array.flags.forc for array in arrays)
    if math.prod(shape) < _LEAST or not (repeating or parts):
        return None  # the loop is given the whole call

    nothing = [np.empty(0, o.dtype) if type(o) is np.ndarray else o for o in operands]
    results = ufunc(*nothing)
    dtype = (results[0] if ufunc.nout > 1 else results).dtype
    outputs = keywords.get("out")
    if outputs is None:
        # Laid out in memory as the operand that is as large, if there is one.
        model = next((array for array in arrays if array.shape == shape), None)
        outputs = tuple(
            np.empty(shape, dtype) if model is None else np.empty_like(model, dtype)
            for _ in range(ufunc.nout)
        )
    else:
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for output in outputs:
            if type(output) is not np.ndarray or output.shape != shape or output.dtype != dtype:
                return None
            if not (output.flags.writeable and output.flags.aligned and output.dtype.isnative):
                return None
            if any(_overlap(output, other) for other in (*arrays, *outputs)):
                return None  # NumPy orders or copies overlapping operands
    inputs = [
        np.broadcast_to(np.require(operand, dtype, requirements="A"), shape) for operand in operands
    ]
    return inputs, outputs


def _overlap(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    """Whether arrays may share memory, unless they are the same one."""
    # The stubs of NumPy take the two special values of max_work alone.
    return one is not other and bool(np.may_share_memory(one, other, max_work=_MOST_WORK))  # type: ignore[arg-type]
