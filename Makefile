# Every target does its own set-up. Paths are relative, so a checkout whose path has a space works too.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STACK ?= local
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python
# Three test workers for the two cores of the smallest machine we support: clouds and clusters are waited for. The
# order of files is ours (tests/conftest.py); pytest-xdist's own would leave the longest for the end.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help up check preview destroy test test-fast lint bench browser lock crds format

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

# requirements.lock: what the platform runs on. requirements-dev.lock: the same, and what tests need.
.venv/bin/uv: requirements-installer.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-installer.lock
	@touch $@

.venv/.up: requirements.lock pyproject.toml .venv/bin/uv
	$(UV) --require-hashes -r requirements.lock
	$(UV) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.up
	$(UV) --require-hashes -r requirements-dev.lock
	@touch $@

# Feast holds older libraries than the jobs run on: its test has an environment of its own.
.venv/.feast: requirements-feast.lock .venv/bin/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/feast
	$(BIN)/uv pip install --quiet --python .venv/feast/bin/python --require-hashes -r requirements-feast.lock
	@touch $@

up: .venv/.up ## deploy the whole platform into the local twin and send a real data set through it
	$(BIN)/stagecraft up --stack $(STACK) --yes
	$(BIN)/stagecraft demo --stack $(STACK)

preview: .venv/.up ## what `up` would change
	$(BIN)/stagecraft preview --stack $(STACK)

check: .venv/.up ## is the stack allowed? (make check STACK=prod)
	$(BIN)/stagecraft check --stack $(STACK)

destroy: .venv/.up ## take the twin's environment down
	$(BIN)/stagecraft destroy --stack $(STACK) --yes

test: .venv/.dev .venv/.feast lint ## everything: style, types, all tests
	$(PYTEST)

test-fast: .venv/.dev ## the tests that take seconds
	$(PYTEST) -m "not slow"

lint: .venv/.dev ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/.dev ## mend style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

browser: ## a headless browser for the report's own tests, which are skipped without one (Debian, as root)
	command -v chromium-headless-shell || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium-headless-shell; }

bench: .venv/.dev ## time the engine, the policies and the commands; JSON on stdout
	$(BIN)/python -m tests.bench

crds: .venv/.up ## renew the Kubernetes schemas of the pinned operators (needs Go)
	$(BIN)/python -m twin.kubernetes.renewal

lock: ## renew the lock files (names, versions and hashes; no addresses)
	test -x $(BIN)/uv || $(MAKE) .venv/bin/uv
	echo 'uv' | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-installer.lock
	$(BIN)/uv pip compile pyproject.toml --extra twin --extra jobs --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra twin --extra jobs --extra reports --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -c requirements.lock -o requirements-dev.lock
	printf 'boto3\nfeast\n' | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-feast.lock
	$(BIN)/uv pip compile platform_jobs/requirements.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -c requirements.lock -o platform_jobs/requirements.lock
	$(BIN)/uv pip compile platform_jobs/requirements-reports.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -c requirements-dev.lock -o platform_jobs/requirements-reports.lock
