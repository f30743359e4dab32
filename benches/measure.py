"""Timing: all contenders of a case in turn, again and again.

One sample is a few calls in a row, long enough for the clock. In every round each contender gives
one sample, so a disturbance hits all of them and the minimum over the rounds hits none. What came
before is the same for all: a call that is not timed, after the threads of others have come to rest.
"""

import contextlib
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from timeit import Timer

from benches.peers import Contender

# Seconds that one sample takes at least, if several calls fit into that.
_SAMPLE = 0.5e-3
# Seconds from which on a call needs no warming up.
_LONG = 20e-3
_FEWEST_ROUNDS = 5
# The same for a call that takes longer than this.
_FEWEST_LONG_ROUNDS = 3
_VERY_LONG = 0.1
_TASKS = Path("/proc/self/task")
# Enough for the minimum to settle; the time left is given to the next case.
_MOST_ROUNDS = 200


@dataclass
class Samples:
    """The timings of a contender, in seconds a call."""

    contender: Contender
    timer: Timer
    calls: int = 1
    seconds: list[float] = field(default_factory=list)
    # All the time it has been given.
    spent: float = 0.0

    @property
    def best(self) -> float:
        return min(self.seconds)

    @property
    def fewest_rounds(self) -> int:
        return _FEWEST_LONG_ROUNDS if self.seconds and self.best > _VERY_LONG else _FEWEST_ROUNDS

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def measure(contenders: Sequence[Contender], threads: int, seconds: float) -> list[Samples]:
    """Time the contenders in turn, until each has had about `seconds`."""
    everyone = []
    for contender in contenders:
        samples = Samples(contender, Timer(contender.statement, globals=dict(contender.names)))
        _calibrate(samples)
        everyone.append(samples)
    for rounds in range(_MOST_ROUNDS):
        # The order turns, so that nobody always follows the same one.
        start = rounds % len(everyone)
        active = [
            samples
            for samples in everyone[start:] + everyone[:start]
            if samples.spent < seconds or len(samples.seconds) < samples.fewest_rounds
        ]
        if not active:
            break
        for samples in active:
            began = time.perf_counter()
            _sample(samples, threads)
            samples.spent += time.perf_counter() - began
    return everyone


def _sample(samples: Samples, threads: int) -> None:
    if threads > 1:
        settle()
    if samples.contender.prepare is not None:
        samples.contender.prepare()
    if not samples.seconds or samples.best < _LONG:
        samples.timer.timeit(1)
    samples.seconds.append(samples.timer.timeit(samples.calls) / samples.calls)


def _calibrate(samples: Samples) -> None:
    """Find how many calls make a sample."""
    if samples.contender.prepare is not None:
        samples.contender.prepare()
    began = time.perf_counter()
    taken = samples.timer.timeit(1)
    if taken >= _LONG:
        samples.seconds.append(taken)
    while taken < _SAMPLE:
        taken = samples.timer.timeit(samples.calls)
        if taken < _SAMPLE:
            samples.calls *= 2
    samples.spent += time.perf_counter() - began


def settle() -> None:
    """Wait until no other thread of this process is busy.

    The threads of OpenMP wait for more work in a loop that takes a core from whoever comes next: up
    to 200 milliseconds with Intel's, several with GNU's.
    """
    for _ in range(400):
        time.sleep(0.5e-3)
        if not _others_run():
            return


def _others_run() -> bool:
    """Whether another thread runs or wants to, by what Linux says; elsewhere a thread's time tells.

    The time of a thread that runs on another core is brought up to date at ticks of the clock, up
    to 10 milliseconds apart.
    """
    if not _TASKS.is_dir():
        before = time.process_time()
        time.sleep(12e-3)
        return time.process_time() - before > 0.5e-3
    own = str(threading.get_native_id())
    for task in _TASKS.iterdir():
        with contextlib.suppress(OSError):  # it has ended
            # The state follows the name, which is in parentheses.
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            if state == "R" and task.name != own:
                return True
    return False
