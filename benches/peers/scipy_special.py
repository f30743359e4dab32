"""SciPy: the same expressions with `scipy.special`, where it has a function for them."""

from collections.abc import Sequence

import scipy
from scipy import special

from benches.cases import FLOATS, Case, Operands
from benches.formulas import SCIPY_FORMULAS
from benches.peers import Contender
from benches.peers.numpy_idiom import ERF_GATES, NUMPY, gated, idiom, row_names

_SPECIAL = ("expit", "log_expit", "erf", "ndtr", "logit", "softmax", "log_softmax", "logsumexp")
_FUNCTIONS = NUMPY | {name: getattr(special, name) for name in _SPECIAL}


class ScipySpecial:
    """`scipy.special`; SciPy computes with one thread."""

    name = "SciPy"
    version = scipy.__version__

    def __init__(self, threads: int) -> None:
        pass

    def contenders(self, case: Case, operands: Operands) -> Sequence[Contender]:
        if case.dtype not in FLOATS or case.kind == "derivatives":
            return []
        if case.kind == "rows":
            if case.form != "value":
                return []
            statement = f"out = {case.function}(z, axis)"
            if case.function == "softmin":
                statement = "out = softmax(-z, axis)"
            return [Contender(self.name, statement, row_names(case, operands, _FUNCTIONS))]
        if case.kind == "gated":
            return gated(self.name, case, operands, ERF_GATES, _FUNCTIONS)
        return idiom(self.name, case, operands, SCIPY_FORMULAS, _FUNCTIONS)
