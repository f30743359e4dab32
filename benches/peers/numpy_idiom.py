"""NumPy: the expressions people write, the last operation with ``out=`` where it is a ufunc."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benches.cases import Case, Operands, halves
from benches.formulas import FORMULAS, Formula
from benches.peers import Contender

_NAMES = ("exp", "log", "log1p", "expm1", "tanh", "cosh", "sqrt", "abs", "where", "round")
_UFUNCS = (
    "add", "subtract", "multiply", "divide", "negative", "greater", "maximum", "minimum",
    "logical_and", "logical_or",
)  # fmt: skip
NUMPY = {name: getattr(np, name) for name in (*_NAMES, *_UFUNCS)}

_DERIVATIVES = (
    "s = 1 / (1 + exp(-x)); t = tanh(x); "
    "out = {'sigmoid': round(s * (1 - s), 4), 'tanh': round(1 - t ** 2, 2), "
    "'relu': where(x > 0, 1.0, 0.0)}; del s, t"
)

_SOFTMAX = "e = exp(z - z.max(axis, keepdims=True)); "
_LOG_SOFTMAX = "d = z - z.max(axis, keepdims=True); "
_ROWS = {
    ("softmin", "value"): "e = exp(z.min(axis, keepdims=True) - z); "
    "divide(e, e.sum(axis, keepdims=True), out=out); del e",
    ("logsumexp", "value"): "m = z.max(axis); "
    "add(m, log(exp(z - z.max(axis, keepdims=True)).sum(axis)), out=out); del m",
    ("softmax", "value"): _SOFTMAX + "divide(e, e.sum(axis, keepdims=True), out=out); del e",
    ("softmax", "backward"): _SOFTMAX
    + "y = e / e.sum(axis, keepdims=True); "
    + "multiply(y, grad - (grad * y).sum(axis, keepdims=True), out=out); del e, y",
    ("softmax", "backward_from_output"): (
        "multiply(y, grad - (grad * y).sum(axis, keepdims=True), out=out)"
    ),
    ("log_softmax", "value"): _LOG_SOFTMAX
    + "subtract(d, log(exp(d).sum(axis, keepdims=True)), out=out); del d",
    ("log_softmax", "backward"): _SOFTMAX
    + "y = e / e.sum(axis, keepdims=True); "
    + "subtract(grad, y * grad.sum(axis, keepdims=True), out=out); del e, y",
    ("log_softmax", "backward_from_output"): (
        "subtract(grad, exp(y) * grad.sum(axis, keepdims=True), out=out)"
    ),
}


# The activation of each gate, and its derivative.
_GATES = {
    "glu": ("s", "s * (1 - s)", "s = 1 / (1 + exp(-g)); "),
    "swiglu": ("g * s", "s * (1 + g * (1 - s))", "s = 1 / (1 + exp(-g)); "),
    "reglu": ("maximum(g, 0)", "(g > 0)", ""),
}
ERF_GATES = {
    "geglu": (
        "g * c",
        "(c + g * (0.3989422804014327 * exp(-0.5 * g * g)))",
        "c = 0.5 * (1 + erf(0.7071067811865476 * g)); ",
    ),
}


class NumpyIdiom:
    """What people write by hand; NumPy computes with one thread."""

    name = "NumPy"
    version = np.__version__

    def __init__(self, threads: int) -> None:
        np.seterr(all="ignore")

    def contenders(self, case: Case, operands: Operands) -> Sequence[Contender]:
        if case.kind == "derivatives":
            names = NUMPY | {"x": operands.x}
            return [Contender(self.name, _DERIVATIVES, names, as_array=_stacked)]
        if case.kind == "rows":
            statement = _ROWS[case.function, case.form]
            return [Contender(self.name, statement, row_names(case, operands, NUMPY))]
        if case.kind == "gated":
            return gated(self.name, case, operands, _GATES, NUMPY)
        return idiom(self.name, case, operands, FORMULAS, NUMPY)


def gated(
    peer: str,
    case: Case,
    operands: Operands,
    gates: Mapping[str, tuple[str, str, str]],
    functions: Mapping[str, Any],
) -> list[Contender]:
    """Return the statement of a gated unit, if it is among the gates."""
    if case.function not in gates:
        return []
    value, derivative, shared = gates[case.function]
    statement = f"{shared}multiply(v, {value}, out=out)"
    names = {**functions, **halves(operands.x), "grad": operands.grad, "out": operands.out}
    if case.form == "backward":
        names |= {f"d{name}": half for name, half in halves(operands.out).items()}
        statement = (
            f"{shared}multiply(grad, {value}, out=dv); multiply(grad * v, {derivative}, out=dg)"
        )
    return [Contender(peer, statement, names)]


def row_names(case: Case, operands: Operands, functions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names in a statement on rows."""
    names = dict(functions, z=operands.x, grad=operands.grad, out=operands.out, axis=case.axis)
    if case.form == "backward_from_output":
        names["y"] = operands.y
    return names


def idiom(
    peer: str,
    case: Case,
    operands: Operands,
    formulas: Mapping[str, Formula],
    functions: Mapping[str, Any],
) -> list[Contender]:
    """Return the statements of a formula, if its functions are to be had."""
    formula = formulas.get(case.function)
    expression = formula.form(case.form) if formula else None
    if expression is None or not expression.functions() <= functions.keys():
        return []
    names = {name: operands[name] for name in expression.operands()}
    names |= {**functions, "out": operands.out}
    return [Contender(peer, expression.numpy(), names)]


def _stacked(derivatives: dict[str, Any]) -> np.ndarray:
    return np.stack(list(derivatives.values()))
