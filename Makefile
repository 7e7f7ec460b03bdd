# Needs Python 3.11 or 3.12 and make; what else is needed, `make setup` installs into .venv.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
PYTHON ?= $(shell for it in python3 python3.12 python3.11 python; do "$$it" -c '$(FITS)' 2>/dev/null && echo "$$it" && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## a virtual environment in .venv, everything installed

# Compiled for where PYTHONDONTWRITEBYTECODE is set: else each process would take 3 seconds more to start.
$(READY): requirements.lock pyproject.toml api/package-lock.json
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; set PYTHON= to one" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q -j 0 -x '/tests?/' $(VENV)/lib || true
	$(BIN)/npm ci --prefix api --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

demo: setup ## send a campaign to a simulated provider, embedded, with a page on port 8000
	$(BIN)/python -m loadgen.demo

test: setup ## all tests, three files at a time; what a real part lacks is told in the skip
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: setup ## lint, format, types, layers, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: setup ## known vulnerabilities in what is installed; says so where the advisory service can't be reached
	$(BIN)/python -m tests.audit

peers: setup ## what loadgen.bench measures Tidemark beside (quixstreams, faust, pathway, flink), each in an environment of its own
	$(BIN)/python -m loadgen.bench.install

generate: setup ## what is generated and checked in: JSON Schemas, the schema for a cluster, docs/configuration.md, the dictionary
	$(BIN)/python -m schemas.export
	$(BIN)/python -m sql.sharding
	$(BIN)/python -m schemas.settings > docs/configuration.md
	$(BIN)/python -m sql.dictionary docs/analytics.md

lock: setup ## pin what pyproject.toml allows, without registry addresses
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --extra traces --no-emit-index-url --no-annotate \
		--no-header --generate-hashes pyproject.toml -o requirements.lock

pictures: setup ## pictures of the pages of a running demo, for this README
	$(BIN)/python -m tests.pictures

clean: ## remove what make and the demo made
	rm -rf $(VENV) api/node_modules .cache data

.PHONY: help setup demo test check audit peers generate lock pictures clean
