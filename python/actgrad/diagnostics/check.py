"""Where a derivative written by hand is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from actgrad.errors import ActgradError, ActgradTypeError, ActgradValueError
from actgrad.layers import real_array

_FLOATS = (np.float16, np.float32, np.float64)


@dataclass(frozen=True, eq=False)
class DerivativeReport:
    """Where a derivative is right and where it is wrong.

    All arrays are over the points at which f has a derivative that could be told, in ascending
    order of x.

    Attributes
    ----------
    x : ndarray
        The points.
    got : ndarray
        What df gave, in the dtype of x; NaN where it raised an error.
    exact : ndarray of float64
        The derivative of f. At a kink, the one-sided derivative that is nearer to `got`.
    error : ndarray of float64
        The absolute error of `got`, against the derivative before it was rounded to `exact`.
    ulps : ndarray of float64
        The same in units in the last place of the dtype of x.
    wrong : ndarray of bool
        Where the error is beyond the tolerances.
    skipped : ndarray
        Points at which f is not real, is not finite, or has no derivative.
    method : {"mpmath", "complex"}
        How the exact derivative was found.
    """

    x: npt.NDArray[Any]
    got: npt.NDArray[Any]
    exact: npt.NDArray[np.float64]
    error: npt.NDArray[np.float64]
    ulps: npt.NDArray[np.float64]
    wrong: npt.NDArray[np.bool_]
    skipped: npt.NDArray[Any]
    method: Literal["mpmath", "complex"]

    @property
    def ok(self) -> bool:
        """Whether the derivative is right at every point, and there was one."""
        return len(self.x) > 0 and not self.wrong.any()

    @property
    def nan(self) -> int:
        """At how many points df gave NaN; they are all wrong."""
        return int(np.count_nonzero(np.isnan(self.got)))

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """The ranges of neighbouring points that are wrong."""
        edges = np.flatnonzero(np.diff(self.wrong, prepend=False, append=False))
        return tuple(
            (float(self.x[first]), float(self.x[end - 1]))
            for first, end in edges.reshape(-1, 2).tolist()
        )

    def __str__(self) -> str:
        count, wrong = len(self.x), int(np.count_nonzero(self.wrong))
        checked = f"{count} points checked by {self.method}"
        if len(self.skipped):
            checked += f", {len(self.skipped)} skipped where f has no derivative"
        if not count:
            return checked
        if not wrong:
            return f"right: {checked}, at most {self.ulps.max():.3g} ulp off"
        lines = [f"wrong at {wrong} of {checked}"]
        for low, high in self.ranges:
            inside = np.flatnonzero((self.x >= low) & (self.x <= high))
            worst = inside[
                np.argmax(np.where(np.isnan(self.got[inside]), np.inf, self.ulps[inside]))
            ]
            span = f"at x = {low:.6g}" if low == high else f"for x from {low:.6g} to {high:.6g}"
            lines.append(
                f"  {span}: for example df({self.x[worst]:.6g}) is {self.got[worst]:.6g}, "
                f"should be {self.exact[worst]:.6g}"
            )
        if self.nan:
            lines.append(f"NaN: df gave NaN at {self.nan} points")
        return "\n".join(lines)


def default_points() -> npt.NDArray[np.float64]:
    """Return where a derivative is checked by default: the middle, the kinks, both tails."""
    middle = np.linspace(-10.0, 10.0, 161)
    tail = np.geomspace(11.0, 700.0, 40)
    small = np.geomspace(1e-12, 0.03, 12)
    return np.unique(np.concatenate([-tail, -small, middle, small, tail]))


def check_derivative(
    f: Callable[[Any], Any],
    df: Callable[[Any], Any],
    x: npt.ArrayLike | None = None,
    *,
    reference: Callable[[Any], Any] | None = None,
    method: Literal["auto", "mpmath", "complex"] = "auto",
    rtol: float | None = None,
    atol: float = 0.0,
) -> DerivativeReport:
    r"""Check a derivative written by hand against the true derivative of f.

    Finite differences, which gradient checkers use, cannot see a lost tail. In float64 the sigmoid
    is exactly 1 from x = 37 on, so its difference quotient is exactly 0 there; so is the usual
    derivative s (1 - s), and the check passes. The true derivative, about e^-x, is an ordinary
    number up to x = 708. Long before, the quotient has only the digits that the rounding of f
    leaves: with a step of 1e-6, two at x = 20 and none at x = 30. So this check takes no
    differences of floats. It computes f in one of two other ways:

    - ``"mpmath"``: f itself is run on numbers of more than a thousand bits, and the quotient is
      taken of those. Nothing of a float64 derivative is lost, down to the smallest number.
    - ``"complex"``: the imaginary part of :math:`f(x + ih) / h`, which subtracts nothing and keeps
      a tail of its own. f has to be built of analytic functions and take complex numbers; ``abs``,
      for example, is not analytic. The result is as good as NumPy's complex functions.

    Parameters
    ----------
    f : callable
        The function, of an array, written with operators and the functions of NumPy or
        ``scipy.special``; or a function of one number, written with those of mpmath.
    df : callable
        Its derivative, to be checked: of an array, or of a float.
    x : array_like, optional
        The points. Its dtype is the one `df` is checked in. By default float64 points from -700 to
        700, most between -10 and 10.
    reference : callable, optional
        f once more, written with mpmath's functions, where f itself takes floats only, as compiled
        functions do.
    method : {"auto", "mpmath", "complex"}, default "auto"
        "auto" takes mpmath if it is installed and f can be run on its numbers, else complex.
    rtol : float, optional
        The relative error that is allowed; by default half of the digits of the dtype of `x`,
        1.5e-8 for float64.
    atol : float, default 0
        The absolute error that is allowed besides.

    Returns
    -------
    DerivativeReport
        Print it, or ask ``.ok``. At a kink any value between the one-sided derivatives is right;
        ``"complex"`` skips kinks.

    Raises
    ------
    ActgradImportError
        If mpmath is asked for and not installed (extra ``[check]``).
    ActgradTypeError
        If the points are not real numbers, or f can be run in neither way.
    ActgradValueError
        If f is not analytic and the method is complex, df gives another shape than that of x, or a
        setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import actgrad as ag
    >>> def sigmoid(x):
    ...     return 1 / (1 + np.exp(-x))
    >>> def textbook(x):
    ...     return sigmoid(x) * (1 - sigmoid(x))
    >>> print(ag.diagnostics.check_derivative(sigmoid, textbook, [0.0, 10.0, 20.0, 30.0, 40.0]))
    wrong at 3 of 5 points checked by mpmath
      for x from 20 to 40: for example df(40) is 0, should be 4.24835e-18
    >>> ag.diagnostics.check_derivative(sigmoid, ag.sigmoid.derivative).ok
    True
    """
    name = "check_derivative"
    points = _points(x)
    if method not in ("auto", "mpmath", "complex"):
        raise ActgradValueError(
            f"{name}: got method={method!r}; wanted 'auto', 'mpmath' or 'complex'"
        )
    if reference is not None and method == "complex":
        raise ActgradValueError(
            f"{name}: got reference= with method='complex'; a reference is for mpmath"
        )
    for role, function in (("f", f), ("df", df), ("reference", reference)):
        if not callable(function) and not (role == "reference" and function is None):
            raise ActgradTypeError(
                f"{name}: got {role} of type {type(function).__name__}; wanted a function of "
                "an array"
            )
    allowed = np.finfo(points.dtype).eps ** 0.5 if rtol is None else rtol
    if not (allowed >= 0 and atol >= 0):
        raise ActgradValueError(f"{name}: got rtol={rtol!r}, atol={atol!r}; wanted 0 or more")

    got = _values(df, points)
    if method == "complex":
        exact, error = _by_complex_step(f, points, got)
        used: Literal["mpmath", "complex"] = "complex"
    elif method == "mpmath" or reference is not None or find_spec("mpmath") is not None:
        try:
            exact, error = _by_mpmath(f, reference, points, got)
            used = "mpmath"
        except ActgradTypeError:
            if method == "mpmath" or reference is not None:
                raise
            exact, error = _by_complex_step(f, points, got)
            used = "complex"
    else:
        exact, error = _by_complex_step(f, points, got)
        used = "complex"

    found = ~np.isnan(exact)
    kept, got, exact, error = points[found], got[found], exact[found], error[found]
    info = np.finfo(points.dtype)
    with np.errstate(all="ignore"):
        # Below the normal numbers the last place no longer shrinks, nor does what is allowed.
        size = np.maximum(np.abs(exact), float(info.tiny))
        last_place = np.ldexp(float(info.eps), np.frexp(size)[1] - 1)
        wrong = ~(error <= np.maximum(atol, allowed * size)) | np.isinf(exact)
        wrong &= ~(got == exact.astype(points.dtype))  # the same infinity, or the same last bit
        ulps = np.where(np.isinf(exact) & (got == exact), 0.0, error / last_place)
    return DerivativeReport(
        x=kept,
        got=got,
        exact=exact,
        error=error,
        ulps=ulps,
        wrong=wrong,
        skipped=points[~found],
        method=used,
    )


def _points(x: npt.ArrayLike | None) -> npt.NDArray[Any]:
    if x is None:
        return default_points()
    array = real_array("check_derivative", "x", x)
    if array.dtype.type not in _FLOATS:
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ActgradValueError(
            "check_derivative: got points that are NaN or infinite; wanted finite numbers, as a "
            "derivative there is a limit: compare it with the limit"
        )
    return np.unique(array)


def _values(df: Callable[[Any], Any], x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return df(x), called with the array, or number by number if it takes no arrays."""
    with np.errstate(all="ignore"):
        try:
            result = np.asarray(df(x.copy()))
        except Exception:
            result = np.array([_value(df, number) for number in x.tolist()])
        if result.dtype.kind not in "fbiu":
            raise ActgradTypeError(
                f"check_derivative: df gave dtype {result.dtype}; wanted real numbers"
            )
        if result.ndim == 0:  # a constant derivative
            result = np.full(x.shape, result)
        if result.shape != x.shape:
            raise ActgradValueError(
                f"check_derivative: df gave shape {result.shape} for an array of shape {x.shape}; "
                "wanted a derivative for each entry"
            )
        return result.astype(x.dtype)


