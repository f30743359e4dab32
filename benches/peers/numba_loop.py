"""Numba: a loop over the elements, compiled with ``fastmath`` and, for threads, ``parallel``."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numba
import numpy as np

from benches.cases import FLOATS, Case, Operands
from benches.formulas import FORMULAS
from benches.peers import Contender

_FUNCTIONS = {
    name: getattr(math, name)
    for name in ("exp", "log", "log1p", "expm1", "tanh", "cosh", "sqrt", "erf")
} | {"abs": abs}


class NumbaLoop:
    """Numba's own threads; SVML where this build of llvmlite has it."""

    name = "Numba"
    version = numba.__version__ + (
        " with SVML" if numba.core.config.USING_SVML else " without SVML"
    )

    def __init__(self, threads: int) -> None:
        self.parallel = threads > 1
        numba.set_num_threads(threads)

    def contenders(self, case: Case, operands: Operands) -> Sequence[Contender]:
        if case.dtype not in FLOATS or case.kind in ("derivatives", "gated"):
            return []
        if case.kind == "rows":
            # Contiguous rows only: nobody writes the loop over columns.
            if case.axis == 0 or case.function not in ("softmax", "log_softmax"):
                return []
            kernel = _row_kernel(case.function, case.form, self.parallel)
            arrays = {"value": "x", "backward": "grad, x", "backward_from_output": "grad, y"}
            statement = f"f({arrays[case.form]}, out)"
        else:
            expression = FORMULAS[case.function].form(case.form)
            if expression is None:
                return []
            source, constants = expression.numba()
            named = tuple(constants.items())
            kernel = _element_kernel(source, named, case.dtype, self.parallel)
            statement = f"f({', '.join(expression.operands())}, out)"
        names = {"f": kernel, **{name: operands[name] for name in ("x", "grad", "y", "out")}}
        return [Contender(self.name, statement, names)]


@cache
def _element_kernel(
    source: str, constants: tuple[tuple[str, float], ...], dtype: str, parallel: bool
) -> Callable[..., None]:
    names: dict[str, Any] = {**_FUNCTIONS, "prange": numba.prange}
    names |= {name: np.dtype(dtype).type(value) for name, value in constants}
    exec(compile(source, "<numba>", "exec"), names)
    return numba.njit(parallel=parallel, fastmath=True)(names["kernel"])


@cache
def _row_kernel(function: str, form: str, parallel: bool) -> Callable[..., None]:
    kernel = _ROW_KERNELS[function, form]
    return numba.njit(parallel=parallel, fastmath=True)(kernel)


def _softmax(x, out):
    for i in numba.prange(x.shape[0]):
        row, result = x[i], out[i]
        largest = row[0]
        for v in row:
            largest = max(largest, v)
        total = x.dtype.type(0)
        for j in range(row.size):
            result[j] = math.exp(row[j] - largest)
            total += result[j]
        scale = 1 / total
        for j in range(row.size):
            result[j] *= scale


def _log_softmax(x, out):
    for i in numba.prange(x.shape[0]):
        row, result = x[i], out[i]
        largest = row[0]
        for v in row:
            largest = max(largest, v)
        total = x.dtype.type(0)
        for v in row:
            total += math.exp(v - largest)
        shift = largest + math.log(total)
        for j in range(row.size):
            result[j] = row[j] - shift


def _softmax_backward(grad, x, out):
    for i in numba.prange(x.shape[0]):
        row, g, result = x[i], grad[i], out[i]
        largest = row[0]
        for v in row:
            largest = max(largest, v)
        total = x.dtype.type(0)
        mean = x.dtype.type(0)
        for j in range(row.size):
            result[j] = math.exp(row[j] - largest)
            total += result[j]
            mean += result[j] * g[j]
        mean /= total
        scale = 1 / total
        for j in range(row.size):
            result[j] *= scale * (g[j] - mean)


def _log_softmax_backward(grad, x, out):
    for i in numba.prange(x.shape[0]):
        row, g, result = x[i], grad[i], out[i]
        largest = row[0]
        for v in row:
            largest = max(largest, v)
        total = x.dtype.type(0)
        sum_of_grad = x.dtype.type(0)
        for j in range(row.size):
            result[j] = math.exp(row[j] - largest)
            total += result[j]
            sum_of_grad += g[j]
        scale = sum_of_grad / total
        for j in range(row.size):
            result[j] = g[j] - result[j] * scale


def _softmax_from_output(grad, y, out):
    for i in numba.prange(y.shape[0]):
        row, g, result = y[i], grad[i], out[i]
        mean = y.dtype.type(0)
        for j in range(row.size):
            mean += row[j] * g[j]
        for j in range(row.size):
            result[j] = row[j] * (g[j] - mean)


def _log_softmax_from_output(grad, y, out):
    for i in numba.prange(y.shape[0]):
        row, g, result = y[i], grad[i], out[i]
        total = y.dtype.type(0)
        for v in g:
            total += v
        for j in range(row.size):
            result[j] = g[j] - math.exp(row[j]) * total


_ROW_KERNELS = {
    ("softmax", "value"): _softmax,
    ("softmax", "backward"): _softmax_backward,
    ("softmax", "backward_from_output"): _softmax_from_output,
    ("log_softmax", "value"): _log_softmax,
    ("log_softmax", "backward"): _log_softmax_backward,
    ("log_softmax", "backward_from_output"): _log_softmax_from_output,
}
