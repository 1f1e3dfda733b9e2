# `make demo` draws a picture, `make test` checks everything. Both install what they need on a fresh machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := src tests tools bench

# Tests start Python hundreds of times; compiling Easel anew would be a tenth of each start.
unexport PYTHONDONTWRITEBYTECODE

# The versions with which the checks last ran. pyproject.toml says which others are allowed.
CONSTRAINTS := constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS)

.DEFAULT_GOAL := help
.PHONY: help install install-gpu install-small install-classifier install-mcp demo quick small-tests test check docs reference api-page rules fuzz soak siege fleet eval-sketch test-recipes bench bench-gpu wheel release format clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Easel needs Python 3.11 or later. Choose one with: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo "Installing Easel into $(VENV). The first time, this takes a minute."
	$(PIP) --upgrade 'pip>=25.1'
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-gpu: $(VENV)/installed
	@echo "Installing the libraries of the real model."
	$(PIP) --editable '.[gpu]'
	@touch $@

$(VENV)/installed-small: $(VENV)/installed
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' || \
		{ echo "The sdcpp engine needs Python 3.12 or later. Choose one with: make install-small VENV=.venv-small PYTHON=python3.12"; exit 1; }
	@echo "Installing stable-diffusion.cpp."
	$(PIP) --editable '.[small]'
	@touch $@

$(VENV)/installed-classifier: $(VENV)/installed
	@echo "Installing the libraries of a picture classifier."
	$(PIP) --editable '.[classifier]'
	@touch $@

$(VENV)/installed-mcp: $(VENV)/installed
	@echo "Installing the library that AI agents are served with."
	$(PIP) --editable '.[mcp]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed-gpu $(VENV)/installed-classifier $(VENV)/installed-mcp
	@echo "Installing the libraries for the checks."
	$(PIP) --editable '.[otel]' --group dev
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	@echo "Installing what the documents are built with."
	$(PIP) --group docs
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed
	@echo "Installing the libraries for the measurements."
	$(PIP) --group bench
	@touch $@

$(VENV)/installed-release: $(VENV)/installed
	@echo "Installing what a release is built with."
	$(PIP) --group release
	@touch $@

install: $(VENV)/installed ## Create .venv and install Easel into it

install-gpu: $(VENV)/installed-gpu ## Install the libraries of the real model as well

install-small: $(VENV)/installed-small ## Install stable-diffusion.cpp for the real model on smaller machines

install-classifier: $(VENV)/installed-classifier ## Install the libraries of a picture classifier as well

install-mcp: $(VENV)/installed-mcp ## Install the library that AI agents are served with as well

demo: $(VENV)/installed ## Start the whole service, draw a cat into cat.webp, and stop it
	@$(BIN)/python -m tools.demo

# The tests of a file stay in one process, which has the services that they share. PyTorch uses one thread, because the
# threads of several processes would only wait for each other. Lines at the end say which tests were skipped, and why, and
# which passed only when they were tried again.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder -rsR
# The tests that start no server and do not load PyTorch.
QUICK_ROOMS := client commands deploy documents domain engines live outside runtime settings web

# cyllama has no wheels for Python 3.11, so its tests have an environment of their own, with no more than it needs.
LATER_PYTHONS = $(PYTHON) python3.14 python3.13 python3.12 $(wildcard $(HOME)/.pyenv/versions/3.1[234].*/bin/python)

.venv-small/installed: $(CONSTRAINTS)
	@for python in $(LATER_PYTHONS); do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2> /dev/null && break; \
	done && $$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2> /dev/null || \
		{ echo "There is no Python 3.12 or later, so stable-diffusion.cpp is not tested."; exit 1; }; \
	echo "Installing stable-diffusion.cpp into .venv-small." && \
	$$python -m venv .venv-small && \
	.venv-small/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) cyllama numpy
	@touch $@

small-tests: .venv-small/installed ## Let later tests run the real stable-diffusion.cpp, if there is Python 3.12 or later

quick: check ## Run every check, and the tests that start no server and do not load PyTorch, in about a minute
	$(PYTEST) --numprocesses 4 $(QUICK_ROOMS:%=tests/%)

test: check ## Run every check and every test
	$(PYTEST) --numprocesses 5 $(PYTEST_OPTIONS)

