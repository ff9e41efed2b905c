# Two commands: `make run` and `make test`; `make ui` shows the runs in a browser.
# Each makes the environment first where it is not there.
VENV  := .venv
READY := $(VENV)/.ready
TEST_READY := $(VENV)/.ready-test
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# DVC and MLflow ask for the user's name, which a bare number, as containers are given, has not.
export LOGNAME := $(or $(LOGNAME),$(USER),$(shell id -un 2>/dev/null || id -u))

# The first Python on the path from 3.11.4, which unpacks archives safely, to 3.13.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11, 4) <= sys.version_info[:3] < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)

# uv needs a third of the processor time of pip, and checks the same hashes. It does not read
# pip's files, so it is told pip's index; where it cannot (an index it does not reach), pip does it all.
# Its cache lies in the same folder, so that files are linked, not copied, and goes afterwards.
# A shell that outlives Ctrl-C would go on with the next program: it is told to stop.
define install
	@trap 'exit 130' INT TERM HUP; \
	export VIRTUAL_ENV=$(CURDIR)/$(VENV) UV_CACHE_DIR=$(CURDIR)/$(VENV)/.uv UV_SYSTEM_CERTS=1; \
	index=$$(python -m pip config list | sed -n "s/^[^=]*\.index-url='\(.*\)'/\1/p" | head -n 1); \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
	uv pip install --quiet --no-config --require-hashes --no-deps -r $(1) 2>/dev/null; status=$$?; \
	rm -rf $(VENV)/.uv; \
	[ $$status = 0 ] || python -m pip install --quiet --no-compile --require-hashes --no-deps -r $(1)
endef
compile = uv pip compile pyproject.toml --extra birdnet --extra uv --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --quiet --custom-compile-command "make lock" \
	$(UPGRADE)

.PHONY: run test ui setup lint lock

# What it says at the end is one command of the shell, whose echo needs no program on the path.
run: $(READY)
	@if [ ! -e .git ]; then \
		echo "No .git here: experiments (dvc exp, mlflow run) need a git clone; running the pipeline."; \
		printf '[core]\n    no_scm = true\n' > .dvc/config.local; \
	fi
	@dvc pull --quiet data.dvc
	@echo "The pipeline; a stage that was run before on the same comes from the cache:"
	@dvc repro > /dev/null  # what DVC says of itself; stages, bars and errors go to standard error
	@faunashot show
	@[ ! -e .git ] || git config user.email > /dev/null || { echo; \
		echo "Experiments are commits, which need a name:"; \
		echo "  git config user.name YOU; git config user.email YOU@EXAMPLE.ORG"; }
	@echo; \
	echo "The weights of BirdNET, the default backbone, are for non-commercial use (CC BY-NC-SA 4.0)."; \
	echo "The corpus is synthetic; README.md says how to bring real recordings."; \
	echo "Next: source $(VENV)/bin/activate, then"; \
	echo "  reports/report.html             the run on one page"; \
	echo "  dvc exp run -S protocol.k=10    another number of labelled clips"; \
	echo "  faunashot compare, make ui      experiments side by side"

test: $(TEST_READY)
	python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(TESTS)

# As set up, MLflow's server starts a job runner and four workers: 30 s and 2.5 GB, for 6 s and 0.5 GB.
ui: $(READY)
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --workers 1

setup: $(READY)

lint: $(TEST_READY)
	ruff check .
	ruff format --check .
	mypy

# A folder without its stamp was left half made: it is made anew.
$(READY): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "faunashot needs Python 3.11.4 or later, 3.12 or 3.13 on the path"; exit 1; fi
	@echo "Making $(VENV) with $(PYTHON); this takes half a minute and 3.2 GB."
	@[ -e $@ ] || rm -rf $(VENV)
	@rm -f $@ $(TEST_READY)
	$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock | python -m pip install --quiet --require-hashes -r /dev/stdin 2>/dev/null || true
	$(call install,requirements.lock)
	python -m pip install --quiet --no-deps --no-build-isolation --editable .
	python -m faunashot.reporting.plots_page .dvc/plots.html
	@touch $@

# An installer takes a package for whole whose files are there in part: while it adds the tools, no stamp
# says that the folder is. Where it could not (with no network, say), the folder is as it was.
$(TEST_READY): requirements-test.lock $(READY)
	@rm $(READY)
	$(call install,requirements-test.lock) || { touch $(READY); exit 1; }
	@touch $(READY) $@

# The second lock holds the first, version by version. Neither carries an index address.
# UPGRADE=--upgrade takes newer versions than those that the locks hold.
lock: $(READY)
	$(compile) --output-file requirements.lock
	$(compile) --extra dev --extra ray --constraint requirements.lock --output-file requirements-test.lock
