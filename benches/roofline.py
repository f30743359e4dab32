"""What bounds each kernel: ``python -m benches.roofline``, or ``make roofline``.

Every call has two lower bounds. Its instructions take at least the time in which the processor can
run as many of their kind when none has to wait; its bytes at least the time in which as many can be
copied. The larger of the two bounds the call, and the ratio says how far it is from there: 1 is as
fast as this machine allows the code as it is compiled.

The instructions are counted while the kernel runs, one by one, by the processor's trap flag
(benches/kernels/src/trace.rs): that knows AVX-512, which callgrind does not, and how often each
instruction runs, which the disassembly does not. The times of single instructions, the copies and
the kernels themselves are measured in turn in one process (benches/kernels/src/machine.rs).
"""

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from benches.machine import ROOT, cores, describe, idle_share
from benches.table import geometric_mean, in_words

RESULTS = ROOT / "benches" / "results"


@dataclass(frozen=True)
class Line:
    """A kernel at a size and number of threads; times are nanoseconds an element."""

    function: str
    form: str
    dtype: str
    level: str
    threads: int
    count: int
    arrays: int  # read and written
    instructions: float  # for each element, all of them
    arithmetic: float
    logic: float  # selects, integers, shuffles
    divide: float
    square_root: float
    instruction_ns: float
    memory_ns: float
    measured_ns: float

    @property
    def bound(self) -> str:
        return "instructions" if self.instruction_ns >= self.memory_ns else "memory"

    @property
    def ratio(self) -> float:
        """How many times as long as the bound it takes."""
        return self.measured_ns / max(self.memory_ns, self.instruction_ns)

    @property
    def vector(self) -> int:
        """Elements in a vector; half formats are counted as the float32 they become."""
        size = {"avx512": 64, "avx2": 32}.get(self.level, 16)
        return size // (8 if self.dtype == "float64" else 4)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    program = _build()
    machine = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), **describe()}
    machine["cores idle before the run"] = f"{100 * idle_share():.0f}%"
    threads = [len(cores()) if text == "all" else int(text) for text in options.threads]
    values = {
        "function": options.function,
        "form": options.form,
        "dtype": options.dtype,
        "count": options.size,
        "threads": [str(count) for count in dict.fromkeys(threads)],
        "level": options.level,
        "rounds": [str(options.rounds)],
    }
    command = [str(program), *(f"{name}={','.join(text)}" for name, text in values.items())]
    lines: list[Line] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in _progress(process.stdout, machine):
            lines.append(line)
    if process.returncode != 0 or not lines:
        print("roofline: nothing was measured", file=sys.stderr)
        return 1
    RESULTS.mkdir(exist_ok=True)
    # Only a run of everything gets the name of the one that is kept.
    whole = options == _parser().parse_args([])
    name = options.name or ("roofline" if whole else "partial-roofline")
    _write(RESULTS / f"{name}.tsv", machine, lines)
    text = _markdown(machine, lines)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def _build() -> Path:
    """Build the program that measures and return its path."""
    command = ["cargo", "build", "--release", "--locked", "-p", "actgrad-benches"]
    command += ["--bin", "roofline", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "roofline":
            return Path(message["executable"])
    raise RuntimeError("cargo built no program called roofline")


def _progress(output: Iterable[str], machine: dict[str, str]) -> Iterator[Line]:
    """Yield the lines of the program's table; its remarks go to `machine`."""
    heads: list[str] | None = None
    with tqdm(unit="kernel", dynamic_ncols=True) as progress:
        for text in output:
            parts = text.rstrip("\n").split("\t")
            if text.startswith("# "):
                name, value = text[2:].strip().split(": ", 1)
                machine[name] = value
            elif text.strip().isdigit():
                progress.reset(total=int(text))
            elif heads is None:
                heads = parts
            else:
                yield _typed(dict(zip(heads, parts, strict=True)))
                progress.update()


def _typed(texts: Mapping[str, str]) -> Line:
    kinds = {"threads": int, "count": int, "arrays": int}
    kinds |= dict.fromkeys(("function", "form", "dtype", "level"), str)
    values = {field.name: kinds.get(field.name, float)(texts[field.name]) for field in fields(Line)}
    return Line(**values)


def _write(path: Path, machine: Mapping[str, str], lines: Iterable[Line]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for name, value in machine.items():
            file.write(f"# {name}: {value}\n")
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        names = [field.name for field in fields(Line)]
        writer.writerow([*names, "bound", "ratio"])
        for line in lines:
            values = [getattr(line, name) for name in names]
            writer.writerow([*values, line.bound, f"{line.ratio:.3f}"])


def _markdown(machine: Mapping[str, str], lines: Sequence[Line]) -> str:
    parts = ["# Roofline of the kernels", __doc__.split("\n\n", 1)[1].strip()]
    parts.append("\n".join(f"- {name}: {value}" for name, value in machine.items()))
    parts.append(_target(lines))
    kinds = dict.fromkeys((line.count, line.threads, line.dtype) for line in lines)
    for count, threads, dtype in kinds:
        chosen = [
            line
            for line in lines
            if (line.count, line.threads, line.dtype) == (count, threads, dtype)
        ]
        mean = geometric_mean(line.ratio for line in chosen)
        parts.append(
            f"## {dtype}, {count:,} elements, {in_words(threads)}: {mean:.2f} times the bound"
        )
        vector = chosen[0].vector
        rows = [
            "| function | form | instructions | arithmetic | logic | divisions | instructions, ns "
            "| bytes | memory, ns | measured, ns | bound by | ratio |",
            "|" + " --- |" * 12,
        ]
        size = {"float32": 4, "float64": 8}.get(dtype, 2)
        for line in sorted(chosen, key=lambda line: -line.ratio):
            counts = (
                line.instructions,
                line.arithmetic,
                line.logic,
                line.divide + line.square_root,
            )
            cells = [line.function, line.form, *(f"{vector * number:.1f}" for number in counts)]
            cells += [f"{line.instruction_ns:.3f}", str(line.arrays * size)]
            cells += [f"{line.memory_ns:.3f}", f"{line.measured_ns:.3f}"]
            cells += [line.bound, f"{line.ratio:.2f}"]
            rows.append(f"| {' | '.join(cells)} |")
        parts.append(
            f"Instructions are those of a vector of {vector}; times and bytes of an element."
        )
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _target(lines: Sequence[Line]) -> str:
    """Judge the derivatives of 10^7 float32 with all cores."""
    most = max(line.threads for line in lines)
    ratios = {
        line.function: line.ratio
        for line in lines
        if (line.form, line.dtype, line.count) == ("derivative", "float32", 10_000_000)
        and line.threads == most
    }
    claim = (
        "Target: at 10^7 float32 with all cores every derivative reaches 0.85 of the copy "
        "bandwidth or of its instruction bound"
    )
    if not ratios:
        return f"{claim}: not measured."
    behind = {name: 1 / ratio for name, ratio in ratios.items() if ratio > 1 / 0.85}
    names = ", ".join(f"{name} {share:.2f}" for name, share in sorted(behind.items()))
    reached = f"{len(ratios) - len(behind)} of {len(ratios)} do"
    return f"{claim}: {reached}{f'; not {names}' if names else ''}."


def _parser() -> argparse.ArgumentParser:
    def listed(text: str) -> list[str]:
        return [part.strip() for part in text.split(",") if part.strip()]

    parser = argparse.ArgumentParser(
        prog="python -m benches.roofline",
        description=__doc__.split("\n\n")[0],
        epilog="Lists are separated by commas; an empty one means all.",
    )
    add = parser.add_argument
    add("--function", type=listed, default=[], help="names of the catalogue")
    add("--form", type=listed, default=["value", "derivative", "backward"])
    add("--dtype", type=listed, default=["float32", "float64"])
    add("--size", type=listed, default=["30000", "10000000"], help="elements")
    add("--threads", type=listed, default=["1", "all"], help="1, all or a number")
    add("--level", type=listed, default=[], help="avx2 or avx512; default the best")
    add("--rounds", type=int, default=7)
    add("--name", help="of the files in benches/results; default roofline, or partial-roofline")
    return parser


if __name__ == "__main__":
    sys.exit(main())
