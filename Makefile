# `make demo` and `make test` are all a reader needs; the rest is for developers.
# Everything runs in a virtual environment of its own, with the versions of constraints.txt.

PYTHON ?= python3
DIST ?= dist
DEMO ?= results/demo
VENV := .venv
BIN := $(VENV)/bin
ADAPTERS := .venv-adapters
LAUNCHERS := .venv-launchers
SOURCES := pyproject.toml constraints.txt
SECONDS_ONLY := not slow and not adapters and not launchers

.DEFAULT_GOAL := help
.PHONY: docs notebook help demo test test-thorough test-chosen test-slow test-zoo test-adapters test-launchers lint types bench bench-peers bench-gpu bench-launchers gallery pictures zoo-table studies wheel clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.runtime  ## install, then run the main check on a small network (a few minutes)
	$(BIN)/python -m saliency_bench +experiment=param_randomization run_dir=$(DEMO)
	@echo "look:       open $(DEMO)/report.html in a browser (docs/reading.md says how to read it)"
	@echo "next:       $(BIN)/python -m saliency_bench +experiment=sanity   # are labels needed, too?"
	@echo "your model: $(BIN)/python -m saliency_bench +experiment=param_randomization model=saved model.path=my.keras dataset=npz dataset.path=my.npz"

test: $(VENV)/.dev  ## install, then run the unit tests (minutes)
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-thorough: $(VENV)/.dev  ## run the unit tests that `make test` leaves out (a quarter of an hour)
	$(BIN)/python -m pytest -m "thorough and $(SECONDS_ONLY)" -n 2 --dist worksteal

test-chosen: $(VENV)/.dev  ## measure all unit tests, and choose anew what `make test` leaves out
	$(BIN)/python -m pytest -m "$(SECONDS_ONLY)" -n 2 --dist worksteal --choose-thorough 500

test-slow: $(VENV)/.dev  ## run the tests that train networks (longer)
	$(BIN)/python -m pytest -m "slow and not launchers" --ignore tests/zoo

test-zoo: $(VENV)/.dev  ## run every explainer on every family of keras.applications (long)
	$(BIN)/python -m pytest -m slow tests/zoo -n 2 --dist loadgroup

test-adapters: $(ADAPTERS)/.ready  ## install the libraries behind the adapters, run their tests
	$(ADAPTERS)/bin/python -m pytest -m adapters tests/adapters

test-launchers: $(LAUNCHERS)/.ready  ## install the launchers and an S3 server, run their tests
	$(LAUNCHERS)/bin/python -m pytest -m launchers tests/launchers

lint: $(VENV)/.dev  ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## check types
	$(BIN)/mypy

bench: $(VENV)/.runtime  ## measure speed; writes results/reference/benchmarks.md
	$(BIN)/python -m benchmarks

bench-peers: $(ADAPTERS)/.peers  ## install other libraries, measure them beside ours (half an hour)
	$(ADAPTERS)/bin/python -m benchmarks peers

bench-gpu: $(VENV)/.runtime  ## measure what a GPU brings, where TensorFlow finds one (minutes)
	$(BIN)/python -m benchmarks gpu

bench-launchers: $(LAUNCHERS)/.ready  ## measure two jobs at a time against one after the other
	$(LAUNCHERS)/bin/python -m benchmarks launchers

gallery: $(VENV)/.runtime  ## draw the figures and tables of docs/explainers.md
	$(BIN)/python docs/gallery.py

pictures: $(VENV)/.dev demo  ## photograph the report of the demo for README.md and docs/
	$(BIN)/python docs/pictures.py $(DEMO)

zoo-table: $(VENV)/.dev  ## write the table of docs/networks.md: what runs on which network
	$(BIN)/python docs/zoo.py

docs: $(VENV)/.dev  ## write the site to site/: all pages, with search, and the reference of public names
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[docs]'
	$(BIN)/python docs/site.py

notebook: $(VENV)/.dev  ## run docs/from-model-to-gate.ipynb and keep what it prints
	$(BIN)/python docs/notebook.py

studies: $(VENV)/.runtime  ## repeat the studies of experiments/ (hours)
	$(BIN)/python -m experiments

wheel: $(VENV)/.dev  ## build the sdist, and the wheel from it, into DIST=dist
	$(BIN)/python -m build --no-isolation --outdir "$(DIST)"

clean:  ## remove what make made; results stay
	rm -rf $(VENV) $(ADAPTERS) $(LAUNCHERS) dist site .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it was installed from. Build tools are pinned as well, so pip must not
# fetch its own newest ones: they come first, then isolation is off.
$(VENV)/.runtime: $(SOURCES)
	$(call install,.)
	touch $@

$(VENV)/.dev: $(SOURCES)
	$(call install,.[dev])
	touch $@ $(VENV)/.runtime

$(ADAPTERS)/.ready: $(SOURCES) tests/adapters/requirements.txt
	$(MAKE) VENV=$(ADAPTERS) $(ADAPTERS)/.dev
	$(ADAPTERS)/bin/python -m pip install --no-deps -r tests/adapters/requirements.txt
	touch $@

$(ADAPTERS)/.peers: $(ADAPTERS)/.ready benchmarks/requirements.txt
	$(ADAPTERS)/bin/python -m pip install --no-deps -r benchmarks/requirements.txt
	touch $@

$(LAUNCHERS)/.ready: $(SOURCES)
	$(MAKE) VENV=$(LAUNCHERS) $(LAUNCHERS)/.dev
	$(LAUNCHERS)/bin/python -m pip install -c constraints.txt --no-build-isolation -e '.[dev,docs,joblib,submitit,ray,s3]' 'moto[server]'
	touch $@

define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, got " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
$(PYTHON) -m venv $(VENV)
$(BIN)/python -m pip install -c constraints.txt hatchling editables setuptools wheel
$(BIN)/python -m pip install -c constraints.txt --no-build-isolation -e '$(1)'
endef
