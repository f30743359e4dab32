"""Time actgrad beside its peers: ``python -m benches.compare``, or ``make bench``.

Every cell (a function, a form, a dtype, a size, a number of threads) is computed by all peers that
can, in turn in one process; their answers are compared before the clock starts. The results are
``<name>.tsv``, a row for each contender with its statement, ``<name>.md``, a summary, and
``<name>.png``, a picture, in ``benches/results``.

Keep the machine quiet: threads that wait for each other suffer most from a busy core.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from benches import report, table
from benches.cases import QUICK, Filter, cases, without_formula
from benches.machine import ROOT, cores, describe, idle_share
from benches.peers import PEERS
from benches.worker import Order

RESULTS = ROOT / "benches" / "results"


class WorkerError(Exception):
    """A worker did not get to its end."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.report:
        return _report_again(options.report)
    functions, dtypes, sizes = options.function, options.dtype, options.size
    kinds = ["rows", "gated"] if options.rows else []
    if options.quick and not options.rows:
        functions = functions or list(QUICK)
        dtypes = dtypes or ["float32", "float64"]
        sizes = sizes or ["scalar", "100", "30000", "1000000", "1000", "10000x1000"]
    seconds = options.seconds or (0.03 if options.quick else 0.2)
    # Only a run of everything gets the name of the one that is kept.
    filters = (kinds, functions, options.form, dtypes, sizes, options.peer)
    whole = not (any(filters) or options.busy)
    name = options.name or ("comparison" if whole else "partial")

    machine = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), **describe()}
    idle = idle_share()
    machine["cores idle before the run"] = f"{100 * idle:.0f}%"
    if idle < 0.95:
        print("compare: the machine is not idle; threads in particular suffer", file=sys.stderr)
    machine["command"] = "python -m benches.compare " + " ".join(arguments or sys.argv[1:])
    if options.busy:
        machine["beside it"] = "a process that keeps one core busy"
    if missing := without_formula():
        machine["not compared"] = ", ".join(missing)
    orders = [
        Order(chosen, seconds, options.peer, kinds, functions, options.form, dtypes, sizes)
        for chosen in _cores(options.threads)
    ]
    rows: list[table.Row] = []
    failures: dict[str, str] = {}
    try:
        _run(orders, options.busy, machine, rows, failures)
    except (KeyboardInterrupt, WorkerError) as error:
        machine["incomplete"] = f"some cells are missing: {error or 'interrupted'}"
        print(f"compare: {machine['incomplete']}", file=sys.stderr)
    if not rows:
        print("compare: no case is left by these filters", file=sys.stderr)
        return 1
    for peer, reason in failures.items():
        machine[f"{peer} failed"] = reason
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.tsv"
    table.write(path, machine, rows)
    return _report_again(path)


def _run(
    orders: Sequence[Order],
    busy: bool,
    machine: dict[str, str],
    rows: list[table.Row],
    failures: dict[str, str],
) -> None:
    """Run a worker for each order; `machine`, `rows` and `failures` fill up on the way."""
    total = sum(
        len(cases(Filter(o.kinds, o.functions, o.forms, o.dtypes, o.sizes), o.threads))
        for o in orders
    )
    with tqdm(total=total, unit="cell", dynamic_ncols=True, smoothing=0.05) as progress:
        for order in orders:
            beside = _busy_core(order.cores[0]) if busy and order.threads > 1 else _nothing()
            with beside, _worker(order) as messages:
                for message in messages:
                    if "peers" in message:
                        machine |= message["peers"]
                        machine |= {k: f"absent ({v})" for k, v in message["absent"].items()}
                        continue
                    rows.extend(table.Row(**row) for row in message["rows"])
                    for peer, reason in message["failed"].items():
                        failures.setdefault(peer, f"{message['case']}: {reason}")
                    progress.set_postfix_str(message["case"], refresh=False)
                    progress.update()


@contextmanager
def _worker(order: Order) -> Iterator[Iterator[dict]]:
    """Start a worker; yield its messages."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benches.worker", order.as_argument()],
        cwd=ROOT,
        env=order.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield (json.loads(line) for line in process.stdout)
        if process.wait() != 0:
            raise WorkerError(f"the worker with {order.threads} cores ended with an error")
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _busy_core(core: int) -> Iterator[None]:
    """Keep a core busy with something else."""
    code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code])
    time.sleep(0.2)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _cores(threads: Sequence[str]) -> list[list[int]]:
    """Return the cores for each number of threads: the last ones, which systems use least."""
    available = cores()
    counts = [len(available) if text == "all" else int(text) for text in threads]
    return [available[-count:] for count in dict.fromkeys(counts)]


def _report_again(path: Path) -> int:
    """Write the summary and the plot of a table, and show the start of the summary."""
    machine, rows = table.read(path)
    cells = list(table.cells(rows))
    picture = path.with_suffix(".png")
    text = report.markdown(machine, cells, picture.name)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    report.plot(picture, machine, cells)
    print(text.split("## Ratio to the fastest peer")[0])
    print(f"wrote {', '.join(str(path.with_suffix(end)) for end in ('.tsv', '.md', '.png'))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    def listed(text: str) -> list[str]:
        return [part.strip() for part in text.split(",") if part.strip()]

    parser = argparse.ArgumentParser(
        prog="python -m benches.compare",
        description=__doc__.split("\n\n")[0],
        epilog="Lists are separated by commas.",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="few functions, sizes and samples: some minutes")
    add("--rows", action="store_true", help="the softmax family and the gated units only")
    add("--function", type=listed, default=[], help="names of the catalogue, derivatives, softmax")
    add("--form", type=listed, default=[], help="value, derivative, backward, ..._from_output")
    add("--dtype", type=listed, default=[], help="float16, bfloat16, float32, float64")
    add("--size", type=listed, default=[], help="elements, or a shape such as 10000x1000")
    add("--peer", type=listed, default=[], help=", ".join(list(PEERS)[1:]))
    add("--threads", type=listed, default=["1", "all"], help="1, all or a number; default 1,all")
    add("--seconds", type=float, help="for each contender of a cell; default 0.2")
    add("--busy", action="store_true", help="keep one core busy while threads are measured")
    add("--name", help="of the files in benches/results; default comparison, or partial")
    add("--report", type=Path, metavar="TSV", help="measure nothing: report a table again")
    return parser


if __name__ == "__main__":
    # Whoever ends a run early gets the cells there are, also where a shell has had SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
