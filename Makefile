# `make run` and `make test` do all their own set-up; see scripts/bootstrap.py.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: run test test-ib-insync chaos lint bench lock setup setup-dev clean

# Open the live dashboard (ARGS="--market simulated" and so on are passed on)
run: setup
	@$(BIN)/python app.py $(ARGS)

# All tests: real servers, real sockets, a real browser
test: setup-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)
	$(MAKE) --no-print-directory test-ib-insync

# The Interactive Brokers tests once more, on ib_insync in an environment of its own
test-ib-insync:
	@test -n "$(PYTHON)" || { echo "Quintet needs Python 3.11 or newer; none was found."; exit 1; }
	@$(PYTHON) scripts/bootstrap.py --venv $(VENV)-ib-insync --lock requirements-ib-insync.lock
	$(VENV)-ib-insync/bin/python -m pytest tests/core/venues/ibkr

# 50,000 ticks through the worker pool while workers, Redis and Postgres are killed, one each second
chaos: setup-dev
	QUINTET_CHAOS=full $(BIN)/python -m pytest -s tests/test_chaos_workers.py $(ARGS)

# ruff, mypy, import-linter
lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every benchmark, a table of ratios each
bench: setup-dev
	$(BIN)/python -m benchmarks $(ARGS)

# Rewrite the hash-locked requirements
lock:
	uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements.txt -o requirements.lock
	uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements-dev.txt -o requirements-dev.lock
	uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements-ib-insync.txt -o requirements-ib-insync.lock

setup:
	@test -n "$(PYTHON)" || { echo "Quintet needs Python 3.11 or newer; none was found."; exit 1; }
	@$(PYTHON) scripts/bootstrap.py --venv $(VENV) --lock requirements.lock

setup-dev:
	@test -n "$(PYTHON)" || { echo "Quintet needs Python 3.11 or newer; none was found."; exit 1; }
	@$(PYTHON) scripts/bootstrap.py --venv $(VENV) --lock requirements-dev.lock --browser

clean:
	rm -rf $(VENV) $(VENV)-ib-insync .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
