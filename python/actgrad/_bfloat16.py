"""bfloat16 arrays, a dtype that the package ml_dtypes adds to NumPy."""

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from actgrad import _core


@cache
def dtypes() -> tuple[np.dtype[Any], ...]:
    """Return bfloat16, if ml_dtypes is installed."""
    if find_spec("ml_dtypes") is None:
        return ()
    import ml_dtypes

    return (np.dtype(ml_dtypes.bfloat16),)


def register_if_installed() -> None:
    """Add bfloat16 loops to every ufunc if ml_dtypes is installed.

    It has to happen at import: a ufunc called with bfloat16 before keeps the float32 loop it found
    then.
    """
    for dtype in dtypes():
        _core.register_bfloat16(dtype.num)
