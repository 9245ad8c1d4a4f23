# One word for each thing you do here. `make` alone lists them.
.PHONY: help run test soak peers bench lint types format docs screenshots lock upgrade setup
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
# Where this is set every process of the tests would compile the program anew: a second each time.
unexport PYTHONDONTWRITEBYTECODE
# Further words for pytest or bench: make test ARGS="-k smuggling"
ARGS ?=

help: ## list these words
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

run: ## start Postroom with its data in ./data
	@POSTROOM_DATA="$${POSTROOM_DATA:-./data}" POSTROOM_ALLOW_PRIVATE="$${POSTROOM_ALLOW_PRIVATE-127.0.0.0/8,::1/128}" ./postroom serve

setup: ## install what development needs (the other words do this themselves)
	@tools/environment.sh dev

test: setup ## everything that this machine can run, within 10 minutes
	@tools/in_memory.sh $(PYTHON) -m pytest -n 3 --dist worksteal --durations 20 --durations-min 0.1 --most-seconds 600 $(ARGS)

soak: setup ## the long ones: hours
	$(PYTHON) -m pytest -m soak --durations 20 --hypothesis-profile soak $(ARGS) || [ $$? -eq 5 ]

peers: ## install the programs that tests talk to (Debian, root)
	@tools/peers.sh

bench: setup ## the benchmarks, each with a ratio measured in one run
	$(PYTHON) -m bench $(ARGS)

lint: setup ## ruff, and the floors of the house
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -c 'import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())' --no-logo

types: setup ## mypy --strict
	$(PYTHON) -m mypy

format: setup ## order imports and lay out code
	$(PYTHON) -m ruff check --select I --fix .
	$(PYTHON) -m ruff format .

docs: setup ## renew the tables from the code, check the links between the pages
	$(PYTHON) -m tools.pages

screenshots: setup ## take the pictures of docs/dashboard.md again (needs chromium)
	PYTHONPATH=tests $(PYTHON) -m tools.screenshots $(ARGS)

lock: setup ## renew requirements/*.txt after a change of requirements/*.in
	@tools/lock.sh

upgrade: setup ## take the newest of every dependency
	@tools/lock.sh --upgrade
