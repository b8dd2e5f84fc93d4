# `make run` runs Guildhall, `make test` tests it, `make check` checks the code. Each installs what is missing.

# The first Python on the PATH that fits the locked packages; else python3, which then reports what is needed.
PYTHON ?= $(shell for p in python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1 && { echo "$$p"; exit; }; \
	done; command -v python3 || echo python3.11)
BIN = .venv/bin

.PHONY: run setup test check format bench stop clean help

run: ## set up what is missing, start everything, print where to open the browser; Ctrl-C stops it
	@"$(PYTHON)" bin/setup.py --run && exec $(BIN)/python -m launcher.supervise

setup: ## only the set-up: .venv and the locked packages
	@"$(PYTHON)" bin/setup.py

test: ## all tests: the fast ones and the browser on both cores, then engines and training one by one
	@"$(PYTHON)" bin/setup.py --tests && bin/test

check: ## formatting, lint, types, import contracts, structure, templates, migrations, API schema
	@"$(PYTHON)" bin/setup.py && bin/check

format: ## format Python and templates
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix --quiet . && $(BIN)/python manage.py spectacular --file docs/reference/openapi.yaml && $(BIN)/python bin/architecture

bench: ## the page benchmark on the demo project
	@"$(PYTHON)" bin/setup.py && $(BIN)/python benchmarks/pages.py

stop: ## stop a `make run` from another terminal
	@$(BIN)/python -m launcher.stop

clean: ## remove caches; .venv and .state are kept
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10
