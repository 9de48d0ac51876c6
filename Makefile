# The two commands of the README: `make demo` and `make test`. Each makes its own virtual environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.stamp

.PHONY: demo test long coverage lint types fuzz bench clean help

help:            ## say what each target does
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1	/' | expand -t 12

demo: $(STAMP)/plot   ## fit the Old Faithful eruptions and draw faithful.png
	$(BIN)/mixgrad fit faithful --components 2 --plot faithful.png

test: $(STAMP)/test   ## run the tests (under ten minutes on two cores)
	$(BIN)/python -m pytest -n auto

long: $(STAMP)/test   ## run the tests that take longer: many steps, high orders
	$(BIN)/python -m pytest -n auto -m long

coverage: $(STAMP)/test   ## run both, and list the lines that no test reaches
	$(BIN)/python -m pytest -n auto -m "long or not long" --cov=mixgrad --cov-report=term

lint: $(STAMP)/lint   ## style, floors of the architecture, types of the public surface
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright

fuzz: $(STAMP)/test   ## 10,000 random programs, every mode against every other
	$(BIN)/python -m tests.fuzz.run --programs 10000

bench: $(STAMP)/bench ## measure beside the peers; tables go to docs/benchmarks.md
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/eager.py
	$(BIN)/python benchmarks/small.py
	$(BIN)/python benchmarks/vecmath.py
	$(BIN)/python benchmarks/adbench.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/zeros.py
	$(BIN)/python benchmarks/mixture.py
	$(BIN)/python benchmarks/solvers.py

clean:           ## remove what the targets above made
	rm -rf .venv .pytest_cache .ruff_cache .coverage faithful.png build dist

# One stamp per extra: the environment is brought up to date when pyproject.toml changes, and not otherwise.
$(STAMP)/plot: EXTRA = plot
$(STAMP)/test: EXTRA = plot,test
$(STAMP)/lint: EXTRA = plot,test,lint
$(STAMP)/bench: EXTRA = bench
$(STAMP)/%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRA)]'
	mkdir -p $(STAMP) && touch $@
