"""Functions of rows as objects: softmax, log_softmax, softmin, logsumexp."""

import operator
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from actgrad import _core
from actgrad._base import BaseActivation, BaseForm, CatalogueRow
from actgrad.errors import ActgradAxisError, ActgradTypeError, ActgradValueError

# The forms besides the value; a function has those that there is a ufunc for.
ROW_FORMS = ("backward", "double_backward", "backward_from_output")


class RowForm(BaseForm):
    """One form of a row function: a generalised ufunc, with errors that say what to do.

    Called with the form's operands, then ``axis=`` and any keyword of the ufunc: ``out``,
    ``dtype``, ``casting``, for a reduction ``keepdims``.
    """

    __slots__ = ("_activation", "_form", "ufunc")
    __doc__ = BaseForm.__doc__

    def __init__(self, activation: str, form: str, ufunc: np.ufunc) -> None:
        self._activation = activation
        self._form = form
        self.ufunc = ufunc

    def __call__(self, *operands: Any, axis: Any = -1, **keywords: Any) -> Any:
        """Call the ufunc for the rows along an axis."""
        try:
            return self.ufunc(*operands, axis=axis, **keywords)
        except (TypeError, ValueError):
            _explain(self.ufunc, operands, axis)
            raise


class JacobianForm(RowForm):
    """The Jacobian of a row function, whose matrices are the last two axes of the result."""

    __slots__ = ()
    __doc__ = BaseForm.__doc__

    def __call__(self, *operands: Any, axis: Any = -1, **keywords: Any) -> Any:
        """Call the ufunc for the rows along an axis."""
        try:
            return self.ufunc(*operands, axes=[axis, (-2, -1)], **keywords)
        except (TypeError, ValueError):
            _explain(self.ufunc, operands, axis)
            raise


class ReductionBackwardForm(RowForm):
    """The gradient of a row function with one result for each row."""

    __slots__ = ()
    __doc__ = BaseForm.__doc__

    def __call__(
        self, *operands: Any, axis: Any = -1, keepdims: bool = False, **keywords: Any
    ) -> Any:
        """Call the ufunc for the rows along an axis; `keepdims` says that grad has that axis."""
        try:
            if keepdims and len(operands) > 1:
                operands = (np.squeeze(operands[0], axis), *operands[1:])
            return self.ufunc(*operands, axes=[(), axis, axis], **keywords)
        except (TypeError, ValueError):
            _explain(self.ufunc, operands, axis)
            raise


def _explain(ufunc: np.ufunc, operands: tuple[Any, ...], axis: Any) -> None:
    """Raise what a failed call should say, or nothing where NumPy's own words will do."""
    name = ufunc.__name__
    if not ufunc.nin <= len(operands) <= ufunc.nargs or _is_number(operands[ufunc.nin :]):
        raise ActgradTypeError(
            f"{name}: got {len(operands)} operands; wanted {ufunc.nin}; axis, out and dtype are "
            "keywords"
        ) from None
    try:
        index = operator.index(axis)
    except TypeError:
        raise ActgradTypeError(
            f"{name}: got axis={axis!r}; wanted an integer; for one row of all elements "
            "give x.ravel()"
        ) from None
    scalars = str(ufunc.signature).startswith("()")
    shapes = []
    for operand in operands[int(scalars) : ufunc.nin]:
        try:
            shape = np.shape(operand)
        except ValueError:
            raise ActgradValueError(
                f"{name}: got rows of different lengths; wanted an array or nested lists of one "
                "shape"
            ) from None
        dtype = getattr(operand, "dtype", None) or np.asarray(operand).dtype
        if dtype.kind in "OSUTMmc":
            return  # no numbers: that is what the ufunc says
        if not shape:
            raise ActgradAxisError(
                f"{name}: got a number, which has no axis; wanted rows along axis {index}, as in "
                "[1.0, 2.0]"
            ) from None
        if not -len(shape) <= index < len(shape):
            raise ActgradAxisError(
                f"{name}: axis {index} is out of bounds for shape {shape}; wanted an axis from "
                f"{-len(shape)} to {len(shape) - 1}"
            ) from None
        shapes.append(shape)
    if len({shape[index] for shape in shapes}) > 1:
        raise ActgradValueError(
            f"{name}: got shapes {', '.join(map(str, shapes))}, whose rows along axis {index} "
            "differ in length; wanted rows of one length"
        ) from None


def _is_number(extra: tuple[Any, ...]) -> bool:
    """Whether an axis was given by position."""
    return any(isinstance(value, int) for value in extra)


