"""The main job: `derivatives` at three points, and over a batch of ten million values."""

import time

import numpy as np

import actgrad as ag

BATCH = 10_000_000
ROUNDS = 5


def main() -> None:
    """Print three dictionaries and the throughput of a batch."""
    for x in (0.0, 1.0, -1.0):
        print(f"derivatives({x:4}) = {ag.derivatives(x)}")

    x = np.random.default_rng(0).normal(scale=3.0, size=BATCH)
    out = tuple(np.empty_like(x) for _ in range(3))
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = ag.derivatives(x, out=out)
        seconds.append(time.perf_counter() - start)
    for i in (0, BATCH // 2, BATCH - 1):
        point = {name: float(values[i]) for name, values in result.items()}
        assert point == ag.derivatives(float(x[i])), (x[i], point)

    best = min(seconds)
    print(
        f"a batch of {BATCH:,} float64 values: {best * 1e3:.1f} ms, "
        f"{BATCH / best / 1e6:,.0f} million values a second "
        f"({ag.get_num_threads()} threads, best of {ROUNDS})"
    )


if __name__ == "__main__":
    main()
