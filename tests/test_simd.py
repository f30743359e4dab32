"""The choice of the instruction set."""

import os
import subprocess
import sys

import pytest

import actgrad as ag
from actgrad import _core
from conftest import run_python


@pytest.mark.parametrize("level", _core.available_simd_levels())
def test_the_environment_forces_a_level(level: str) -> None:
    code = "import actgrad._core as c; print(c.simd_level())"
    assert run_python(code, ACTGRAD_SIMD=level).strip() == level


def test_auto_takes_the_fastest_level() -> None:
    code = "import actgrad._core as c; print(c.simd_level())"
    assert run_python(code, ACTGRAD_SIMD="auto").strip() == _core.available_simd_levels()[-1]


@pytest.mark.parametrize("name", ["sse9", "AVX2 ", "none"])
def test_an_unknown_level_is_an_import_error_at_once(name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", "import actgrad"],
        env={**os.environ, "ACTGRAD_SIMD": name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ACTGRAD_SIMD: ")
    assert "portable" in last


def test_show_config_says_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    ag.show_config()
    text = capsys.readouterr().out
    assert ag.__version__ in text
    assert f"instruction set  {_core.simd_level()} " in text
    assert f"threads          {ag.get_num_threads()} " in text