class RowActivation(BaseActivation):
    r"""A function of the rows along an axis: call it for its value, its attributes are other forms.

    All forms take ``axis=-1``, ``out=`` and ``dtype=``. Objects of this class are made from the
    catalogue, not by users; see :func:`actgrad.get`. The flat ufuncs are in :mod:`actgrad.ufuncs`.

    Attributes
    ----------
    kind : str
        "rows".
    name : str
        The name in the catalogue.
    aliases : tuple of str
        Other names :func:`actgrad.get` knows it by.
    formula : str
        The result in LaTeX.
    parameters : mapping
        Empty.
    kinks : str
        Empty: these functions are smooth.
    range : str
        The values it takes, in interval notation.
    value : callable
        The function itself.
    backward : callable
        ``backward(grad, z)``, the vector-Jacobian product of each row.
    double_backward : callable
        ``double_backward(gg, grad, z)``, the gradients of ``sum(gg * backward(grad, z))`` with
        respect to grad and z.
    backward_from_output : callable
        ``backward_from_output(grad, y)``, from y = f(z).

    Examples
    --------
    >>> import actgrad as ag
    >>> ag.softmax([[1.0, 2.0], [3.0, 3.0]])
    array([[0.26894142, 0.73105858],
           [0.5       , 0.5       ]])
    >>> ag.softmax([[1.0, 2.0], [3.0, 3.0]], axis=0)
    array([[0.11920292, 0.26894142],
           [0.88079708, 0.73105858]])
    >>> ag.softmax.backward([1.0, 0.0], [3.0, 3.0])
    array([ 0.25, -0.25])
    """

    value: RowForm
    backward: RowForm
    double_backward: RowForm
    backward_from_output: RowForm

    def __new__(cls, row: CatalogueRow) -> "RowActivation":
        """Make the object, of the class that is called without a detour."""
        return super().__new__(_core.callable_class(cls))

    def __init__(self, row: CatalogueRow) -> None:
        name = row["name"]
        reduces = str(_core.ufuncs[name].signature).endswith("->()")
        forms = {"value": RowForm(name, "value", _core.ufuncs[name])}
        for form in ROW_FORMS:
            ufunc = _core.ufuncs.get(f"{name}_{form}")
            if ufunc is not None:
                make = ReductionBackwardForm if reduces else RowForm
                forms[form] = make(name, form, ufunc)
        self._describe(row, MappingProxyType({}), parameters=MappingProxyType({}), **forms)
        _core.set_target(self, forms["value"])

    def __call__(self, z: npt.ArrayLike, *, axis: int = -1, **keywords: Any) -> Any:
        """Return the function of the rows of z along an axis."""
        raise NotImplementedError  # replaced by the class made for the objects

    def __getattr__(self, name: str) -> Any:
        if name in ("derivative", "second_derivative", "derivative_from_output"):
            raise AttributeError(
                f"{self.name} has no {name}: each result depends on all elements of its row; use "
                "backward or jacobian"
            )
        return self._missing(name)

    def jacobian(self, z: npt.ArrayLike, *, axis: int = -1, **keywords: Any) -> Any:
        """Jacobian of each row.

        Parameters
        ----------
        z : array_like
            Rows along `axis`.
        axis : int, default -1
            The axis of n elements that the function is taken over.
        **keywords
            ``out``, ``dtype`` and ``casting``, as for a ufunc.

        Returns
        -------
        ndarray
            Of the shape of `z` without `axis`, and (n, n) at the end: the entry (i, k) is the
            derivative of the i-th result with respect to the k-th element. For a function with one
            result for a row, its gradient: (n,) at the end.

        Raises
        ------
        ActgradTypeError
            If `z` is not real numbers.
        ActgradAxisError
            If `z` has no such axis; it is a :class:`numpy.exceptions.AxisError`.

        Notes
        -----
        Each entry is within 1 ulp. The result is the only memory of its size.

        Examples
        --------
        >>> import actgrad as ag
        >>> ag.softmax.jacobian([0.0, 0.0])
        array([[ 0.25, -0.25],
               [-0.25,  0.25]])
        """
        flat = _core.ufuncs.get(f"{self.name}_jacobian")
        if flat is not None:
            return JacobianForm(self.name, "jacobian", flat)(z, axis=axis, **keywords)
        backward = self.backward.ufunc
        try:
            z = np.asarray(z)
            # An array: beside bfloat16 a Python number would make the result float32.
            one = np.ones((), z.dtype if z.dtype.kind not in "OSUM" else None)
            return backward(one, z, axes=[(), axis, -1], **keywords)
        except (TypeError, ValueError):
            _explain(backward, (1.0, z), axis)
            raise

    def full_jacobian(self, z: npt.ArrayLike, *, axis: int = -1, **keywords: Any) -> Any:
        """Jacobian of the whole array, as ``autograd.jacobian`` and ``jax.jacobian`` give it.

        Parameters
        ----------
        z : array_like
            Rows along `axis`.
        axis : int, default -1
            The axis of n elements that the function is taken over.
        **keywords
            ``dtype`` and ``casting``, as for a ufunc.

        Returns
        -------
        ndarray
            Of the shape of the value and that of `z` together: the entry at (i..., k...) is the
            derivative of result i with respect to element k, 0 where they are of different rows.

        Raises
        ------
        ActgradTypeError
            If `z` is not real numbers.
        ActgradAxisError
            If `z` has no such axis; it is a :class:`numpy.exceptions.AxisError`.

        Examples
        --------
        >>> import numpy as np
        >>> import actgrad as ag
        >>> ag.softmax.full_jacobian(np.ones((100, 4))).shape
        (100, 4, 100, 4)
        """
        try:
            array = np.asarray(z)
            index = range(array.ndim)[operator.index(axis)]
        except (TypeError, ValueError, IndexError):
            self.jacobian(z, axis=axis)  # raises
            raise
        # A Jacobian of no row has the dtype and raises what there is to raise.
        sample = self.jacobian(np.zeros((0, *array.shape), array.dtype), axis=index + 1, **keywords)
        # Labels of the axes: those of the rows twice, that of an element in its row once each.
        rows = [label for label in range(array.ndim) if label != index]
        outputs = list(range(array.ndim)) if self._has_matrices() else rows
        inputs = [label if label != index else array.ndim for label in range(array.ndim)]
        shape = tuple(array.shape[label] for label in outputs) + array.shape
        result = np.zeros(shape, sample.dtype)
        matrix = [index, array.ndim] if self._has_matrices() else [array.ndim]
        blocks = np.einsum(result, [*outputs, *inputs], [*rows, *matrix])
        self.jacobian(array, axis=index, out=blocks, **keywords)
        return result

    def _has_matrices(self) -> bool:
        return f"{self.name}_jacobian" in _core.ufuncs
