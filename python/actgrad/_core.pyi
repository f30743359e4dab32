from collections.abc import Callable
from typing import Any, Self, TypeVar, final

import numpy as np
import numpy.typing as npt

from actgrad._base import CatalogueRow

__all__ = [
    "DirectForm",
    "__version__",
    "available_simd_levels",
    "callable_class",
    "catalogue",
    "compute_broadcast",
    "derivatives",
    "get_num_threads",
    "register_bfloat16",
    "set_num_threads",
    "set_target",
    "simd_level",
    "ufuncs",
    "ufuncs_at_defaults",
]

_T = TypeVar("_T")

__version__: str
catalogue: list[CatalogueRow]
ufuncs: dict[str, np.ufunc]
ufuncs_at_defaults: dict[str, np.ufunc]

@final
class DirectForm:
    def __new__(
        cls,
        ufunc: np.ufunc,
        at_defaults: np.ufunc | None,
        parameters: list[tuple[str, float | None, bool, float, bool]],
    ) -> Self: ...

def callable_class(base: type[_T]) -> type[_T]: ...
def set_target(object: object, target: DirectForm | Callable[..., Any]) -> None: ...
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
