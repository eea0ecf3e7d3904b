PYTHON ?= python3
VENV := .venv
LIGHT := $(VENV)/.light
READY := $(VENV)/.ready
RUN := $(VENV)/bin
FOLDER = $(or $(RESULTS),$(if $(wildcard results/*/results.parquet),results,results/reference))
WORKERS ?= auto
ZOOS ?= "56 trees" "300 networks"
ABSENT := $(filter-out $(wildcard $(CONFIG)),$(CONFIG))
$(if $(ABSENT),$(error CONFIG: $(firstword $(ABSENT)): expected a configuration, but there is no such file))
IN_PARALLEL = --numprocesses $(WORKERS) --maxprocesses 8 --dist loadfile --no-loadscope-reorder
PRETRAINED := $(if $(wildcard data/efficientnet-lite0-57934424.pth),pretrained.yaml)

.PHONY: run offline test test-slurm test-gpu mutation tables report figures summarise resources audit tree bench bench-detector audit-bench bench-verdicts bench-scars bench-reading bench-tree tree-weights bench-index bench-tree-growth bench-disguises bench-labels bench-pairing bench-intervals bench-processors direction lint

run: $(READY) ## pretrain -> fine-tune -> features -> similarity -> detector -> evaluate -> tables
	@$(RUN)/lineage unlock
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/snakemake $(if $(CONFIG),--configfile $(CONFIG)) $(if $(DATA),--config data=$(DATA))

offline: ## the paper's experiments at a scale of 2 cores; DATA=<folder of Parquet files>, else downloaded
	@$(MAKE) --no-print-directory run CONFIG="config/offline.yaml $(if $(DATA),config/segmentation.yaml config/detection.yaml) $(addprefix config/,$(PRETRAINED))"

test: $(READY) ## on every core; WORKERS=1 for one
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/pytest $(IN_PARALLEL)

test-slurm: $(READY) ## on a real one-node SLURM that the tests start; needs slurm-wlm and munge
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/pytest tests/slurm

test-gpu: ## on CUDA; with $(PYTHON) as it is, without .venv; DATA=<folder with CIFAR-10>, OUT=<folder of results>
	@LINEAGE_GPU_DATA="$(DATA)" LINEAGE_GPU_OUT="$(OUT)" PYTHONPATH=. $(PYTHON) -m pytest -s --continue-on-collection-errors tests/gpu

mutation: $(READY) ## the share of changes to the code that the unit tests notice; a quarter of an hour
	@$(INSTALL) ".[mutation]"
	@$(RUN)/python tests/mutation.py $(PARTS)

tables: $(LIGHT) ## from Parquet alone, without torch; and docs/results.md from the committed results
	@$(RUN)/lineage tables $(FOLDER)
	@$(RUN)/lineage results-page

report: $(LIGHT) ## one page that opens without a network, from Parquet alone; without torch
	@$(RUN)/lineage report $(FOLDER)

figures: $(LIGHT) ## every figure as SVG, PDF and PNG, from Parquet alone; without torch
	@$(RUN)/lineage figures $(FOLDER)

summarise: $(LIGHT) ## the small tables that report and figures read, from a run's artifacts
	@$(RUN)/lineage summarise $(or $(RESULTS),results)

resources: $(READY) ## memory and time of the last run's jobs: asked for, and used
	@$(RUN)/lineage resources $(or $(RESULTS),results)

bench: $(READY) ## ratios to a plain forward pass; minutes
	@$(RUN)/python tests/bench/pair_cost.py

bench-detector: $(READY) ## time and memory of training a lineage detector; minutes
	@$(RUN)/python tests/bench/detector_cost.py

audit: $(READY) ## every child of config/models.tsv
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/snakemake -s audit.smk
	@$(RUN)/lineage verdicts

tree: $(READY) ## the family tree of the models that config/tree.yaml names
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/snakemake -s tree.smk
	@echo "results/tree/tree.html, and beside it tree.json, tree.graphml, tree.dot, nodes.parquet, edges.parquet"

audit-bench: $(READY) ## how often audits are right, on the zoo of `make run` and on zoos trained here; and how fast
	@$(RUN)/python tests/bench/audit_rates.py
	@$(RUN)/python tests/bench/audit_speed.py

bench-verdicts: $(READY) ## how often verdicts are right on families that are trained here; an hour or more
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/snakemake -s families.smk
	@mkdir -p results/reference/bench && cp results/families/verdicts.parquet results/reference/bench/verdicts.parquet

bench-labels: $(READY) ## how often a parent is known by answers alone, on networks that are trained here; WORLDS="vit-digits" measures some worlds and keeps the rows of the others; a run that was stopped goes on
	@$(RUN)/python tests/bench/label_rates.py $(if $(WORLDS),--worlds $(WORLDS))
	@$(RUN)/lineage results-page

bench-pairing: $(READY) ## how often independent networks come out dependent, and relatives are found, under other names
	@$(RUN)/python tests/bench/pairing_rates.py

bench-reading: $(READY) ## whether verdicts are the same in every format, and what reading 5 GB costs; minutes
	@$(RUN)/python tests/bench/reading_formats.py

bench-intervals: $(READY) ## how often intervals of accuracies hold the truth where children of one root are alike
	@$(RUN)/python tests/bench/interval_coverage.py

bench-scars: $(READY) ## how often copies' sources are known by their scars, on networks that are trained here
	@$(RUN)/python tests/bench/scar_rates.py

bench-tree: $(READY) ## how often edges and merges of family trees are right, on the families of bench-verdicts and on zoos that are trained here; FIRST=5 takes the smallest five families, MERGE=2 merges networks of two, ZOOS= trains no zoos; DIRECTION=shipped takes the package's model of direction; a run that was stopped goes on
	@$(RUN)/python tests/bench/tree_rates.py results/families $(if $(filter shipped,$(DIRECTION)),,--direction results/families/direction) --seeds $(or $(SEEDS),3 4) $(if $(FIRST),--first $(FIRST)) $(if $(MERGE),--merge $(MERGE)) --zoos $(ZOOS) --out results/reference/bench/tree.parquet

tree-weights: $(READY) ## the weights of evidence on a tree's edges, fitted anew on random trees that are trained here and on families of bench-verdicts
	@$(RUN)/python tests/bench/tree_weights.py results/families

bench-tree-growth: $(READY) ## what a new model costs a tree of 500, beside its own family's pairs; a quarter of an hour
	@$(RUN)/python tests/bench/tree_growth.py

bench-index: $(READY) ## how often an index of 100,000 models finds a child's relatives, on the families of bench-verdicts; FIRST=2 takes the smallest two of an architecture
	@$(RUN)/python tests/bench/index_rates.py $(or $(FAMILIES),results/families) $(if $(FIRST),--first $(FIRST) --roots 2 --searches 1) --out results/reference/bench/index.parquet

bench-disguises: $(READY) ## how often audits see through disguises, on families that it grows; an hour or two; DECOYS=1 measures the null anew
	@$(RUN)/python tests/bench/disguise_rates.py $(if $(DECOYS),--decoys)
	@$(if $(DECOYS),,$(RUN)/lineage results-page)

bench-processors: $(READY) ## where other processors give the same bytes, and what that costs; needs qemu-user; minutes
	@PYTHONPATH=. $(RUN)/python tests/bench/processor_bytes.py

direction: $(READY) ## fits the model of direction of the package again, on the families and random trees of bench-verdicts
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/snakemake -s families.smk results/families/direction/none.npz
	@cp results/families/direction/none.npz lineage/auditing/direction.npz

lint: $(READY)
	@$(RUN)/ruff check . && $(RUN)/ruff format --check .
	@$(RUN)/lint-imports --no-cache --no-logo
	@$(RUN)/snakefmt --check Snakefile audit.smk families.smk tree.smk workflow
	@$(RUN)/snakemake --lint

define make-venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: $(PYTHON) is Python %d.%d, expected 3.11 or newer; name another: make PYTHON=python3.11" % sys.version_info[:2])'
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
endef
INSTALL := $(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

$(LIGHT): pyproject.toml constraints.txt
	$(make-venv)
	@echo "installing into $(VENV) what tables and report need"
	@$(INSTALL) .
	@touch $(LIGHT)

$(READY): pyproject.toml constraints.txt
	$(make-venv)
	@echo "installing into $(VENV); this takes some minutes the first time"
	@$(INSTALL) ".[test]"
	@touch $(LIGHT) $(READY)
