"""What has to hold: each target beside what the table says."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benches.table import Cell, geometric_mean

# A tie where both wait for the memory.
TIE = 0.95
MEMORY_BOUND = 1_000_000


@dataclass(frozen=True)
class Target:
    """A claim and its test."""

    claim: str
    measured: str
    holds: bool | None  # None where the run did not measure it


def targets(cells: Sequence[Cell]) -> list[Target]:
    """Return every target that cells of this kind can show."""
    return [
        _no_cell_slower(cells),
        *(_mean(cells, peer, wanted) for peer, wanted in _MEANS.items()),
        _least(
            "gelu and mish backward at 30,000 elements: at least 1.5 times PyTorch",
            "PyTorch",
            1.5,
            (
                cell
                for cell in cells
                if cell.case.function in ("gelu", "mish")
                and cell.case.form == "backward"
                and cell.case.dtype in ("float32", "float64")
                and cell.case.elements == 30_000
            ),
        ),
        _least(
            "values of tanh, exp and erf: at least as fast as MKL at high accuracy",
            "MKL",
            1.0,
            (cell for cell in cells if cell.case.form == "value"),
        ),
        _least(
            "derivatives(0.5): at least 5 times actgrad.reference",
            "reference",
            5.0,
            (cell for cell in cells if cell.case.size == "scalar"),
        ),
        _least(
            "derivatives on 10^7 float64, one thread: at least 8 times NumPy with round",
            "NumPy",
            8.0,
            (
                cell
                for cell in cells
                if cell.case.function == "derivatives"
                and cell.case.elements == 10_000_000
                and cell.case.dtype == "float64"
                and cell.case.threads == 1
            ),
        ),
        _call_overhead(cells),
        _threads_gain(cells),
        _threads_never_lose(cells),
    ]


_MEANS = {"PyTorch": 1.5, "NumPy": 4.0, "SciPy": 3.0, "Numba": 3.0}


def slower(cells: Iterable[Cell]) -> list[tuple[Cell, str, float, bool]]:
    """Return the cells where a peer is faster, with its name and ratio, and whether it is a tie."""
    found = []
    for cell in cells:
        fastest = cell.fastest()
        if fastest is not None and fastest[1] < 1.0:
            tie = fastest[1] >= TIE and cell.case.elements >= MEMORY_BOUND
            found.append((cell, *fastest, tie))
    return sorted(found, key=lambda item: item[2])


def _no_cell_slower(cells: Sequence[Cell]) -> Target:
    compared = sum(1 for cell in cells if cell.fastest() is not None)
    behind = slower(cells)
    lost = sum(1 for *_, tie in behind if not tie)
    return Target(
        f"no cell slower than the fastest peer ({TIE} is a tie from 10^6 elements on)",
        f"{lost} of {compared} cells slower, {len(behind) - lost} ties",
        lost == 0 if compared else None,
    )


def _mean(cells: Sequence[Cell], peer: str, wanted: float) -> Target:
    ratios = [cell.ratios()[peer] for cell in cells if peer in cell.ratios()]
    return _judged(
        f"geometric mean at least {wanted:g} against {peer}",
        geometric_mean(ratios),
        wanted,
        f"{len(ratios)} cells",
    )


def _least(claim: str, peer: str, wanted: float, cells: Iterable[Cell]) -> Target:
    ratios = {str(cell): cell.ratios()[peer] for cell in cells if peer in cell.ratios()}
    worst = min(ratios, key=lambda name: ratios[name], default="")
    return _judged(claim, ratios.get(worst, math.nan), wanted, worst)


def _call_overhead(cells: Sequence[Cell]) -> Target:
    """Compare the exponential with NumPy's, in the same cell."""
    ratios = [
        1 / cell.ratios()["NumPy"]
        for cell in cells
        if (cell.case.function, cell.case.form, cell.case.elements) == ("exp", "value", 100)
        and cell.case.dtype in ("float32", "float64")
        and "NumPy" in cell.ratios()
    ]
    claim = "a ufunc call on 100 elements: at most 1.3 times np.exp"
    return _judged(claim, max(ratios, default=math.nan), 1.3, "exp", at_most=True)


def _threads_gain(cells: Sequence[Cell]) -> Target:
    """Compute-bound is what takes twice as long as relu, which does little but move the arrays."""
    relu = {
        (cell.case.form, cell.case.dtype, cell.case.size): cell.one_thread_ns
        for cell in cells
        if cell.case.function == "relu" and cell.one_thread_ns is not None
    }
    gains = {}
    for cell, gain in _gains(cells):
        moved = relu.get((cell.case.form, cell.case.dtype, cell.case.size))
        if moved and (cell.one_thread_ns or 0) > 2 * moved and cell.case.elements >= 1_000_000:
            gains[str(cell)] = gain
    worst = min(gains, key=lambda name: gains[name], default="")
    count = max([2, *(cell.case.threads for cell in cells)])
    return _judged(
        f"{count} threads at least {0.85 * count:g} times one where the kernel is compute-bound "
        "(twice as long as relu) at 10^6 elements and more",
        gains.get(worst, math.nan),
        0.85 * count,
        worst,
    )


def _threads_never_lose(cells: Sequence[Cell]) -> Target:
    gains = {str(cell): gain for cell, gain in _gains(cells)}
    worst = min(gains, key=lambda name: gains[name], default="")
    claim = "threads never slower than one thread (0.95 for the noise)"
    return _judged(claim, gains.get(worst, math.nan), 0.95, worst)


def _gains(cells: Sequence[Cell]) -> Iterable[tuple[Cell, float]]:
    for cell in cells:
        if cell.one_thread_ns is not None:
            yield cell, cell.one_thread_ns / cell.ns


def _judged(claim: str, ratio: float, wanted: float, where: str, at_most: bool = False) -> Target:
    if math.isnan(ratio):
        return Target(claim, "not measured", None)
    compare: Callable[[float, float], bool] = float.__le__ if at_most else float.__ge__
    return Target(claim, f"{ratio:.2f} ({where})", compare(ratio, wanted))
