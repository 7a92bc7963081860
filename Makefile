# Every verb sets up what it needs; `make` alone lists them.
# Needs Python 3.11 or later, make and git; everything else goes into $(VENV).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UNFINISHED := $(VENV)/.unfinished
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
DISTRIBUTIONS := . plugins/posix plugins/s3numpy plugins/reductionist
PROJECTS := pyproject.toml $(wildcard plugins/*/pyproject.toml)

# What the caller's shell has set up for another Python must not leak into this one.
unexport PYTHONPATH PYTHONHOME

##@ First
.PHONY: help
help: ## list the verbs
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## make .venv with activecore, its plugins and the tools (a minute or two, 1 GB)

# While it is being made, an environment holds UNFINISHED; one that was cut short is
# made again from nothing. A directory that is not ours is left alone.
$(READY): $(PROJECTS)
	@set -eu; \
	python=; \
	for candidate in $${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then python=$$candidate; break; fi; \
	done; \
	if test -z "$$python"; then \
	  echo "setup: needs Python 3.11 or later with venv; name one with PYTHON=..." >&2; exit 1; \
	fi; \
	if test -e "$(VENV)" && ! test -e "$(READY)" && ! test -e "$(UNFINISHED)"; then \
	  echo "setup: $(VENV) was not made by make; remove it, or choose another with VENV=..." >&2; exit 1; \
	fi; \
	trap 'echo "setup: did not finish; removing $(VENV)" >&2; rm -rf "$(VENV)"' EXIT; \
	trap 'exit 130' INT; trap 'exit 143' HUP TERM; \
	if test -e "$(READY)"; then \
	  echo "setup: pyproject.toml changed; bringing $(VENV) up to date"; \
	  mv "$(READY)" "$(UNFINISHED)"; \
	else \
	  echo "setup: making $(VENV) with $$("$$python" --version)"; \
	  rm -rf "$(VENV)"; mkdir -p "$(VENV)"; touch "$(UNFINISHED)"; \
	  "$$python" -m venv "$(VENV)"; \
	fi; \
	echo "setup: installing activecore, its plugins and the tools (a minute or two, 1 GB)"; \
	$(PIP) --upgrade 'pip>=25.1'; \
	$(PIP) $(DISTRIBUTIONS:%=--editable %) --group dev; \
	mv "$(UNFINISHED)" "$(READY)"; touch "$(READY)"; \
	trap - EXIT; \
	echo "setup: ready"

.PHONY: demo
demo: $(READY) ## the main job on real data: info, a weighted mean with a plot, Zarr, explain
	@$(BIN)/python examples/demo.py
	@$(BIN)/python examples/demo_s3.py

.PHONY: test
test: $(READY) ## run the tests
	@echo "test: running the tests (a few minutes)"
	@$(BIN)/python -m pytest $(ARGS)

##@ While working
.PHONY: lint
lint: $(READY) ## ruff: rules and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

.PHONY: types
types: $(READY) ## mypy, strict, on the core and the plugins
	@$(BIN)/mypy

.PHONY: fuzz
fuzz: $(READY) ## random files and random questions against the oracle: ARGS="--cases 2000 --seed 1"
	@$(BIN)/python tests/fuzz.py $(ARGS)

.PHONY: bench
bench: $(READY) ## ratios to other packages, measured in one run, with plots
	@$(BIN)/python benchmarks $(ARGS)

.PHONY: docs
docs: $(READY) ## build the site into site/; any warning is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "docs: open site/index.html"

.PHONY: services
services: $(READY) ## start a real S3 server and a Reductionist here (built on first use: a quarter of an hour)
	@$(BIN)/python -m services start

.PHONY: services-stop
services-stop: $(READY) ## stop them and remove what they stored
	@$(BIN)/python -m services stop

.PHONY: live
live: $(READY) ## tests against the servers of make services
	@$(BIN)/python -m services status
	@$(BIN)/python -m pytest tests/live tests/test_agreement.py \
	  --backend=s3numpy,reductionist $(ARGS)

##@ Handing over
.PHONY: wheels
wheels: $(READY) ## build the four distributions into dist/
	@rm -rf dist; mkdir dist
	@for d in $(DISTRIBUTIONS); do \
	  echo "wheels: building $$d"; \
	  $(BIN)/python -m build --no-isolation --outdir dist "$$d" >dist/build.log 2>&1 \
	    || { cat dist/build.log; exit 1; }; \
	done; rm dist/build.log; ls dist/*.whl

.PHONY: clean
clean: ## remove everything that make made, .venv included; servers are stopped
	@test ! -e .services/services.json || $(BIN)/python -m services stop
	rm -rf $(VENV) .services dist build site demo-output .pytest_cache .mypy_cache .hypothesis .ruff_cache plugins/*/.ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
