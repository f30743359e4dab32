"""The expressions people write for an activation, once for NumPy, numexpr and Numba.

A formula is Python text in which ``exp``, ``where``, ``maximum`` and the like mean what they mean
in NumPy. Each library gets it in its own words: NumPy as statements whose last operation writes
into ``out``, numexpr as one expression, Numba as the body of a loop. Numbers take the dtype of x,
as they do in NumPy; numexpr and Numba would go to float64.

They are the usual idioms, not careful ones: ``s * (1 - s)`` has lost its tail.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

# What the operands are called in a formula.
OPERANDS = ("x", "y", "grad")


@dataclass(frozen=True)
class Formula:
    """An activation: steps shared by value and derivative, then one expression for each."""

    value: str
    derivative: str | None = None
    steps: Mapping[str, str] = field(default_factory=dict)
    # The derivative as a function of y = f(x), where people use that.
    from_output: str | None = None

    def form(self, form: str) -> "Expression | None":
        """Return the formula of a form; None where there is none."""
        text = {
            "value": self.value,
            "derivative": self.derivative,
            "backward": self.derivative,
            "derivative_from_output": self.from_output,
            "backward_from_output": self.from_output,
        }[form]
        if text is None:
            return None
        return Expression(self.steps, text, times_grad=form.startswith("backward"))


_LOGISTIC = {"s": "1 / (1 + exp(-x))"}
_GAUSS = {"c": "0.5 * (1 + erf(x * 0.7071067811865476))"}
_GELU_TANH = {"t": "tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))"}
_MISH = {"t": "tanh(log1p(exp(x)))", "s": "1 / (1 + exp(-x))"}
_SELU = "1.0507009873554805"
_SELU_ALPHA = "1.7580993408473766"

FORMULAS: Mapping[str, Formula] = {
    "identity": Formula("x + 0"),
    "sigmoid": Formula("s", "s * (1 - s)", _LOGISTIC, "y * (1 - y)"),
    "log_sigmoid": Formula("-log1p(exp(-x))", "1 / (1 + exp(x))"),
    "tanh": Formula("t", "1 - t * t", {"t": "tanh(x)"}, "1 - y * y"),
    "relu": Formula("maximum(x, 0)", "x > 0", from_output="y > 0"),
    "relu6": Formula("minimum(maximum(x, 0), 6)", "(x > 0) & (x < 6)"),
    "relu_squared": Formula("r * r", "2 * r", {"r": "maximum(x, 0)"}),
    "leaky_relu": Formula("where(x >= 0, x, 0.01 * x)", "where(x >= 0, 1, 0.01)"),
    "prelu": Formula("where(x >= 0, x, 0.25 * x)", "where(x >= 0, 1, 0.25)"),
    "threshold": Formula("where(x > 0.1, x, -0.5)", "x > 0.1"),
    "elu": Formula("where(x > 0, x, expm1(x))", "where(x > 0, 1, exp(x))"),
    "selu": Formula(
        f"where(x > 0, {_SELU} * x, {_SELU_ALPHA} * expm1(x))",
        f"where(x > 0, {_SELU}, {_SELU_ALPHA} * exp(x))",
    ),
    "celu": Formula("maximum(x, 0) + minimum(expm1(x), 0)", "where(x > 0, 1, exp(x))"),
    "softplus": Formula("log1p(exp(x))", "1 / (1 + exp(-x))"),
    "softsign": Formula("x / d", "1 / (d * d)", {"d": "1 + abs(x)"}),
    "squareplus": Formula("0.5 * (x + r)", "0.5 * (1 + x / r)", {"r": "sqrt(x * x + 4)"}),
    "gelu": Formula("x * c", "c + x * (0.3989422804014327 * exp(-0.5 * x * x))", _GAUSS),
    "gelu_tanh": Formula(
        "0.5 * x * (1 + t)",
        "0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (0.7978845608028654 * (1 + 0.134145 * x * x))",
        _GELU_TANH,
    ),
    "gelu_sigmoid": Formula(
        "x * s", "s + 1.702 * x * s * (1 - s)", {"s": "1 / (1 + exp(-1.702 * x))"}
    ),
    "silu": Formula("x * s", "s * (1 + x * (1 - s))", _LOGISTIC),
    "swish": Formula("x * s", "s * (1 + x * (1 - s))", _LOGISTIC),
    "mish": Formula("x * t", "t + x * (1 - t * t) * s", _MISH),
    "hard_sigmoid": Formula(
        "minimum(maximum(x / 6 + 0.5, 0), 1)",
        "where((x > -3) & (x < 3), 0.16666666666666666, 0)",
    ),
    "hard_swish": Formula(
        "x * minimum(maximum(x / 6 + 0.5, 0), 1)",
        "where(x <= -3, 0, where(x < 3, x / 3 + 0.5, 1))",
    ),
    "hard_tanh": Formula("minimum(maximum(x, -1), 1)", "(x > -1) & (x < 1)"),
    "tanh_shrink": Formula("x - t", "t * t", {"t": "tanh(x)"}),
    "soft_shrink": Formula(
        "where(x > 0.5, x - 0.5, where(x < -0.5, x + 0.5, 0))", "(x > 0.5) | (x < -0.5)"
    ),
    "hard_shrink": Formula("where(abs(x) > 0.5, x, 0)", "(x > 0.5) | (x < -0.5)"),
    "sparse_plus": Formula(
        "where(x <= -1, 0, where(x < 1, 0.25 * (x + 1) * (x + 1), x))",
        "minimum(maximum(0.5 * (x + 1), 0), 1)",
    ),
    "sparse_sigmoid": Formula(
        "minimum(maximum(0.5 * (x + 1), 0), 1)", "where((x > -1) & (x < 1), 0.5, 0)"
    ),
    "lisht": Formula("x * t", "t + x * (1 - t * t)", {"t": "tanh(x)"}),
    "log_cosh": Formula("log(cosh(x))", "tanh(x)"),
    "exp": Formula("exp(x)", "exp(x)"),
    "erf": Formula("erf(x)", "1.1283791670955126 * exp(-x * x)"),
    "logit": Formula("log(x / (1 - x))", "1 / (x * (1 - x))"),
}

# With SciPy's special functions, where those change the idiom.
SCIPY_FORMULAS: Mapping[str, Formula] = {
    "sigmoid": Formula("s", "s * (1 - s)", {"s": "expit(x)"}),
    "log_sigmoid": Formula("log_expit(x)", "expit(-x)"),
    "softplus": Formula("-log_expit(-x)", "expit(x)"),
    "gelu": Formula("x * c", "c + x * (0.3989422804014327 * exp(-0.5 * x * x))", {"c": "ndtr(x)"}),
    "gelu_tanh": Formula(
        "x * s",
        "s + x * s * (1 - s) * (1.5957691216057308 * (1 + 0.134145 * x * x))",
        {"s": "expit(1.5957691216057308 * (x + 0.044715 * x * x * x))"},
    ),
    "gelu_sigmoid": Formula("x * s", "s + 1.702 * x * s * (1 - s)", {"s": "expit(1.702 * x)"}),
    "silu": Formula("x * s", "s * (1 + x * (1 - s))", {"s": "expit(x)"}),
    "swish": Formula("x * s", "s * (1 + x * (1 - s))", {"s": "expit(x)"}),
    "mish": Formula("x * t", "t + x * (1 - t * t) * expit(x)", {"t": "tanh(-log_expit(-x))"}),
    "erf": Formula("erf(x)"),
    "logit": Formula("logit(x)"),
}


@dataclass(frozen=True)
class Expression:
    """A formula's form: steps, then one expression, perhaps times grad."""

    steps: Mapping[str, str]
    text: str
    times_grad: bool

    def functions(self) -> set[str]:
        """Return the names of the functions it calls."""
        calls = ast.walk(ast.parse(self.numexpr()[0]))
        return {node.func.id for node in calls if isinstance(node, ast.Call)}

    def numpy(self) -> str:
        """Return NumPy statements that leave the result in ``out``.

        The last operation writes into the array of that name if it is a ufunc, as all but ``where``
        are; else its result is a new array.
        """
        steps = self._needed()
        # A result that is a step by itself needs no name.
        last = _body(steps.pop(self.text, self.text))
        lines = [f"{name} = {text}" for name, text in steps.items()]
        if self.times_grad:
            last = ast.BinOp(_body("grad"), ast.Mult(), last)
        call = _into_out(last)
        lines.append(ast.unparse(call) if call else f"out = {ast.unparse(last)}")
        if steps:
            # As at the end of a function: the arrays are free before the next call.
            lines.append(f"del {', '.join(steps)}")
        return "; ".join(lines)

    def numexpr(self) -> tuple[str, dict[str, float]]:
        """Return one expression, and the constants in it by name."""
        names = _Steps({name: _body(text) for name, text in self._needed().items()})
        body = names.visit(_body(self.text))
        grad = ast.Name("grad")
        if _is_condition(body):
            one = grad if self.times_grad else ast.Constant(1)
            body = ast.Call(ast.Name("where"), [body, one, ast.Constant(0)], [])
        elif self.times_grad:
            body = ast.BinOp(grad, ast.Mult(), body)
        constants = _Constants()
        return ast.unparse(_Larger().visit(constants.visit(body))), constants.values

    def numba(self) -> tuple[str, dict[str, float]]:
        """Return the source of ``kernel(arrays..., out)`` and the constants in it by name."""
        constants = _Constants()

        def line(name: str, body: ast.expr) -> str:
            return f"        {name} = {ast.unparse(_Branches().visit(constants.visit(body)))}"

        body = _body(self.text)
        grad = ast.Name("grad")
        if _is_condition(body):
            one = grad if self.times_grad else ast.Constant(1)
            body = ast.IfExp(body, one, ast.Constant(0))
        elif self.times_grad:
            body = ast.BinOp(grad, ast.Mult(), body)
        arrays = self.operands()
        lines = [
            f"def kernel({', '.join(f'{name}s' for name in arrays)}, out):",
            "    for i in prange(out.size):",
            *(f"        {name} = {name}s[i]" for name in arrays),
            *(line(name, _body(text)) for name, text in self._needed().items()),
            line("out[i]", body),
        ]
        return "\n".join(lines), constants.values

    def operands(self) -> list[str]:
        """Return which of x, y and grad it reads."""
        read = {name for text in (*self._needed().values(), self.text) for name in _names(text)}
        if self.times_grad:
            read.add("grad")
        return [name for name in OPERANDS if name in read]

    def _needed(self) -> dict[str, str]:
        """Return the steps the expression uses."""
        used = _names(self.text)
        return {name: text for name, text in self.steps.items() if name in used}


