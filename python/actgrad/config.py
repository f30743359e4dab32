"""What runs: the instruction set, the number of threads, the versions."""

import platform
import sys

import numpy as np

from actgrad import _core
from actgrad.errors import ActgradTypeError, ActgradValueError


def get_num_threads() -> int:
    """Return the most threads a call may use.

    That is what :func:`set_num_threads` set, else ``ACTGRAD_NUM_THREADS``, else
    ``OMP_NUM_THREADS``, else the number of cores this process may use. The environment is read
    once, at import.

    Returns
    -------
    int

    Examples
    --------
    >>> import actgrad as ag
    >>> ag.get_num_threads() >= 1
    True
    """
    return _core.get_num_threads()


def set_num_threads(count: int) -> None:
    """Set the most threads a call may use, in the whole process.

    Only calls large enough to gain from it are split: the first piece of a call is timed, which
    tells how long the rest would take. Results have the same bits for every number.

    Threads are started when a call first has use for them. They sleep between calls, but for a
    fifth of a millisecond after one, in which they watch for the next and yield the core to others.
    A forked process starts its own.

    Parameters
    ----------
    count : int
        From 1 up; 1 computes in the calling thread.

    Raises
    ------
    ActgradTypeError
        If `count` is not an integer.
    ActgradValueError
        If `count` is less than 1.

    Examples
    --------
    >>> import actgrad as ag
    >>> before = ag.get_num_threads()
    >>> ag.set_num_threads(1)
    >>> ag.get_num_threads()
    1
    >>> ag.set_num_threads(before)
    """
    if isinstance(count, bool) or not hasattr(type(count), "__index__"):
        raise ActgradTypeError(f"set_num_threads: got {count!r}; wanted an integer, for example 4")
    number = count.__index__()
    if number < 1:
        raise ActgradValueError(f"set_num_threads: got {number}; wanted 1 or more")
    _core.set_num_threads(number)


def show_config() -> None:
    """Print what runs: versions, instruction set, threads.

    Examples
    --------
    >>> import actgrad as ag
    >>> ag.show_config()  # doctest: +ELLIPSIS
    actgrad ...
    """
    available = ", ".join(_core.available_simd_levels())
    print(f"actgrad          {_core.__version__}")
    print(f"python           {sys.version.split()[0]} on {platform.machine()} {sys.platform}")
    print(f"numpy            {np.__version__}")
    print(f"instruction set  {_core.simd_level()} (available: {available}; ACTGRAD_SIMD chooses)")
    print(f"threads          {get_num_threads()} (ACTGRAD_NUM_THREADS or set_num_threads chooses)")
    print(
        f"bfloat16         {'yes' if 'ml_dtypes' in sys.modules else 'no: ml_dtypes not installed'}"
    )
