"""The command ``actgrad``: the derivatives of sigmoid, tanh and relu at the numbers given."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NoReturn, TextIO, TypeAlias

COLUMNS = ("x", "sigmoid", "tanh", "relu")
LONGEST_FLOAT = len(repr(-sys.float_info.max))
LONGEST_SHOWN = 40  # characters of a bad word that an error repeats
CHUNK = 1 << 16  # characters read at once from a line of standard input
LONGEST_WORD = 1 << 16  # what is longer is not taken for a number

DEFAULT_DECIMALS = (4, 2)

Decimals: TypeAlias = tuple[int, int] | None
Derivatives: TypeAlias = Callable[[float], dict[str, float]]

DESCRIPTION = """\
Print the derivatives of sigmoid, tanh and relu at each number.

The slope of relu at 0 is taken as 0. NaN gives NaN in every column."""

EPILOG = """\
Numbers are decimal, such as 0.5, -1e-3, inf or nan; negative ones need no special care.
With - numbers are read from standard input, separated by spaces or newlines, as a stream: there
may be more of them than fit into memory.

With --json each number gives one JSON object on a line of its own:
  {"x": 0.0, "sigmoid": 0.25, "tanh": 1.0, "relu": 0.0}
JSON has no numbers for NaN and the infinities; they are the strings "NaN", "Infinity" and
"-Infinity".

Exit status: 0 for success, 1 if the output cannot be written or the input cannot be read, 2 for
wrong arguments or a word that is not a number.

