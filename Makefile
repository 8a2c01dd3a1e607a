# Everything a fresh machine with Python (3.11 or newer), make and git needs: `make serve` and `make test`.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
VENV := .venv
VLLM_VENV ?= .venv-vllm
LLAMACPP_VENV ?= .venv-llamacpp
BIN := $(VENV)/bin
# The embedded engine runs one thread per model; more BLAS threads only get in each other's way.
export OPENBLAS_NUM_THREADS ?= 1

# Tests that need programs beside Python: see test-operations.
OPERATIONS := tests/monitoring tests/fleet tests/kubernetes tests/deploy/test_image.py

.DEFAULT_GOAL := help
.PHONY: help setup serve test test-vllm test-operations format lint types imports check clean

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.setup: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[plots]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.setup
	$(BIN)/python -m pip install --quiet -e '.[plots]' --group dev
	@touch $@

setup: $(VENV)/.setup  ## Install into .venv; the command is then .venv/bin/cogitate

serve: setup  ## Start the embedded default on HOST:PORT
	$(BIN)/cogitate serve --host $(HOST) --port $(PORT)

test: lint types imports check  ## The whole gate

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/pyright

imports: $(VENV)/.dev
	$(BIN)/lint-imports

check: $(VENV)/.dev
	$(BIN)/python -m pytest --cov --cov-report=term $(OPERATIONS:%=--ignore=%)

test-operations: $(VENV)/.dev  ## Test with real Prometheus, Redis, nginx, image builds: installs them with apt-get
	tools/install-system.sh
	tools/check-kubernetes.sh
	COGITATE_OPERATIONS=1 $(BIN)/python -m pytest $(OPERATIONS) tests/server/keys

test-vllm: $(VENV)/.dev $(LLAMACPP_VENV)/.setup  ## Test on real vLLM and llama.cpp, which it installs (2.7 GB)
	PYTHON=$(PYTHON) tools/install-vllm.sh $(VLLM_VENV)
	COGITATE_VLLM=$(VLLM_VENV)/bin/vllm COGITATE_LLAMACPP=$(LLAMACPP_VENV)/bin/python \
	  $(BIN)/python -m pytest tests/llamacpp tests/vllm

$(LLAMACPP_VENV)/.setup: tests/llamacpp/requirements.txt
	$(PYTHON) -m venv $(LLAMACPP_VENV)
	@echo '*' > $(LLAMACPP_VENV)/.gitignore
	$(LLAMACPP_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

format: $(VENV)/.dev  ## Format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the environment and all caches
	rm -rf $(VENV) $(VLLM_VENV) $(LLAMACPP_VENV) .pytest_cache .ruff_cache .hypothesis .coverage htmlcov dist build
