"""The activations by name: :func:`get`, :func:`activations`, aliases."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, overload

from actgrad import _core, frameworks
from actgrad._base import BaseActivation
from actgrad.activation import Activation
from actgrad.errors import ActgradKeyError, ActgradValueError
from actgrad.gated import GatedActivation
from actgrad.rows import RowActivation

GatedName = Literal["glu", "swiglu", "geglu", "reglu"]
RowName = Literal["softmax", "log_softmax", "softmin", "logsumexp"]

# What an activation of each kind is made as.
_KINDS = {"element-wise": Activation, "gated": GatedActivation, "rows": RowActivation}

_ACTIVATIONS: Mapping[str, BaseActivation] = MappingProxyType(
    {row["name"]: _KINDS[row["kind"]](row) for row in _core.catalogue}
)
_BY_NAME = MappingProxyType(
    {
        name: activation
        for activation in _ACTIVATIONS.values()
        for name in (activation.name, *activation.aliases)
    }
)


# The names are strings, too: mypy reports the overlap that is meant.
@overload
def get(name: GatedName) -> GatedActivation: ...  # type: ignore[overload-overlap]
@overload
def get(name: RowName) -> RowActivation: ...  # type: ignore[overload-overlap]
@overload
def get(name: str) -> Activation: ...
def get(name: str) -> BaseActivation:
    """Return the activation of a name or alias.

    Parameters
    ----------
    name : str
        A name or alias from the catalogue; case, hyphens and spaces do not matter.

    Returns
    -------
    Activation, GatedActivation or RowActivation
        The second for glu, swiglu, geglu and reglu, the third for softmax, log_softmax, softmin and
        logsumexp.

    Raises
    ------
    ActgradKeyError
        If no activation has that name; the message names near matches.

    Examples
    --------
    >>> import actgrad as ag
    >>> ag.get("logistic")
    actgrad.sigmoid
    """
    if isinstance(name, BaseActivation):
        return name
    key = str(name).strip().lower().replace("-", "_").replace(" ", "_")
    found = _BY_NAME.get(key)
    if found is None:
        counterpart = frameworks.find(key)
        near = difflib.get_close_matches(key, _BY_NAME, n=3)
        if counterpart is not None and counterpart.activation in _ACTIVATIONS:
            hint = frameworks.explain(counterpart)
        elif near:
            hint = f"did you mean {' or '.join(near)}?"
        else:
            hint = "see actgrad.activations()"
        raise ActgradKeyError(f"no activation is named {name!r}; {hint}")
    return found


@overload
def activations(
    kind: None = None,
) -> tuple[Activation | GatedActivation | RowActivation, ...]: ...
@overload
def activations(kind: Literal["element-wise"]) -> tuple[Activation, ...]: ...
@overload
def activations(kind: Literal["gated"]) -> tuple[GatedActivation, ...]: ...
@overload
def activations(kind: Literal["rows"]) -> tuple[RowActivation, ...]: ...
def activations(kind: str | None = None) -> tuple[BaseActivation, ...]:
    """Return all activations in catalogue order.

    Parameters
    ----------
    kind : {"element-wise", "gated", "rows"}, optional
        Only those that work element by element, those of a value and a gate, or those that work on
        the rows along an axis.

    Returns
    -------
    tuple of Activation, GatedActivation and RowActivation

    Raises
    ------
    ActgradValueError
        If there is no such kind.

    Examples
    --------
    >>> import actgrad as ag
    >>> "tanh" in [activation.name for activation in ag.activations()]
    True
    >>> ag.activations("gated")
    (actgrad.glu, actgrad.swiglu, actgrad.geglu, actgrad.reglu)
    >>> ag.activations("rows")
    (actgrad.softmax, actgrad.log_softmax, actgrad.softmin, actgrad.logsumexp)
    """
    if kind is not None and kind not in _KINDS:
        raise ActgradValueError(
            f"activations: got kind={kind!r}; wanted one of {', '.join(map(repr, _KINDS))}"
        )
    return tuple(a for a in _ACTIVATIONS.values() if kind in (None, a.kind))
