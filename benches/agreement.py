"""Whether two libraries computed the same, and how far they may differ.

The comparison asks for the same function, not for the same accuracy: an idiom that has lost the
tail of a derivative agrees with it, as both are tiny there. So errors count in units of the dtype's
epsilon times max(1, |result|).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benches.cases import Case

# Of larger arrays, elements at equal distances are compared, up to twice as many as this.
_MOST = 1_000_000

_EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}

# Epsilons that computing step by step in the dtype may cost; those of the half formats are large.
_ALLOWED = {"float16": 16.0, "bfloat16": 16.0, "float32": 64.0, "float64": 64.0}

# Sums along a row, in whatever order.
_ALLOWED_IN_ROWS = 1024.0

# What a peer may differ by for a reason: it still takes part, and the report tells.
_KINK = (2.0**24, "another derivative at the kinks, which half formats hit")
_ALLOWED_MORE: Mapping[tuple[str, str], tuple[float, str]] = {
    ("JAX", "hard_tanh"): _KINK,
    ("JAX", "hard_sigmoid"): _KINK,
    ("JAX", "hard_swish"): _KINK,
    ("JAX", "sparse_sigmoid"): _KINK,
    ("JAX", "gelu_tanh"): (256.0, "cancellation in its derivative"),
    ("PyTorch", "hard_sigmoid"): (2.0**28, "its 1/6 is a float32, also in float64"),
}

# The share of results that may be rounded to another decimal: where the second library's result
# before rounding is just across the middle.
_ALLOWED_ROUNDINGS = 1e-3


@dataclass(frozen=True)
class Agreement:
    """How far a peer's answer is from actgrad's."""

    error: float
    allowed: float
    # Why it is allowed to be further away than usual, where it is.
    reason: str = ""

    @property
    def holds(self) -> bool:
        return self.error <= self.allowed


def compare(case: Case, peer: str, answer: np.ndarray, ours: np.ndarray) -> Agreement:
    """Compare an answer with actgrad's."""
    if answer.shape != ours.shape:
        return Agreement(np.inf, 0.0)
    if case.kind == "derivatives":
        difference = np.abs(_thinned(answer) - _thinned(ours))
        return Agreement(float(np.mean(difference > 1e-6)), _ALLOWED_ROUNDINGS)
    got, wanted = _thinned(answer), _thinned(ours)
    with np.errstate(all="ignore"):
        error = np.abs(got - wanted) / (_EPSILON[case.dtype] * np.maximum(1.0, np.abs(wanted)))
        error[(got == wanted) | (np.isnan(got) & np.isnan(wanted))] = 0.0
    worst = float(error.max(initial=0.0))
    allowed = _ALLOWED_IN_ROWS if case.kind == "rows" else _ALLOWED[case.dtype]
    reason = ""
    if worst > allowed:
        allowed, reason = _ALLOWED_MORE.get((peer, case.function), (allowed, ""))
    return Agreement(np.inf if np.isnan(worst) else worst, allowed, reason)


def _thinned(array: np.ndarray) -> np.ndarray:
    flat = np.asarray(array).reshape(-1)
    return flat[:: max(1, flat.size // _MOST)].astype(np.float64)
