"""PyTorch: its functions with ``out=``, and the operations its autograd calls for backward."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from benches.cases import Case, Operands, halves
from benches.peers import Contender

_ATEN = torch.ops.aten
_NN = torch._C._nn

_SELU = "1.6732632423543772, 1.0507009873554805, 1.0"

# Statements of the value.
_VALUES = {
    "sigmoid": "sigmoid(x, out=out)",
    "log_sigmoid": "nn.log_sigmoid(x, out=out)",
    "tanh": "tanh(x, out=out)",
    "relu": "clamp_min(x, 0, out=out)",
    "relu6": "nn.hardtanh(x, 0, 6, out=out)",
    "leaky_relu": "nn.leaky_relu(x, 0.01, out=out)",
    "prelu": "nn.leaky_relu(x, 0.25, out=out)",
    "threshold": "threshold(x, 0.1, -0.5, out=out)",
    "elu": "nn.elu(x, out=out)",
    "selu": f"nn.elu(x, {_SELU}, out=out)",
    "celu": "nn.elu(x, out=out)",
    "softplus": "nn.softplus(x, out=out)",
    "softsign": "div(x, x.abs().add_(1), out=out)",
    "gelu": "nn.gelu(x, out=out)",
    "gelu_tanh": "nn.gelu(x, approximate='tanh', out=out)",
    "gelu_sigmoid": "mul(x, (x * 1.702).sigmoid_(), out=out)",
    "silu": "nn.silu(x, out=out)",
    "swish": "nn.silu(x, out=out)",
    "mish": "nn.mish(x, out=out)",
    "hard_sigmoid": "nn.hardsigmoid(x, out=out)",
    "hard_swish": "nn.hardswish(x, out=out)",
    "hard_tanh": "nn.hardtanh(x, out=out)",
    "tanh_shrink": "sub(x, tanh(x), out=out)",
    "soft_shrink": "nn.softshrink(x, 0.5, out=out)",
    "hard_shrink": "hardshrink(x, 0.5, out=out)",
    "exp": "exp(x, out=out)",
    "erf": "erf(x, out=out)",
    "logit": "logit(x, out=out)",
}

# Statements of the backward pass; with grad = 1 they give the derivative.
_BACKWARD = {
    # Autograd keeps y; from x alone it has to be computed.
    "sigmoid": "sigmoid(x, out=out); f(grad, out, grad_input=out)",
    "tanh": "tanh(x, out=out); f(grad, out, grad_input=out)",
    # What autograd keeps for it from the forward pass.
    "log_sigmoid": ("forward(x, output=out, buffer=buffer); f(grad, x, buffer, grad_input=out)"),
    "relu": "f(grad, x, 0, grad_input=out)",
    "relu6": "f(grad, x, 0, 6, grad_input=out)",
    "leaky_relu": "f(grad, x, 0.01, False, grad_input=out)",
    "prelu": "f(grad, x, 0.25, False, grad_input=out)",
    "threshold": "f(grad, x, 0.1, grad_input=out)",
    "elu": "f(grad, 1.0, 1.0, 1.0, False, x, grad_input=out)",
    "selu": f"f(grad, {_SELU}, False, x, grad_input=out)",
    "celu": "f(grad, 1.0, 1.0, 1.0, False, x, grad_input=out)",
    "softplus": "f(grad, x, 1, 20, grad_input=out)",
    "gelu": "f(grad, x, grad_input=out)",
    "gelu_tanh": "f(grad, x, approximate='tanh', grad_input=out)",
    "silu": "f(grad, x, grad_input=out)",
    "swish": "f(grad, x, grad_input=out)",
    # The only one without out=.
    "mish": "out = f(grad, x)",
    "hard_sigmoid": "f(grad, x, grad_input=out)",
    "hard_swish": "f(grad, x, out=out)",
    "hard_tanh": "f(grad, x, -1, 1, grad_input=out)",
    "soft_shrink": "f(grad, x, 0.5, grad_input=out)",
    "hard_shrink": "f(grad, x, 0.5, grad_input=out)",
    "logit": "f(grad, x, grad_input=out)",
}
_FROM_OUTPUT = {
    "sigmoid": "f(grad, y, grad_input=out)",
    "tanh": "f(grad, y, grad_input=out)",
    "relu": "f(grad, y, 0, grad_input=out)",
}

# The operation named f in the statements above.
_OPERATIONS = {
    "sigmoid": _ATEN.sigmoid_backward.grad_input,
    "tanh": _ATEN.tanh_backward.grad_input,
    "log_sigmoid": _ATEN.log_sigmoid_backward.grad_input,
    "relu": _ATEN.threshold_backward.grad_input,
    "relu6": _ATEN.hardtanh_backward.grad_input,
    "leaky_relu": _ATEN.leaky_relu_backward.grad_input,
    "prelu": _ATEN.leaky_relu_backward.grad_input,
    "threshold": _ATEN.threshold_backward.grad_input,
    "elu": _ATEN.elu_backward.grad_input,
    "selu": _ATEN.elu_backward.grad_input,
    "celu": _ATEN.elu_backward.grad_input,
    "softplus": _ATEN.softplus_backward.grad_input,
    "gelu": _ATEN.gelu_backward.grad_input,
    "gelu_tanh": _ATEN.gelu_backward.grad_input,
    "silu": _ATEN.silu_backward.grad_input,
    "swish": _ATEN.silu_backward.grad_input,
    "mish": _ATEN.mish_backward.default,
    "hard_sigmoid": _ATEN.hardsigmoid_backward.grad_input,
    "hard_swish": _ATEN.hardswish_backward.out,
    "hard_tanh": _ATEN.hardtanh_backward.grad_input,
    "soft_shrink": _ATEN.softshrink_backward.grad_input,
    "hard_shrink": _ATEN.hardshrink_backward.grad_input,
    "logit": _ATEN.logit_backward.grad_input,
}

_ROWS = {
    ("softmin", "value"): "softmax(neg(x), axis, False, out=out)",
    ("logsumexp", "value"): "logsumexp(x, axis, out=out)",
    ("softmax", "value"): "softmax(x, axis, False, out=out)",
    ("softmax", "backward"): (
        "softmax(x, axis, False, out=y); f(grad, y, axis, dtype, grad_input=out)"
    ),
    ("softmax", "backward_from_output"): "f(grad, y, axis, dtype, grad_input=out)",
    ("log_softmax", "value"): "log_softmax(x, axis, False, out=out)",
    ("log_softmax", "backward"): (
        "log_softmax(x, axis, False, out=y); f(grad, y, axis, dtype, out=out)"
    ),
    ("log_softmax", "backward_from_output"): "f(grad, y, axis, dtype, out=out)",
}
# `glu` has operations of its own; the others are two each way.
_GATED = {
    ("glu", "value"): "nn.glu(x, out=out)",
    ("glu", "backward"): "f(grad, x, -1, grad_input=out)",
    ("swiglu", "value"): "mul(v, nn.silu(g), out=out)",
    ("swiglu", "backward"): ("mul(grad, nn.silu(g), out=dv); f(mul(grad, v), g, grad_input=dg)"),
    ("geglu", "value"): "mul(v, nn.gelu(g), out=out)",
    ("geglu", "backward"): ("mul(grad, nn.gelu(g), out=dv); f(mul(grad, v), g, grad_input=dg)"),
    ("reglu", "value"): "mul(v, clamp_min(g, 0), out=out)",
    ("reglu", "backward"): (
        "mul(grad, clamp_min(g, 0), out=dv); f(mul(grad, v), g, 0, grad_input=dg)"
    ),
}
_GATED_OPERATIONS = {
    "glu": _ATEN.glu_backward.grad_input,
    "swiglu": _ATEN.silu_backward.grad_input,
    "geglu": _ATEN.gelu_backward.grad_input,
    "reglu": _ATEN.threshold_backward.grad_input,
}
_ROW_OPERATIONS = {
    "softmax": _ATEN._softmax_backward_data.out,
    "log_softmax": _ATEN._log_softmax_backward_data.out,
}

_FUNCTIONS = {
    name: getattr(torch, name)
    for name in (
        "sigmoid", "tanh", "clamp_min", "threshold", "div", "mul", "sub", "hardshrink", "exp",
        "erf", "logit",
    )
} | {"nn": _NN}  # fmt: skip
_ROW_FUNCTIONS = {
    "softmax": _ATEN._softmax.out,
    "log_softmax": _ATEN._log_softmax.out,
    "logsumexp": torch.logsumexp,
    "neg": torch.neg,
}

# oneDNN computes these; below some size PyTorch's own loop is faster, so both take part.
_ONEDNN = ("gelu", "gelu_tanh", "geglu")


class TorchAten:
    """PyTorch without autograd, on the same memory as the NumPy arrays."""

    name = "PyTorch"
    version = torch.__version__

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def contenders(self, case: Case, operands: Operands) -> Sequence[Contender]:
        if case.kind == "derivatives":
            return []
        names = {name: _tensor(operands[name]) for name in ("x", "grad", "y", "out")}
        if case.kind == "rows":
            names |= _ROW_FUNCTIONS
            names |= {"f": _ROW_OPERATIONS.get(case.function), "axis": case.axis}
            names["dtype"] = names["x"].dtype
            if case.form == "backward":
                names["y"] = torch.empty_like(names["x"])
            statement: str | None = _ROWS[case.function, case.form]
        elif case.kind == "gated":
            names |= _FUNCTIONS | halves(names["x"]) | {"f": _GATED_OPERATIONS[case.function]}
            if case.form == "backward":
                names |= {f"d{name}": half for name, half in halves(names["out"]).items()}
            statement = _GATED[case.function, case.form]
        else:
            table = {"value": _VALUES, "derivative": _BACKWARD, "backward": _BACKWARD}
            statement = table.get(case.form, _FROM_OUTPUT).get(case.function)
            names |= _FUNCTIONS | {"f": _OPERATIONS.get(case.function)}
            if case.function == "log_sigmoid":
                names["forward"] = _ATEN.log_sigmoid_forward.output
                names["buffer"] = torch.empty_like(names["x"])
            if case.form.startswith("derivative"):
                # One element that stands for all: no memory to read.
                names["grad"] = names["x"].new_ones(()).expand_as(names["x"])
        if statement is None:
            return []
        if case.function not in _ONEDNN:
            return [Contender(self.name, statement, names, as_array=_array)]
        return [
            Contender(self.name, statement, names, variant, _array, prepare=_onednn(enabled))
            for variant, enabled in (("", True), ("without oneDNN", False))
        ]


def _onednn(enabled: bool) -> Callable[[], object]:
    return lambda: torch._C._set_mkldnn_enabled(enabled)


def _tensor(array: np.ndarray) -> torch.Tensor:
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _array(tensor: Any) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:
        return tensor.float().numpy()
    return tensor.numpy()
