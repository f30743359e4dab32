"""How an activation shows itself in a notebook: its formula and its curves."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from actgrad._base import BaseActivation

_WIDTH, _HEIGHT, _REACH = 320, 200, 4.0


def card(activation: "BaseActivation") -> str:
    """Return HTML with the formula, with the curves of f and f' where it needs no more than x."""
    from actgrad.activation import Activation

    title = f"<b>{activation.name}</b>: $f(x) = {activation.formula}$"
    missing = any(value is None or np.ndim(value) for value in activation.parameters.values())
    if missing or not isinstance(activation, Activation):
        return f"<div>{title}</div>"
    x = np.linspace(-_REACH, _REACH, 161)
    curves = activation.value(x), activation.derivative(x)
    finite = np.concatenate([curve[np.isfinite(curve)] for curve in curves])
    low, high = min(finite.min(), 0.0), max(finite.max(), 1.0)

    def points(curve: np.ndarray) -> str:
        keep = np.isfinite(curve)
        across = (x[keep] + _REACH) / (2 * _REACH) * _WIDTH
        down = (high - curve[keep]) / (high - low) * _HEIGHT
        return " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True))

    zero = high / (high - low) * _HEIGHT
    return (
        f"<div>{title}<br>"
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 -4 {_WIDTH} {_HEIGHT + 8}" '
        'fill="none" stroke-width="2" role="img">'
        f'<path d="M0 {zero:.1f}H{_WIDTH}M{_WIDTH / 2} 0V{_HEIGHT}" stroke="#ccc"/>'
        f'<polyline stroke="#1f77b4" points="{points(curves[0])}"><title>f</title></polyline>'
        f'<polyline stroke="#d62728" points="{points(curves[1])}"><title>f\'</title></polyline>'
        "</svg><br>"
        '<span style="color:#1f77b4">f</span>, <span style="color:#d62728">f\'</span></div>'
    )
