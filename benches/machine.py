"""The CPU, the versions, the commit."""

import os
import platform
import subprocess
import time
from pathlib import Path

from actgrad import _core

ROOT = Path(__file__).resolve().parent.parent


def cpu_name() -> str:
    """Return what the CPU calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    name = fields.get("model name", platform.machine())
    # Virtual machines hide the name; family and model still tell the generation.
    numbers = [fields.get(key) for key in ("cpu family", "model", "stepping")]
    return f"{name} (family {numbers[0]}, model {numbers[1]}, stepping {numbers[2]})"


def commit() -> str:
    """Return the commit of the working tree, marked where files differ from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        run = subprocess.run
        name = run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        # Results of earlier runs do not change what was measured.
        changed = run(
            [*git, "status", "--porcelain", "--", ".", ":!benches/results"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.stdout.strip() + (" with changes" if changed.stdout.strip() else "")


def cores() -> list[int]:
    """Return the cores this process may use."""
    try:
        return sorted(os.sched_getaffinity(0))
    except AttributeError:
        return list(range(os.cpu_count() or 1))


def describe() -> dict[str, str]:
    """Return what has to be known of the machine beside the numbers."""
    return {
        "cpu": cpu_name(),
        "cores": str(len(cores())),
        "instruction set": _core.simd_level(),
        "system": " ".join((platform.system(), platform.machine(), *platform.libc_ver())).strip(),
        "python": platform.python_version(),
        "commit": commit(),
    }


def idle_share(seconds: float = 1.0) -> float:
    """Return how much of the cores nobody uses at the moment, from 0 to 1; NaN if unknown."""

    def idle_and_all() -> tuple[int, int]:
        fields = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:9]
        times = [int(field) for field in fields]
        return times[3] + times[4], sum(times)

    try:
        before = idle_and_all()
        time.sleep(seconds)
        after = idle_and_all()
    except OSError:
        return float("nan")
    return (after[0] - before[0]) / max(1, after[1] - before[1])
