"""What is computed: functions, forms, dtypes, sizes, and the arrays."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

import actgrad as ag
from benches.formulas import FORMULAS

SIZES = (100, 30_000, 1_000_000, 10_000_000)
FLOATS = ("float32", "float64")
HALVES = ("float16", "bfloat16")
FORMS = ("value", "derivative", "backward")
# From y = f(x): what frameworks keep for these functions.
OUTPUT_FORMS = ("derivative_from_output", "backward_from_output")

# The founding function: on a number, written as an empty shape, and on arrays.
DERIVATIVES_SHAPES = ((), (1_000,), (1_000_000,), (10_000_000,))

# Each with its forms besides the value.
ROWS = {
    "softmax": ("backward", "backward_from_output"),
    "log_softmax": ("backward", "backward_from_output"),
    "softmin": (),
    "logsumexp": (),
}
# Shape and axis: short rows, rows that fit a cache, long rows, columns.
ROWS_SHAPES = (
    ((1_000_000, 10), -1),
    ((10_000, 1_000), -1),
    ((128, 32_768), -1),
    ((1_000, 10_000), 0),
)

# Two arrays of so many elements, the halves of one.
GATED = ("glu", "swiglu", "geglu", "reglu")
GATED_SIZES = (100, 30_000, 1_000_000)

# What a parameter without a default is given.
REQUIRED = {"prelu": {"a": 0.25}, "threshold": {"threshold": 0.1, "value": -0.5}}

# The functions of a quick run.
QUICK = ("sigmoid", "tanh", "relu", "gelu", "silu", "mish", "exp", "erf", "derivatives", "softmax")


@dataclass(frozen=True)
class Case:
    """One thing to compute."""

    kind: str  # "element-wise", "derivatives", "rows" or "gated"
    function: str
    form: str
    dtype: str
    shape: tuple[int, ...]
    axis: int | None = None

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape))

    @property
    def size(self) -> str:
        """The shape in words: 30000, 1000x10000 axis 0, scalar."""
        text = "x".join(map(str, self.shape)) or "scalar"
        return f"{text} axis 0" if self.axis == 0 else text

    def __str__(self) -> str:
        return f"{self.function} {self.form} {self.dtype} {self.size}"


@dataclass(frozen=True)
class Filter:
    """Which cases are wanted; empty means all."""

    kinds: Sequence[str] = ()
    functions: Sequence[str] = ()
    forms: Sequence[str] = ()
    dtypes: Sequence[str] = ()
    sizes: Sequence[str] = ()

    def admits(self, case: Case) -> bool:
        return (
            (not self.kinds or case.kind in self.kinds)
            and (not self.functions or case.function in self.functions)
            and (not self.forms or case.form in self.forms)
            and (not self.dtypes or case.dtype in self.dtypes)
            and (not self.sizes or case.size in self.sizes or str(case.elements) in self.sizes)
        )


def cases(wanted: Filter, threads: int) -> list[Case]:
    """Return the cases wanted, those actgrad cannot compute left out."""
    return [
        case
        for case in _all_cases()
        # A single number has nothing for a second thread.
        if wanted.admits(case) and (case.shape or threads == 1)
    ]


def _all_cases() -> Iterator[Case]:
    for shape in DERIVATIVES_SHAPES:
        for dtype in FLOATS if shape else ("float64",):
            yield Case("derivatives", "derivatives", "value", dtype, shape)
    known = [
        activation.name
        for activation in ag.activations("element-wise")
        if activation.name in FORMULAS
    ]
    # The size outside: the arrays are made once for all functions.
    for dtype in (*FLOATS, *HALVES):
        for size in SIZES:
            for function in known:
                for form in (*FORMS, *OUTPUT_FORMS):
                    if FORMULAS[function].form(form) is not None:
                        yield Case("element-wise", function, form, dtype, (size,))
    for shape, axis in ROWS_SHAPES:
        for dtype in FLOATS:
            for function, forms in ROWS.items():
                for form in ("value", *forms):
                    yield Case("rows", function, form, dtype, shape, axis)
    for size in GATED_SIZES:
        for dtype in FLOATS:
            for function in GATED:
                for form in ("value", "backward"):
                    yield Case("gated", function, form, dtype, (size,))


def without_formula() -> list[str]:
    """Return the activations that formulas.py does not know, so that nobody is asked for them."""
    return [a.name for a in ag.activations("element-wise") if a.name not in FORMULAS]


def our_function(case: Case) -> Callable[..., Any]:
    """Return actgrad's function for a case."""
    if case.kind == "derivatives":
        return ag.derivatives
    if case.kind in ("rows", "gated"):
        function = getattr(ag, case.function)
        return function if case.form == "value" else getattr(function, case.form)
    activation = ag.get(case.function).bind(**REQUIRED.get(case.function, {}))
    return activation if case.form == "value" else getattr(activation, case.form)


@dataclass(frozen=True)
class Operands:
    """The arrays of a case; all libraries get the same ones."""

    x: Any  # for a gated unit both halves, the value first
    grad: np.ndarray
    y: np.ndarray
    out: Any  # one array, or a tuple of three for `derivatives`

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def operands(case: Case) -> Operands:
    """Return the operands of a case, the same at every call."""
    dtype = dtype_of(case.dtype)
    if case.kind == "derivatives":
        if not case.shape:
            return Operands(0.5, np.empty(0), np.empty(0), None)
        x = _normal(case.shape, 0, 2.0, case.dtype)
        return Operands(x, x, x, tuple(np.empty_like(x) for _ in range(3)))
    if case.kind == "gated":
        (size,) = case.shape
        x, grad = _normal((2 * size,), 0, 2.0, case.dtype), _normal((size,), 1, 1.0, case.dtype)
        return Operands(x, grad, x, np.empty_like(x if case.form == "backward" else grad))
    if case.function == "logit":
        x = _probabilities(case.shape, case.dtype)
    else:
        x = _normal(case.shape, 0, 2.0, case.dtype)
    grad = _normal(case.shape, 1, 1.0, case.dtype)
    y = x
    if case.form.endswith("from_output"):
        keywords = {} if case.axis is None else {"axis": case.axis}
        value = Case(case.kind, case.function, "value", case.dtype, case.shape, case.axis)
        y = our_function(value)(x, **keywords)
    shape = case.shape
    if case.function == "logsumexp":
        shape = shape[1:] if case.axis == 0 else shape[:-1]
    return Operands(x, grad, y, np.empty(shape, dtype))


def halves(array: Any) -> dict[str, Any]:
    """Return the halves of a gated unit's operand by their names in statements."""
    middle = len(array) // 2
    return {"v": array[:middle], "g": array[middle:]}


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


@lru_cache(maxsize=8)
def _normal(shape: tuple[int, ...], seed: int, scale: float, dtype: str) -> np.ndarray:
    numbers = np.random.default_rng(seed).normal(scale=scale, size=shape)
    return numbers.astype(dtype_of(dtype))


@lru_cache(maxsize=4)
def _probabilities(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    # Half formats would round what is next to 1 to 1.
    return np.random.default_rng(2).uniform(0.01, 0.99, shape).astype(dtype_of(dtype))
