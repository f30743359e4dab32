"""Writes flint_values.tsv: values of every formula by python-flint, written by others.

Run as ``python accuracy/tests/flint_values.py > accuracy/tests/flint_values.tsv``. The formulas
are those of ``tests/oracle.py``, the balls those of Arb: nothing is shared with this package.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import oracle

EVERYWHERE = [
    *(-745.2, -87.3, -20.25, -5.5, -3.0, -2.0, -1.1924, -1.0, -0.7518, -0.5, -0.01, -1e-9, -1e-160),
    *(
        0.0,
        1e-290,
        1e-5,
        0.03,
        0.25,
        0.5,
        0.999,
        1.0,
        1.4142135,
        2.39,
        6.0,
        19.5,
        88.7,
        350.0,
        900.0,
    ),
]
INSIDE = [1e-290, 1e-9, 0.01, 0.2, 0.26, 0.49999, 0.5, 0.6, 0.75, 0.8, 0.999, 1 - 2**-52]

print(
    "# By tests/flint_values.py: function, form, x, value to 45 digits at default or example "
    "parameters."
)
for name, formula in oracle.FORMULAS.items():
    parameters = [
        p.example if p.default is None else p.default for p in formula.parameters.values()
    ]
    for form in ("value", "derivative", "second_derivative"):
        for x in INSIDE if name == "logit" else EVERYWHERE:
            value = oracle.exact(name, form, x, *parameters, library="arb")
            text = repr(value) if isinstance(value, float) else oracle.EXACT.nstr(value, 45)
            print(name, form, x.hex(), text, sep="\t")
