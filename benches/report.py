"""The summary in Markdown and the plot, from a table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benches.table import Cell, geometric_mean, in_words
from benches.targets import slower, targets

# What the geometric means are taken over, beside all.
_GROUPS: Mapping[str, Callable[[Cell], bool]] = {
    "all": lambda cell: True,
    "value": lambda cell: cell.case.form == "value",
    "derivative": lambda cell: cell.case.form.startswith("derivative"),
    "backward": lambda cell: cell.case.form.startswith("backward"),
    "float32": lambda cell: cell.case.dtype == "float32",
    "float64": lambda cell: cell.case.dtype == "float64",
    "halves": lambda cell: cell.case.dtype in ("float16", "bfloat16"),
    "one thread": lambda cell: cell.case.threads == 1,
    "threads": lambda cell: cell.case.threads > 1,
    "100": lambda cell: cell.case.elements == 100,
    "30,000": lambda cell: cell.case.elements == 30_000,
    "10^6": lambda cell: cell.case.elements == 1_000_000,
    "10^7": lambda cell: cell.case.elements >= 9_000_000 and cell.case.elements < 11_000_000,
}


def markdown(machine: Mapping[str, str], cells: Sequence[Cell], plot: str) -> str:
    """Return the summary."""
    parts = [
        "# actgrad beside its peers",
        "Ratios say how many times as long the peer takes: above 1 actgrad is faster. Each is of "
        "the fastest samples of contenders called in turn in one process, on the same arrays.",
        _table(("", ""), machine.items()),
        "## Targets",
        _table(
            ("target", "measured", "holds"),
            (
                (
                    target.claim,
                    target.measured,
                    {True: "yes", False: "**no**", None: ""}[target.holds],
                )
                for target in targets(cells)
            ),
        ),
        "## Geometric mean of the ratios",
        _means(cells),
        f"![Ratio to the fastest peer, cell by cell]({plot})",
        "## Cells where a peer is faster",
        _slower(cells),
        "## Answers that differ",
        _disagreements(cells),
        "## Ratio to the fastest peer",
        *_ratios(cells),
    ]
    return "\n\n".join(parts) + "\n"


def _table(heads: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    heads = list(heads)
    rule = ["---"] * len(heads)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in (heads, rule, *lines))


def _peers(cells: Iterable[Cell]) -> list[str]:
    return list(dict.fromkeys(peer for cell in cells for peer in cell.peers()))


def _means(cells: Sequence[Cell]) -> str:
    groups = {name: [c for c in cells if admits(c)] for name, admits in _GROUPS.items()}
    groups = {name: group for name, group in groups.items() if group}
    lines = []
    for peer in _peers(cells):
        means = []
        for group in groups.values():
            ratios = [cell.ratios()[peer] for cell in group if peer in cell.ratios()]
            means.append(f"{geometric_mean(ratios):.2f}" if ratios else "")
        count = sum(1 for cell in cells if peer in cell.ratios())
        lines.append((peer, count, *means))
    return _table(("peer", "cells", *groups), lines)


def _slower(cells: Sequence[Cell]) -> str:
    lines = [
        (cell, peer, f"{ratio:.2f}", "tie" if tie else "", f"{cell.ns:.3g}")
        for cell, peer, ratio, tie in slower(cells)
    ]
    if not lines:
        return "None."
    return _table(("cell", "fastest peer", "ratio", "", "ns an element, actgrad"), lines)


def _disagreements(cells: Sequence[Cell]) -> str:
    worst: dict[tuple[str, str, str, str], tuple[float, Cell]] = {}
    for cell in cells:
        for row in cell.rows:
            if not row.agrees or row.reason:
                verdict = row.reason or "**left out: not the same function**"
                key = row.peer, row.function, row.form, verdict
                worst[key] = max(worst.get(key, (0.0, cell)), (row.error, cell), key=_error)
    if not worst:
        return "None beyond what rounding explains: see benches/agreement.py."
    lines = [
        (peer, function, form, f"{error:.3g} epsilon, {cell.case.dtype}", verdict)
        for (peer, function, form, verdict), (error, cell) in worst.items()
    ]
    return _table(("peer", "function", "form", "worst", ""), lines)


def _error(found: tuple[float, Cell]) -> float:
    return found[0]


def _ratios(cells: Sequence[Cell]) -> Iterable[str]:
    """One table for each dtype and number of threads: a line per function, a column per size."""
    kinds = dict.fromkeys((cell.case.threads, cell.case.dtype) for cell in cells)
    for threads, dtype in kinds:
        chosen = [c for c in cells if (c.case.threads, c.case.dtype) == (threads, dtype)]
        sizes = list(dict.fromkeys(cell.case.size for cell in chosen))
        lines: dict[tuple[str, str], dict[str, str]] = {}
        for cell in chosen:
            fastest = cell.fastest()
            if fastest is not None:
                line = lines.setdefault((cell.case.function, cell.case.form), {})
                line[cell.case.size] = f"{fastest[1]:.2f} {fastest[0]}"
        yield f"### {dtype}, {in_words(threads)}"
        yield _table(
            ("function", "form", *sizes),
            ((*names, *(line.get(size, "") for size in sizes)) for names, line in lines.items()),
        )


def plot(path: Path, machine: Mapping[str, str], cells: Sequence[Cell]) -> None:
    """Draw the ratio to the fastest peer as a map: a line per function, a column per array."""
    import matplotlib as mpl
    import numpy as np

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.colors import TwoSlopeNorm

    ratios = {}
    for cell in cells:
        fastest = cell.fastest()
        if fastest is not None:
            case = cell.case
            line = case.function, case.form
            column = case.threads, case.dtype, case.elements, case.size
            ratios[line, column] = fastest[1]
    lines = list(dict.fromkeys(line for line, _ in ratios))
    columns = sorted(dict.fromkeys(column for _, column in ratios))
    if not lines:
        return
    image = np.full((len(lines), len(columns)), np.nan)
    for (line, column), ratio in ratios.items():
        image[lines.index(line), columns.index(column)] = np.log2(ratio)

    figure, axes = plt.subplots(
        figsize=(3.0 + 0.42 * len(columns), 2.4 + 0.2 * len(lines)), layout="constrained"
    )
    # Two shades: a peer is faster, we are; no colour at all where they are even.
    colours = axes.imshow(image, cmap="RdBu", norm=TwoSlopeNorm(0, -2, 3), aspect="auto")
    for (line, column), ratio in ratios.items():
        axes.text(
            columns.index(column),
            lines.index(line),
            f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}",
            ha="center",
            va="center",
            fontsize=6,
            color="white" if ratio > 5 or ratio < 0.35 else "black",
        )
    axes.set_xticks(
        range(len(columns)),
        [f"{dtype}, {size}, {threads}" for threads, dtype, _, size in columns],
        rotation=90,
        fontsize=7,
    )
    axes.set_yticks(range(len(lines)), [" ".join(line) for line in lines], fontsize=7)
    axes.set_xlabel("dtype, elements, threads")
    axes.set_title(
        "Times as long as actgrad: the fastest peer of each cell\n"
        f"{machine.get('cpu', '')}, commit {machine.get('commit', '')[:10]}",
        fontsize=9,
    )
    bar = figure.colorbar(colours, ax=axes, shrink=0.5, pad=0.01)
    bar.set_ticks([-2, -1, 0, 1, 2, 3], labels=["1/4", "1/2", "1", "2", "4", "8"])
    figure.savefig(path, dpi=110)
    plt.close(figure)
