"""README.md: its code runs from top to bottom as it stands, and prints what it says."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from matplotlib import pyplot

import actgrad as ag

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Return the shell commands that call actgrad, each with what it is said to print."""
    found = re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", "".join(blocks("console")), re.MULTILINE)
    return [(command, printed) for command, printed in found if "actgrad" in command]


def test_the_code_runs_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    matplotlib.use("Agg")
    names: dict[str, object] = {}
    said = 0
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
        for line in block.splitlines():
            code, _, comment = line.partition("  # ")
            if comment.startswith("{"):
                assert eval(code, names) == ast.literal_eval(comment), line
                said += 1
    pyplot.close("all")
    assert said >= 1
    assert "grad_bias" in names
    assert not capsys.readouterr().out


def test_the_founding_lines_are_those_of_the_demo() -> None:
    lines = [line for line in blocks("text")[0].splitlines() if line.startswith("derivatives")]
    assert lines == [f"derivatives({x:4}) = {ag.derivatives(x)}" for x in (0.0, 1.0, -1.0)]


@pytest.mark.parametrize(("command", "printed"), commands())
def test_a_command_prints_what_is_shown(command: str, printed: str) -> None:
    command = command.replace("actgrad", f"{shlex.quote(sys.executable)} -m actgrad")
    finished = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=60, check=True
    )
    assert finished.stdout == printed
    assert not finished.stderr


def test_there_are_commands() -> None:
    assert len(commands()) == 2


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", TEXT))
def test_a_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_every_activation_is_named() -> None:
    for activation in ag.activations():
        assert f"`{activation.name}`" in TEXT, f"{activation.name} is not in README.md"
