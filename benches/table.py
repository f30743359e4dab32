"""The results: one row for each contender of each cell, as tab-separated text."""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any

SUBJECT = "actgrad"
# The subject's variant that shows what its threads gain; it is no peer.
ONE_THREAD = "one thread"


@dataclass(frozen=True)
class Row:
    """The timing of one contender in one cell."""

    function: str
    form: str
    dtype: str
    size: str
    elements: int
    threads: int
    peer: str
    variant: str
    ns: float  # for each element: the minimum over the rounds
    median_ns: float
    rounds: int
    calls: int  # in one sample
    error: float  # of its answer against actgrad's, see benches/agreement.py
    agrees: bool
    reason: str  # why it may differ more than usual, where it does
    statement: str


@dataclass(frozen=True)
class Cell:
    """All contenders of one case at one number of threads."""

    rows: Sequence[Row]

    @property
    def case(self) -> Row:
        return self.rows[0]

    def __str__(self) -> str:
        case = self.case
        return f"{case.function} {case.form} {case.dtype} {case.size}, {in_words(case.threads)}"

    @property
    def ns(self) -> float:
        """What an element takes us."""
        return next(row.ns for row in self.rows if row.peer == SUBJECT and not row.variant)

    @property
    def one_thread_ns(self) -> float | None:
        """What an element takes us held to one thread in the same process, if that was measured."""
        found = (row.ns for row in self.rows if row.peer == SUBJECT and row.variant == ONE_THREAD)
        return next(found, None)

    def peers(self) -> dict[str, float]:
        """Return the time of each peer that computed the same, its fastest variant."""
        times: dict[str, float] = {}
        for row in self.rows:
            if row.peer != SUBJECT and row.agrees:
                times[row.peer] = min(row.ns, times.get(row.peer, math.inf))
        return times

    def ratios(self) -> dict[str, float]:
        """Return how many times as long each peer takes."""
        return {peer: ns / self.ns for peer, ns in self.peers().items()}

    def fastest(self) -> tuple[str, float] | None:
        """Return the fastest peer and how many times as long it takes; None without peers."""
        return min(self.ratios().items(), key=lambda item: item[1], default=None)


def cells(rows: Iterable[Row]) -> Iterator[Cell]:
    """Group rows, which are in the order they were measured."""

    def key(row: Row) -> tuple[object, ...]:
        return row.threads, row.function, row.form, row.dtype, row.size

    for _, group in groupby(rows, key):
        yield Cell(tuple(group))


def in_words(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def geometric_mean(numbers: Iterable[float]) -> float:
    logarithms = [math.log(number) for number in numbers]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else math.nan


def write(path: Path, machine: Mapping[str, str], rows: Iterable[Row]) -> None:
    """Write the table, with the machine in comment lines before it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for name, value in machine.items():
            file.write(f"# {name}: {value}\n")
        names = [field.name for field in fields(Row)]
        writer = csv.DictWriter(file, names, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            short = {"ns": f"{row.ns:.5g}", "median_ns": f"{row.median_ns:.5g}"}
            writer.writerow(asdict(row) | short | {"error": f"{row.error:.3g}"})


def read(path: Path) -> tuple[dict[str, str], list[Row]]:
    """Read a table that :func:`write` wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line[2:].split(": ", 1) for line in lines if line.startswith("# ")]
    table = csv.DictReader((line for line in lines if line[:2] != "# "), delimiter="\t")
    return dict(comments), [Row(**_typed(line)) for line in table]


def _typed(line: Mapping[str, str]) -> dict[str, Any]:
    convert = {int: int, float: float, str: str, bool: "True".__eq__}
    return {field.name: convert[field.type](line[field.name]) for field in fields(Row)}