check: $(VENV)/installed-dev ## Run every check but the tests
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src
	$(BIN)/codespell $(SOURCES) *.md docs

# A link that leads nowhere is a warning, and every warning fails the build.
docs: $(VENV)/installed-docs ## Build the documents into site/, and check their links
	$(BIN)/sphinx-build --quiet --fail-on-warning docs site
	@echo "The documents are in site/index.html."

reference: $(VENV)/installed ## Write the reference of settings and commands from the code
	@$(BIN)/python -m tools.settings_reference
	@$(BIN)/python -m tools.command_reference

api-page: $(VENV)/installed-dev ## Make the API page and openapi.json from openapi.yaml
	@$(BIN)/python -m tools.api_page

rules: $(VENV)/installed ## Compile the terms of moderation from the files of all languages
	@$(BIN)/python -m tools.compiled_rules

fuzz: $(VENV)/installed-dev ## Test the contract with 10,000 generated requests
	$(BIN)/python -m pytest tests/service/tasks/test_contract_fuzz.py --contract-requests 10000

soak: $(VENV)/installed-dev ## Kill and freeze processes at random under load, then audit (MINUTES=10, SEED=…, WEB=1, WORKERS=2, POOLER=1, MARKDOWN=…)
	@$(BIN)/python -m tools.soak \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(WEB),--web $(WEB)) \
		$(if $(WORKERS),--workers $(WORKERS)) $(if $(POOLER),--pooler) $(if $(MARKDOWN),--markdown $(MARKDOWN))

siege: $(VENV)/installed-dev ## Attack a service on loopback in eight ways, and measure how a good client is served (SECONDS=8)
	@$(BIN)/python -m tools.siege $(if $(SECONDS),--seconds $(SECONDS))

fleet: $(VENV)/installed-bench ## Run 1,000 simulated workers and 200 accounts on one PostgreSQL, with and without PgBouncer (SECONDS=15, FLEET=…)
	@$(BIN)/python -m tools.fleet $(if $(SECONDS),--seconds $(SECONDS)) $(FLEET)

eval-sketch: $(VENV)/installed ## Measure how well Easel Sketch understands 300 prompts in fifteen languages (EVAL=--missing)
	@$(BIN)/python -m tools.sketch_evaluation $(EVAL)

# In environments of their own, because they bring a hundred libraries that nothing else needs, and LiteLLM's proxy
# wants versions that others do not.
test-recipes: $(VENV)/installed ## Run the recipes for other libraries, in Python and JavaScript, with their newest versions
	@test -x $(VENV)-recipes/bin/python || $(PYTHON) -m venv $(VENV)-recipes
	@$(VENV)-recipes/bin/python -m pip install --quiet --disable-pip-version-check . litellm haystack-ai langchain-core 'pydantic-ai-slim'
	@test -x $(VENV)-recipes/proxy/bin/python || $(PYTHON) -m venv $(VENV)-recipes/proxy
	@$(VENV)-recipes/proxy/bin/python -m pip install --quiet --disable-pip-version-check 'litellm[proxy]'
	@mkdir -p $(VENV)-recipes/node && { ! command -v npm > /dev/null || \
		npm install --silent --no-audit --no-fund --prefix $(VENV)-recipes/node openai ai @ai-sdk/openai-compatible; }
	@$(BIN)/python -m tools.recipes $(VENV)-recipes/bin/python $(VENV)-recipes/proxy/bin/litellm $(VENV)-recipes/node

bench: $(VENV)/installed-bench ## Measure Easel, and a plain FastAPI, Celery and Redis service for comparison (BENCH=--quick)
	@$(BIN)/python -m bench $(BENCH)

bench-gpu: $(VENV)/installed-gpu $(VENV)/installed-bench ## Compare the zimage engine with diffusers on a GPU, with random weights (BENCH=--tiny)
	@$(BIN)/python -m bench.gpu $(BENCH)

wheel: $(VENV)/bin/python ## Build the wheel into dist/
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

release: $(VENV)/installed-release ## Build wheel, source archive, list of packages (SBOM) and checksums into dist/
	@$(BIN)/python -m tools.release

format: $(VENV)/installed-dev ## Format the code
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

clean: ## Remove everything that was installed or cached
	rm -rf $(VENV) $(VENV)-recipes site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
