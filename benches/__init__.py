"""The benchmarks: actgrad beside its peers, on the same work, in one run.

``make bench`` runs :mod:`benches.compare`; ``make roofline`` runs :mod:`benches.roofline`;
``make bench-rust`` times the kernels without Python.

compare.py
    The command: which cells, where the results go.
cases.py
    What is computed: functions, forms, dtypes, sizes, and the arrays.
formulas.py
    The expressions people write, once for NumPy, numexpr and Numba.
peers/
    How each library computes a case, one file for each.
agreement.py
    Whether two libraries computed the same, and how far they may differ.
measure.py
    Timing: in turn, again and again.
worker.py
    A process with its number of cores and threads that measures cells.
machine.py
    The CPU, the versions, the commit.
table.py
    The results as tab-separated text: writing, reading, ratios.
targets.py
    What has to hold.
report.py
    The summary in Markdown and the plot.
roofline.py
    What bounds each kernel, from counted instructions and copied bytes.
kernels/
    A Rust crate: criterion benchmarks, and what the roofline measures.
results/
    What a run writes.
"""
