"""The largest errors of actgrad, NumPy's idioms, SciPy, PyTorch and JAX on the same points.

Run as ``python -m benches.accuracy`` or ``make accuracy-of-peers``; peers that are not installed
are left out. The judge is ``tests/oracle.py``: values in Arb or mpmath with proven bounds. The
points are those of the tests: at random over the whole range, and around zeros, kinks, overflow and
underflow. They find what is wrong; the proof over all inputs of actgrad is in ``accuracy/``.

An error is in units in the last place of the exact value. A result is *lost* where it is 0,
infinite or NaN although the exact value is a normal number; the smallest such input is shown.
"""

import argparse
import csv
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import actgrad as ag
from benches import machine
from benches.cases import FLOATS, REQUIRED, Case, Operands
from benches.formulas import FORMULAS
from benches.peers import Peer, open_peers

sys.path.insert(0, str(machine.ROOT / "tests"))

import oracle

RESULTS = machine.ROOT / "benches" / "results"
PEERS = ("NumPy", "SciPy", "PyTorch", "JAX")
FORMS = ("value", "derivative")
# Those that the README's table has.
SHORT = ("sigmoid", "tanh", "softplus", "gelu", "silu", "mish")


@dataclass(frozen=True)
class Finding:
    """What one library does for one form of one function."""

    function: str
    form: str
    dtype: str
    peer: str
    points: int
    error: float  # the largest, in ulps
    worst_input: float
    lost: int  # results that are 0, infinite or NaN where the exact value is a normal number
    first_lost: float  # the smallest such input in magnitude; NaN if there is none
    statement: str

    @property
    def short(self) -> str:
        """The finding in a cell of a table."""
        if self.lost:
            return f"lost at x = {self.first_lost:.4g}"
        return f"{self.error:.2f}" if self.error < 100 else f"{self.error:.1e}"


def judge(peer: Peer, case: Case, x: np.ndarray, wanted: np.ndarray) -> Finding | None:
    """Return what a peer does with the points; None where it does not offer the function."""
    operands = Operands(x.copy(), np.ones_like(x), x, np.empty_like(x))
    contenders = peer.contenders(case, operands)
    if not contenders:
        return None
    got = np.array(contenders[0].answer(), x.dtype)
    parameters = tuple(REQUIRED.get(case.function, {}).values())
    error, where = oracle.worst(case.function, case.form, got, x, *parameters)
    limits = np.finfo(x.dtype)
    is_normal = (np.abs(wanted) >= limits.smallest_normal) & np.isfinite(wanted)
    lost = x[is_normal & ((got == 0) | ~np.isfinite(got))]
    first = lost[np.argmin(np.abs(lost))] if lost.size else np.nan
    return Finding(
        case.function, case.form, case.dtype, peer.name, x.size, error,
        float(where), lost.size, float(first), contenders[0].statement,
    )  # fmt: skip


def measure(peers: Iterable[Peer], functions: Iterable[str], points: int) -> Iterator[Finding]:
    """Try every function in every form and dtype; the points are the same for all peers."""
    for function in tqdm(list(functions), unit="function", disable=None):
        parameters = tuple(REQUIRED.get(function, {}).values())
        for dtype in FLOATS:
            x = oracle.sample(dtype, points, 5, function, *parameters)
            x = x[np.isfinite(x)]
            for form in FORMS:
                if FORMULAS[function].form(form) is None:
                    continue
                case = Case("element-wise", function, form, dtype, x.shape)
                wanted = oracle.expected(function, form, x, *parameters)
                for peer in peers:
                    finding = judge(peer, case, x, wanted)
                    if finding is not None:
                        yield finding


def write(path: Path, about: dict[str, str], findings: Iterable[Finding]) -> None:
    """Write every finding as tab-separated text."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {name}: {text}\n" for name, text in about.items())
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(Finding.__dataclass_fields__)
        for finding in findings:
            row: list[Any] = list(vars(finding).values())
            row[5] = f"{finding.error:.6g}"
            writer.writerow(row)


def table(findings: Iterable[Finding], names: list[str]) -> Iterator[str]:
    """Give the lines of a table in Markdown: a row for each form, a column for each library."""
    yield "| dtype | function | form | " + " | ".join(names) + " |"
    yield "|---|---|---|" + "---|" * len(names)

    def key(finding: Finding) -> tuple[str, str, str]:
        return finding.dtype, finding.function, finding.form

    order = list(FORMULAS)
    ordered = sorted(findings, key=lambda f: (f.dtype, order.index(f.function), f.form != "value"))
    for (dtype, function, form), group in groupby(ordered, key):
        cells = {finding.peer: finding.short for finding in group}
        row = [dtype, f"`{function}`", form, *(cells.get(name, "") for name in names)]
        yield "| " + " | ".join(row) + " |"


def report(about: dict[str, str], findings: list[Finding], names: list[str]) -> str:
    """Return the report in Markdown."""
    lines = [
        "# The accuracy of actgrad and its peers",
        "",
        "The largest error in units in the last place, by `make accuracy-of-peers` (see",
        "`benches/accuracy.py`). *lost at x*: the result is 0, infinite or NaN although the exact",
        "value is a normal number; x is the smallest such input. Derivatives: PyTorch's by the",
        "operations its autograd calls, JAX's by `jax.grad`, NumPy's and SciPy's by the idiom.",
        "",
        *(f"- {name}: {text}" for name, text in about.items()),
        "",
        *table(findings, names),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write the results, print the short table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--function", action="append", help="only this one; may be given again")
    parser.add_argument("--points", type=int, default=500, help="at random, for each dtype")
    arguments = parser.parse_args()
    known = [a.name for a in ag.activations("element-wise") if a.name in FORMULAS]
    functions = arguments.function or known

    peers, absent = open_peers(1, PEERS)
    for name, reason in absent.items():
        print(f"{name} takes no part: {reason}", file=sys.stderr)
    about = {**machine.describe(), **{peer.name: peer.version for peer in peers}}
    about["commit"] = machine.commit()
    findings = list(measure(peers, functions, arguments.points))
    names = [peer.name for peer in peers]
    if functions == known:
        RESULTS.mkdir(exist_ok=True)
        write(RESULTS / "accuracy.tsv", about, findings)
        text = report(about, findings, names)
        (RESULTS / "accuracy.md").write_text(text, encoding="utf-8")
    chosen = [f for f in findings if arguments.function or f.function in SHORT]
    print(*table(chosen, names), sep="\n")
    ours = [f for f in findings if f.peer == "actgrad"]
    if any(f.lost or not math.isfinite(f.error) or f.error > 1 for f in ours):
        sys.exit("actgrad breaks its promise: see above")


if __name__ == "__main__":
    main()
