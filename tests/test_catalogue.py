"""One list: whatever a row of the catalogue needs elsewhere is there, or a sentence says it is not.

The rows are in `src/catalogue.rs`. The loops, ufuncs and forms follow from them by themselves; what
cannot follow is checked here.
"""

import inspect

import pytest

import actgrad as ag
import oracle
from actgrad import _core, frameworks, reference
from conftest import NAMES, REQUIRED

ROWS = {row["name"]: row for row in _core.catalogue if row["kind"] == "element-wise"}
GATED = {row["name"]: row for row in _core.catalogue if row["kind"] == "gated"}
ROW_FUNCTIONS = [row["name"] for row in _core.catalogue if row["kind"] == "rows"]


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_has_the_formula(name: str) -> None:
    assert name in oracle.FORMULAS, (
        f"{name} has no formula to be judged by: add its entry to FORMULAS in tests/oracle.py"
    )
    parameters = oracle.FORMULAS[name].parameters
    assert [p[0] for p in ROWS[name]["parameters"]] == list(parameters), (
        f"the parameters of {name} differ between src/catalogue.rs and tests/oracle.py"
    )
    assert [p[1] for p in ROWS[name]["parameters"]] == [p.default for p in parameters.values()], (
        f"the defaults of {name} differ between src/catalogue.rs and tests/oracle.py"
    )
    offered = ROWS[name]["from_output"] != "no"
    assert offered == ("derivative_from_output" in oracle.forms(name)), (
        f"src/catalogue.rs and tests/oracle.py differ on whether the derivative of {name} is a "
        "function of its output"
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_has_the_activation(name: str) -> None:
    assert name in reference.ACTIVATIONS, (
        f"{name} has no pure-Python reference: add it to python/actgrad/reference.py"
    )
    assert dict(reference.ACTIVATIONS[name].parameters) == {
        parameter[0]: parameter[1] for parameter in ROWS[name]["parameters"]
    }, f"the parameters of {name} differ between src/catalogue.rs and python/actgrad/reference.py"


@pytest.mark.parametrize("name", GATED)
def test_the_reference_has_the_gated_unit(name: str) -> None:
    assert name in reference.GATED, (
        f"{name} has no pure-Python reference: add it to python/actgrad/reference.py"
    )
    assert reference.GATED[name].activation.name == GATED[name]["activation"]
    assert GATED[name]["activation"] in ROWS


@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_the_reference_has_the_row_function(name: str) -> None:
    assert name in reference.ROW_FUNCTIONS, (
        f"{name} has no pure-Python reference: add it to python/actgrad/reference.py"
    )


@pytest.mark.parametrize("name", [*NAMES, *GATED, *ROW_FUNCTIONS])
def test_the_package_exports_the_activation(name: str) -> None:
    source = inspect.getsource(ag)
    assert f'\n{name} = get("{name}")\n' in source, (
        f'{name} is not a name of the package: add {name} = get("{name}") to '
        "python/actgrad/__init__.py"
    )
    assert name in ag.__all__, f"{name} is missing from __all__ in python/actgrad/__init__.py"


@pytest.mark.parametrize("name", NAMES)
def test_required_parameters_have_a_value_for_tests(name: str) -> None:
    required = {p[0] for p in ROWS[name]["parameters"] if p[1] is None}
    assert required == set(REQUIRED.get(name, {})), (
        f"{name} requires {required}: give the tests values in REQUIRED in tests/conftest.py"
    )


@pytest.mark.parametrize("name", [*NAMES, *GATED, *ROW_FUNCTIONS])
def test_the_row_is_complete(name: str) -> None:
    row = next(row for row in _core.catalogue if row["name"] == name)
    for piece in ("formula", "range"):
        assert row[piece], f"the row of {name} in src/catalogue.rs has no {piece}"  # type: ignore[literal-required]


@pytest.mark.parametrize("name", sorted(set(oracle.FORMULAS) | set(reference.ACTIVATIONS)))
def test_nothing_describes_an_activation_that_is_not_there(name: str) -> None:
    assert name in ROWS, f"{name} is described but has no row in src/catalogue.rs"


def test_names_and_aliases_are_unique() -> None:
    names = [name for a in ag.activations() for name in (a.name, *a.aliases)]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"several activations share the names {twice}"


@pytest.mark.parametrize(
    "counterpart", frameworks.COUNTERPARTS, ids=lambda c: f"{c.library}-{c.name}"
)
def test_counterparts_name_activations_and_their_parameters(
    counterpart: frameworks.Counterpart,
) -> None:
    activation = ag.get(counterpart.activation)
    assert counterpart.parameters.keys() <= activation.parameters.keys()


def test_a_foreign_name_is_answered_with_the_counterpart() -> None:
    with pytest.raises(KeyError, match=r"PyTorch's LeakyReLU is leaky_relu, with negative_slope=0"):
        ag.get("LeakyReLU")
