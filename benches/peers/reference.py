"""`actgrad.reference`: the founding function in pure Python, one number at a time."""

from collections.abc import Sequence

import numpy as np

from actgrad import __version__, reference
from benches.cases import Case, Operands
from benches.peers import Contender

# More would take seconds.
_LARGEST = 1_000


class Reference:
    """Pure Python on the standard `math` module."""

    name = "reference"
    version = __version__

    def __init__(self, threads: int) -> None:
        pass

    def contenders(self, case: Case, operands: Operands) -> Sequence[Contender]:
        if case.kind != "derivatives" or case.elements > _LARGEST:
            return []
        f = reference.derivatives
        if not case.shape:
            statement = "out = f(x)"
            return [
                Contender(self.name, statement, {"f": f, "x": operands.x}, as_array=_of_dictionary)
            ]
        names = {"f": f, "values": operands.x.tolist()}
        return [
            Contender(self.name, "out = [f(x) for x in values]", names, as_array=_of_dictionaries)
        ]


def _of_dictionary(derivatives: dict[str, float]) -> np.ndarray:
    return np.array(list(derivatives.values()))


def _of_dictionaries(rows: list[dict[str, float]]) -> np.ndarray:
    return np.array([list(row.values()) for row in rows]).T
