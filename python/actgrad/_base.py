"""What every kind of activation has: its row of the catalogue, forms, and that it is frozen."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn, NotRequired, TypedDict

import numpy as np


class CatalogueRow(TypedDict):
    """A row of the catalogue as the compiled module hands it over."""

    kind: str
    name: str
    aliases: list[str]
    formula: str
    kinks: str
    range: str
    from_output: str
    parameters: list[tuple[str, float | None, str]]
    activation: NotRequired[str]  # of the gate, in the row of a gated unit


class BaseForm:
    """What a form shows of its ufunc, where it is not a ufunc itself.

    A class derived from this one repeats the line ``__doc__ = BaseForm.__doc__`` below its own
    docstring, so that an instance shows the docstring of its ufunc.
    """

    __slots__ = ()

    ufunc: np.ufunc
    _activation: str
    _form: str
    _fixed: Mapping[str, Any] = MappingProxyType({})

    @property
    def __name__(self) -> str:
        return str(self.ufunc.__name__)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]  # object has a plain string
        return self.ufunc.__doc__

    def __repr__(self) -> str:
        fixed = "".join(f", {name}={value!r}" for name, value in self._fixed.items())
        return f"<form {self.ufunc.__name__!r}{fixed} of actgrad.{self._activation}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (_restore(self._activation, dict(self._fixed)), self._form)


class BaseActivation:
    """A frozen object made from a row of the catalogue.

    Attributes
    ----------
    kind : str
        "element-wise", "gated" for a value times an activation of a gate, or "rows" for a function
        of the rows along an axis.
    name, aliases, formula, parameters, kinks, range
        As :class:`actgrad.Activation` describes them.
    """

    kind: str
    name: str
    aliases: tuple[str, ...]
    formula: str
    parameters: Mapping[str, float | None]
    kinks: str
    range: str

    _row: CatalogueRow
    _fixed: Mapping[str, Any]

    def _describe(self, row: CatalogueRow, fixed: Mapping[str, Any], **more: Any) -> None:
        """Set the attributes, past the freezing."""
        self.__dict__.update(
            _row=row,
            _fixed=fixed,
            kind=row["kind"],
            name=row["name"],
            aliases=tuple(row["aliases"]),
            formula=row["formula"],
            kinks=row["kinks"],
            range=row["range"],
            **more,
        )

    def _missing(self, name: str) -> Any:
        """What an attribute is that is not there: for `__getattr__`, at its end."""
        if name == "__signature__":
            # That of the method in Python, which the class made for the objects hides.
            import inspect

            methods = (vars(cls).get("__call__") for cls in type(self).__mro__)
            written = next(method for method in methods if inspect.isfunction(method))
            return inspect.signature(written.__get__(self))
        raise AttributeError(f"{self!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{self!r} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{self!r} is frozen: {name} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.name, dict(self._fixed))

    def __copy__(self) -> "BaseActivation":
        return self

    def __deepcopy__(self, memo: object) -> "BaseActivation":
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseActivation):
            return NotImplemented
        return self is other or (
            self.name == other.name
            and self._fixed.keys() == other._fixed.keys()
            and all(np.array_equal(v, other._fixed[k]) for k, v in self._fixed.items())
        )

    def __hash__(self) -> int:
        return hash((self.name, tuple(self._fixed)))

    def __repr__(self) -> str:
        if not self._fixed:
            return f"actgrad.{self.name}"
        fixed = ", ".join(f"{name}={value!r}" for name, value in self._fixed.items())
        return f"actgrad.{self.name}.bind({fixed})"

    def _repr_html_(self) -> str:
        from actgrad import _notebook

        return _notebook.card(self)


def _restore(name: str, fixed: dict[str, Any]) -> Any:
    from actgrad.registry import get

    activation = get(name)
    return activation.bind(**fixed) if fixed else activation
