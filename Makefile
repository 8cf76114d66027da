# Two commands need no preparation: `make demo` and `make test`. Everything else is here too; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check format generate pair bench e2e e2e-full constraints clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Found $$($(PYTHON) --version 2>&1), need Python 3.11 or newer: run 'make PYTHON=python3.11 …'."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@echo "Installing the pinned packages into $(VENV) …"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes constraints.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## Serve the sample, draw pictures, hand half of them to an edge process, show pictures and cost
	$(BIN)/python -m e2e.demo

test: $(READY) ## Run the tests: pure ones first, then single real components
	$(BIN)/python -m pytest -m "not component and not full" -n 2 --dist loadfile
	$(BIN)/python -m pytest -m "component and not full" -n 2 --dist loadgroup

e2e: $(READY) ## Run the whole service under load and faults, and the operator's story on a Kubernetes of this machine
	$(BIN)/python -m pytest e2e -m "not full and not plans"

e2e-full: $(READY) ## All of it: everything that may happen to a cluster, and big TensorRT plans
	$(BIN)/python -m pytest e2e
	$(BIN)/python -m pytest -m full

check: $(READY) ## Lint, types, import contracts, and generated files unchanged
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(MAKE) --no-print-directory generate
	git diff --exit-code -- crds charts docs/metrics.md

format: $(READY) ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

generate: $(READY) ## Write the files that are derived from code
	$(BIN)/python -m hybrid_api.crd
	$(BIN)/python -m hybrid_api.crd charts/hybrid-diffusion/files/crd.yaml
	$(BIN)/python -m hybrid_monitoring

pair: $(READY) ## Train, distil, measure and publish the built-in pair (resumable, about an hour on two cores)
	$(BIN)/python -m hybrid_engines.train

bench: $(READY) ## Run the benchmarks
	$(BIN)/python -m benchmarks

constraints: ## Compile constraints.txt anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --all-extras --group dev --output-file constraints.txt pyproject.toml

clean: ## Remove the environment and what tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist demo
