"""The activations by name: :func:`get`, :func:`activations`, aliases."""

import difflib
from types import MappingProxyType

from actgrad import _core, frameworks
from actgrad.activation import Activation
from actgrad.errors import ActgradKeyError

_ACTIVATIONS = MappingProxyType({row["name"]: Activation(row) for row in _core.catalogue})
_BY_NAME = MappingProxyType(
    {
        name: activation
        for activation in _ACTIVATIONS.values()
        for name in (activation.name, *activation.aliases)
    }
)


def get(name: str) -> Activation:
    """Return the activation of a name or alias.

    Parameters
    ----------
    name : str
        A name or alias from the catalogue; case, hyphens and spaces do not matter.

    Returns
    -------
    Activation

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
    if isinstance(name, Activation):
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


def activations() -> tuple[Activation, ...]:
    """Return all activations in catalogue order.

    Returns
    -------
    tuple of Activation

    Examples
    --------
    >>> import actgrad as ag
    >>> "tanh" in [activation.name for activation in ag.activations()]
    True
    """
    return tuple(_ACTIVATIONS.values())
