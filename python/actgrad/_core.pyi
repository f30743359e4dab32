from typing import Any, Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from actgrad._base import CatalogueRow

__all__ = [
    "QuickForm",
    "QuickGatedForm",
    "__version__",
    "available_simd_levels",
    "catalogue",
    "compute_broadcast",
    "derivatives",
    "get_num_threads",
    "register_bfloat16",
    "set_num_threads",
    "simd_level",
    "ufuncs",
    "ufuncs_at_defaults",
]

__version__: str
catalogue: list[CatalogueRow]
ufuncs: dict[str, np.ufunc]
ufuncs_at_defaults: dict[str, np.ufunc]

@disjoint_base
class QuickForm:
    def __new__(
        cls,
        ufunc: np.ufunc,
        at_defaults: np.ufunc | None,
        operands: int,
        parameters: list[tuple[str, float, bool]],
        ready: list[tuple[int, tuple[np.ndarray[Any, Any], ...]]],
    ) -> Self: ...
    def __call__(self, *operands: Any, **keywords: Any) -> Any: ...

@disjoint_base
class QuickGatedForm:
    def __new__(cls, ufunc: np.ufunc, operands: int) -> Self: ...
    def __call__(self, *operands: Any, **keywords: Any) -> Any: ...

def simd_level() -> str: ...
def available_simd_levels() -> list[str]: ...
def get_num_threads() -> int: ...
def set_num_threads(count: int) -> None: ...
def derivatives(
    x: npt.ArrayLike,
    decimals: tuple[int, int] | None = (4, 2),
    out: tuple[Any, Any, Any] | None = None,
) -> dict[str, Any]: ...
def compute_broadcast(ufunc: np.ufunc, arrays: list[np.ndarray[Any, Any]]) -> bool: ...
def register_bfloat16(type_number: int) -> None: ...
