"""Two revisions of actgrad side by side: what a change of the kernels costs or gains.

    make bench-revisions ARGS="bb3001c HEAD"

Both are built as wheels and loaded by a process each; every form of every activation that both have
is timed in turn, in the order ABBA, one thread, contiguous operands and ``out=``. The ratio is that
of the minima. Writes ``benches/results/revisions.tsv``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "results" / "revisions.tsv"
FORMS = ("value", "derivative", "second_derivative", "backward")
DTYPES = ("float32", "float64")
ELEMENTS = 30_000
# Seconds one sample takes at least.
SAMPLE = 0.5e-3
# Parameters without a default, as in benches/cases.py.
REQUIRED = {"prelu": (0.25,), "threshold": (0.1, -0.5)}


def serve(installed: str) -> None:
    """Time what is asked for on standard input with the actgrad of this directory."""
    sys.path.insert(0, installed)
    import numpy as np

    import actgrad as ag

    names = [activation.name for activation in ag.activations("element-wise")]
    print(json.dumps(names), flush=True)
    for line in sys.stdin:
        name, form, dtype = json.loads(line)
        random = np.random.default_rng(0)
        x = random.normal(size=ELEMENTS).astype(dtype)
        if name == "logit":
            x = np.abs(x) / (1 + np.abs(x))
        operands = (random.normal(size=ELEMENTS).astype(dtype), x) if form == "backward" else (x,)
        operands += REQUIRED.get(name, ())
        function, out = getattr(ag.get(name), form), np.empty_like(x)
        function(*operands, out=out)
        calls, taken = 1, 0.0
        while taken < SAMPLE:
            calls *= 2
            start = time.perf_counter()
            for _ in range(calls):
                function(*operands, out=out)
            taken = time.perf_counter() - start
        print(json.dumps(taken / calls / ELEMENTS * 1e9), flush=True)


def build(revision: str, folder: Path) -> tuple[str, Path]:
    """Build and unpack the wheel of a revision; return its commit and where it is."""
    git = ["git", "-C", str(ROOT)]
    name = [*git, "rev-parse", "--short=12", f"{revision}^{{commit}}"]
    commit = subprocess.run(name, capture_output=True, text=True, check=True).stdout.strip()
    tree = folder / f"tree-{commit}"
    subprocess.run([*git, "worktree", "add", "--quiet", "--detach", tree, commit], check=True)
    try:
        maturin = [sys.executable, "-m", "maturin", "build", "--quiet", "--release", "--locked"]
        subprocess.run([*maturin, "--out", folder / commit], cwd=tree, check=True)
    finally:
        subprocess.run([*git, "worktree", "remove", "--force", tree], check=True)
    (wheel,) = (folder / commit).glob("*.whl")
    installed = folder / f"installed-{commit}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", installed]
    subprocess.run([*pip, wheel], check=True)
    return commit, installed


class Worker:
    """A process with one of the revisions."""

    def __init__(self, installed: Path) -> None:
        environment = {**os.environ, "ACTGRAD_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__).resolve()), "--serve", str(installed)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.names: list[str] = self._read()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def time(self, case: tuple[str, str, str]) -> float:
        """Return nanoseconds an element."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        return float(self._read())


def compare(before: Worker, after: Worker, rounds: int) -> Iterator[tuple[str, ...]]:
    """Give every case with the least time of both and their ratio."""
    names = [name for name in after.names if name in before.names]
    cases = [(name, form, dtype) for name in names for form in FORMS for dtype in DTYPES]
    for case in tqdm(cases, disable=not sys.stderr.isatty()):
        least = {before: float("inf"), after: float("inf")}
        for turn in range(rounds):
            for worker in (before, after) if turn % 2 == 0 else (after, before):
                least[worker] = min(least[worker], worker.time(case))
        yield (
            *case,
            f"{least[before]:.4f}",
            f"{least[after]:.4f}",
            f"{least[after] / least[before]:.3f}",
        )


def main() -> None:
    """Build, time and write."""
    parser = argparse.ArgumentParser(prog="python -m benches.revisions", description=__doc__)
    parser.add_argument("before", help="a commit, or a directory with an installed actgrad")
    parser.add_argument("after", help="the same")
    parser.add_argument("--rounds", type=int, default=20, help="times each is timed; default 20")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        both = []
        for given in (options.before, options.after):
            known = Path(given) / "actgrad"
            both.append((given, Path(given)) if known.is_dir() else build(given, Path(folder)))
        (old, before), (new, after) = both
        rows = list(compare(Worker(before), Worker(after), options.rounds))
    header = f"# nanoseconds an element at {ELEMENTS}, one thread: before is {old}, after {new}\n"
    columns = "function\tform\tdtype\tbefore\tafter\tratio\n"
    RESULTS.write_text(header + columns + "".join("\t".join(row) + "\n" for row in rows))
    ratios = sorted(float(row[-1]) for row in rows)
    print(f"{len(rows)} cells, after / before: median {ratios[len(ratios) // 2]:.3f}")
    for row in sorted(rows, key=lambda row: -float(row[-1])):
        if float(row[-1]) > 1.1:
            print("  ".join(row))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main()
