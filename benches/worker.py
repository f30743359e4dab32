"""A process with its number of cores and threads that measures cells.

One thread means one core: the process is held to it before any library starts, so that none can use
more. Run by :mod:`benches.compare`; it writes one JSON object a line: the peers, then a case each.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benches.cases import Case
    from benches.peers import Peer


@dataclass(frozen=True)
class Order:
    """What a worker is asked to do; an empty list means all."""

    cores: Sequence[int]
    seconds: float
    peers: Sequence[str] = ()
    kinds: Sequence[str] = ()
    functions: Sequence[str] = ()
    forms: Sequence[str] = ()
    dtypes: Sequence[str] = ()
    sizes: Sequence[str] = ()

    @property
    def threads(self) -> int:
        return len(self.cores)

    def as_argument(self) -> str:
        return json.dumps(asdict(self))

    def environment(self) -> dict[str, str]:
        """Return the environment that gives every library its threads."""
        names = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA", "ACTGRAD")
        threads = str(self.threads)
        return {
            **os.environ,
            **{f"{name}_NUM_THREADS": threads for name in names},
            "NUMEXPR_MAX_THREADS": threads,
            # Intel's threads would hold their core for 200 ms after each call.
            "KMP_BLOCKTIME": "1",
            "KMP_WARNINGS": "0",
        }


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, order.cores)

    # Only now: libraries count the cores when they are imported.
    from benches.cases import Filter, cases
    from benches.peers import open_peers

    peers, absent = open_peers(order.threads, order.peers)
    _write({"peers": {peer.name: peer.version for peer in peers}, "absent": absent})
    wanted = Filter(order.kinds, order.functions, order.forms, order.dtypes, order.sizes)
    for case in cases(wanted, order.threads):
        _write(_measured(case, peers, order))


def _measured(case: "Case", peers: Sequence["Peer"], order: Order) -> dict[str, Any]:
    """Compare the answers, then the times, of all peers; return what the table says of them."""
    from benches.agreement import compare
    from benches.cases import operands
    from benches.measure import measure

    arrays = operands(case)
    contenders, agreements, failed, ours = [], [], {}, None
    for peer in peers:
        for contender in peer.contenders(case, arrays):
            try:
                answer = contender.answer()
            except Exception as error:
                failed[peer.name] = f"{type(error).__name__}: {error}".splitlines()[0]
                continue
            if ours is None:
                # The next answer may be written to the same array.
                ours = answer.copy()
            contenders.append(contender)
            agreements.append(compare(case, peer.name, answer, ours))
    rows: list[Mapping[str, Any]] = []
    if contenders and contenders[0].peer == "actgrad":
        scale = 1e9 / case.elements
        for samples, agreement in zip(
            measure(contenders, order.threads, order.seconds), agreements, strict=True
        ):
            rows.append(
                {
                    "function": case.function,
                    "form": case.form,
                    "dtype": case.dtype,
                    "size": case.size,
                    "elements": case.elements,
                    "threads": order.threads,
                    "peer": samples.contender.peer,
                    "variant": samples.contender.variant,
                    "ns": samples.best * scale,
                    "median_ns": samples.median * scale,
                    "rounds": len(samples.seconds),
                    "calls": samples.calls,
                    "error": agreement.error,
                    "agrees": agreement.holds,
                    "reason": agreement.reason,
                    "statement": samples.contender.statement,
                }
            )
    return {"case": str(case), "rows": rows, "failed": failed}


def _write(message: Mapping[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
