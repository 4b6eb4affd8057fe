# Needs only make and Python 3.11 or newer; everything else is installed into $(VENV).
#
#   make demo         ingest the sample corpora and search them
#   make test         lint, types, layers, tests
#   make test-docker  the tests that need a Docker engine
#   make bench        the benchmarks under scripts/
#   make clean        remove what these made, but not $(VENV)
#   make distclean    remove $(VENV) too
#
# PYTHON=python3.12 chooses the interpreter, PIP_ARGS=... is handed to pip, PYTEST_ARGS=... to pytest.

ifndef PYTHON
PYTHON := $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; break; fi; done)
PYTHON_CHOSEN := no
else
PYTHON_CHOSEN := yes
endif

VENV ?= .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
PYTEST_ARGS ?=
DEMO_STORE := .xunyi-demo
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_ARGS)

.DELETE_ON_ERROR:
.PHONY: help venv core demo lint test test-docker bench clean distclean

help:
	@sed -n 's/^#   make/make/p' Makefile

# A virtual environment of another Python than the one asked for is made anew; one that stands is kept.
venv:
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11 or newer was found; install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is not Python 3.11 or newer; name one that is: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@version='import sys; print("%d.%d" % sys.version_info[:2])'; \
	wanted=$$($(PYTHON) -c "$$version"); found=$$($(BIN)/python -c "$$version" 2>/dev/null || true); \
	if [ -z "$$found" ] || { [ $(PYTHON_CHOSEN) = yes ] && [ "$$found" != "$$wanted" ]; }; then \
		echo "creating $(VENV) with Python $$wanted"; $(PYTHON) -m venv --clear $(VENV); fi

# `venv` is order-only: it runs each time but does not make the stamps old. Where it cleared $(VENV),
# the stamps are gone with it.
$(VENV)/.core-installed: pyproject.toml constraints.txt | venv
	@echo "installing xunyi"
	@$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.test-installed: pyproject.toml constraints.txt | venv
	@echo "installing xunyi and what its tests need"
	@$(PIP_INSTALL) -e '.[models,eval,service,test]'
	@touch $@ $(VENV)/.core-installed

core: $(VENV)/.core-installed

demo: $(VENV)/.core-installed
	$(BIN)/xunyi ingest samples/hotels.csv --corpus demo-hotels --store $(DEMO_STORE)
	$(BIN)/xunyi ingest samples/tale.txt --corpus demo-tale --store $(DEMO_STORE)
	$(BIN)/xunyi search "quiet hotel near the airport with a free shuttle" --corpus demo-hotels --store $(DEMO_STORE) --limit 3
	$(BIN)/xunyi search "可以带狗入住的湖边旅馆" --corpus demo-hotels --store $(DEMO_STORE) --limit 3
	$(BIN)/xunyi search "soak in hot springs after skiing" --corpus demo-hotels --store $(DEMO_STORE) --limit 3
	$(BIN)/xunyi search "沈孤灯怎样解开铜鹤的谜" --corpus demo-tale --store $(DEMO_STORE) --limit 3

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-docker: $(VENV)/.test-installed
	$(BIN)/python -m pytest -m docker tests/stores tests/integration $(PYTEST_ARGS)

bench: $(VENV)/.test-installed
	@for script in scripts/bench_*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

clean:
	rm -rf $(DEMO_STORE) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
