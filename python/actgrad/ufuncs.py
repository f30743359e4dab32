"""The flat ufuncs, each a real :class:`numpy.ufunc`: ``gelu``, ``gelu_derivative`` and so on.

A ufunc's name is ``<activation>_<form>``; the value has the activation's own name. Gradients come
first, then x, then the parameters, all of which must be given: ufuncs take no default arguments.

Examples
--------
>>> import numpy as np
>>> from actgrad.ufuncs import sigmoid_backward
>>> sigmoid_backward(np.float32(2.0), np.float32(0.0))
np.float32(0.5)
"""

from typing import TYPE_CHECKING

from actgrad import _core

_INTERNAL = {"derivatives", "rounded_derivatives", "round_decimal"}

__all__: list[str] = []

if not TYPE_CHECKING:
    for _name, _ufunc in _core.ufuncs.items():
        try:
            # The name under which pickle finds the ufunc again.
            _ufunc.__module__ = __name__
            _ufunc.__qualname__ = _name
        except AttributeError:
            pass  # NumPy before 2.2: pickle searches the loaded modules and finds it here.
        globals()[_name] = _ufunc
        if _name not in _INTERNAL:
            __all__.append(_name)