Examples:
  actgrad 0 1 -1
  actgrad --decimals none --json 0.5
  seq -5 0.5 5 | actgrad -"""


class UsageError(Exception):
    """What the caller gave cannot be used; the text is the line to print."""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports an error in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing and exiting."""
        raise UsageError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        The exit status.
    """
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except UsageError as error:
        _complain(str(error))
        return 2
    except BrokenPipeError:
        _discard_output()
        return 1
    except OSError as error:
        _complain(error.strerror or str(error))
        _discard_output()
        return 1
    except KeyboardInterrupt:
        return 130


def _run(argv: Sequence[str]) -> int:
    parser = _parser()
    try:
        options = parser.parse_intermixed_args(_protected(argv))
    except SystemExit as end:  # --help
        print(end="", flush=True)
        return int(end.code or 0)

    if options.version:
        from actgrad import __version__

        print(f"actgrad {__version__}", flush=True)
        return 0
    decimals = _decimals(options.decimals)
    if not options.numbers:
        parser.print_usage(sys.stderr)
        return 2

    # Every argument is checked before anything is printed; None stands for standard input.
    words = [word.strip() for word in options.numbers]
    numbers = [None if word == "-" else _number(word) for word in words]

    from actgrad import derivatives

    # The call without decimals is the fastest.
    rounded = derivatives
    if decimals != DEFAULT_DECIMALS:
        rounded = partial(derivatives, decimals=decimals)
    rows = _rows(_numbers(numbers), rounded)
    lines = _json_lines(rows) if options.json else _table_lines(rows, None in numbers, decimals)
    try:
        for line in lines:
            print(line)
    finally:  # what came before a bad word is still printed
        print(end="", flush=True)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="actgrad",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="actgrad [--json] [--decimals S T | --decimals none] NUMBER [NUMBER ...]",
    )
    parser.add_argument(
        "numbers",
        metavar="NUMBER",
        nargs="*",
        help="where to take the derivatives; - reads numbers from standard input",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per number, not a table"
    )
    parser.add_argument(
        "--decimals",
        nargs=2,
        metavar=("S", "T"),
        default=[str(count) for count in DEFAULT_DECIMALS],
        help="the decimals to round sigmoid' and tanh' to (4 2 if not given); "
        "--decimals none does not round",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    return parser


def _protected(argv: Iterable[str]) -> Iterator[str]:
    """Yield the arguments in a form that argparse reads as they are meant.

    A word such as -1e-3 or -inf looks like an option to argparse unless a space precedes it; only
    -h and words with two dashes are options here. ``--decimals none`` is completed to two words.
    """
    previous = ""
    for word in argv:
        if word == "--decimals=none":
            yield from ("--decimals", "none", "none")
        elif previous == "--decimals" and word == "none":
            yield from ("none", "none")
        elif word.startswith("-") and not word.startswith("--") and word not in ("-", "-h"):
            yield " " + word
        else:
            yield word
        previous = word


def _decimals(words: Sequence[str]) -> Decimals:
    """Return what ``--decimals`` asks for."""
    if all(word == "none" for word in words):
        return None
    try:
        s, t = map(int, words)
    except ValueError:
        s = t = -1
    if s < 0 or t < 0:
        given = " ".join(word.strip() for word in words)
        raise UsageError(
            f"--decimals {given}: give two whole numbers from 0 up, such as 4 2, or none"
        )
    return s, t


def _number(word: str, where: str = "") -> float:
    """Return the number a word stands for."""
    try:
        return float(word)
    except ValueError:
        raise _not_a_number(word, where) from None


def _not_a_number(word: str, where: str) -> UsageError:
    shown = word if len(word) <= LONGEST_SHOWN else word[:LONGEST_SHOWN] + "..."
    return UsageError(
        f"{where}{shown!r} is not a number; give decimal numbers such as 0.5 or -1e3, "
        "or - to read them from standard input"
    )


def _numbers(numbers: Iterable[float | None]) -> Iterator[float]:
    """Yield the numbers, and those of standard input in the place of None."""
    for number in numbers:
        if number is not None:
            yield number
        elif sys.stdin is not None:
            yield from _read(sys.stdin)


def _read(stream: TextIO) -> Iterator[float]:
    """Yield the numbers of a text as they arrive, holding little of it at a time."""
    line = 1
    rest = ""  # the beginning of a word whose end has not been read
    while True:
        where = f"standard input, line {line}: "
        try:
            chunk = stream.readline(CHUNK)
        except UnicodeDecodeError:
            raise UsageError(f"{where}not text") from None
        text = rest + chunk
        words = text.split()
        rest = words.pop() if words and chunk and not text[-1].isspace() else ""
        for word in words:
            yield _number(word, where)
        if not chunk:
            return
        if len(rest) > LONGEST_WORD:
            raise _not_a_number(rest, where)
        line += chunk.endswith("\n")


def _rows(numbers: Iterable[float], derivatives: Derivatives) -> Iterator[dict[str, float]]:
    for x in numbers:
        yield {"x": x, **derivatives(x)}


def _json_lines(rows: Iterable[dict[str, float]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps({name: _json_value(value) for name, value in row.items()})


def _json_value(value: float) -> float | str:
    """Return a finite float as it is, else its name in strict JSON."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0.0 else "-Infinity"


def _table_lines(
    rows: Iterator[dict[str, float]], streamed: bool, decimals: Decimals
) -> Iterator[str]:
    """Yield a header and a line for each row, the columns aligned on the right.

    If all numbers are at hand the columns are as narrow as can be; if some are yet to come, wide
    enough for any.
    """
    if streamed:
        first = next(rows, None)
        if first is None:
            return
        rows = chain([first], rows)
        longest = [LONGEST_FLOAT]
        for count in decimals or (LONGEST_FLOAT, LONGEST_FLOAT):
            longest.append(min(count + len("0."), LONGEST_FLOAT))
        longest.append(len("nan"))
    else:
        table = list(rows)
        rows = iter(table)
        longest = [max(len(repr(row[name])) for row in table) for name in COLUMNS]
    widths = [max(len(name), width) for name, width in zip(COLUMNS, longest, strict=True)]
    yield "  ".join(name.rjust(width) for name, width in zip(COLUMNS, widths, strict=True))
    for row in rows:
        cells = (repr(row[name]) for name in COLUMNS)
        yield "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def _complain(message: str) -> None:
    print(f"actgrad: {message}", file=sys.stderr)


def _discard_output() -> None:
    """Let what is still buffered go nowhere, so that Python does not fail again at exit."""
    try:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
    except OSError:
        pass
