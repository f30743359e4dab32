"""Activations as objects: what the catalogue knows of them, and their forms as attributes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from actgrad import _core, _threads
from actgrad._base import BaseActivation, BaseForm, CatalogueRow
from actgrad._reduction import gradient_of_parameter
from actgrad.errors import ActgradTypeError, ActgradValueError

# The forms every activation has, with how many operands come before the parameters.
FORMS: Mapping[str, int] = MappingProxyType(
    {
        "derivative": 1,
        "second_derivative": 1,
        "value_and_derivative": 1,
        "backward": 2,
        "double_backward": 3,
    }
)
# The forms of an activation whose derivative is a function of its output.
FROM_OUTPUT_FORMS: Mapping[str, int] = MappingProxyType(
    {"derivative_from_output": 1, "backward_from_output": 2}
)


# The type numbers that NumPy gives to dtypes of other packages start here.
_USER_DEFINED = 256


class Parameter(NamedTuple):
    """A parameter of an activation."""

    name: str
    default: float | None  # None where the caller must give it
    range: str  # "real", "not negative" or "positive"

    def check(self, caller: str, value: Any) -> None:
        """Raise ActgradValueError if a number is out of range; NaN is let through."""
        if _below(value, self.range):
            wanted = "a positive number" if self.range == "positive" else "a number from 0 up"
            raise ActgradValueError(f"{caller}: got {self.name}={_shown(value)}; wanted {wanted}")


# The least value of a range, and whether it belongs to it.
_BOUNDS = {"real": (-np.inf, True), "not negative": (0.0, True), "positive": (0.0, False)}


def _below(value: Any, range_: str) -> bool:
    """Whether a parameter, or an element of it, is below its range."""
    least, inclusive = _BOUNDS[range_]
    if type(value) is float or type(value) is int:
        return value < least or (value == least and not inclusive)
    # What the ufunc refuses it says itself; and an array of another library may be lazy.
    if range_ == "real" or not isinstance(value, np.ndarray | np.generic | list | tuple):
        return False
    array = np.asarray(value)
    if array.dtype.kind not in "biufV":
        return False
    with np.errstate(invalid="ignore"):
        return bool(np.any(array < least if inclusive else array <= least))


def _shown(value: Any) -> str:
    return repr(value) if np.ndim(value) == 0 else f"an array with minimum {np.nanmin(value)}"


class ParametrisedForm(BaseForm):
    """One form of an activation with parameters: keywords, defaults and checks over a ufunc.

    Called with the form's operands, then the parameters by position or keyword, then any keyword of
    :class:`numpy.ufunc`: ``out``, ``where``, ``dtype``, ``casting``. Parameters broadcast like any
    array. Calls with plain arrays and numbers never reach the methods here: see `src/form.rs`.
    """

    __slots__ = ("_activation", "_fixed", "_form", "_operands", "_parameters", "_positive", "ufunc")
    __doc__ = BaseForm.__doc__

    _operands: int
    _parameters: tuple[Parameter, ...]
    _positive: bool

    def __new__(cls, *arguments: Any, **keywords: Any) -> "ParametrisedForm":
        """Make the object, of the class that is called without a detour."""
        return super().__new__(_core.callable_class(cls))

    def __init__(
        self,
        activation: str,
        form: str,
        operands: int,
        parameters: tuple[Parameter, ...],
        fixed: Mapping[str, Any],
        needs_positive: bool = False,
    ) -> None:
        flat = activation if form == "value" else f"{activation}_{form}"
        self._activation = activation
        self._form = form
        self.ufunc = _core.ufuncs[flat]
        self._operands = operands
        self._parameters = parameters
        self._fixed = fixed
        self._positive = needs_positive
        known = []
        for place, parameter in enumerate(parameters):
            range_ = "positive" if needs_positive and place == 0 else parameter.range
            value = fixed.get(parameter.name, parameter.default)
            usable = type(value) in (int, float) and not _below(value, range_)
            is_open = parameter.name not in fixed
            known.append((parameter.name, value if usable else None, is_open, *_BOUNDS[range_]))
        at_defaults = None if fixed else _core.ufuncs_at_defaults.get(flat)
        _core.set_target(self, _core.DirectForm(self.ufunc, at_defaults, known))

    def __call__(self, *operands: Any, **keywords: Any) -> Any:
        """Call the form; replaced by the class made for the objects."""
        raise NotImplementedError

    def call_general(self, *operands: Any, **keywords: Any) -> Any:
        """Fill in the parameters and call the ufunc."""
        values = self.parameters_of(operands[self._operands :], keywords)
        if len(operands) < self._operands:
            raise ActgradTypeError(
                f"{self.ufunc.__name__}: got {len(operands)} operands; wanted {self._operands} "
                "before the parameters"
            )
        values = _beside(getattr(operands[self._operands - 1], "dtype", None), values)
        operands = (*operands[: self._operands], *values)
        for value in values:
            if type(value) is np.ndarray and value.ndim:
                return _threads.call(self.ufunc, operands, keywords)
        return self.ufunc(*operands, **keywords)

    def parameters_of(self, positional: tuple[Any, ...], keywords: dict[str, Any]) -> list[Any]:
        """Return the value of every parameter, taking those given out of `keywords`."""
        name = self.ufunc.__name__
        values = []
        used = 0
        for parameter in self._parameters:
            key = parameter.name
            if key in self._fixed:
                values.append(self._fixed[key])
                continue
            if used < len(positional):
                value = positional[used]
                used += 1
                if key in keywords:
                    raise ActgradTypeError(f"{name}: got two values for {key}")
            elif key in keywords:
                value = keywords.pop(key)
            else:
                value = parameter.default
            if value is None:
                raise ActgradTypeError(f"{name}: got no {key}; give it after x or as {key}=...")
            parameter.check(name, value)
            values.append(value)
        if used < len(positional):
            raise ActgradTypeError(
                f"{name}: got {len(positional)} parameters; wanted at most {used}"
            )
        if self._positive and _below(values[0], "positive"):
            first = self._parameters[0].name
            raise ActgradValueError(
                f"{name}: got {first}={_shown(values[0])}; {self._activation} is one-to-one only "
                f"for {first} > 0; use the form of x instead"
            )
        return values


def _beside(dtype: np.dtype[Any] | None, values: list[Any]) -> list[Any]:
    """Return the parameters as they go into a ufunc beside operands of a dtype.

    A Python number is weak beside NumPy's own dtypes; beside bfloat16, which NumPy does not know,
    it would make the result float32.
    """
    if getattr(dtype, "num", 0) < _USER_DEFINED:
        return values
    return [np.asarray(v, dtype) if type(v) in (int, float) else v for v in values]


class Activation(BaseActivation):
    r"""An activation function: call it for its value, its attributes are its other forms.

    Where an activation has no parameters its forms are ufuncs; else they are
    :class:`ParametrisedForm` objects, which add defaults and keywords to a ufunc. Objects of this
    class are made from the catalogue, not by users; see :func:`actgrad.get`.

    Attributes
    ----------
    kind : str
        "element-wise".
    name : str
        The name in the catalogue.
    aliases : tuple of str
        Other names :func:`actgrad.get` knows it by.
    formula : str
        f(x) in LaTeX.
    parameters : mapping of str to float or None
        The names of the parameters and their defaults; None where one must be given.
    kinks : str
        Where f is not differentiable, and what the derivative is there; empty if nowhere.
    range : str
        The values f takes, in interval notation.
    value, derivative, second_derivative : callable
        f(x), f'(x) and f''(x), element by element.
    value_and_derivative : callable
        Both in one pass.
    backward : callable
        ``backward(grad, x)`` is grad f'(x), the vector-Jacobian product.
    double_backward : callable
        ``double_backward(gg, grad, x)`` is the pair gg f'(x), gg grad f''(x).
    derivative_from_output, backward_from_output : callable
        The same from y = f(x), where the derivative is a function of y.

    Examples
    --------
    >>> import actgrad as ag
    >>> ag.tanh(0.5)
    np.float64(0.46211715726000974)
    >>> ag.tanh.derivative(0.5)
    np.float64(0.7864477329659274)
    >>> ag.tanh.backward([1.0, 2.0], [0.5, 0.5])
    array([0.78644773, 1.57289547])
    """

    value: Any
    derivative: Any
    second_derivative: Any
    value_and_derivative: Any
    backward: Any
    double_backward: Any
    derivative_from_output: Any
    backward_from_output: Any

    _parameters: tuple[Parameter, ...]
    _parameter_derivatives: tuple[ParametrisedForm, ...]

    def __new__(cls, row: CatalogueRow, fixed: Mapping[str, Any] | None = None) -> "Activation":
        """Make the object, of the class that is called without a detour."""
        return super().__new__(_core.callable_class(cls))

    def __init__(self, row: CatalogueRow, fixed: Mapping[str, Any] | None = None) -> None:
        fixed = MappingProxyType(dict(fixed or {}))
        parameters = tuple(Parameter(*entry) for entry in row["parameters"])
        attributes: dict[str, Any] = {}
        offered: dict[str, int] = {"value": 1, **FORMS}
        if row["from_output"] != "no":
            offered |= FROM_OUTPUT_FORMS
        for form, operands in offered.items():
            positive = form in FROM_OUTPUT_FORMS and row["from_output"].endswith("positive")
            if parameters:
                attributes[form] = ParametrisedForm(
                    row["name"], form, operands, parameters, fixed, positive
                )
            else:
                attributes[form] = _core.ufuncs[
                    row["name"] if form == "value" else f"{row['name']}_{form}"
                ]
        derivatives = tuple(
            ParametrisedForm(row["name"], f"parameter_derivative_{p.name}", 1, parameters, fixed)
            for p in parameters
        )
        defaults = {p.name: fixed.get(p.name, p.default) for p in parameters}
        self._describe(
            row,
            fixed,
            _parameters=parameters,
            _parameter_derivatives=derivatives,
            parameters=MappingProxyType(defaults),
            **attributes,
        )
        _core.set_target(self, attributes["value"])

    def __call__(self, x: npt.ArrayLike, *parameters: Any, **keywords: Any) -> Any:
        """Return f(x), element by element."""
        raise NotImplementedError  # replaced by the class made for the objects

    def __getattr__(self, name: str) -> Any:
        if name in FROM_OUTPUT_FORMS:
            raise AttributeError(
                f"{self.name} has no {name}: its derivative is not a function of its output; "
                f"use {name.removesuffix('_from_output')} with x"
            )
        return self._missing(name)

    def bind(self, **parameters: Any) -> "Activation":
        """Fix parameters.

        Parameters
        ----------
        **parameters : array_like
            Values for some or all of the parameters, by name.

        Returns
        -------
        Activation
            The same function with these parameters fixed; the others stay open.

        Raises
        ------
        ActgradTypeError
            If there is no such parameter, or its value is not real numbers.
        ActgradValueError
            If a value is out of the parameter's range.

        Examples
        --------
        >>> import actgrad as ag
        >>> steep = ag.leaky_relu.bind(negative_slope=0.5)
        >>> steep([-2.0, 2.0])
        array([-1.,  2.])
        >>> steep
        actgrad.leaky_relu.bind(negative_slope=0.5)
        """
        known = {p.name: p for p in self._parameters}
        for name, value in parameters.items():
            if name not in known:
                has = ", ".join(known) or "none"
                raise ActgradTypeError(
                    f"{self.name}.bind: got {name}; {self.name} has the parameters: {has}"
                )
            dtype = getattr(value, "dtype", None) or np.asarray(value).dtype
            if getattr(dtype, "kind", "f") not in "biufV":
                raise ActgradTypeError(
                    f"{self.name}.bind: got {name} of dtype {dtype}; wanted real numbers"
                )
            known[name].check(f"{self.name}.bind", value)
            if isinstance(value, np.ndarray | list | tuple):
                # A copy: what is fixed does not change.
                parameters[name] = np.array(value, subok=True)
                parameters[name].flags.writeable = False
        return Activation(self._row, {**self._fixed, **parameters})

    def _parameter_form(self, caller: str, parameter: str | None) -> tuple[int, ParametrisedForm]:
        """Return the place of the parameter asked for, or the only one, and df/dp."""
        names = [p.name for p in self._parameters]
        if not names:
            raise ActgradTypeError(f"{self.name}.{caller}: {self.name} has no parameters")
        if parameter is None and len(names) > 1:
            raise ActgradTypeError(
                f"{self.name}.{caller}: got no parameter=; choose one of {', '.join(names)}"
            )
        if parameter is not None and parameter not in names:
            raise ActgradValueError(
                f"{self.name}.{caller}: got parameter={parameter!r}; wanted one of "
                f"{', '.join(names)}"
            )
        index = names.index(parameter) if parameter is not None else 0
        return index, self._parameter_derivatives[index]

    def parameter_derivative(
        self, x: npt.ArrayLike, *parameters: Any, parameter: str | None = None, **keywords: Any
    ) -> Any:
        """Derivative of f(x) with respect to a parameter, element by element.

        Parameters
        ----------
        x : array_like
        *parameters : array_like, optional
            The parameters, as in a call; they may be keywords.
        parameter : str, optional
            With respect to which; needed where there are several.
        **keywords
            Those of :class:`numpy.ufunc`, and parameters by name.

        Returns
        -------
        ndarray or scalar
            Of the broadcast shape of x and the parameters.

        Raises
        ------
        ActgradTypeError
            If the activation has no parameters, or several and none was chosen.
        ActgradValueError
            If there is no parameter of that name.
        """
        _, form = self._parameter_form("parameter_derivative", parameter)
        return form(x, *parameters, **keywords)

    def parameter_gradient(
        self,
        grad: npt.ArrayLike,
        x: npt.ArrayLike,
        *parameters: Any,
        parameter: str | None = None,
        **keywords: Any,
    ) -> Any:
        """Gradient with respect to a parameter: grad df/dp summed to the parameter's own shape.

        Parameters
        ----------
        grad : array_like
            The gradient with respect to f(x), of the broadcast shape.
        x : array_like
        *parameters : array_like, optional
            The parameters, as in a call; they may be keywords.
        parameter : str, optional
            With respect to which; needed where there are several.
        **keywords
            Parameters by name.

        Returns
        -------
        ndarray or scalar
            Of the parameter's shape, and of the dtype of the other forms. The terms are computed
            and summed in float64.

        Raises
        ------
        ActgradTypeError
            If the activation has no parameters, or several and none was chosen.
        ActgradValueError
            If there is no parameter of that name, or the shapes do not broadcast.
        """
        index, form = self._parameter_form("parameter_gradient", parameter)
        values = form.parameters_of(parameters, keywords)
        if keywords:
            raise ActgradTypeError(
                f"{self.name}.parameter_gradient: got {next(iter(keywords))}=; it takes the "
                "parameters and parameter="
            )
        backward = _core.ufuncs[f"{self.name}_backward"]
        values = _beside(getattr(x, "dtype", None), values)
        return gradient_of_parameter(form.ufunc, backward, grad, x, values, index)

    def jacobian(self, z: npt.ArrayLike, *parameters: Any, axis: int = -1, **keywords: Any) -> Any:
        """Jacobian along an axis: a diagonal block for each row.

        Parameters
        ----------
        z : array_like
            Pre-activations, with at least one axis.
        *parameters : array_like, optional
            The parameters, as in a call; they may be keywords.
        axis : int, default -1
            The axis of n elements that the function is taken over.
        **keywords
            Parameters by name.

        Returns
        -------
        ndarray
            Of the shape of `z` without `axis`, and (n, n) at the end: the entry (i, k) is the
            derivative of the i-th output with respect to the k-th input.

        Raises
        ------
        numpy.exceptions.AxisError
            If `z` has no such axis.

        Examples
        --------
        >>> import actgrad as ag
        >>> ag.relu.jacobian([2.0, -1.0])
        array([[1., 0.],
               [0., 0.]])
        """
        derivative = np.asarray(self.derivative(z, *parameters, **keywords))
        axis = np.lib.array_utils.normalize_axis_index(axis, derivative.ndim)
        rows = np.moveaxis(derivative, axis, -1)
        result = np.zeros((*rows.shape, rows.shape[-1]), rows.dtype)
        np.einsum("...ii->...i", result)[...] = rows
        return result

    def full_jacobian(self, z: npt.ArrayLike, *parameters: Any, **keywords: Any) -> Any:
        """Jacobian of the whole array, as ``autograd.jacobian`` and ``jax.jacobian`` give it.

        Parameters
        ----------
        z : array_like
            Pre-activations.
        *parameters : array_like, optional
            The parameters, as in a call; they may be keywords.
        **keywords
            Parameters by name.

        Returns
        -------
        ndarray
            Of shape ``z.shape + z.shape``: the entry at (i..., k...) is the derivative of output i
            with respect to input k.

        Examples
        --------
        >>> import numpy as np
        >>> import actgrad as ag
        >>> ag.relu.full_jacobian(np.ones((100, 4))).shape
        (100, 4, 100, 4)
        """
        derivative = np.asarray(self.derivative(z, *parameters, **keywords))
        result = np.zeros((derivative.size, derivative.size), derivative.dtype)
        np.einsum("ii->i", result)[...] = derivative.ravel()
        return result.reshape(derivative.shape * 2)
