# Everything that a person or a CI machine does with the study. `make` alone lists the targets.
PYTHON ?= python3

# snakemake and dvc start each other and python by name: nobody needs to activate the environment.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# With these, a shell or Git would be elsewhere than here.
unexport BASH_ENV CDPATH ENV GIT_DIR GIT_INDEX_FILE GIT_PREFIX GIT_WORK_TREE

.PHONY: help
help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ensurepip comes last when an environment is made: with pip in it, it is whole.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, $(PYTHON) is %d.%d: try make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv

.venv/requirements.stamp: requirements.lock | .venv/bin/pip
	pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.venv/requirements-dev.stamp: requirements-dev.lock .venv/requirements.stamp
	pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# For `dvc plots` without a network.
.venv/plots.html: .venv/requirements.stamp | without-git
	@PYTHONPATH=src python scripts/write_plots_page.py --output $@
	@dvc config --local plots.html_template ../.venv/plots.html

.PHONY: setup
setup: .venv/requirements.stamp .venv/plots.html  ## the environment alone: .venv with what requirements.lock pins

# Results that are here are never overwritten: only a clone without any is filled from the remote. The second pull lists
# anew: DVC trusts the half list of one that was killed (docs/reliability.md).
.PHONY: report
report: setup without-git  ## the whole study, from raw digits to reports/report.html; what was computed before is pulled
	@if [ -d results ]; then echo "results/ is here: nothing is pulled"; \
	elif [ ! -f dvc.lock ]; then echo "no dvc.lock: there is nothing to pull"; \
	else dvc pull || DVC_SITE_CACHE_DIR=$$(mktemp -d) dvc pull || \
		echo "dvc pull did not bring everything: the rest is computed"; fi
	snakemake --cores all
	@echo "The report: $(CURDIR)/reports/report.html"

# A download without .git has results and a remote all the same, also where it lies in somebody's repository.
.PHONY: without-git
without-git:
	@if [ ! -e .git ]; then dvc config --local core.no_scm true; \
	elif grep -qs no_scm .dvc/config.local; then dvc config --local --unset core.no_scm; fi

.PHONY: in-git
in-git:
	@[ -e .git ] || { echo "error: this needs Git's history: clone the repository" >&2; exit 1; }
	@git rev-parse --git-dir >/dev/null

.PHONY: quick
quick: setup  ## the same study in miniature (a minute), in its own folder: quick/reports/report.html
	cd quick && snakemake --snakefile ../Snakefile --cores all
	@echo "The report: $(CURDIR)/quick/reports/report.html"

.PHONY: mnist
mnist: setup  ## the full MNIST, downloaded and verified, for the part `more_data` (12 MB, in the user's cache folder)
	PYTHONPATH=src python scripts/fetch_mnist.py

.PHONY: explain
explain: setup  ## why would what run, without running it: which parameter, module, library or file, old and new value
	@snakemake --dry-run --quiet rules 2>&1 | awk '{output = output $$0 "\n"} /^Nothing to be done/ {print; said = 1} \
		/^Why these steps/, /^$$/ {print; said = 1} END {if (!said) printf "%s", output; exit !said}'

.PHONY: reproduce
reproduce: in-git setup  ## the committed study anew, from nothing, in a folder of its own, and compared (a part: TARGETS=results/grid.csv)
	PYTHONPATH=src python scripts/reproduce.py $(TARGETS)

# Without the environment, too: torch and numpy are enough.
.PHONY: bits
bits:  ## does this machine give the committed bits? (20 seconds; with any Python that has torch and numpy)
	@PYTHONPATH=src $(or $(wildcard .venv/bin/python),$(PYTHON)) benchmarks/bits.py

.PHONY: experiments
experiments: in-git setup  ## the experiments side by side: test errors, and the parameters that differ
	@PYTHONPATH=src python scripts/show_experiments.py

# From a clone, so that only remote/ is cleaned: `dvc gc --cloud` empties the local cache as well.
.PHONY: remote-gc
remote-gc: in-git setup  ## drop from remote/ what the last commit does not need
	@git diff --quiet HEAD -- dvc.lock || { echo "dvc.lock has changes that are not committed: commit them first" >&2; exit 1; }
	@clone=$$(mktemp -d) && trap 'rm -rf "$$clone"' EXIT && git clone --quiet . "$$clone" && cd "$$clone" && \
		dvc remote modify --quiet --local remote url '$(CURDIR)/remote' && dvc gc --workspace --cloud --force
	@find remote -name '.*.tmp' -delete
	@du -sh remote

.PHONY: test
test: .venv/requirements-dev.stamp  ## all tests
	pytest --numprocesses auto

.PHONY: unit
unit: .venv/requirements-dev.stamp  ## the unit tests alone
	pytest --numprocesses logical tests/unit

# `snakemake --lint` cannot be told that here pip's lock file takes the place of conda and containers, so its findings
# are filtered; what has neither a finding nor its congratulations is an error in the Snakefile.
.PHONY: lint
lint: .venv/requirements-dev.stamp  ## style and types of all code and of the Snakefile
	ruff check
	ruff format --check
	snakefmt --check Snakefile rules
	snakemake --lint 2>&1 | awk '{output = output $$0 "\n"} /^Lints for/ {place = $$0} /^    \* |Congratulations/ {linted = 1} \
		/^    \* / && !/conda environment or container/ {print place $$0; bad = 1} \
		END {if (!linted) printf "%s", output; exit bad || !linted}'
	mypy

.PHONY: bench
bench: setup  ## the speed of training, beside the plain loop's; on a GPU, too, where there is one
	PYTHONPATH=src python benchmarks/speed.py
	@if PYTHONPATH=src python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then \
		PYTHONPATH=src python benchmarks/gpu.py --output benchmarks/gpu.json; fi

# Existing pins stay unless pyproject.toml forbids them: delete the lock files first to get the newest versions.
# The local label, as in torch 2.13.0+cpu, is one machine's; the pin is for all.
COMPILE = CUSTOM_COMPILE_COMMAND='make lock' pip-compile --quiet --no-config --strip-extras --allow-unsafe --no-annotate \
	--no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
.PHONY: lock
lock: .venv/requirements-dev.stamp  ## requirements.lock and requirements-dev.lock anew from pyproject.toml
	$(COMPILE) --output-file requirements.lock pyproject.toml
	sed -i.bak 's/+[^ ]*$$//' requirements.lock
	$(COMPILE) --output-file requirements-dev.lock --extra dev --constraint requirements.lock pyproject.toml
	sed -i.bak 's/+[^ ]*$$//' requirements-dev.lock
	rm requirements.lock.bak requirements-dev.lock.bak

.PHONY: clean
clean:  ## caches of Python and of the tools; results stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -prune -exec rm -r {} +
