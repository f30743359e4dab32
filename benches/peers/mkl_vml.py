"""Intel MKL's vector math by ctypes, in its high-accuracy mode."""

import ctypes
import re
import sys
from collections.abc import Sequence
from importlib.metadata import files, version
from pathlib import Path

from benches.cases import FLOATS, Case, Operands
from benches.peers import Contender

_FUNCTIONS = {"exp": "Exp", "tanh": "Tanh", "erf": "Erf"}

# High accuracy, subnormals kept, no error handling: mkl_vml_defines.h.
_MODE = 0x00000002 | 0x00140000 | 0x00000100


class MklVml:
    """The functions of one argument that MKL and actgrad share: values only."""

    name = "MKL"

    def __init__(self, threads: int) -> None:
        self.version = version("mkl")
        self.library = ctypes.CDLL(str(_library()))
        self.library.MKL_Set_Num_Threads(threads)

    def contenders(self, case: Case, operands: Operands) -> Sequence[Contender]:
        function = _FUNCTIONS.get(case.function)
        if function is None or case.form != "value" or case.dtype not in FLOATS:
            return []
        f = getattr(self.library, f"vm{'s' if case.dtype == 'float32' else 'd'}{function}")
        f.restype = None
        # Made before: a call costs what it would cost C, nearly.
        names = {
            "f": f,
            "n": ctypes.c_int(case.elements),
            "x": ctypes.c_void_p(operands.x.ctypes.data),
            "result": ctypes.c_void_p(operands.out.ctypes.data),
            "mode": ctypes.c_longlong(_MODE),
            "out": operands.out,
        }
        return [Contender(self.name, "f(n, x, result, mode)", names)]


def _library() -> Path:
    """Return the path of the one library of the package that loads the others."""
    for file in files("mkl") or ():
        if re.match(r"libmkl_rt\.(so|dylib)|mkl_rt.*\.dll", file.name):
            return Path(file.locate()).resolve()
    raise ImportError(f"the package mkl has no mkl_rt on {sys.platform}")
