# Two commands: `make run` and `make test`. Each makes the environment first where it is not there.
VENV  := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The first Python on the path from 3.11.4, which unpacks archives safely, to 3.13.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11, 4) <= sys.version_info[:3] < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)

.PHONY: run test setup lint lock

run: $(READY)
	@if [ ! -e .git ]; then \
		echo "No .git here: experiments (dvc exp, mlflow run) need a git clone; running the pipeline."; \
		printf '[core]\n    no_scm = true\n' > .dvc/config.local; \
	fi
	@dvc pull --quiet data.dvc
	dvc repro
	@faunashot show
	@echo
	@echo "The weights of BirdNET, the default backbone, are for non-commercial use (CC BY-NC-SA 4.0)."
	@echo "The corpus is synthetic; README.md says how to bring real recordings."
	@echo "Next: source $(VENV)/bin/activate, then"
	@echo "  reports/report.html             the run on one page"
	@echo "  dvc exp run -S protocol.k=10    another number of labelled clips"
	@echo "  faunashot compare, mlflow ui    experiments side by side"

test: $(READY)
	python -m pytest

setup: $(READY)

lint: $(READY)
	ruff check .
	ruff format --check .
	mypy

$(READY): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "faunashot needs Python 3.11.4 or later, 3.12 or 3.13 on the path"; exit 1; fi
	@echo "Making $(VENV) with $(PYTHON); this takes two minutes and 3.5 GB."
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --require-hashes -r requirements.lock
	python -m pip install --quiet --no-deps --no-build-isolation --editable .
	python -m faunashot.reporting.plots_page .dvc/plots.html
	@touch $@

# Needs uv. The lock carries versions and hashes, no index address.
lock:
	uv pip compile pyproject.toml --extra birdnet --extra dev --extra ray --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --output-file requirements.lock
