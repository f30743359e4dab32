"""Gated linear units as objects: glu, swiglu, geglu, reglu."""

import operator
from types import MappingProxyType
from typing import Any

import numpy as np

from actgrad import _core, _threads
from actgrad._base import BaseActivation, BaseForm, CatalogueRow
from actgrad.errors import ActgradAxisError, ActgradTypeError, ActgradValueError


class GatedForm(BaseForm):
    """One form of a gated unit: of a value and a gate, or of one array that holds both.

    Called with the operands of its ufunc it calls that. Called with one array in place of the last
    two, the value and the gate are the halves of that array along ``axis``, the last by default; a
    half is a view. ``out``, ``where``, ``dtype`` and ``casting`` are those of :class:`numpy.ufunc`.
    Calls with plain arrays for the value and the gate never reach the methods here: see
    `src/form.rs`.
    """

    __slots__ = ("_activation", "_form", "ufunc")
    __doc__ = BaseForm.__doc__

    # Operands whose halves are two operands of the ufunc.
    _halved = 1

    def __new__(cls, *arguments: Any) -> "GatedForm":
        """Make the object, of the class that is called without a detour."""
        return super().__new__(_core.callable_class(cls))

    def __init__(self, activation: str, form: str, ufunc: np.ufunc) -> None:
        self._activation = activation
        self._form = form
        self.ufunc = ufunc
        _core.set_target(self, _core.DirectForm(ufunc, None, []))

    def __call__(self, *operands: Any, axis: Any = None, **keywords: Any) -> Any:
        """Call the form; replaced by the class made for the objects."""
        raise NotImplementedError

    def call_general(self, *operands: Any, axis: Any = None, **keywords: Any) -> Any:
        """Call the ufunc, with the value and the gate as they are or from one array."""
        name, apart = self.ufunc.__name__, self.ufunc.nin
        together = apart - self._halved
        if len(operands) == together:
            return self._split(operands, _checked_axis(name, axis), keywords)
        if len(operands) < apart:
            raise ActgradTypeError(
                f"{name}: got {len(operands)} operands; wanted {apart}, the last of them a value "
                f"and a gate, or {together}, the last an array whose halves they are"
            )
        if axis is not None:
            raise ActgradTypeError(
                f"{name}: got axis={axis!r} beside a value and a gate; it says where one array is "
                "split, so give it with one array"
            )
        return _threads.call(self.ufunc, operands, keywords)

    def _split(self, operands: tuple[Any, ...], axis: int, keywords: dict[str, Any]) -> Any:
        value, gate = _halves(self.ufunc, operands[-1], axis)
        return _threads.call(self.ufunc, (*operands[:-1], value, gate), keywords)


class GatedBackwardForm(GatedForm):
    """The form with the gradients by the value and by the gate: one array of both, if they were.

    Of one array the gradient is one array too, ``out`` as well.
    """

    __slots__ = ()
    __doc__ = BaseForm.__doc__

    def _split(self, operands: tuple[Any, ...], axis: int, keywords: dict[str, Any]) -> Any:
        ufunc, both = self.ufunc, _array(self.__name__, operands[-1])
        value, gate = _halves(ufunc, both, axis)
        inputs = (*operands[:-1], value, gate)
        out = keywords.pop("out", None)
        (merged,) = _outputs(ufunc, inputs, (both.shape,), out, keywords)
        halves = _halves(ufunc, merged, axis)
        _threads.call(ufunc, inputs, {**keywords, "out": halves})
        return merged


