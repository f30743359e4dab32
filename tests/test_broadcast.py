"""Parameters that repeat along axes: split over threads, with the same bits at every number."""

import threading
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import actgrad as ag
from actgrad import _core, _threads
from conftest import FLOATS, assert_same_bits

SHAPE = (4, 8, 64, 136)  # more than one thread has use for


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Record of each call whether it went past NumPy's iteration."""
    seen: list[bool] = []

    def watched(*arguments: Any) -> bool:
        seen.append(compute(*arguments))
        return seen[-1]

    compute = _core.compute_broadcast
    monkeypatch.setattr(_core, "compute_broadcast", watched)
    return seen


def operands(dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(16)
    x, grad = random.normal(size=(2, *SHAPE)).astype(dtype)
    return grad, x, random.uniform(0.1, 0.9, size=(SHAPE[1], 1, 1)).astype(dtype)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("dtype", [*FLOATS, ml_dtypes.bfloat16])
def test_one_slope_for_each_channel_runs_in_threads(
    threads: Callable[[int], None], computed: list[bool], dtype: Any, count: int
) -> None:
    grad, x, slopes = operands(dtype)
    calls: dict[str, Callable[[], Any]] = {
        "value": lambda: ag.prelu(x, slopes),
        "derivative": lambda: ag.prelu.derivative(x, slopes),
        "backward": lambda: ag.prelu.backward(grad, x, slopes),
        "value_and_derivative": lambda: ag.prelu.value_and_derivative(x, slopes),
        "double_backward": lambda: ag.prelu.double_backward(grad, grad, x, slopes),
        "bound": lambda: ag.prelu.bind(a=slopes).backward(grad, x),
        "parameter_derivative": lambda: ag.prelu.parameter_derivative(x, slopes),
        "backward_from_output": lambda: ag.prelu.backward_from_output(grad, x, slopes),
        "a scalar gradient": lambda: ag.prelu.backward(grad.dtype.type(2), x, slopes),
        "out": lambda: ag.prelu(x, slopes, out=np.empty_like(x)),
    }
    whole = np.broadcast_to(slopes, SHAPE).copy()
    for name, call in calls.items():
        threads(1)
        wanted = call()
        threads(count)
        computed.clear()
        got = call()
        assert computed == [True], name
        for one, other in zip(
            got if isinstance(got, tuple) else [got],
            wanted if isinstance(wanted, tuple) else [wanted],
            strict=True,
        ):
            assert_same_bits(one, other, (name, count))
    # What NumPy's own iteration gives, where nothing repeats.
    assert_same_bits(ag.prelu.backward(grad, x, slopes), ag.prelu.backward(grad, x, whole))
    assert_same_bits(ag.prelu(x, slopes), ag.prelu(x, whole))


@pytest.mark.parametrize(
    ("x", "slopes"),
    [
        ((1, 600_000), (2, 1)),
        ((2, 300_000), (300_000,)),
        ((700, 1), (900,)),
        ((1, 1, 700, 900), (1, 1)),
        ((600_000,), (3, 1)),
        ((300_000, 3), (3,)),
        ((5000, 64), (64,)),
        ((2, 1, 400, 1, 400), (3, 1, 7, 1)),
    ],
    ids=str,
)
def test_any_broadcast_shape_gives_the_same_bits(
    threads: Callable[[int], None], x: tuple[int, ...], slopes: tuple[int, ...]
) -> None:
    random = np.random.default_rng(17)
    points = random.normal(size=x).astype(np.float32)
    values = random.uniform(0.1, 0.9, size=slopes).astype(np.float32)
    threads(1)
    wanted = ag.elu.backward(np.float32(1.5), points, values)
    for count in (2, 5):
        threads(count)
        assert_same_bits(ag.elu.backward(np.float32(1.5), points, values), wanted, count)


def test_views_and_outputs_of_any_stride(threads: Callable[[int], None]) -> None:
    grad, x, slopes = operands("float32")
    threads(1)
    wanted = ag.prelu.backward(grad, x, slopes)
    threads(3)
    fortran = np.asfortranarray(x)
    assert_same_bits(ag.prelu.backward(np.asfortranarray(grad), fortran, slopes), wanted)
    out = np.zeros((*SHAPE[:-1], 2 * SHAPE[-1]), np.float32)[..., ::2]
    assert ag.prelu.backward(grad, x, slopes, out=out) is out
    assert_same_bits(out, wanted)
    wide = np.empty(SHAPE)
    ag.prelu.backward(grad, x, slopes, out=wide)
    assert_same_bits(wide, wanted.astype(float))
    for other in (x[::-1], x[:, :, ::-1], np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)):
        wanted = ag.prelu(np.ascontiguousarray(other), slopes)
        assert_same_bits(ag.prelu(other, slopes), wanted)


def test_the_layout_is_that_of_the_large_operand() -> None:
    _, x, slopes = operands("float32")
    assert ag.prelu(np.asfortranarray(x), slopes).flags.f_contiguous
    assert ag.prelu(x, slopes).flags.c_contiguous
    assert ag.prelu(slopes[:, :, 0], np.ones((3, 900, 1, 12), np.float32)).flags.c_contiguous


