# Every target first makes a virtual environment with the locked packages, if it is not there.
#   make sweep [PLAN=plan.yaml] [POINTS=400] [OUT=runs/abalone] [ARGS="--scheduler none"]
#   make test  [ARGS="-k store"]      make lint      make bench [ARGS="overhead"]      make lock

PYTHON ?= python3
# The number of points; all if it is empty.
POINTS ?=
OUT ?= runs/abalone
PLAN ?=
ARGS ?=

BIN := .venv/bin
SELECTED = $(if $(filter-out all,$(POINTS)),--points $(POINTS))
READY := .venv/.ready

# If this is set, each process of the tests compiles all modules again, which takes it some ten seconds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: sweep test test-quick test-slow test-ci lint bench picture lock clean
.DEFAULT_GOAL := sweep

sweep: $(READY)
	@$(BIN)/sweep run $(PLAN) --out "$(OUT)" $(SELECTED) $(ARGS)

# Three processes run the tests on two cores, since a test of a whole sweep waits half of its time.
# A test process that dies is not restarted: pytest-xdist 3.8 would then wait for its tests for ever.
# conftest.py sorts the long tests to the front, so that no long test runs alone at the end.
AT_ONCE := -n 3 --dist loadgroup --no-loadscope-reorder --max-worker-restart 0

test: $(READY)
	$(BIN)/python -m pytest -m "not slow" $(AT_ONCE) $(ARGS)

# Those that take less than half a second and load neither TensorFlow nor Ray; tests/help/quick.py finds them.
test-quick: $(READY)
	$(BIN)/python -m pytest --quick -m "not slow" $(AT_ONCE) $(ARGS)

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow --timeout 3000 $(ARGS)

# What CI runs: all of `make test`, and the slow tests marked `ci`. In one run, since many of these wait more than they
# compute, and the others use the cores meanwhile.
test-ci: $(READY)
	$(BIN)/python -m pytest -m "not slow or ci" $(AT_ONCE) $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m tests.benchmarks $(ARGS)

# The README's picture, drawn from the run in OUT. This needs Chromium (Debian's package: chromium).
picture: $(READY)
	$(BIN)/python -m tests.benchmarks.picture "$(OUT)" tests/benchmarks/report.png

# The lock file has every transitive package with its hashes, for every supported Python.
lock: $(READY)
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet uv
	.venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header --extra dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf .venv build *.egg-info trainables/native/binaries .mypy_cache .ruff_cache .pytest_cache .hypothesis

# pip would compile all modules on one core. Some files are for another Python, so the compiler's exit code says nothing.
# The stamp is written last, so that an interrupted set-up starts again.
$(READY): requirements.lock pyproject.toml setup.py $(wildcard trainables/native/kernel/*)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13) and f"Python {v[0]}.{v[1]} found, but 3.11 to 3.13 is needed. Name one: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement requirements.lock
	@$(BIN)/python -m compileall -q -j 0 .venv/lib > .venv/compileall.log 2>&1 || true
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m trainables.native.library
	@touch $(READY)