class GatedDoubleBackwardForm(GatedForm):
    """The gradients of a combination of both gradients, by grad, the value and the gate.

    Of one array the second of the operands and of the results are as that array: ``gg`` holds
    the halves ``gg_value`` and ``gg_gate``, and the results are by grad and by the array.
    """

    __slots__ = ()
    __doc__ = BaseForm.__doc__

    _halved = 2

    def _split(self, operands: tuple[Any, ...], axis: int, keywords: dict[str, Any]) -> Any:
        ufunc, name = self.ufunc, self.__name__
        gg, both = _array(name, operands[0]), _array(name, operands[-1])
        value, gate = _halves(ufunc, both, axis)
        if gg.shape != both.shape:
            raise ActgradValueError(
                f"{name}: got gg of shape {gg.shape} for an array of shape {both.shape}; "
                "wanted the shape of the array, the gradient by it"
            )
        inputs = (*_halves(ufunc, gg, axis), operands[1], value, gate)
        out = keywords.pop("out", None)
        by_grad, merged = _outputs(ufunc, inputs, (value.shape, both.shape), out, keywords)
        _threads.call(ufunc, inputs, {**keywords, "out": (by_grad, *_halves(ufunc, merged, axis))})
        return by_grad, merged


def _checked_axis(name: str, axis: Any) -> int:
    try:
        return -1 if axis is None else operator.index(axis)
    except TypeError:
        raise ActgradTypeError(f"{name}: got axis={axis!r}; wanted an integer") from None


def _array(name: str, operand: Any) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(operand)
    except ValueError:
        raise ActgradValueError(
            f"{name}: got rows of different lengths; wanted an array or nested lists of one shape"
        ) from None


def _halves(ufunc: np.ufunc, both: Any, axis: int) -> tuple[Any, Any]:
    """Return views of the halves of an array, the value first."""
    name = ufunc.__name__
    if not hasattr(both, "__array_ufunc__"):
        both = _array(name, both)
    shape = np.shape(both)
    if not shape and np.asarray(both).dtype.kind in "biufV":
        raise ActgradAxisError(
            f"{name}: got a number, which has no halves; wanted a value and a gate, or an array "
            "that holds both"
        )
    if not shape:
        ufunc(*[both] * ufunc.nin)  # says that it is no number
    if not -len(shape) <= axis < len(shape):
        raise ActgradAxisError(
            f"{name}: axis {axis} is out of bounds for shape {shape}; wanted an axis from "
            f"{-len(shape)} to {len(shape) - 1}"
        )
    half, odd = divmod(shape[axis], 2)
    if odd:
        raise ActgradValueError(
            f"{name}: got shape {shape}, of odd length along axis {axis}; wanted an even length to "
            "split in halves, or the value and the gate apart"
        )
    before = (slice(None),) * (axis % len(shape))
    return both[(*before, slice(half))], both[(*before, slice(half, None))]


def _outputs(
    ufunc: np.ufunc,
    inputs: tuple[Any, ...],
    shapes: tuple[tuple[int, ...], ...],
    out: Any,
    keywords: dict[str, Any],
) -> tuple[np.ndarray[Any, Any], ...]:
    """Return the arrays for the results, given or new, of these shapes."""
    name, half = ufunc.__name__, np.shape(inputs[-1])
    for operand in inputs:
        try:
            fits = np.broadcast_shapes(np.shape(operand), half) == half
        except ValueError:
            fits = False
        if not fits:
            raise ActgradValueError(
                f"{name}: got grad of shape {np.shape(operand)} for halves of shape {half}; wanted "
                "a shape that broadcasts to theirs"
            )
    if out is None:
        # A call with no elements has the dtype, and raises what there is to raise.
        nothing = [_none_of(operand) for operand in inputs]
        results = ufunc(*nothing, **{k: v for k, v in keywords.items() if k != "where"})
        return tuple(np.empty(shape, results[-1].dtype) for shape in shapes)
    given = out if isinstance(out, tuple) else (out,)
    got = [np.shape(array) if isinstance(array, np.ndarray) else array for array in given]
    if got != list(shapes) or not all(isinstance(array, np.ndarray) for array in given):
        raise ActgradValueError(
            f"{name}: got out of shape {', '.join(map(str, got))}; wanted "
            f"{'an array' if len(shapes) == 1 else 'arrays'} of shape "
            f"{', '.join(map(str, shapes))}"
        )
    return given


def _none_of(operand: Any) -> Any:
    """Return an empty array of the operand's dtype, or a Python number as it is."""
    return operand if isinstance(operand, int | float) else np.empty(0, np.asarray(operand).dtype)


