"""The calculus of neural-network activation functions for NumPy.

Every activation is an object: call it for its value; its attributes are its derivative, second
derivative, backward pass and Jacobian, computed by NumPy ufuncs written in Rust.

>>> import actgrad as ag
>>> ag.derivatives(1.0)
{'sigmoid': 0.1966, 'tanh': 0.42, 'relu': 1.0}
>>> ag.sigmoid.derivative([-1.0, 0.0, 1.0])
array([0.19661193, 0.25      , 0.19661193])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from actgrad import _bfloat16, ufuncs
from actgrad._core import __version__, derivatives
from actgrad.activation import Activation
from actgrad.config import get_num_threads, set_num_threads, show_config
from actgrad.errors import (
    ActgradAxisError,
    ActgradError,
    ActgradImportError,
    ActgradKeyError,
    ActgradTypeError,
    ActgradValueError,
)
from actgrad.gated import GatedActivation
from actgrad.layers import dense_backward, mape, weighted_sum
from actgrad.registry import activations, get
from actgrad.rows import RowActivation

if TYPE_CHECKING:
    from actgrad import diagnostics, plotting

_bfloat16.register_if_installed()

# One line for each row of the catalogue, so that editors and type checkers know the names.
identity = get("identity")
sigmoid = get("sigmoid")
log_sigmoid = get("log_sigmoid")
tanh = get("tanh")
relu = get("relu")
relu6 = get("relu6")
relu_squared = get("relu_squared")
leaky_relu = get("leaky_relu")
prelu = get("prelu")
threshold = get("threshold")
elu = get("elu")
selu = get("selu")
celu = get("celu")
softplus = get("softplus")
softsign = get("softsign")
squareplus = get("squareplus")
gelu = get("gelu")
gelu_tanh = get("gelu_tanh")
gelu_sigmoid = get("gelu_sigmoid")
silu = get("silu")
swish = get("swish")
mish = get("mish")
hard_sigmoid = get("hard_sigmoid")
hard_swish = get("hard_swish")
hard_tanh = get("hard_tanh")
tanh_shrink = get("tanh_shrink")
soft_shrink = get("soft_shrink")
hard_shrink = get("hard_shrink")
sparse_plus = get("sparse_plus")
sparse_sigmoid = get("sparse_sigmoid")
lisht = get("lisht")
log_cosh = get("log_cosh")
exp = get("exp")
erf = get("erf")
logit = get("logit")
glu = get("glu")
swiglu = get("swiglu")
geglu = get("geglu")
reglu = get("reglu")
softmax = get("softmax")
log_softmax = get("log_softmax")
softmin = get("softmin")
logsumexp = get("logsumexp")

# Imported when first used: a program that only trains should not wait for them.
_LAZY = {"diagnostics", "plotting"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | _LAZY)


__all__ = [
    "ActgradAxisError",
    "ActgradError",
    "ActgradImportError",
    "ActgradKeyError",
    "ActgradTypeError",
    "ActgradValueError",
    "Activation",
    "GatedActivation",
    "RowActivation",
    "__version__",
    "activations",
    "celu",
    "dense_backward",
    "derivatives",
    "diagnostics",
    "elu",
    "erf",
    "exp",
    "geglu",
    "gelu",
    "gelu_sigmoid",
    "gelu_tanh",
    "get",
    "get_num_threads",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "identity",
    "leaky_relu",
    "lisht",
    "log_cosh",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "mape",
    "mish",
    "plotting",
    "prelu",
    "reglu",
    "relu",
    "relu6",
    "relu_squared",
    "selu",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "swiglu",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
    "ufuncs",
    "weighted_sum",
]
