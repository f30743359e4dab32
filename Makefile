# `make demo` and `make test` need Python 3.11 or newer and a Rust toolchain; the rest is fetched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST_SOURCES := Cargo.toml Cargo.lock .cargo/config.toml $(shell find src -name '*.rs')
PYTHON_SOURCES := pyproject.toml README.md LICENSE $(shell find python -name '*.py' -o -name '*.pyi' -o -name py.typed)

.PHONY: demo test test-rust test-python test-accuracy lint exhaustive exhaustive-float64 \
	accuracy-with-parameters mpfr accuracy-of-peers bench bench-dense bench-revisions roofline bench-rust clean

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: test-rust test-accuracy test-python

test-rust:
	cargo test --release --locked

# A fixed slice of the proof of accuracy; needs no MPFR.
test-accuracy:
	cargo run --quiet --release --locked -p accuracy -- slice

test-python: $(VENV)/installed $(VENV)/test-tools
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest --doctest-modules --pyargs actgrad

lint: $(VENV)/installed $(VENV)/lint-tools
	cargo fmt --all --check
	cargo clippy --release --locked -p actgrad -p actgrad-benches -p accuracy --all-targets --features actgrad/python -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest actgrad._core

# The full proof: hours, see accuracy/README.md. It goes on where it was stopped; ARGS="--function gelu"
# does one function.
exhaustive: mpfr
	cargo run --release --locked -p accuracy --features mpfr -- float32 $(ARGS)

exhaustive-float64: mpfr
	cargo run --release --locked -p accuracy --features mpfr -- float64 $(ARGS)

# Forms with parameters and gated units at sampled operands, and functions of rows: minutes.
accuracy-with-parameters: mpfr $(VENV)/installed $(VENV)/test-tools
	cargo run --release --locked -p accuracy --features mpfr -- parameters
	$(BIN)/python accuracy/rows.py

mpfr:
	@echo '#include <mpfr.h>' | cc -E - >/dev/null 2>&1 \
		|| { echo 'MPFR is missing: sudo apt-get install libmpfr-dev' >&2; exit 1; }

# actgrad beside PyTorch, SciPy and NumPy, as far as they are installed, on the same points.
accuracy-of-peers: $(VENV)/installed $(VENV)/test-tools $(VENV)/bench-tools
	$(BIN)/python -m benches.accuracy $(ARGS)

# Benchmarks take options, as in `make bench ARGS=--quick`; ARGS=--help lists them.
bench: $(VENV)/installed $(VENV)/bench-tools
	$(BIN)/python -m benches.compare $(ARGS)

bench-dense: $(VENV)/installed
	$(BIN)/python -m benches.dense

# Two commits beside each other, as in `make bench-revisions ARGS="bb3001c HEAD"`.
bench-revisions: $(VENV)/installed $(VENV)/bench-tools
	$(BIN)/python -m benches.revisions $(ARGS)

roofline: $(VENV)/installed $(VENV)/bench-tools
	$(BIN)/python -m benches.roofline $(ARGS)

# A part of a name chooses, as in `make bench-rust ARGS=gelu_backward/float32`.
bench-rust:
	cargo bench --locked -p actgrad-benches -- $(ARGS)

clean:
	cargo clean
	rm -rf $(VENV) dist

# The marks below are newer than what they stand for, so nothing is made twice.

$(VENV)/python-made:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	touch $@

$(VENV)/build-tools: pyproject.toml $(VENV)/python-made
	$(BIN)/python -m pip install --quiet --group build 'numpy>=2.0'
	touch $@

$(VENV)/%-tools: pyproject.toml $(VENV)/python-made
	$(BIN)/python -m pip install --quiet --group $*
	touch $@

$(VENV)/installed: $(RUST_SOURCES) $(PYTHON_SOURCES) $(VENV)/build-tools
	rm -rf dist
	$(BIN)/maturin build --quiet --release --locked --out dist --interpreter $(BIN)/python
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps dist/*.whl
	touch $@
