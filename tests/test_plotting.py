"""Plots: what is drawn, into which axes, and what is said without matplotlib."""

import math
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

import actgrad as ag
from actgrad.diagnostics import flow_of_factors
from conftest import NAMES, bound, run_python

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def no_figure_is_left_open() -> Iterator[None]:
    yield
    pyplot.close("all")


def drawn(ax: Any) -> dict[str, np.ndarray]:
    """Return the curves by label."""
    return {line.get_label(): line.get_ydata() for line in ax.get_lines()}


@pytest.mark.parametrize("name", NAMES)
def test_curves_of_any_activation_can_be_drawn_and_saved(name: str, tmp_path: Any) -> None:
    ax = ag.plotting.curves(bound(name))
    assert list(drawn(ax)) == ["$f$", "$f'$", "$f''$"]
    assert name in ax.get_title()
    file = tmp_path / "curves.png"
    ax.figure.savefig(file)
    assert file.stat().st_size > 5000


def test_curves_are_the_forms() -> None:
    ax = ag.plotting.curves("tanh", -3, 3, forms=("value", "derivative"))
    x = ax.get_lines()[0].get_xdata()
    assert (x[0], x[-1]) == (-3.0, 3.0)
    curves = drawn(ax)
    np.testing.assert_array_equal(curves["$f$"], ag.tanh(x))
    np.testing.assert_array_equal(curves["$f'$"], ag.tanh.derivative(x))
    assert len(curves) == 2
    assert r"\tanh x" in ax.get_title()


def test_a_jump_is_a_gap_in_the_line() -> None:
    for low, high in ((-5, 5), (-1, 3), (-0.7, 0.2)):
        curve = drawn(ag.plotting.curves("relu", low, high))["$f'$"]
        assert np.isnan(curve).sum() == 1
        assert set(curve[~np.isnan(curve)]) == {0.0, 1.0}
    # The second derivative of softsign jumps from 2 to -2, with a value between at 0 itself.
    curve = drawn(ag.plotting.curves("softsign", -5, 5))["$f''$"]
    middle = len(curve) // 2
    assert np.flatnonzero(np.isnan(curve)).tolist() == [middle - 1, middle]
    for name in ("sigmoid", "tanh", "exp"):
        for curve in drawn(ag.plotting.curves(name, -40, 40)).values():
            assert np.isfinite(curve).all()


def test_comparison_draws_one_form_of_each() -> None:
    ax = ag.plotting.compare(["sigmoid", ag.tanh], "derivative", -2, 2)
    curves = drawn(ax)
    x = ax.get_lines()[0].get_xdata()
    assert list(curves) == ["sigmoid", "tanh"]
    np.testing.assert_array_equal(curves["sigmoid"], ag.sigmoid.derivative(x))
    assert list(drawn(ag.plotting.compare("relu"))) == ["relu"]


def test_a_fading_signal_is_drawn_below_the_smallest_float() -> None:
    flow = flow_of_factors([0.1] * 500)
    ax = ag.plotting.signal_fade({"fading": flow, "given": [1.0, 0.0, 0.1]}, limit=1e-6)
    curves = drawn(ax)
    np.testing.assert_array_equal(curves["fading"], flow.log10)
    assert curves["fading"][0] == -500.0
    np.testing.assert_array_equal(curves["given"], [0.0, np.nan, -1.0])
    assert math.isclose(curves["lost: 1e-06"][0], -6.0)
    ax.figure.canvas.draw()


def test_axes_given_are_drawn_into() -> None:
    figure, (left, middle, right) = pyplot.subplots(1, 3)
    assert ag.plotting.curves("relu", ax=left) is left
    assert ag.plotting.compare(["relu"], ax=middle) is middle
    assert ag.plotting.signal_fade({"a": [1.0, 0.5]}, ax=right) is right
    assert pyplot.get_fignums() == [figure.number]


def test_bad_input_is_one_clear_line_before_a_figure_is_made() -> None:
    for call, error, message in (
        (lambda: ag.plotting.curves("rely"), KeyError, "did you mean relu"),
        (lambda: ag.plotting.curves("relu", 1, -1), ValueError, "wanted low < high"),
        (lambda: ag.plotting.curves("relu", 0, math.inf), ValueError, "wanted low < high"),
        (lambda: ag.plotting.curves("relu", "a"), TypeError, "wanted a number"),  # type: ignore[arg-type]
        (lambda: ag.plotting.curves("relu", forms=["f"]), ValueError, "got form 'f'"),
        (lambda: ag.plotting.compare(["relu", 3]), TypeError, "wanted a name"),  # type: ignore[list-item]
        (lambda: ag.plotting.signal_fade([1.0]), TypeError, "wanted a mapping"),  # type: ignore[arg-type]
        (lambda: ag.plotting.signal_fade({"a": [-1.0]}), ValueError, "signal 'a'"),
        (lambda: ag.plotting.signal_fade({"a": [[1.0]]}), ValueError, r"shape \(1, 1\)"),
        (lambda: ag.plotting.signal_fade({}, limit=0), ValueError, "wanted a positive number"),
    ):
        with pytest.raises(error, match=message) as caught:  # type: ignore[call-overload]
            call()
        assert isinstance(caught.value, ag.ActgradError)
        assert "\n" not in str(caught.value)
    assert not pyplot.get_fignums()


def test_a_formula_that_cannot_be_set_is_left_out() -> None:
    from actgrad import plotting

    class Odd:
        name, formula = "odd", r"\begin{cases} x \end{cases}"

        def __repr__(self) -> str:
            return "actgrad.odd"

    assert plotting._title(Odd()) == "odd"  # type: ignore[arg-type]


def test_without_matplotlib_the_extra_is_named() -> None:
    code = (
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"
        "import actgrad as ag\n"
        "try:\n"
        "    ag.plotting.curves('relu')\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    printed = run_python(code)
    assert printed.startswith("ActgradImportError")
    assert "pip install 'actgrad[plot]'" in printed
