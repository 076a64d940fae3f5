# What a person does with this checkout. `make help` prints the comments behind the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := results/demo
TABLES := table1 table2 table3 table4 table5
ARGS ?=
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup demo $(TABLES) test check lint docs wheel format benchmark clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  \1\t/' | expand -t 14

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "mapga needs Python 3.11 to 3.13; name one: make setup PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[all,dev,docs]'
	touch $(STAMP)

setup: $(STAMP)  ## make .venv and install everything into it

demo: $(STAMP)  ## restore 32 digits: four tasks, eight methods, one table, one picture a task
	$(BIN)/mapga run -m experiment=demo results_dir=$(DEMO)
	$(BIN)/mapga report $(DEMO)

# Overrides of a sweep go into ARGS: make table1 ARGS="dataset=mnist prior=mnist" or ARGS=hydra/launcher=slurm
table1:  ## the paper's Table 1: noiseless, ImageNet 64x64 (ARGS="dataset=mnist prior=mnist": digits)
table2:  ## Table 2: noiseless, LSUN cats 256x256
table3:  ## Table 3: from the noised truth
table4:  ## Table 4: noisy inpainting
table5:  ## Table 5: runtime
$(TABLES): $(STAMP)
	$(BIN)/mapga run -m experiment=$@ results_dir=results/$@ $(ARGS)
	$(BIN)/mapga report results/$@

test: $(STAMP)  ## run the tests, three at a time, since some wait (WORKERS=8 on more cores; each takes about 1.5 GB)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(STAMP)  ## formatting, style, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## build the site of docs/ into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: $(STAMP)  ## build the wheel and try it outside the checkout
	.ci/wheel

check: lint docs test  ## what CI runs: lint, the documentation, then the tests

format: $(STAMP)  ## rewrite files in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmark: $(STAMP)  ## speed of the solvers against the bare network passes
	$(BIN)/python benchmarks/overhead.py

clean:  ## forget the installation stamp, so that the next target installs again
	rm -f $(STAMP)
