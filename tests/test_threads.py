"""The number of threads: where it comes from, and forking."""

import multiprocessing
import threading
from collections.abc import Callable

import numpy as np
import pytest

import actgrad as ag
from conftest import run_python

LARGE = 500_000
LIMIT = "import actgrad as ag; print(ag.get_num_threads())"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"ACTGRAD_NUM_THREADS": "3"}, "3"),
        ({"OMP_NUM_THREADS": "5", "ACTGRAD_NUM_THREADS": ""}, "5"),
        ({"OMP_NUM_THREADS": "5", "ACTGRAD_NUM_THREADS": "2"}, "2"),
        ({"OMP_NUM_THREADS": "5", "ACTGRAD_NUM_THREADS": "many"}, "5"),
    ],
)
def test_the_environment_sets_the_number(environment: dict[str, str], wanted: str) -> None:
    assert run_python(LIMIT, **environment).strip() == wanted


def test_set_num_threads_overrides_the_environment() -> None:
    code = "import actgrad as ag; ag.set_num_threads(7); print(ag.get_num_threads())"
    assert run_python(code, ACTGRAD_NUM_THREADS="3").strip() == "7"


@pytest.mark.parametrize(
    ("count", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_a_bad_number_is_refused(count: object, error: type[Exception]) -> None:
    before = ag.get_num_threads()
    with pytest.raises(error, match="set_num_threads: got") as caught:
        ag.set_num_threads(count)  # type: ignore[arg-type]
    assert isinstance(caught.value, ag.ActgradError)
    assert ag.get_num_threads() == before


def _derivative_in_child(queue: "multiprocessing.Queue[float]") -> None:
    x = np.linspace(-5, 5, LARGE, dtype=np.float32)
    queue.put(float(ag.sigmoid.derivative(x).sum(dtype=np.float64)))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="the platform cannot fork"
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_computes_like_its_parent(threads: Callable[[int], None]) -> None:
    x = np.linspace(-5, 5, LARGE, dtype=np.float32)
    threads(2)
    wanted = float(ag.sigmoid.derivative(x).sum(dtype=np.float64))  # large: threads have run
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=_derivative_in_child, args=(queue,)) for _ in range(3)]
    for child in children:
        child.start()
    try:
        assert [queue.get(timeout=60) for _ in children] == [wanted] * len(children)
    finally:
        for child in children:
            child.join(timeout=10)
            child.kill()


def _compute_and_fork_again(queue: "multiprocessing.Queue[float]") -> None:
    _derivative_in_child(queue)
    grandchild = multiprocessing.get_context("fork").Process(
        target=_derivative_in_child, args=(queue,)
    )
    grandchild.start()
    grandchild.join(timeout=60)
    grandchild.kill()


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="the platform cannot fork"
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_children_forked_while_helpers_are_at_work_have_their_own(
    threads: Callable[[int], None],
) -> None:
    x = np.linspace(-5, 5, LARGE, dtype=np.float32)
    threads(3)
    wanted = float(ag.sigmoid.derivative(x).sum(dtype=np.float64))
    stop = threading.Event()

    def keep_helpers_at_work() -> None:
        while not stop.is_set():
            ag.sigmoid.derivative(x)

    busy = threading.Thread(target=keep_helpers_at_work)
    busy.start()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    try:
        for _ in range(5):
            child = context.Process(target=_compute_and_fork_again, args=(queue,))
            child.start()
            try:
                assert [queue.get(timeout=60), queue.get(timeout=60)] == [wanted, wanted]
            finally:
                child.join(timeout=60)
                child.kill()
    finally:
        stop.set()
        busy.join()
