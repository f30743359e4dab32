"""numexpr: the whole expression, compiled once."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numexpr
import numpy as np
from numexpr.necompiler import getType

from benches.cases import FLOATS, Case, Operands
from benches.formulas import FORMULAS, Expression
from benches.peers import Contender

_FUNCTIONS = {
    "exp", "log", "log1p", "expm1", "tanh", "cosh", "sqrt", "abs", "where", "maximum", "minimum",
}  # fmt: skip


class NumexprVm:
    """numexpr's virtual machine; `NumExpr` objects skip the parsing that `evaluate` repeats."""

    name = "numexpr"
    version = numexpr.__version__ + (" with VML" if numexpr.use_vml else " without VML")

    def __init__(self, threads: int) -> None:
        numexpr.set_num_threads(threads)

    def contenders(self, case: Case, operands: Operands) -> Sequence[Contender]:
        if case.kind != "element-wise" or case.dtype not in FLOATS:
            return []
        expression = FORMULAS[case.function].form(case.form)
        if expression is None or not expression.functions() <= _FUNCTIONS:
            return []
        f, constants = _compiled(case, expression)
        arrays = expression.operands()
        # Constants of the dtype of x: numexpr would go to float64.
        dtype = np.dtype(case.dtype).type
        names: dict[str, Any] = {name: dtype(value) for name, value in constants.items()}
        names |= {name: operands[name] for name in arrays} | {"f": f, "out": operands.out}
        arguments = ", ".join([*arrays, *constants])
        statement = f"f({arguments}, out=out, ex_uses_vml=False)"
        return [Contender(self.name, statement, names)]


@cache
def _compile(text: str, names: tuple[str, ...], dtype: str) -> Any:
    kind = getType(np.empty(0, dtype))
    return numexpr.NumExpr(text, [(name, kind) for name in names])


def _compiled(case: Case, expression: Expression) -> tuple[Any, dict[str, float]]:
    text, constants = expression.numexpr()
    return _compile(text, (*expression.operands(), *constants), case.dtype), constants
