"""What importing the package brings, and what it leaves for later."""

import pytest

import actgrad as ag
from conftest import run_python


def test_importing_the_package_imports_nothing_that_is_optional() -> None:
    print_loaded = (
        "import sys, actgrad\n"
        "late = {'matplotlib', 'mpmath', 'decimal', 'fractions', 'actgrad.diagnostics', "
        "'actgrad.plotting'}\n"
        "print(sorted(late & set(sys.modules)))\n"
        "actgrad.diagnostics.dead_units, actgrad.plotting.curves\n"
        "print(sorted({'matplotlib', 'mpmath'} & set(sys.modules)))\n"
    )
    # ml_dtypes is imported where it is installed, to register its dtype; it needs none of these.
    assert run_python(print_loaded).splitlines() == ["[]", "[]"]


def test_lazy_modules_are_attributes() -> None:
    assert {"diagnostics", "plotting"} <= set(dir(ag))
    assert {"diagnostics", "plotting", "weighted_sum"} <= set(ag.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ag.nothing  # type: ignore[attr-defined]
