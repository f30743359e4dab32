"""Parameters that repeat along axes: split over threads, with the same bits at every number."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import actgrad as ag
from actgrad import _threads
from conftest import FLOATS, assert_same_bits

SHAPE = (4, 8, 64, 136)  # above the size at which a call is split


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record how many pieces each call is split into; 0 where it is not."""
    seen: list[int] = []
    plan = _threads._plan

    def watched(*arguments: Any) -> Any:
        parts = plan(*arguments)
        seen.append(len(parts[1]) if parts else 0)
        return parts

    monkeypatch.setattr(_threads, "_plan", watched)
    return seen


def operands(dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(16)
    x, grad = random.normal(size=(2, *SHAPE)).astype(dtype)
    return grad, x, random.uniform(0.1, 0.9, size=(SHAPE[1], 1, 1)).astype(dtype)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("dtype", FLOATS)
def test_one_slope_for_each_channel_runs_in_threads(
    threads: Callable[[int], None], pieces: list[int], dtype: str, count: int
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
    for name, call in calls.items():
        threads(1)
        wanted = call()
        threads(count)
        pieces.clear()
        got = call()
        assert pieces == [count], name
        for one, other in zip(
            got if isinstance(got, tuple) else [got],
            wanted if isinstance(wanted, tuple) else [wanted],
            strict=True,
        ):
            assert_same_bits(one, other, (name, count))
    channel = ag.prelu(np.ascontiguousarray(x[:, 3]), slopes[3, 0, 0])
    assert_same_bits(ag.prelu(x, slopes)[:, 3], channel)


@pytest.mark.parametrize(
    ("x", "slopes"),
    [
        ((1, 600_000), (2, 1)),
        ((2, 300_000), (300_000,)),
        ((700, 1), (900,)),
        ((1, 1, 700, 900), (1, 1)),
        ((600_000,), (3, 1)),
        ((300_000, 3), (3,)),
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


def test_a_call_in_place_is_right(threads: Callable[[int], None], pieces: list[int]) -> None:
    _, x, slopes = operands("float32")
    threads(2)
    wanted = ag.prelu(x, slopes)
    pieces.clear()
    got = x.copy()
    ag.prelu(got, slopes, out=got)
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
        lambda x, slopes: ag.prelu(x, np.broadcast_to(slopes, SHAPE).copy()),  # nothing repeats
        lambda x, slopes: ag.prelu(x, slopes, dtype=np.float64),
        lambda x, slopes: ag.prelu(x, slopes, where=x > 0, out=np.zeros_like(x)),
        lambda x, slopes: ag.prelu(x, slopes.tolist()),
    ],
)
def test_other_calls_are_left_to_numpy(
    threads: Callable[[int], None], pieces: list[int], call: Callable[..., Any]
) -> None:
    _, x, slopes = operands("float32")
    threads(1)
    wanted = call(x, slopes)
    threads(2)
    pieces.clear()
    assert_same_bits(call(x, slopes), wanted)
    assert not any(pieces)


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
