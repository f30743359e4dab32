"""The gradients of a dense layer against the three bare NumPy expressions, taken in turn.

    make bench-dense

For each size both are run alternately, in the order ABBA, and the ratio is the median of the pairs'
ratios. BLAS runs on one thread and the clock counts this thread's processor time, so that the ratio
is right also on a busy machine. It ends with status 1 if `dense_backward` takes more than 1.1 times
as long as the bare expressions at a size of a real layer (the small ones show what a call costs).
"""

import os
import statistics
import time
from collections.abc import Callable

for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"  # BLAS reads them when NumPy is imported

import numpy as np  # noqa: E402

import actgrad as ag  # noqa: E402

# batch, inputs, units; whether the size counts.
SIZES = (
    (100, 8, 4, False),
    (32, 64, 32, False),
    (128, 784, 128, True),
    (256, 512, 512, True),
    (1024, 256, 64, True),
    (1024, 1024, 1024, True),
    (4096, 128, 10, True),
    (100_000, 8, 4, True),
)
ALLOWED = 1.1
SECONDS = 2.0  # for each row


def bare(grad: np.ndarray, x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return what dense_backward does, written out."""
    return grad @ weight.T, x.T @ grad, grad.sum(axis=0)


def seconds_of(function: Callable[..., object], *operands: np.ndarray, calls: int) -> float:
    """Return the seconds a call takes, over several calls."""
    start = time.thread_time()
    for _ in range(calls):
        function(*operands)
    return (time.thread_time() - start) / calls


def compare(batch: int, inputs: int, units: int, dtype: str) -> tuple[float, float, float]:
    """Return the median seconds of dense_backward and of the bare expressions, and their ratio."""
    random = np.random.default_rng(0)
    x = random.normal(size=(batch, inputs)).astype(dtype)
    weight = random.normal(size=(inputs, units)).astype(dtype)
    grad = random.normal(size=(batch, units)).astype(dtype)
    terms = np.abs(grad) @ np.abs(weight.T), np.abs(x.T) @ np.abs(grad), np.abs(grad).sum(axis=0)
    sums = ag.dense_backward(grad, x, weight), bare(grad, x, weight)
    for ours, theirs, size in zip(*sums, terms, strict=True):
        assert (np.abs(ours - theirs) <= 64 * np.finfo(dtype).eps * size).all()

    once = seconds_of(bare, grad, x, weight, calls=3)
    calls = max(1, int(1e-3 / once))
    seconds: dict[Callable[..., object], list[float]] = {ag.dense_backward: [], bare: []}
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until or len(seconds[bare]) < 8:
        for function in (ag.dense_backward, bare, bare, ag.dense_backward):
            seconds[function].append(seconds_of(function, grad, x, weight, calls=calls))
    ratios = [a / b for a, b in zip(seconds[ag.dense_backward], seconds[bare], strict=True)]
    ours, theirs = (statistics.median(values) for values in seconds.values())
    return ours, theirs, statistics.median(ratios)


def main() -> int:
    """Print a line for each size and dtype; return the exit status."""
    print(f"{'batch':>7} {'inputs':>6} {'units':>5}  {'dtype':7} {'us':>9} {'bare us':>9}  ratio")
    worst = 0.0
    for batch, inputs, units, counts in SIZES:
        for dtype in ("float32", "float64"):
            ours, theirs, ratio = compare(batch, inputs, units, dtype)
            if counts:
                worst = max(worst, ratio)
            print(
                f"{batch:7} {inputs:6} {units:5}  {dtype:7} {ours * 1e6:9.1f} {theirs * 1e6:9.1f}"
                f"  {ratio:5.3f}{'' if counts else '  (a call, not a layer)'}",
                flush=True,
            )
    print(f"worst ratio at the size of a layer: {worst:.3f} (allowed {ALLOWED})")
    return int(worst > ALLOWED)


if __name__ == "__main__":
    raise SystemExit(main())