def _value(df: Callable[[Any], Any], x: float) -> float:
    try:
        return float(df(x))
    except (ArithmeticError, ValueError):  # math.exp(1000), for example
        return float("nan")


def _by_mpmath(
    f: Callable[[Any], Any],
    reference: Callable[[Any], Any] | None,
    x: npt.NDArray[Any],
    got: npt.NDArray[Any],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the derivative of f, NaN where it has none, and the errors of `got`."""
    from actgrad.diagnostics import _high_precision

    exact, error = np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    failure: Exception | None = None
    for i, (point, value) in enumerate(zip(x.tolist(), got.tolist(), strict=True)):
        try:
            found = _high_precision.derivative(f, reference, point, value)
        except Exception as reason:  # f is the caller's: it may raise anything outside its domain
            failure = reason
            continue
        if found is not None:
            exact[i], error[i] = found
    if failure is not None and np.isnan(exact).all():
        cause = failure if isinstance(failure, ActgradError) else f"it raised {failure!r}"
        raise ActgradTypeError(
            f"check_derivative: f cannot be run in high precision ({cause}); write it with "
            "operators and NumPy's functions, or give reference=, f written with mpmath's"
        ) from failure
    return exact, error


def _by_complex_step(
    f: Callable[[Any], Any], x: npt.NDArray[Any], got: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the derivative of f, NaN where it has none, and the errors of `got`."""
    x = x.astype(np.float64)
    size = np.where(x == 0.0, 1.0, np.clip(np.abs(x), 2.0**-900, 1.0))
    h = np.ldexp(1.0, np.frexp(size)[1] - 16)  # powers of two: they divide without rounding
    step = 2.0**-20 * np.maximum(np.abs(x), 2.0**-10)
    with np.errstate(all="ignore"):
        try:
            values, closer = np.asarray(f(x + 1j * h)), np.asarray(f(x + 0.5j * h))
            below, at, above = (np.asarray(f(point)) for point in (x - step, x, x + step))
        except Exception as reason:
            raise ActgradTypeError(
                f"check_derivative: f cannot be run on complex numbers (it raised {reason!r}); "
                "write it with operators and NumPy's functions, or give reference=, f written with "
                "mpmath's"
            ) from reason
        if (values.dtype.kind, at.dtype.kind == "c", values.shape) != ("c", False, x.shape):
            raise ActgradValueError(
                f"check_derivative: f gave {at.dtype} of shape {at.shape} for floats of shape "
                f"{x.shape} and {values.dtype} for complex numbers, so it is not analytic; use "
                "method='mpmath'"
            )
        # Im f(x + ih) / h is f' - h^2 f^(3) / 6 + O(h^4). Two steps are rid of the third
        # derivative, and what is left is below 2^-60.
        first, second = values.imag / h, closer.imag / (0.5 * h)
        exact = second + (second - first) / 3.0
        # No real function, or none that is analytic: sqrt and log at 0 and below.
        gap = np.abs(values.real - at)
        undefined = gap > 2.0**-10 * (np.abs(values.imag) + h) + 2.0**-45 * np.abs(at)
        exact[undefined | ~np.isfinite(at) | ~np.isfinite(values)] = np.nan

        # Differences of floats do to find kinks, which are left out, and to find out whether abs()
        # or the like has dropped the imaginary part on the way.
        left, right = (at - below) / step, (above - at) / step
        size = np.maximum(np.abs(left), np.abs(right))
        noise = 2.0**-48 * np.maximum(np.abs(below), np.abs(above)) / step
        bend = np.abs(left - right)
        exact[(bend > 2.0**-4 * size + noise) & (size > 2.0**-8)] = np.nan
        smooth = bend <= 2.0**-8 * size + noise
        near = 2.0**-6 * size + 4 * noise + 2.0**-40 * np.maximum(1.0, np.abs(at))
        off = np.abs((left + right) / 2 - exact) > near
        if np.any(smooth & off):
            raise ActgradValueError(
                f"check_derivative: f is not analytic at x = {x[smooth & off][0]:g}: it drops the "
                "imaginary part, as abs() does; use method='mpmath'"
            )
        return exact, np.abs(got.astype(np.float64) - exact)
