# `make demo` and `make test` need Python 3.11 or newer and a Rust toolchain; the rest is fetched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST_SOURCES := Cargo.toml Cargo.lock .cargo/config.toml $(shell find src -name '*.rs')
PYTHON_SOURCES := pyproject.toml README.md LICENSE $(shell find python -name '*.py' -o -name '*.pyi' -o -name py.typed)

.PHONY: demo test test-rust test-python lint bench bench-dense roofline bench-rust clean

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: test-rust test-python

test-rust:
	cargo test --release --locked

test-python: $(VENV)/installed $(VENV)/test-tools
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest --doctest-modules --pyargs actgrad

lint: $(VENV)/installed $(VENV)/lint-tools
	cargo fmt --all --check
	cargo clippy --release --locked -p actgrad -p actgrad-benches --all-targets --features actgrad/python -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest actgrad._core

# Benchmarks take options, as in `make bench ARGS=--quick`; ARGS=--help lists them.
bench: $(VENV)/installed $(VENV)/bench-tools
	$(BIN)/python -m benches.compare $(ARGS)

bench-dense: $(VENV)/installed
	$(BIN)/python -m benches.dense

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
