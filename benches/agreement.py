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

# Epsilons that computing step by step in the dtype may cost.
_ALLOWED = 40.0

# More, with the reason. A peer stands for all its forms unless one is named.
_ALLOWED_MORE: Mapping[tuple[str, str], tuple[float, str]] = {}

# The share of results that may be rounded to another decimal: where the second library's result
# before rounding is just across the middle.
_ALLOWED_ROUNDINGS = 1e-3


@dataclass(frozen=True)
class Agreement:
    """How far a peer's answer is from actgrad's."""

    error: float
    allowed: float

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
    allowed, _ = _ALLOWED_MORE.get((peer, case.function), (_ALLOWED, ""))
    return Agreement(np.inf if np.isnan(worst) else worst, allowed)


def _thinned(array: np.ndarray) -> np.ndarray:
    flat = np.asarray(array).reshape(-1)
    return flat[:: max(1, flat.size // _MOST)].astype(np.float64)
