# Two commands do everything on a fresh machine: `make daily` and `make test`. Each installs what it needs.
# Every target about a day takes DAY=YYYY-MM-DD (default: yesterday in KST).

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
DAY_OPTION = $(if $(DAY),--day $(DAY))
FROM ?= $(DAY)
TO ?= $(DAY)
# Bytecode is kept, whatever the environment says: else each of the many processes compiles everything again.
unexport PYTHONDONTWRITEBYTECODE
RANGE_OPTIONS = $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO)) $(if $(WORKERS),--workers $(WORKERS))

.PHONY: help setup setup-dev daily backfill ui report pdf freeze upload verify status test soak bench bench-archive bench-report lint types \
	secrets fmt docs audit sbom licences lock clean

help: ## the targets
	@grep -hE '^[a-z-]+( [a-z-]+)*:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 28

# --- setting up ---------------------------------------------------------------------------------------------
# The lock is whole, so pip resolves nothing (--no-deps): its resolver does not hold `botocore` to the pin of
# `botocore[crt]`, and refused the lock as soon as a newer release was out. `pip check` says that nothing is missing.

.DEFAULT_GOAL := help

setup: $(VENV)/.runtime ## .venv with `lumen` in it

setup-dev: $(VENV)/.dev ## the same with everything that the tests need
	@tools/debian-packages

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=… chooses one)" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "installing the pinned packages (about a minute the first time)"
	@$(PIP) --require-hashes -r requirements/runtime.txt
	@$(PIP) --no-build-isolation -e .
	@$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "installing the pinned packages of the tests"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

# --- a day --------------------------------------------------------------------------------------------------

daily: setup ## the whole path for a day, through Dagster
	@$(BIN)/lumen daily $(DAY_OPTION)

backfill: setup ## the missing days (FROM=, TO=, WORKERS=), in parallel worker processes
	@$(BIN)/lumen backfill $(RANGE_OPTIONS)

report pdf freeze upload: setup ## up to this step only
	@$(BIN)/lumen daily $(DAY_OPTION) --until $@

verify: setup ## read the day's replicas back
	@$(BIN)/lumen verify $(DAY)

status: setup ## per day: what exists and what was proven
	@$(BIN)/lumen status

ui: setup ## Dagster's UI on the instance that `make daily` uses
	@$(BIN)/lumen ui

# --- development --------------------------------------------------------------------------------------------

test: lint types secrets ## everything that must hold: lint, format, types, no secrets, tests
	@$(BIN)/python -m pytest -n 2 --dist loadscope --durations 20

soak: setup-dev ## the long campaigns: hundreds of kills, gigabytes, the image, properties on new examples
	@tools/debian-packages bubblewrap buildah debootstrap
	@for round in 1 2 3 4 5; do $(BIN)/python -m pytest -n 2 -m hypothesis --hypothesis-profile search || exit; done
	@$(BIN)/python -m pytest -m soak --timeout 3600

bench: setup-dev ## days a minute of `lumen backfill` against plain scripts (some minutes)
	@$(BIN)/python -m benchmarks.backfill

bench-archive: setup-dev ## `lumen archive` against tar, zstd, age, borg and restic (some minutes)
	@tools/debian-packages age borgbackup restic
	@$(BIN)/python -m benchmarks.archive

bench-report: setup-dev ## a day's report against Polars and reportlab (a minute)
	@$(BIN)/python -m benchmarks.report

lint: setup-dev ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup-dev ## mypy, strict
	@$(BIN)/mypy

secrets: setup-dev ## a scan of what is or could be committed
	@$(BIN)/python tools/scan_secrets.py

fmt: setup-dev ## put lint and format right
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

audit: setup-dev ## known vulnerabilities of what is delivered (asks PyPI; a package that cannot be looked up fails too)
	@for f in runtime fleet; do $(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements/$$f.txt || exit; done

sbom: setup-dev ## bills of materials of what is delivered, CycloneDX, under build/
	@mkdir -p build
	@for f in runtime fleet; do $(BIN)/cyclonedx-py requirements requirements/$$f.txt --output-reproducible --of JSON -o build/lumen-$$f.cdx.json; done

licences: setup-dev ## write docs/licences.md
	@$(BIN)/python tools/licences.py

docs: setup ## docs/configuration.md from the settings model
	@$(BIN)/python -m tools.configuration_reference

lock: setup-dev ## resolve requirements/*.in again
	@cd requirements && for f in runtime fleet dev; do ../$(BIN)/uv pip compile --quiet --python-version 3.11 --universal \
		--strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header $$f.in -o $$f.txt; done

clean: ## what was built; never LUMEN_HOME
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
