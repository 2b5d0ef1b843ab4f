# Every target works on a fresh machine by itself; `make` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := .venv/bin/

AXE := 4.14.1
SUDO := $(shell test "$$(id -u)" = 0 || command -v sudo)

.PHONY: help setup setup-browser setup-examples demo lint test test-browser test-all drill bench docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.synced ## make .venv from the lock file (installs uv when missing)

.venv/.synced: pyproject.toml uv.lock
	@command -v uv >/dev/null 2>&1 || test -x .uv/bin/uv || { $(PYTHON) -m venv .uv && .uv/bin/pip install -q uv; }
	$(UV) sync -q --locked --extra embedded --extra otel
	@touch $@

demo: setup ## sample leads to a receiver that fails, and a table of what came of them
	$(RUN)postbacks demo --once

lint: setup ## ruff, mypy --strict, import direction
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy
	$(RUN)pytest -q -p no:cacheprovider tests/unit/test_architecture.py

test: setup ## unit, vectors, properties, embedded engines (under 5 minutes)
	$(RUN)pytest -q -m "not kafka and not slow and not browser"

setup-browser: setup ## chromium and curl from Debian, axe-core from npm, for the pages' tests
	@{ command -v chromium && command -v curl; } >/dev/null || \
		{ $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq chromium curl; }
	@test -f .cache/axe/package/axe.min.js || { mkdir -p .cache/axe && cd .cache/axe && \
		npm pack -s axe-core@$(AXE) >/dev/null && tar xzf axe-core-$(AXE).tgz; }

setup-examples: ## the producers in examples: npm ci, go build, PHP from Debian
	@cd examples/node && npm ci --silent --no-audit --no-fund
	@mkdir -p .cache/examples && cd examples/go && go build -o ../../.cache/examples/produce-go .
	@php -r 'exit(extension_loaded("curl") ? 0 : 1);' 2>/dev/null || \
		{ $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq php-cli php-curl >/dev/null; }

test-browser: setup-browser ## the pages in a browser; POSTBACKS_SCREENSHOTS=1 writes docs/screenshots
	$(RUN)pytest -q -m browser

test-all: setup setup-browser setup-examples ## everything, Apache Kafka included (under 20 minutes)
	$(RUN)pytest -q -n 4 --dist loadfile -m "not drill and not alone and not browser"
	$(RUN)pytest -q -m browser
	$(RUN)pytest -q -m "alone and not drill"

drill: setup ## the fault drills whole, with their figures; one by name: make drill NAME=kill
	POSTBACKS_DRILL=whole $(RUN)pytest -q -s tests/drill $(if $(NAME),-k $(NAME))

bench: setup ## costs beside the peer's (needs Java, Maven, Go); one by name: make bench NAME=full
	$(RUN)python -m tests.bench $(NAME)

docs: setup ## write docs/reference and docs/presets from the code
	$(RUN)python -m tests.reference
	$(RUN)python -m tests.preset_pages

clean: ## remove what the targets made
	rm -rf .venv .uv .postbacks .pytest_cache .mypy_cache .ruff_cache .hypothesis