def _body(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(_body(text)) if isinstance(node, ast.Name)}


def _is_condition(body: ast.expr) -> bool:
    if isinstance(body, ast.BinOp):
        return isinstance(body.op, ast.BitAnd | ast.BitOr)
    return isinstance(body, ast.Compare)


_UFUNCS: Mapping[type, str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.BitAnd: "logical_and",
    ast.BitOr: "logical_or",
    ast.Gt: "greater",
    ast.USub: "negative",
}


def _into_out(body: ast.expr) -> ast.expr | None:
    """Return the last operation as a ufunc call with ``out=out``; None if it is no ufunc."""
    match body:
        case ast.BinOp(left, op, right):
            name, operands = _UFUNCS[type(op)], [left, right]
        case ast.UnaryOp(op, operand):
            name, operands = _UFUNCS[type(op)], [operand]
        case ast.Compare(left, [op], [right]):
            name, operands = _UFUNCS[type(op)], [left, right]
        case ast.Call(ast.Name(name), operands) if name != "where":
            pass
        case _:
            return None
    return ast.Call(ast.Name(name), operands, [ast.keyword("out", ast.Name("out"))])


class _Steps(ast.NodeTransformer):
    """Puts the steps of a formula in their places."""

    def __init__(self, steps: Mapping[str, ast.expr]) -> None:
        self.steps = steps

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.steps.get(node.id, node)


class _Constants(ast.NodeTransformer):
    """Gives every number a name, so that it can have the dtype of x."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        for name, value in self.values.items():
            if value == node.value:
                return ast.Name(name)
        name = f"k{len(self.values)}"
        self.values[name] = float(node.value)
        return ast.Name(name)


class _Larger(ast.NodeTransformer):
    """Says ``maximum`` and ``minimum`` as numexpr does: its own give float64 for float32."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Name("maximum" | "minimum" as name), [left, right]):
                compared = ast.Gt() if name == "maximum" else ast.Lt()
                condition = ast.Compare(left, [compared], [right])
                return ast.Call(ast.Name("where"), [condition, left, right], [])
        return node


class _Branches(ast.NodeTransformer):
    """Says ``where``, ``maximum`` and ``minimum`` as Numba does for one number."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Name("where"), [condition, yes, no]):
                return ast.IfExp(condition, yes, no)
            case ast.Call(ast.Name("maximum"), operands):
                return ast.Call(ast.Name("max"), operands, [])
            case ast.Call(ast.Name("minimum"), operands):
                return ast.Call(ast.Name("min"), operands, [])
        return node
