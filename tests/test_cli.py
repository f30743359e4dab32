"""The command ``actgrad``."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

import actgrad
from actgrad import cli

Run = Callable[..., tuple[int, str, str]]

FOUNDING = {
    0.0: {"sigmoid": 0.25, "tanh": 1.0, "relu": 0.0},
    1.0: {"sigmoid": 0.1966, "tanh": 0.42, "relu": 1.0},
    -1.0: {"sigmoid": 0.1966, "tanh": 0.42, "relu": 0.0},
}

TABLE = """\
   x  sigmoid  tanh  relu
 0.0     0.25   1.0   0.0
 1.0   0.1966  0.42   1.0
-1.0   0.1966  0.42   0.0
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process: arguments, standard input -> status, output, errors."""

    def call(*argv: str, text: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        status = cli.main(argv)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def python_m(*argv: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "actgrad", *argv],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_table(run: Run) -> None:
    assert run("0", "1", "-1") == (0, TABLE, "")


def test_table_as_a_module() -> None:
    finished = python_m("0", "1", "-1")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, TABLE, "")


def test_table_from_standard_input_is_aligned(run: Run) -> None:
    status, out, _ = run("-", text="0 -1.7976931348623157e308\n5e-324 nan\ninf")
    lines = out.splitlines()
    assert status == 0
    assert lines[0].split() == list(cli.COLUMNS)
    assert [line.split()[0] for line in lines[1:]] == [
        "0.0",
        "-1.7976931348623157e+308",
        "5e-324",
        "nan",
        "inf",
    ]
    assert len({len(line) for line in lines}) == 1


def test_table_of_a_stream_is_aligned_without_rounding(run: Run) -> None:
    _, out, _ = run("--decimals", "none", "-", text="0 1 700 -700 740 inf")
    assert len({len(line) for line in out.splitlines()}) == 1


def test_json(run: Run) -> None:
    status, out, _ = run("--json", "0", "1", "-1")
    assert status == 0
    expected = [{"x": x, **row} for x, row in FOUNDING.items()]
    assert [json.loads(line) for line in out.splitlines()] == expected


def test_json_is_strict(run: Run) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    _, out, _ = run("--json", "nan", "inf", "-inf")
    rows = [json.loads(line, parse_constant=refuse) for line in out.splitlines()]
    nan, inf = "NaN", "Infinity"
    assert rows == [
        {"x": nan, "sigmoid": nan, "tanh": nan, "relu": nan},
        {"x": inf, "sigmoid": 0.0, "tanh": 0.0, "relu": 1.0},
        {"x": "-Infinity", "sigmoid": 0.0, "tanh": 0.0, "relu": 0.0},
    ]


@pytest.mark.parametrize(
    "word", ["-1", "-.5", "-1e-3", "-1E+3", "-inf", "-Infinity", "-nan", "-0", "+2", "1e400"]
)
@pytest.mark.parametrize("first", [[], ["--"]], ids=["plain", "after--"])
def test_signed_numbers(run: Run, word: str, first: list[str]) -> None:
    status, out, err = run("--json", *first, word, word)
    assert (status, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 2
    assert str(float(rows[0]["x"])) == str(float(word))


def test_options_may_stand_between_numbers(run: Run) -> None:
    _, out, _ = run("-1", "--json", "-2", "--decimals", "3", "1", "-3")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["x"] for row in rows] == [-1.0, -2.0, -3.0]
    assert rows[0] == {"x": -1.0, "sigmoid": 0.197, "tanh": 0.4, "relu": 0.0}


@pytest.mark.parametrize("option", [["--decimals", "none"], ["--decimals=none"]])
def test_no_rounding(run: Run, option: list[str]) -> None:
    _, out, _ = run(*option, "--json", "-40")
    expected = {"x": -40.0, **actgrad.derivatives(-40.0, decimals=None)}
    assert json.loads(out) == expected
    assert expected["tanh"] > 0.0


@pytest.mark.parametrize("words", [("4",), ("4", "x"), ("-1", "2"), ("2", "none"), ("1.5", "2")])
def test_bad_decimals(run: Run, words: tuple[str, ...]) -> None:
    status, out, err = run("--decimals", *words)
    assert (status, out) == (2, "")
    assert err.startswith("actgrad: ")
    assert "--decimals" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("word", ["abc", "-abc", "1,5", "0x10", "--", "", "line\nfeed", "'", "1e"])
def test_a_word_that_is_no_number(run: Run, word: str) -> None:
    status, out, err = run("1", "--", word)
    assert (status, out) == (2, "")
    assert err == (
        f"actgrad: {word!r} is not a number; give decimal numbers such as 0.5 or -1e3, "
        "or - to read them from standard input\n"
    )


def test_a_long_word_is_cut(run: Run) -> None:
    _, _, err = run("z" * 10_000)
    assert len(err) < 200


def test_a_bad_word_in_standard_input_names_its_line(run: Run) -> None:
    status, out, err = run("--json", "-", text="1 2\n3 zz 4\n")
    assert status == 2
    assert [json.loads(line)["x"] for line in out.splitlines()] == [1.0, 2.0, 3.0]
    assert err.startswith("actgrad: standard input, line 2: 'zz' is not a number; ")
    assert err.count("\n") == 1


def test_unknown_option(run: Run) -> None:
    status, out, err = run("--frobnicate", "1")
    assert (status, out) == (2, "")
    assert err == "actgrad: unrecognized arguments: --frobnicate; see actgrad --help\n"


def test_no_numbers(run: Run) -> None:
    status, out, err = run()
    assert (status, out) == (2, "")
    assert err.startswith("usage: actgrad ")


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_empty_standard_input(run: Run, option: list[str]) -> None:
    assert run(*option, "-", text=" \n\n ") == (0, "", "")


def test_standard_input_between_arguments(run: Run) -> None:
    _, out, _ = run("--json", "0", "-", "3", text="1\t2")
    assert [json.loads(line)["x"] for line in out.splitlines()] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_words_survive_chunks(run: Run, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(cli, "CHUNK", chunk)
    text = "1 -2\t3e0  \n\n0.5\n25\r\n -1.25e-3 7"
    status, out, _ = run("--json", "-", text=text)
    assert status == 0
    assert [json.loads(line)["x"] for line in out.splitlines()] == list(map(float, text.split()))


def test_a_word_without_end_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "LONGEST_WORD", 100)
    status, out, err = run("-", text="1" * 200_000)
    assert (status, out) == (2, "")
    assert err.startswith("actgrad: standard input, line 1: '1111")


def test_many_numbers() -> None:
    finished = python_m("--json", "-", text="0.5 -0.5\n" * 20_000)
    lines = finished.stdout.splitlines()
    assert (finished.returncode, finished.stderr, len(lines)) == (0, "", 40_000)
    assert len(set(lines)) == 2


def test_input_that_is_not_text() -> None:
    finished = subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "actgrad", "-"],
        input=b"1 \xff",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stderr.startswith(b"actgrad: standard input, line 1: ")
    assert finished.stderr.count(b"\n") == 1


def test_broken_pipe_is_quiet() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "actgrad", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        try:
            process.stdin.write(b"1\n" * 100_000)
            process.stdin.close()
        except BrokenPipeError:
            pass
        assert process.wait(60) == 1
        assert process.stderr.read() == b""


def test_help(run: Run) -> None:
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    assert out.startswith("usage: actgrad ")
    for word in ("--json", "--decimals", "--version", "NUMBER", '"-Infinity"'):
        assert word in out
    assert max(map(len, out.splitlines())) <= 100


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"actgrad {actgrad.__version__}\n", "")
