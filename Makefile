# Two commands do everything on a fresh machine: `make run` and `make test`. `make help` lists all.

PYTHON ?=
VENV   ?= .venv
CONFIG ?= configs/quickstart.yaml
TESTS  ?=
ARGS   ?=
export PYTHON

# Threads that spin while they wait made solves twenty times slower on a shared machine.
OMP_WAIT_POLICY ?= passive
export OMP_WAIT_POLICY
export PIP_DISABLE_PIP_VERSION_CHECK = 1

BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
BUILT   := $(VENV)/.built
KERNELS := $(shell find scaffoldsim -name '*.pyx' -o -name '*.pxd' -o -name '*.h')
WHICH   := import sys; print(sys.base_prefix, sys.version_info[:2])
BUILD   := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])

# The stamp holds the folder it was made in: a virtual environment that was moved, whose Python is
# gone, or that was made with another Python than the PYTHON asked for, is made anew.
OLD   := $(shell test -e $(STAMP) && $(BIN)/python -c '$(WHICH)' 2>/dev/null)
FRESH := $(if $(OLD),$(filter $(CURDIR),$(shell cat $(STAMP) 2>/dev/null)))
ifneq ($(PYTHON),)
ifneq ($(shell $(PYTHON) -c '$(WHICH)' 2>/dev/null),$(OLD))
FRESH :=
endif
endif
ifeq ($(FRESH),)
.PHONY: $(STAMP)
endif

.PHONY: help run test evidence bench install lint clean
.DEFAULT_GOAL := help

help:
	@echo 'make run      build, install, run $(CONFIG), print where its report and picture are;'
	@echo '              again: show the finished run, or resume an interrupted one'
	@echo 'make test     build, install, run the tests       (TESTS=tests/solver for some of them)'
	@echo 'make evidence the checks against theory, of identity, the table of families, and experiments'
	@echo '              of degradation, drugs and healing run in full, by name'
	@echo 'make bench    the benchmarks, as ratios'
	@echo 'make install  only $(VENV), with scaffoldsim in it, editable'
	@echo 'make lint     ruff and mypy'
	@echo 'make clean    remove $(VENV) and all that was built; runs/ stays'
	@echo 'Variables: PYTHON=/path/to/python3  CONFIG=other.yaml  ARGS="--seed 2"  VENV=.venv  CC=gcc'

run: $(BUILT)
	@$(BIN)/scaffoldsim run $(CONFIG) --reuse $(ARGS)

test: $(BUILT)
	@$(BIN)/python -m pytest $(TESTS) $(ARGS)

evidence: $(BUILT)
	@$(BIN)/python -m pytest -v -s -m '' tests/theory tests/solver/test_direct.py \
	  tests/run/test_simulation.py tests/scaffold/test_family_table.py \
	  tests/model/test_mesa.py tests/evidence $(ARGS)

bench: $(BUILT)
	@for script in benchmarks/*.py; do \
	  echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit 1; \
	done

install: $(BUILT)
	@echo "$(BIN)/scaffoldsim is up to date" >&2

lint: $(BUILT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find scaffoldsim -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml setup.py
	@command -v python3 >/dev/null || { \
	  echo 'missing: python3'; \
	  echo 'on Debian or Ubuntu:  sudo apt-get install python3 python3-venv python3-dev gcc'; \
	  exit 1; } >&2
	@python=$$(python3 tools/probe.py --python) || exit 1; \
	if [ -z "$(FRESH)" ]; then \
	  echo "making $(VENV) with $$python" >&2; \
	  rm -rf $(VENV); \
	  "$$python" -m venv $(VENV) || exit 1; \
	fi
	@echo 'installing scaffoldsim and what it needs (1.4 GB the first time)' >&2
	@$(BIN)/python -c '$(BUILD)' | xargs $(BIN)/python -m pip install --quiet
	@$(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[dev]'
	@echo '$(CURDIR)' > $@

# What changed since the installation, which compiled everything.
$(BUILT): $(STAMP) $(KERNELS)
	@if [ -n "$$(find $(KERNELS) -newer $(STAMP))" ]; then \
	  $(BIN)/python setup.py --quiet build_ext --inplace; \
	fi
	@touch $@
