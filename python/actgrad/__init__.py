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
from actgrad._core import __version__
from actgrad.activation import Activation
from actgrad.config import get_num_threads, set_num_threads, show_config
from actgrad.errors import (
    ActgradError,
    ActgradImportError,
    ActgradKeyError,
    ActgradTypeError,
    ActgradValueError,
)
from actgrad.founding import derivatives
from actgrad.layers import dense_backward, mape, weighted_sum
from actgrad.registry import activations, get

if TYPE_CHECKING:
    from actgrad import diagnostics, plotting

_bfloat16.register_if_installed()

# One line for each row of the catalogue, so that editors and type checkers know the names.
sigmoid = get("sigmoid")
tanh = get("tanh")
relu = get("relu")
softplus = get("softplus")
log_sigmoid = get("log_sigmoid")
log_cosh = get("log_cosh")
logit = get("logit")
tanh_shrink = get("tanh_shrink")
lisht = get("lisht")
mish = get("mish")

# Imported when first used: a program that only trains should not wait for them.
_LAZY = {"diagnostics", "plotting"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | _LAZY)


__all__ = [
    "ActgradError",
    "ActgradImportError",
    "ActgradKeyError",
    "ActgradTypeError",
    "ActgradValueError",
    "Activation",
    "__version__",
    "activations",
    "dense_backward",
    "derivatives",
    "diagnostics",
    "get",
    "get_num_threads",
    "lisht",
    "log_cosh",
    "log_sigmoid",
    "logit",
    "mape",
    "mish",
    "plotting",
    "relu",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "softplus",
    "tanh",
    "tanh_shrink",
    "ufuncs",
    "weighted_sum",
]
