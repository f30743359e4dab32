"""The errors the package promises, in units in the last place: the table accuracy/promises.tsv.

The program in ``accuracy`` keeps it, and fails where it allows more than is measured.
"""

import csv
from pathlib import Path

TABLE = Path(__file__).parents[1] / "accuracy" / "promises.tsv"

FORMS = ("value", "derivative", "second_derivative")

# For all parameters in the range that the docstrings state.
PUBLIC = {"value": 1.0, "derivative": 1.0, "second_derivative": 2.0}
CORRECTLY_ROUNDED = 0.5


def _read() -> dict[tuple[str, str, str], float]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return {
        (row["function"], row["form"], dtype): float(allowed)
        for row in rows
        for dtype, allowed in row.items()
        if dtype not in ("function", "form")
    }


# By function, form and dtype; 0.5 is correct rounding. For the default parameters.
PROMISED = _read()
