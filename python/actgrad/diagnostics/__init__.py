"""What goes wrong with activations in a network, measured.

- :func:`dead_units`: units that never pass a gradient on;
- :func:`saturation`: how many entries have next to no derivative;
- :func:`gradient_flow`, :func:`flow_of_factors`: what is left of a gradient after many layers;
- :func:`compare_at`: all activations at a point;
- :func:`approximation_error`: how far one function is from another over a range;
- :func:`check_derivative`: where a derivative written by hand is wrong.

The first three take one array, or a stream of batches: :class:`DeadUnits`, :class:`Saturation`
and :class:`GradientFlow` are accumulators with the methods ``update(batch)`` and ``result()``. They
keep counts and sums only, so a stream may be longer than memory.

NaN is counted and reported, and is part of no fraction and no mean.
"""

from actgrad.diagnostics.check import DerivativeReport, check_derivative
from actgrad.diagnostics.comparison import (
    ApproximationError,
    Comparison,
    ComparisonRow,
    approximation_error,
    compare_at,
)
from actgrad.diagnostics.flow import (
    FlowResult,
    GradientFlow,
    SignalProduct,
    flow_of_factors,
    gradient_flow,
)
from actgrad.diagnostics.units import (
    DeadUnits,
    DeadUnitsResult,
    Saturation,
    SaturationResult,
    dead_units,
    saturation,
)

__all__ = [
    "ApproximationError",
    "Comparison",
    "ComparisonRow",
    "DeadUnits",
    "DeadUnitsResult",
    "DerivativeReport",
    "FlowResult",
    "GradientFlow",
    "Saturation",
    "SaturationResult",
    "SignalProduct",
    "approximation_error",
    "check_derivative",
    "compare_at",
    "dead_units",
    "flow_of_factors",
    "gradient_flow",
    "saturation",
]
