"""Docstrings: present on everything public, in numpydoc form, with examples that run."""

import doctest
import inspect

import pytest

import actgrad as ag
from actgrad import ufuncs

SECTIONS = ["Parameters\n", "Returns\n", "Raises\n", "Notes\n", "Examples\n"]
FUNCTIONS = [name for name in ag.__all__ if inspect.isroutine(getattr(ag, name))]


@pytest.mark.parametrize("name", ufuncs.__all__)
def test_ufunc_docstrings_are_complete_and_their_examples_run(name: str) -> None:
    text = getattr(ufuncs, name).__doc__
    positions = [text.index(section) for section in SECTIONS]
    assert positions == sorted(positions)
    test = doctest.DocTestParser().get_doctest(text, {"np": __import__("numpy")}, name, None, 0)
    assert len(test.examples) >= 2
    report: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_documented(name: str) -> None:
    text = inspect.getdoc(getattr(ag, name)) or ""
    signature = inspect.signature(getattr(ag, name))
    if signature.parameters:
        assert "Parameters\n----------" in text
        for parameter in signature.parameters:
            assert f"\n{parameter} : " in text, parameter
    assert "Examples\n--------" in text
