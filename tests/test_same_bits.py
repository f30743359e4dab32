"""One result per input, whatever the position, stride, chunking, threads or instruction set."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

import actgrad as ag
from actgrad import _core
from conftest import NAMES, assert_same_bits, bound, run_python

LARGE = 300_001  # above the size at which calls are split over threads

# Prints a digest of every flat ufunc over fixed inputs in all formats.
DIGEST = """
import hashlib, numpy as np
from actgrad import ufuncs
def inputs(dtype, seed):
    random = np.random.default_rng(seed)
    x = np.concatenate([random.uniform(-20, 20, 1500), random.normal(size=500),
                        np.ldexp(random.uniform(-1, 1, 500), random.integers(-1080, 1024, 500)),
                        [0.0, -0.0, np.inf, -np.inf, np.nan]])
    with np.errstate(all="ignore"):
        return x.astype(dtype)
for name in ufuncs.__all__:
    ufunc = getattr(ufuncs, name)
    for dtype in ("float16", "float32", "float64"):
        operands = [inputs(dtype, seed) for seed in range(ufunc.nin)]
        if ufunc.signature is not None:
            operands = [operand.reshape(-1, 5) for operand in operands]
            if ufunc.signature.startswith("()"):
                operands[0] = operands[0][:, 0]  # one number for each row
        results = ufunc(*operands)
        digest = hashlib.sha256()
        for result in results if ufunc.nout > 1 else [results]:
            result = np.where(np.isnan(result), np.array(np.nan, dtype), result)
            digest.update(np.ascontiguousarray(result).tobytes())
        print(name, dtype, digest.hexdigest())
"""


def test_every_instruction_set_gives_the_same_bits() -> None:
    levels = _core.available_simd_levels()
    assert levels[0] in ("portable",)
    digests = {level: run_python(DIGEST, ACTGRAD_SIMD=level) for level in levels}
    wanted = digests["portable"].splitlines()
    assert len(wanted) == 3 * len(ag.ufuncs.__all__)
    for level, text in digests.items():
        differing = [
            line for line, other in zip(text.splitlines(), wanted, strict=True) if line != other
        ]
        assert not differing, (level, differing[:5])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("form", ["value", "derivative", "second_derivative"])
@pytest.mark.parametrize("name", NAMES)
def test_position_does_not_matter(name: str, form: str, dtype: str) -> None:
    x = np.random.default_rng(2).normal(scale=4, size=400).astype(dtype)
    function = getattr(bound(name), form)
    whole = function(x)
    # Every block boundary and tail: single elements, then all starts and lengths near them.
    assert_same_bits(np.array([function(x[i : i + 1])[0] for i in range(100)]), whole[:100])
    for start in range(0, 70, 3):
        for length in (1, 7, 15, 16, 17, 31, 32, 33, 64, 65, 255, 256, 257):
            part = slice(start, start + length)
            assert_same_bits(function(x[part]), whole[part], (start, length))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("stride", [-1, 2, -3, 7])
def test_stride_does_not_matter(stride: int, dtype: str) -> None:
    x = np.random.default_rng(3).normal(scale=4, size=5000).astype(dtype)
    for name in NAMES:
        derivative = bound(name).derivative
        assert_same_bits(derivative(x[::stride]), derivative(x)[::stride], name)
        out = np.zeros(5000, dtype)
        derivative(x[::stride], out=out[::stride])
        assert_same_bits(out[::stride], derivative(x)[::stride], name)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_number_of_threads_does_not_matter(threads: Callable[[int], None], dtype: str) -> None:
    x = np.random.default_rng(4).normal(scale=4, size=LARGE).astype(dtype)
    for name in NAMES:
        threads(1)
        wanted = bound(name).backward(x[::-1], x)
        for count in (2, 3, 8):
            threads(count)
            assert_same_bits(bound(name).backward(x[::-1], x), wanted, (name, count))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["relu", "hard_tanh", "sparse_sigmoid"])
def test_results_larger_than_the_caches_are_the_same(name: str, dtype: str) -> None:
    # 64 MiB and an uneven rest; those of the pair lie differently between borders of cache lines.
    count = (1 << 26) // np.dtype(dtype).itemsize + 21
    x = np.random.default_rng(9).normal(scale=2, size=count).astype(dtype)
    activation = bound(name)
    memory = np.full(2 * count + 9, np.nan, dtype)
    value, derivative = memory[1 : count + 1], memory[count + 2 : -7]
    activation.value_and_derivative(x, out=(value, derivative))
    assert np.isnan(memory[[0, count + 1, *range(-7, 0)]]).all()
    result = activation.derivative(x)
    for start in range(0, count, 100_003):
        part = slice(start, start + 100_003)
        assert_same_bits(value[part], activation(x[part]), start)
        assert_same_bits(derivative[part], activation.derivative(x[part]), start)
        assert_same_bits(result[part], derivative[part], start)


def test_misaligned_and_byteswapped_operands_give_the_same_bits() -> None:
    x = np.random.default_rng(5).normal(scale=4, size=20_000)
    misaligned = np.frombuffer(b"\0" + x.tobytes(), np.float64, offset=1)
    assert not misaligned.flags.aligned
    swapped = x.astype(x.dtype.newbyteorder())
    for name in NAMES:
        derivative = bound(name).derivative
        assert_same_bits(derivative(misaligned), derivative(x), name)
        assert_same_bits(derivative(swapped), derivative(x), name)


def test_the_digest_sees_a_changed_bit() -> None:
    # Guards the test above it all: a digest that ignored its input would always agree.
    x = np.ones(3)
    y = np.nextafter(x, 2)
    assert hashlib.sha256(x.tobytes()).digest() != hashlib.sha256(y.tobytes()).digest()
