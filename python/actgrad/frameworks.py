"""What other libraries call the activations, and which parameters they take by default.

Names agree across libraries more often than defaults do: a leaky ReLU has the slope 0.01, 0.2 or
0.3, `gelu` is exact or the tanh form, a hard sigmoid has the slope 1/6 or 1/5. This table is data:
the documentation shows it, and :func:`actgrad.get` uses it to answer for names it does not know.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Counterpart(NamedTuple):
    """An activation of another library and the one here that computes the same."""

    library: str
    name: str
    activation: str
    parameters: Mapping[str, float] = MappingProxyType({})
    note: str = ""


# Sources: the documentation of PyTorch 2.x (torch.nn), JAX (jax.nn), Keras 3 (keras.activations,
# keras.layers), TensorFlow 2 (tf.nn) and Hugging Face Transformers (ACT2FN).
COUNTERPARTS: tuple[Counterpart, ...] = (
    Counterpart("PyTorch", "LeakyReLU", "leaky_relu", {"negative_slope": 0.01}),
    Counterpart("JAX", "leaky_relu", "leaky_relu", {"negative_slope": 0.01}),
    Counterpart("TensorFlow", "tf.nn.leaky_relu", "leaky_relu", {"negative_slope": 0.2}),
    Counterpart("Keras", "activations.leaky_relu", "leaky_relu", {"negative_slope": 0.2}),
    Counterpart("Keras", "layers.LeakyReLU", "leaky_relu", {"negative_slope": 0.3}),
    Counterpart("PyTorch", "PReLU", "prelu", {"a": 0.25}, "the slope is learned, 0.25 at first"),
    Counterpart("Keras", "layers.PReLU", "prelu", {"a": 0.0}, "the slope is learned, 0 at first"),
    Counterpart("PyTorch", "GELU", "gelu", note="approximate='tanh' is gelu_tanh"),
    Counterpart("JAX", "gelu", "gelu_tanh", note="approximate=False is gelu"),
    Counterpart("Keras", "activations.gelu", "gelu", note="approximate=True is gelu_tanh"),
    Counterpart("TensorFlow", "tf.nn.gelu", "gelu", note="approximate=True is gelu_tanh"),
    Counterpart("Transformers", "gelu_new", "gelu_tanh"),
    Counterpart("Transformers", "gelu_pytorch_tanh", "gelu_tanh"),
    Counterpart("Transformers", "gelu_fast", "gelu_tanh"),
    Counterpart("Transformers", "quick_gelu", "gelu_sigmoid"),
    Counterpart("PyTorch", "Hardsigmoid", "hard_sigmoid"),
    Counterpart("JAX", "hard_sigmoid", "hard_sigmoid"),
    Counterpart("Keras", "activations.hard_sigmoid", "hard_sigmoid", note="Keras 3"),
    Counterpart(
        "Keras",
        "hard_sigmoid (Keras 2)",
        "hard_sigmoid",
        note="clip(x/5 + 1/2, 0, 1) there: hard_sigmoid(6 x / 5) here",
    ),
    Counterpart("PyTorch", "Softplus", "softplus", {"beta": 1.0}, "linear above beta x = 20 there"),
    Counterpart("JAX", "softplus", "softplus", {"beta": 1.0}),
    Counterpart("PyTorch", "SiLU", "silu"),
    Counterpart("JAX", "silu", "silu", note="swish is the same"),
    Counterpart("Keras", "activations.silu", "silu", note="swish is the same"),
    Counterpart("TensorFlow", "tf.nn.swish", "swish", {"beta": 1.0}),
    Counterpart("PyTorch", "Hardswish", "hard_swish"),
    Counterpart("JAX", "hard_silu", "hard_swish"),
    Counterpart("PyTorch", "Hardtanh", "hard_tanh", {"min_value": -1.0, "max_value": 1.0}),
    Counterpart("PyTorch", "ELU", "elu", {"alpha": 1.0}),
    Counterpart("PyTorch", "CELU", "celu", {"alpha": 1.0}),
    Counterpart("PyTorch", "SELU", "selu"),
    Counterpart("PyTorch", "ReLU6", "relu6"),
    Counterpart("PyTorch", "Mish", "mish"),
    Counterpart("PyTorch", "LogSigmoid", "log_sigmoid"),
    Counterpart("PyTorch", "Softsign", "softsign"),
    Counterpart("PyTorch", "Tanhshrink", "tanh_shrink"),
    Counterpart("PyTorch", "Softshrink", "soft_shrink", {"lambd": 0.5}),
    Counterpart("PyTorch", "Hardshrink", "hard_shrink", {"lambd": 0.5}),
    Counterpart("PyTorch", "Threshold", "threshold", note="threshold and value are required"),
    Counterpart("JAX", "squareplus", "squareplus", {"b": 4.0}),
    Counterpart("JAX", "sparse_plus", "sparse_plus"),
    Counterpart("JAX", "sparse_sigmoid", "sparse_sigmoid"),
    Counterpart("JAX", "relu_squared", "relu_squared"),
    Counterpart("SciPy", "special.expit", "sigmoid"),
    Counterpart("SciPy", "special.log_expit", "log_sigmoid"),
    Counterpart("SciPy", "special.logit", "logit"),
    Counterpart("SciPy", "special.erf", "erf"),
    Counterpart("PyTorch", "Softmax", "softmax", note="dim= there is axis= here"),
    Counterpart("PyTorch", "LogSoftmax", "log_softmax", note="dim= there is axis= here"),
    Counterpart("PyTorch", "Softmin", "softmin", note="dim= there is axis= here"),
    Counterpart("PyTorch", "torch.logsumexp", "logsumexp", note="dim= there is axis= here"),
    Counterpart("JAX", "softmax", "softmax"),
    Counterpart("JAX", "log_softmax", "log_softmax"),
    Counterpart("JAX", "logsumexp", "logsumexp", note="axis=None there: all elements"),
    Counterpart("TensorFlow", "tf.nn.softmax", "softmax"),
    Counterpart("TensorFlow", "tf.nn.log_softmax", "log_softmax"),
    Counterpart("TensorFlow", "tf.reduce_logsumexp", "logsumexp", note="all elements there"),
    Counterpart("Keras", "activations.softmax", "softmax"),
    Counterpart("Keras", "activations.log_softmax", "log_softmax"),
    Counterpart("SciPy", "special.softmax", "softmax", note="axis=None there: all elements"),
    Counterpart(
        "SciPy", "special.log_softmax", "log_softmax", note="axis=None there: all elements"
    ),
    Counterpart("SciPy", "special.logsumexp", "logsumexp", note="axis=None there: all elements"),
)


def find(name: str) -> Counterpart | None:
    """Return the counterpart another library knows by this name, in any case, or None."""
    key = _key(name)
    for counterpart in COUNTERPARTS:
        if key in (_key(counterpart.name), _key(counterpart.name.rpartition(".")[2])):
            return counterpart
    return None


def explain(counterpart: Counterpart) -> str:
    """Return a sentence that says how to compute it here."""
    arguments = ", ".join(f"{name}={value}" for name, value in counterpart.parameters.items())
    bound = f"{counterpart.activation}, with {arguments}" if arguments else counterpart.activation
    note = f" ({counterpart.note})" if counterpart.note else ""
    return f"{counterpart.library}'s {counterpart.name} is {bound}{note}"


def _key(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
