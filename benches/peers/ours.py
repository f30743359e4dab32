"""actgrad: the public functions, with ``out=``."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import actgrad as ag
from benches.cases import Case, Operands, halves, our_function
from benches.peers import Contender
from benches.table import ONE_THREAD


class Ours:
    """The subject; with several threads also held to one, to see what threads gain."""

    name = "actgrad"
    version = ag.__version__

    def __init__(self, threads: int) -> None:
        self.threads = threads
        ag.set_num_threads(threads)

    def contenders(self, case: Case, operands: Operands) -> Sequence[Contender]:
        names = {"f": our_function(case), **{k: operands[k] for k in ("x", "grad", "y", "out")}}
        as_array = np.asarray
        if case.kind == "gated":
            names |= halves(operands.x)
            statement = "f(v, g, out=out)"
            if case.form == "backward":
                names["halves"] = tuple(halves(operands.out).values())
                statement = "f(grad, v, g, out=halves)"
        elif case.kind == "derivatives":
            statement = "out = f(x, out=out)" if case.shape else "out = f(x)"
            as_array = _stacked
            if case.shape:
                # A name assigned to in the statement cannot be read there.
                names["arrays"] = operands.out
                statement = "out = f(x, out=arrays)"
        else:
            arguments = {
                "value": "x",
                "derivative": "x",
                "backward": "grad, x",
                "derivative_from_output": "y",
                "backward_from_output": "grad, y",
            }[case.form]
            axis = "" if case.axis is None else f"axis={case.axis}, "
            statement = f"f({arguments}, {axis}out=out)"
        if self.threads == 1:
            return [Contender(self.name, statement, names, as_array=as_array)]
        return [
            Contender(self.name, statement, names, variant, as_array, prepare=_limit(threads))
            for variant, threads in (("", self.threads), (ONE_THREAD, 1))
        ]


def _limit(threads: int) -> Any:
    return lambda: ag.set_num_threads(threads)


def _stacked(derivatives: dict[str, Any]) -> np.ndarray:
    return np.stack(list(derivatives.values()))
