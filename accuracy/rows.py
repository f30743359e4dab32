"""Measures the error of the functions of rows and writes results/rows.tsv.

Run as ``.venv/bin/python accuracy/rows.py [seeds]``. The exact values are those of
``tests/test_rows.py``, whose bounds hold for every result here; so are the characters of the rows.
An error is in ulps of the result or, for a backward pass, of the size of the terms it is made
of, as the docstrings have it; where shares are subnormal, 1.5 times the smallest subnormal times
the sum of the differences of gradients is added to such an ulp.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

import test_rows as rows  # noqa: E402  (the path is set above)

# The smallest normal float64: float32 shares are computed in a wider range.
TINY = sys.float_info.min
LENGTHS = (1, 2, 3, 7, 16, 17, 64)


def errors(length: int, dtype: str, seed: int) -> Iterator[tuple[str, str, str, float]]:
    """Give every function, form, unit and error of rows of a length."""
    for _, x in rows.kinds(length, dtype, seed):
        row = rows.Row(x)
        softmax, log_softmax = rows.U["softmax"](x), rows.U["log_softmax"](x)
        jacobian = rows.U["softmax_jacobian"](x)
        log_jacobian = rows.U["log_softmax_jacobian"](x)
        for k in range(length):
            share, rest = row.softmax[k], row.rest(k)
            yield "softmax", "value", "result", rows.error(softmax[k], share)
            yield "log_softmax", "value", "result", rows.error(log_softmax[k], row.log_softmax(k))
            yield "softmax", "jacobian", "result", rows.error(jacobian[k, k], share * rest)
            yield "log_softmax", "jacobian", "result", rows.error(log_jacobian[k, k], rest)
            if k > 0:
                wanted = -row.softmax[0] * share
                yield "softmax", "jacobian", "result", rows.error(jacobian[0, k], wanted)
                yield "log_softmax", "jacobian", "result", rows.error(log_jacobian[0, k], -share)
        if row.maximum >= 0:
            got = rows.U["logsumexp"](x)
            yield "logsumexp", "value", "result", rows.error(got, row.log_sum_exp())
        for _, grad in rows.gradients(length, dtype):
            g = rows.numbers(grad)
            got = rows.U["softmax_backward"](grad, x)
            got_log = rows.U["log_softmax_backward"](grad, x)
            total = sum(g, rows.ZERO)
            size = sum((abs(value) for value in g), rows.ZERO)
            for k, centred in enumerate(row.centred(g)):
                share = row.softmax[k]
                scale = share * row.mean([abs(g[k] - value) for value in g])
                error = rows.relative_error(got[k], share * centred, scale)
                if min(row.softmax) < TINY:
                    # What is lost of each subnormal share counts as often as gradients differ.
                    error /= 1 + 1.5 * float(sum(abs(g[k] - value) for value in g))
                yield "softmax", "backward", "terms", error
                wanted = g[k] * row.rest(k) - share * (total - g[k])
                scale = abs(g[k]) * row.rest(k) + share * (size - abs(g[k]))
                error = rows.relative_error(got_log[k], wanted, scale)
                yield "log_softmax", "backward", "terms", error
            yield from errors_from_output(grad, softmax, log_softmax)


def errors_from_output(
    grad: np.ndarray, y: np.ndarray, log_y: np.ndarray
) -> Iterator[tuple[str, str, str, float]]:
    """Give the errors of the gradients that take the output as it is."""
    if y.min() < np.finfo(y.dtype).tiny:
        # A subnormal y has a larger rounding than an ulp of the terms.
        return
    g, exact, exact_log = rows.numbers(grad), rows.numbers(y), rows.numbers(log_y)
    # The gradient the others are taken relative to.
    reference = int(np.argmax(y)) if y.max() > 0.875 else 0
    h = [value - g[reference] for value in g]
    mean = sum((a * b for a, b in zip(exact, h, strict=True)), rows.ZERO)
    size = sum((a * abs(b) for a, b in zip(exact, h, strict=True)), rows.ZERO)
    total = sum(g, rows.ZERO)
    absolute = sum((abs(value) for value in g), rows.ZERO)
    got = rows.U["softmax_backward_from_output"](grad, y)
    got_log = rows.U["log_softmax_backward_from_output"](grad, log_y)
    for k, value in enumerate(g):
        scale = exact[k] * (abs(h[k]) + size)
        error = rows.relative_error(got[k], exact[k] * (h[k] - mean), scale)
        yield "softmax", "backward_from_output", "terms", error
        share = rows.LIBRARY.exp(exact_log[k])
        scale = abs(value) + share * absolute
        error = rows.relative_error(got_log[k], value - share * total, scale)
        yield "log_softmax", "backward_from_output", "terms", error


def main() -> None:
    """Measure and write."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rows.LIBRARY.precision = 320
    worst: dict[tuple[str, str, str, str], tuple[int, float]] = {}
    for dtype in rows.FLOATS:
        for seed in range(100, 100 + seeds):
            for length in LENGTHS:
                for function, form, unit, error in errors(length, dtype, seed):
                    key = function, form, dtype, unit
                    count, largest = worst.get(key, (0, 0.0))
                    worst[key] = count + 1, max(largest, error)
    log = ["git", "-C", str(HERE), "log", "-1", "--format=%h", "--abbrev=12", "--", "../src"]
    commit = subprocess.run(log, capture_output=True, text=True, check=True).stdout.strip()
    lines = ["function\tform\tformat\tulp_of\tresults\tworst_ulp\tcommit\n"]
    for (function, form, dtype, unit), (count, largest) in sorted(worst.items()):
        lines.append(f"{function}\t{form}\t{dtype}\t{unit}\t{count}\t{largest:.6f}\t{commit}\n")
    (HERE / "results" / "rows.tsv").write_text("".join(lines))


if __name__ == "__main__":
    main()