class GatedActivation(BaseActivation):
    r"""A gated linear unit, f(v, g) = v h(g), with an activation h: call it for its value.

    Every form takes a value and a gate, which broadcast, or one array x whose halves along
    ``axis=-1`` they are, the value first, as in ``torch.nn.functional.glu``; and the keywords of
    :class:`numpy.ufunc`. Objects of this class are made from the catalogue, not by users; see
    :func:`actgrad.get`. The flat ufuncs, of a value and a gate, are in :mod:`actgrad.ufuncs`.

    Attributes
    ----------
    kind : str
        "gated".
    name : str
        The name in the catalogue.
    aliases : tuple of str
        Other names :func:`actgrad.get` knows it by.
    activation : str
        The name of h.
    formula : str
        f(v, g) in LaTeX.
    parameters : mapping
        Empty.
    kinks : str
        Where h is not differentiable, and what the derivative is there; empty if nowhere.
    range : str
        The values f takes, in interval notation.
    value : callable
        v h(g).
    derivative : callable
        The derivatives by the value and by the gate: the pair h(g), v h'(g).
    second_derivative : callable
        Those by the value twice, by value and gate, by the gate twice: 0, h'(g), v h''(g).
    value_and_derivative : callable
        v h(g), h(g), v h'(g) in one pass.
    backward : callable
        ``backward(grad, value, gate)`` is the pair grad h(g), grad v h'(g), in one pass;
        ``backward(grad, x)`` the gradient by x, one array with the two in its halves.
    double_backward : callable
        ``double_backward(gg_value, gg_gate, grad, value, gate)``, the gradients by grad, value and
        gate of ``gg_value * grad_value + gg_gate * grad_gate``, where backward gives grad_value and
        grad_gate; ``double_backward(gg, grad, x)`` those by grad and x.

    Examples
    --------
    >>> import actgrad as ag
    >>> ag.glu([4.0, 6.0], [0.0, 0.0])
    array([2., 3.])
    >>> ag.glu([4.0, 6.0, 0.0, 0.0])
    array([2., 3.])
    >>> ag.glu.backward([1.0, 1.0], [4.0, 6.0, 0.0, 0.0])
    array([0.5, 0.5, 1. , 1.5])
    """

    activation: str
    value: GatedForm
    derivative: GatedForm
    second_derivative: GatedForm
    value_and_derivative: GatedForm
    backward: GatedForm
    double_backward: GatedForm

    def __new__(cls, row: CatalogueRow) -> "GatedActivation":
        """Make the object, of the class that is called without a detour."""
        return super().__new__(_core.callable_class(cls))

    def __init__(self, row: CatalogueRow) -> None:
        name = row["name"]
        forms: dict[str, GatedForm] = {"value": GatedForm(name, "value", _core.ufuncs[name])}
        for form, make in _FORMS.items():
            forms[form] = make(name, form, _core.ufuncs[f"{name}_{form}"])
        nothing: MappingProxyType[str, Any] = MappingProxyType({})
        self._describe(row, nothing, parameters=nothing, activation=row["activation"], **forms)
        _core.set_target(self, forms["value"])

    def __call__(self, *operands: Any, axis: int = -1, **keywords: Any) -> Any:
        """Return v h(g), of a value and a gate or of one array with both in its halves."""
        raise NotImplementedError  # replaced by the class made for the objects

    def __getattr__(self, name: str) -> Any:
        if name in ("derivative_from_output", "backward_from_output"):
            raise AttributeError(
                f"{self.name} has no {name}: its derivatives are not functions of its output; use "
                f"{name.removesuffix('_from_output')} with the value and the gate"
            )
        return self._missing(name)


# The forms besides the value.
_FORMS = {
    "derivative": GatedForm,
    "second_derivative": GatedForm,
    "value_and_derivative": GatedForm,
    "backward": GatedBackwardForm,
    "double_backward": GatedDoubleBackwardForm,
}
