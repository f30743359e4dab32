"""Shapes, strides and overlaps that nobody thought of, found by hypothesis."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import actgrad as ag
from conftest import assert_same_bits

FUNCTIONS = [ag.sigmoid.derivative, ag.tanh, ag.relu.backward, ag.sigmoid.double_backward]


@st.composite
def views(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Draw an array of a shape that is some view of memory: strided, reversed or transposed."""
    steps = draw(st.tuples(*(st.sampled_from([1, 1, 2, 3, -1, -2]) for _ in shape)))
    order = draw(st.permutations(range(len(shape))))
    sizes = [shape[axis] * abs(steps[axis]) for axis in order]
    seed = draw(st.integers(0, 2**32 - 1))
    base = np.random.default_rng(seed).normal(scale=4, size=sizes).astype(dtype)
    turned = base.transpose(np.argsort(order)) if shape else base
    return turned[tuple(slice(None, None, step) for step in steps)]


@given(data=st.data(), dtype=st.sampled_from(["float16", "float32", "float64"]))
@settings(max_examples=150, deadline=None)
def test_any_view_gives_what_its_copy_gives(data: st.DataObject, dtype: str) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=40))
    function = data.draw(st.sampled_from(FUNCTIONS))
    operands = (
        [data.draw(views(shape, dtype)) for _ in range(function.nin)]
        if isinstance(function, np.ufunc)
        else [data.draw(views(shape, dtype))]
    )
    results = function(*operands)
    wanted = function(*(np.ascontiguousarray(x).reshape(shape) for x in operands))
    results = results if isinstance(results, tuple) else (results,)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for got, exact in zip(results, wanted, strict=True):
        assert_same_bits(got, exact)


@given(
    size=st.integers(1, 600),
    start=st.integers(0, 80),
    target=st.integers(0, 80),
    step=st.sampled_from([1, 2, -1]),
    target_step=st.sampled_from([1, 2, -1]),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
)
@settings(max_examples=300, deadline=None)
def test_any_overlap_gives_what_separate_operands_give(
    size: int, start: int, target: int, step: int, target_step: int, dtype: str
) -> None:
    memory = np.random.default_rng(size).normal(scale=4, size=2 * size + 200).astype(dtype)

    def window(origin: int, stride: int) -> np.ndarray:
        ends = origin, origin + size * abs(stride)
        return memory[ends[0] : ends[1]][::stride][:size]

    x, out = window(start, step), window(target, target_step)
    wanted = ag.sigmoid.derivative(x.copy())
    ag.sigmoid.derivative(x, out=out)
    assert_same_bits(out, wanted)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_jacobian_is_diagonal(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    z = np.random.default_rng(0).normal(size=shape)
    derivative = np.moveaxis(ag.tanh.derivative(z), axis, -1)
    jacobian = ag.tanh.jacobian(z, axis=axis)
    assert_same_bits(jacobian, derivative[..., np.newaxis] * np.eye(shape[axis]))
    full = ag.tanh.full_jacobian(z)
    assert full.shape == shape + shape
    assert_same_bits(
        full.reshape(z.size, z.size), np.diag(ag.tanh.derivative(z).ravel()).reshape(z.size, z.size)
    )
