"""bfloat16 arrays, a dtype that the package ml_dtypes adds to NumPy."""

from importlib.util import find_spec

import numpy as np

from actgrad import _core


def register_if_installed() -> None:
    """Add bfloat16 loops to every ufunc if ml_dtypes is installed.

    It has to happen at import: a ufunc called with bfloat16 before keeps the float32 loop it found
    then.
    """
    if find_spec("ml_dtypes") is None:
        return
    import ml_dtypes

    _core.register_bfloat16(np.dtype(ml_dtypes.bfloat16).num)
