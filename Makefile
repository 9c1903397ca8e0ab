# Everything a user does with this repository. `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# Taken from the command line alone (make DATA=/datasets): what happens to be in the environment is no choice.
PROFILE = smoke
CLUSTER = local
DETACH =
STORE = runs
RERUN = missing
DATA =
ONLY =
IMAGES =
WORKERS =
SET =
TABLE = 1
COMPARE = published
FORMATS = csv tex
PYTHON =
BENCH =
OFFICIAL =

VENV := .venv
BIN := $(VENV)/bin
HARNESS := $(BIN)/harness
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SELECT = --profile "$(PROFILE)" --store "$(STORE)" $(if $(DATA),--data "$(DATA)") $(if $(ONLY),--only $(ONLY)) \
	$(foreach each,$(IMAGES),--pretrain-images "$(each)") $(foreach each,$(SET),--set '$(each)')
RUN = $(SELECT) --cluster $(CLUSTER) $(if $(WORKERS),--workers $(WORKERS))
READ = $(SELECT) $(if $(filter command,$(firstword $(origin CLUSTER))),--cluster $(CLUSTER))
DRIVE = $(RUN) --rerun $(RERUN) $(if $(DETACH),--detach)

# A misspelt choice would be met after hours of work, or never.
VARIABLES := PROFILE CLUSTER DETACH STORE RERUN DATA ONLY IMAGES WORKERS SET TABLE COMPARE FORMATS PYTHON BENCH OFFICIAL VENV
$(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(if \
	$(filter $(name),$(VARIABLES)),,$(error $(name) is no variable of this Makefile. Use one of: $(VARIABLES)))))
one-of = $(foreach each,$($(1)),$(if $(filter $(each),$(2)),,$(error $(1)=$(each): use one of: $(2))))
$(call one-of,COMPARE,none published statistics)
$(call one-of,FORMATS,txt csv tex md html json)
$(call one-of,RERUN,missing retry force never)

.PHONY: help table table1 table2 table3 table4 table5 table6 table7 figure1 figure2 report plan status bench test lint format clean-venv clean-out clean-data clean-runs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  variables: PROFILE=smoke|laptop|mini|paper DATA=/datasets IMAGES='DIR DIR' STORE=runs WORKERS=2"
	@echo "             ONLY=pixcon-sr,random-init (no blanks inside one setting)"
	@echo "             CLUSTER=local|debug|<a profile's name or path> DETACH=1 (submit to it and return)"
	@echo "             RERUN=missing|retry|force|never SET='pretrain.train.epochs=4 …' PYTHON=python3.12"
	@echo "             COMPARE=none|published|statistics FORMATS='csv tex md html json'"
	@echo "             BENCH='step parts' OFFICIAL=DIR (make bench)"

table1: ## PASCAL VOC detection: run what Table 1 lacks and print it (FORMATS go to out/)
table2: ## Cityscapes and PASCAL VOC segmentation, likewise
table3: ## COCO detection and instance segmentation
table4: ## from DenseCL to PixCon-Sim, one component at a time
table5: ## SlotCon and PixPro with image-level losses
table6: ## similarity-based matching with SlotCon
table7: ## transfer from COCO and COCO+

table1 table2 table3 table4 table5 table6 table7: $(VENV)/.installed
	$(call print,$(@:table%=%))

table: $(VENV)/.installed ## the same for TABLE=<number or name>
	$(call print,$(TABLE))

define print
@$(HARNESS) run $(1) $(DRIVE); status=$$?; [ $$status -le 1 ] || exit $$status; \
$(HARNESS) table $(1) $(SELECT) --cluster $(CLUSTER) $(foreach suffix,txt $(FORMATS),--out out/table$(1).$(suffix)) --compare $(COMPARE) || exit; \
cat out/table$(1).txt; exit $$status
endef

figure1: $(VENV)/.installed ## self-attention maps of the paper's methods (out/figure1.png, .pdf, .json)
	@$(HARNESS) figure 1 $(DRIVE)

figure2: $(VENV)/.installed ## the weakest matches over the epochs of a pre-training (out/figure2.png, .pdf, .json)
	@$(HARNESS) figure 2 $(DRIVE)

report: $(VENV)/.installed ## tables, figures, curves, failures, provenance on one page (out/report.html); runs nothing
	@$(HARNESS) report $(READ)

plan: $(VENV)/.installed ## what would run for TABLE, and how long it would take
	@$(HARNESS) plan $(TABLE) $(RUN)

status: $(VENV)/.installed ## method × run of TABLE, drawn again while something runs
	@$(HARNESS) status $(TABLE) $(READ) --watch

bench: $(VENV)/.installed ## how fast this machine is at it (out/bench-<machine>.md); BENCH='step keys' for some
	@$(HARNESS) bench $(BENCH) $(if $(OFFICIAL),--official "$(OFFICIAL)")

test: $(VENV)/.installed-dev ## run the tests
	@$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev ## check style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(VENV)/.installed-dev ## format the code
	@$(BIN)/ruff format .

clean-out: ## remove printed tables (out/)
	rm -rf out

clean-data: ## remove generated scenes (data/)
	rm -rf data

clean-runs: ## remove the run store: every result (STORE)
	rm -rf "$(STORE)"

clean-venv: ## remove .venv
	rm -rf $(VENV)

# What is behind a link is another checkout's: installing there would make its commands run the code of this one.
define own-venv
@[ ! -L "$(VENV)" ] || { echo "make: $(VENV) is a link to $$(readlink "$(VENV)"): nothing is installed into another folder. \
Remove the link, and make sets up a $(VENV) of its own." >&2; exit 2; }
endef

# A Python that works and has venv: the one named, else 3.12 or 3.11 by name, else python3 if it is one of them.
$(VENV)/bin/python:
	$(own-venv)
	@for python in $(or $(PYTHON),python3.12 python3.11 python3); do \
	  $$python -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null || continue; \
	  echo "setting up $(VENV) with $$($$python --version)"; \
	  exec $$python -m venv $(VENV); \
	done; \
	echo "make: no Python 3.11 or 3.12 with venv found. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 2

$(VENV)/.installed: pyproject.toml constraints.txt requirements-openmmlab.txt | $(VENV)/bin/python
	$(own-venv)
	@echo "installing the packages; this happens once and takes some minutes"
	@$(PIP) -c constraints.txt -e .
	@$(PIP) --no-deps -r requirements-openmmlab.txt
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt requirements-openmmlab.txt | $(VENV)/bin/python
	$(own-venv)
	@echo "installing the packages; this happens once and takes some minutes"
	@$(PIP) -c constraints.txt -e '.[dev]'
	@$(PIP) --no-deps -r requirements-openmmlab.txt
	@touch $@ $(VENV)/.installed
