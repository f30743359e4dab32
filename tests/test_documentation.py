"""Docstrings: present on everything public, in numpydoc form, with examples that run."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

import actgrad as ag
from actgrad import ufuncs

ROOT = Path(__file__).parent.parent
SECTIONS = ["Parameters\n", "Returns\n", "Raises\n", "Notes\n", "Examples\n"]
FUNCTIONS = [name for name in ag.__all__ if inspect.isroutine(getattr(ag, name))]


@pytest.mark.parametrize("name", ufuncs.__all__)
def test_ufunc_docstrings_are_complete_and_their_examples_run(name: str) -> None:
    text = getattr(ufuncs, name).__doc__
    positions = [text.index(section) for section in SECTIONS]
    assert positions == sorted(positions)
    assert run_examples(name, text) >= 2


def run_examples(name: str, text: str) -> int:
    """Run a docstring's examples; return how many there are."""
    test = doctest.DocTestParser().get_doctest(text, {"np": __import__("numpy")}, name, None, 0)
    report: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert not report, "".join(report)
    return len(test.examples)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_documented(name: str) -> None:
    text = inspect.getdoc(getattr(ag, name)) or ""
    signature = inspect.signature(getattr(ag, name))
    if signature.parameters:
        assert "Parameters\n----------" in text
        for parameter in signature.parameters:
            assert f"\n{parameter} : " in text, parameter
    assert "Examples\n--------" in text
    # Those of the other functions run with their modules.
    if inspect.isbuiltin(getattr(ag, name)):
        assert run_examples(name, text) >= 1


def worked_example() -> list[tuple[str, str]]:
    """Return the pieces of code CONTRIBUTING.md adds an activation by, with their files."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    pieces, file = [], ""
    for match in re.finditer(
        r"^\*\*\d\..*?in `([^`]+)`|^```(?:rust|python)\n(.*?)^```", text, re.M | re.S
    ):
        file = match[1] or file
        if match[2]:
            pieces.append((file, match[2]))
    return pieces


def test_the_worked_example_has_every_step() -> None:
    assert len({file for file, _ in worked_example()}) == 5


@pytest.mark.parametrize(("file", "code"), worked_example(), ids=lambda piece: piece[:20])
def test_the_worked_example_is_code_that_runs(file: str, code: str) -> None:
    # The activation is one of the catalogue: what runs there is what the example shows.
    def flat(text: str) -> str:
        return "\n".join(line.strip() for line in text.splitlines())

    assert flat(code) in flat((ROOT / file).read_text())
