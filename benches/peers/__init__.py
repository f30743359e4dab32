"""How each library computes a case.

A peer is a class with a name, made for a number of threads in a process that has no more cores than
that. It raises `ImportError` where its library is not installed. For a case it gives contenders: a
statement, as somebody would write it, and the names in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from benches.cases import Case, Operands


@dataclass(frozen=True)
class Contender:
    """A way to compute a case: a statement that leaves the result in ``out``."""

    peer: str
    statement: str
    names: Mapping[str, Any]
    # Which of several ways of the same peer; the fastest counts.
    variant: str = ""
    # From what the statement leaves in `out` to a NumPy array.
    as_array: Callable[[Any], np.ndarray] = np.asarray
    # Called before each sample, untimed.
    prepare: Callable[[], object] | None = None

    def answer(self) -> np.ndarray:
        """Run the statement once and return the result."""
        if self.prepare is not None:
            self.prepare()
        names = dict(self.names)
        exec(compile(self.statement, f"<{self.peer}>", "exec"), names)
        return self.as_array(names["out"])


class Peer(Protocol):
    """A library that takes part."""

    name: str
    version: str

    def __init__(self, threads: int) -> None: ...

    def contenders(self, case: Case, operands: Operands) -> Sequence[Contender]:
        """Return its ways to compute a case; none where it does not offer the function."""
        ...


# The module of each peer: `benches.peers.<module>.<class>`. The first is the subject.
PEERS: Mapping[str, tuple[str, str]] = {
    "actgrad": ("ours", "Ours"),
    "NumPy": ("numpy_idiom", "NumpyIdiom"),
    "SciPy": ("scipy_special", "ScipySpecial"),
    "numexpr": ("numexpr_vm", "NumexprVm"),
    "Numba": ("numba_loop", "NumbaLoop"),
    "JAX": ("jax_jit", "JaxJit"),
    "PyTorch": ("torch_aten", "TorchAten"),
    "MKL": ("mkl_vml", "MklVml"),
    "reference": ("reference", "Reference"),
}


def open_peers(threads: int, wanted: Sequence[str] = ()) -> tuple[list[Peer], dict[str, str]]:
    """Return the peers that are installed, and for the others why not; empty `wanted` means all."""
    peers: list[Peer] = []
    absent: dict[str, str] = {}
    for name, (module, kind) in PEERS.items():
        if wanted and name != "actgrad" and name not in wanted:
            continue
        try:
            peers.append(getattr(import_module(f"benches.peers.{module}"), kind)(threads))
        except (ImportError, OSError) as error:
            absent[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    return peers, absent
