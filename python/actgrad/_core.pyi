import numpy as np

from actgrad._base import CatalogueRow

__all__ = [
    "__version__",
    "available_simd_levels",
    "catalogue",
    "derivatives_of_float",
    "get_num_threads",
    "register_bfloat16",
    "set_num_threads",
    "simd_level",
    "ufuncs",
]

__version__: str
catalogue: list[CatalogueRow]
ufuncs: dict[str, np.ufunc]

def simd_level() -> str: ...
def available_simd_levels() -> list[str]: ...
def get_num_threads() -> int: ...
def set_num_threads(count: int) -> None: ...
def derivatives_of_float(x: float) -> dict[str, float]: ...
def register_bfloat16(type_number: int) -> None: ...
