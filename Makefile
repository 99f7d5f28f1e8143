# Everything a developer types. `make` alone lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.tools/sam/bin:$(PATH)
export TRADEPOST_CACHE := $(CURDIR)/.cache
export SAM_CLI_TELEMETRY := 0

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## ?/	/' | expand -t 14

.PHONY: setup
setup:  ## Install what the project needs into its own folder
	@bin/setup

.PHONY: run
run: setup  ## Serve everything on http://127.0.0.1:8787 (PORT=... for another port)
	@exec bin/run

.PHONY: logs
logs:  ## Show what the Lambdas of the running stack logged last
	@exec bin/run logs

.PHONY: reset
reset: setup  ## Forget the local data
	@exec bin/run reset

.PHONY: test
test: test-fast test-stack  ## Run all tests

.PHONY: test-fast
test-fast: setup  ## Run the tests that need no deployed stack
	@python -m pytest -n auto -m "not stack and not browser"

.PHONY: test-stack
test-stack: setup
	@python -m pytest -m "stack or browser"

.PHONY: lint
lint: setup  ## Check style, types and templates
	ruff check
	ruff format --check
	mypy
	cfn-lint template.yaml
	sam validate --lint --region eu-central-1

.PHONY: format
format: setup  ## Put the code into shape
	ruff check --fix-only
	ruff format

.PHONY: openapi
openapi: setup  ## Write openapi.json anew from the handlers
	@python bin/openapi

.PHONY: bench
bench: setup  ## Measure what is worth measuring
	@python -m benchmarks

.PHONY: deploy
deploy: setup  ## Deploy to the AWS account of your credentials
	@bin/deploy

.PHONY: lock
lock: setup  ## Renew the pinned dependencies
	@for name in layers/shared/requirements requirements-dev requirements-sam requirements-engine; do \
		echo "  $$name.txt"; \
		uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url \
			--python-version 3.13 --output-file $$name.txt $$name.in || exit 1; \
	done