def test_operands_of_other_dtypes_are_converted_first(computed: list[bool]) -> None:
    _, x, slopes = operands("float32")
    computed.clear()
    wide = slopes.astype(float)
    assert_same_bits(ag.prelu(x, wide), ag.prelu(x.astype(float), wide))
    counts = np.arange(x.size).reshape(SHAPE) - 1000
    assert_same_bits(ag.prelu(counts, wide), ag.prelu(counts.astype(float), wide))
    swapped = x.astype(x.dtype.newbyteorder())
    assert_same_bits(ag.prelu(swapped, slopes), ag.prelu(x, slopes))
    misaligned = np.frombuffer(b"\0" + x.tobytes(), np.float32, offset=1).reshape(SHAPE)
    assert_same_bits(ag.prelu(misaligned, slopes), ag.prelu(x, slopes))
    assert all(computed)


def test_an_output_that_overlaps_is_right() -> None:
    _, x, slopes = operands("float32")
    memory = np.zeros(x.size + 8, np.float32)
    middle, before, after = (memory[k : k + x.size].reshape(SHAPE) for k in (4, 0, 8))
    wanted = ag.prelu(x, slopes)
    for target in (before, after):
        middle[...] = x
        ag.prelu(middle, slopes, out=target)
        assert_same_bits(target, wanted)
    twice = np.zeros(SHAPE, np.float32)
    ag.prelu.value_and_derivative(x, slopes, out=(twice, twice))
    assert set(np.unique(twice == wanted)) <= {True, False}  # either result; no crash
    read_only = np.zeros(SHAPE, np.float32)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        ag.prelu(x, slopes, out=read_only)
    assert not read_only.any()


def test_a_call_in_place_is_right(threads: Callable[[int], None], computed: list[bool]) -> None:
    _, x, slopes = operands("float32")
    threads(2)
    wanted = ag.prelu(x, slopes)
    computed.clear()
    got = x.copy()
    ag.prelu(got, slopes, out=got)
    assert computed == [True]
    assert_same_bits(got, wanted)
    # The parameter itself may be the output, too.
    full = np.broadcast_to(slopes, SHAPE).copy()
    wanted = ag.prelu(x[:1], full)
    ag.prelu(x[:1], full, out=full)
    assert_same_bits(full, wanted)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, slopes: ag.prelu(x[:, :, :2, :2], slopes),  # small
        lambda x, slopes: ag.prelu(x.reshape(-1, 8), slopes.ravel()),  # short runs
        lambda x, slopes: ag.prelu(x, np.broadcast_to(slopes, SHAPE).copy()),  # nothing repeats
        lambda x, slopes: ag.prelu(x, slopes, dtype=np.float64),
        lambda x, slopes: ag.prelu(x, slopes, where=x > 0, out=np.zeros_like(x)),
        lambda x, slopes: ag.prelu(x, slopes.tolist()),
    ],
)
def test_other_calls_are_left_to_numpy(
    threads: Callable[[int], None], computed: list[bool], call: Callable[..., Any]
) -> None:
    _, x, slopes = operands("float32")
    threads(1)
    wanted = call(x, slopes)
    threads(2)
    computed.clear()
    assert_same_bits(call(x, slopes), wanted)
    assert not any(computed)


def test_an_error_in_a_thread_is_raised(threads: Callable[[int], None]) -> None:
    _, x, slopes = operands("float32")
    threads(2)
    running = threading.active_count()
    with pytest.raises(TypeError, match="Cannot cast ufunc"):
        ag.prelu(x, slopes, out=np.empty(SHAPE, np.int64))
    with pytest.raises(ValueError, match="broadcast"):
        ag.prelu(x, slopes[:3])
    with pytest.raises(ValueError, match="broadcast"):
        ag.prelu(x, slopes, out=np.empty(SHAPE[1:], np.float32))
    assert threading.active_count() == running


@pytest.mark.parametrize("count", [1, 2, 4])
def test_for_each_takes_every_piece_once(threads: Callable[[int], None], count: int) -> None:
    threads(count)
    seen: list[int] = []
    _threads.for_each(seen.append, range(100))
    assert sorted(seen) == list(range(100))

    def fail(piece: int) -> None:
        raise ArithmeticError(piece)

    with pytest.raises(ArithmeticError):
        _threads.for_each(fail, range(10))
    _threads.for_each(fail, [])


@pytest.mark.parametrize("channels", [1, 3, 8, 15])
def test_few_channels_last_run_in_threads(
    threads: Callable[[int], None], channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(17).normal(size=(50, 400, channels)).astype(np.float32)
    slope = np.linspace(-0.5, 2.0, channels, dtype=np.float32)
    wanted = np.stack([ag.prelu(x[..., k], slope[k]) for k in range(channels)], axis=-1)
    pieces: list[int] = []
    for_each = _threads.for_each

    def watched(work: Callable[[slice], object], parts: list[slice]) -> None:
        pieces.append(len(parts))
        for_each(work, parts)

    monkeypatch.setattr(_threads, "for_each", watched)
    monkeypatch.setattr(_threads, "_LEAST_IN_THREADS", x.size)
    for count in (1, 2, 3):
        threads(count)
        assert ag.prelu(x, slope).tobytes() == wanted.tobytes()
        value, derivative = ag.prelu.value_and_derivative(x, slope)
        assert value.tobytes() == wanted.tobytes()
        assert derivative.tobytes() == np.where(x >= 0, np.float32(1), slope).tobytes()
    if channels > 1:
        assert pieces == [1, 1, 8, 8, 10, 10]
