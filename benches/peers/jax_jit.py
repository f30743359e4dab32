"""JAX on the CPU: `jax.nn` and its automatic derivatives, compiled by XLA.

The inputs are JAX arrays before the clock starts. JAX has no ``out=``: it makes its results new.
"""

import os
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

# The process is held to its cores, so XLA's pool is no larger than that.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import jax.numpy as jnp

from benches.cases import Case, Operands
from benches.peers import Contender

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sigmoid": jax.nn.sigmoid,
    "log_sigmoid": jax.nn.log_sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "relu_squared": lambda x: jnp.square(jax.nn.relu(x)),
    "leaky_relu": jax.nn.leaky_relu,
    "prelu": partial(jax.nn.leaky_relu, negative_slope=0.25),
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "celu": jax.nn.celu,
    "softplus": jax.nn.softplus,
    "softsign": jax.nn.soft_sign,
    "squareplus": jax.nn.squareplus,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": jax.nn.gelu,
    "gelu_sigmoid": lambda x: x * jax.nn.sigmoid(1.702 * x),
    "silu": jax.nn.silu,
    "swish": jax.nn.silu,
    "mish": jax.nn.mish,
    "hard_sigmoid": jax.nn.hard_sigmoid,
    "hard_swish": jax.nn.hard_swish,
    "hard_tanh": jax.nn.hard_tanh,
    "tanh_shrink": lambda x: x - jnp.tanh(x),
    "sparse_plus": jax.nn.sparse_plus,
    "sparse_sigmoid": jax.nn.sparse_sigmoid,
    "lisht": lambda x: x * jnp.tanh(x),
    "exp": jnp.exp,
    "erf": jax.scipy.special.erf,
    "logit": jax.scipy.special.logit,
    "softmax": jax.nn.softmax,
    "log_softmax": jax.nn.log_softmax,
    "softmin": lambda x, axis: jax.nn.softmax(-x, axis),
    "logsumexp": jax.nn.logsumexp,
    "glu": lambda x: jax.nn.glu(x),
    "swiglu": lambda x: _gated(x, jax.nn.silu),
    "geglu": lambda x: _gated(x, partial(jax.nn.gelu, approximate=False)),
    "reglu": lambda x: _gated(x, jax.nn.relu),
}


def _gated(x: Any, gate: Callable[[Any], Any]) -> Any:
    value, opened = jnp.split(x, 2)
    return value * gate(opened)


class JaxJit:
    """One compiled function per case."""

    name = "JAX"
    version = jax.__version__

    def __init__(self, threads: int) -> None:
        jax.devices("cpu")

    def contenders(self, case: Case, operands: Operands) -> Sequence[Contender]:
        function = _FUNCTIONS.get(case.function)
        if function is None or case.form.endswith("from_output"):
            return []
        f = _compiled(case.function, case.form, case.axis)
        arrays = ["grad", "x"] if case.form == "backward" else ["x"]
        names = {name: jnp.asarray(operands[name]) for name in arrays} | {"f": f}
        statement = f"out = f({', '.join(arrays)}).block_until_ready()"
        return [Contender(self.name, statement, names)]


@lru_cache(maxsize=8)
def _compiled(function: str, form: str, axis: int | None) -> Callable[..., Any]:
    f = _FUNCTIONS[function]
    if axis is not None:
        f = partial(f, axis=axis)
    if form == "value":
        return jax.jit(f)
    if form == "derivative":
        return jax.jit(lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1])
    return jax.jit(lambda grad, x: jax.vjp(f, x)[1](grad)[0])
