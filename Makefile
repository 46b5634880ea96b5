# Sets up what is missing, then runs it. Needs Python 3.11 or later, make and a package registry, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

SUITE := not measured and not prometheus and not deploy and not containers
MEASURED := tests/attack tests/workers/delivery tests/shared/schedule -m measured
once_more = { test $$? = 1 && $(BIN)/python -m pytest --numprocesses 0 --last-failed --last-failed-no-failures none $(1); }

.DEFAULT_GOAL := help
.PHONY: help setup demo train-demo up test attack fuzz check check-deploy check-observability format docs bench-api bench-ar bench-ar-steps bench-dit bench-e2e bench-held bench-restart bench-webhooks bench-batch bench-fairness bench-autoscale bench-cost bench-schedule bench-dispatch bench-metrics eval-demo chaos images sbom lock test-containers clean

help: ## show this help
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed ## make .venv and install everything into it

$(VENV)/.installed: pyproject.toml
	@echo "Setting up $(VENV) (torch alone is about 200 MB; a few minutes on a first run)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --editable '.[api,workers,local,eval,otel]' --group dev
	@touch $@

demo: setup ## render examples/prompts.jsonl through the whole service into out/demo
	$(BIN)/gridpress demo

train-demo: setup ## train the demonstration model anew into out/train-demo (about four hours on one core); goes on where it was ended
	$(BIN)/python -m workers.checkpoint.demo train
	$(BIN)/python -m workers.checkpoint.demo sheet
	$(BIN)/python -m workers.checkpoint.demo assemble --to out/train-demo/weights

up: setup ## start the whole service on this machine and keep it running
	$(BIN)/gridpress up

# What fails beside other tests must fail alone, too: a machine of two cores that tests share is late now and then.
test: setup ## run the whole test suite; tests that fail are run once more, alone
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m '$(SUITE)' || $(call once_more,tests -m '$(SUITE)')
	$(BIN)/python -m pytest --numprocesses 0 $(MEASURED) || $(call once_more,$(MEASURED))

attack: setup ## try every attack and broken machine that the docs list against a service on loopback
	$(BIN)/python -m pytest -m attack --numprocesses 0

fuzz: setup ## send drawn and mutated requests for long: FUZZ_REQUESTS, FUZZ_EXAMPLES, FUZZ_SEED
	FUZZ_REQUESTS=$${FUZZ_REQUESTS:-50000} FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-100} FUZZ_SEED=$${FUZZ_SEED:-$$(date +%s)} \
		$(BIN)/python -m pytest tests/api/server/test_raw_requests.py tests/api/service/test_schemathesis.py --numprocesses 0

check: setup check-deploy ## lint, types, import contracts, and the files of docker/ and deploy/
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-deploy: setup ## check docker/ and deploy/ by Helm, Kubernetes' schemas, KEDA's models, hadolint, Compose and yamllint
	$(BIN)/python -m pytest tests/deploy -m deploy --numprocesses 0

docs: setup ## write docs/settings.md, the tables of docs/metrics.md and of the chart from the code
	$(BIN)/python -m tests.docs.settings_table
	$(BIN)/python -m tests.docs.metrics_table
	$(BIN)/python -m tests.deploy.settings_schema
	$(BIN)/python -m tests.deploy.values_table

check-observability: setup ## test alert rules, and ask a real Prometheus for every panel (Debian's package prometheus)
	$(BIN)/python -m pytest tests/observability --numprocesses 0

format: setup ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-ar: setup ## measure the AR engine beside the reference (about ten minutes on two cores)
	$(BIN)/python -m benchmarks.ar

bench-ar-steps: setup ## measure a decode step against the bandwidth limit
	$(BIN)/python -m benchmarks.ar_steps

bench-dit: setup ## measure the DiT engine beside the reference (about ten minutes on two cores)
	$(BIN)/python -m benchmarks.dit

bench-e2e: setup ## measure the whole service beside the reference pipeline in a loop
	$(BIN)/python -m benchmarks.e2e

bench-api: setup ## measure submissions, an idle service and pictures a second (three minutes)
	$(BIN)/python -m benchmarks.api.submit
	$(BIN)/python -m benchmarks.api.idle
	$(BIN)/python -m benchmarks.api.throughput

bench-held: setup ## measure what a thousand waiting clients cost one API (half a minute)
	$(BIN)/python -m benchmarks.api.held

bench-restart: setup ## measure how long the store takes to come back with 100,000 jobs
	$(BIN)/python -m benchmarks.restart

bench-batch: setup ## measure what batches cost to take in, to keep waiting and to their neighbours (ten minutes)
	$(BIN)/python -m benchmarks.batch

bench-webhooks: setup ## measure deliveries a second, and the first attempt beside a thousand dead receivers (five minutes)
	$(BIN)/python -m benchmarks.webhooks

bench-fairness: setup ## simulate fair shares of thousands of tenants (half a minute)
	$(BIN)/python -m benchmarks.fairness

bench-schedule: setup ## measure a person's wait beside a batch, and workers that idle while a picture waits (half an hour)
	$(BIN)/python -m benchmarks.schedule

bench-cost: setup ## compare costs with the DiT engine's step times, over sizes and edits (two minutes)
	$(BIN)/python -m benchmarks.dit_cost

bench-autoscale: setup ## simulate an autoscaler over wanted_workers (seconds)
	$(BIN)/python -m benchmarks.autoscale

bench-dispatch: setup ## measure claims and submissions beside up to 100,000 waiting renders (a minute)
	$(BIN)/python -m benchmarks.dispatch

bench-metrics: setup ## measure what metrics cost a picture with a webhook (four minutes)
	$(BIN)/python -m benchmarks.metrics

eval-demo: setup ## measure how well the demonstration model paints held-out prompts (EVAL="--num 20"; needs tesseract-ocr)
	$(BIN)/python -m benchmarks.demo_model $(EVAL)

chaos: setup ## end KILLS processes at random under load, silence every role and store, and audit every job (KILLS=1000 SEED=1)
	$(BIN)/python -m tests.chaos --kills $(or $(KILLS),1000) --seed $(or $(SEED),1)

images: ## build the images gridpress-api, -worker and -gpu (DOCKER=docker BASE= TORCH=cuda TAG=)
	docker/images

sbom: ## write what the images hold into out/sbom, as CycloneDX (DOCKER=docker TAG=)
	docker/sbom

lock: setup ## write docker/locks anew: every version in the images, with hashes
	$(BIN)/python -m pip install --quiet --group containers
	UV=$(BIN)/uv docker/lock

test-containers: setup ## build the images, run the Compose stack on a Docker engine and break it (root; Debian)
	$(BIN)/python -m pip install --quiet --group containers
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m containers --numprocesses 0 tests/containers

clean: ## remove what the tools left behind, never your data under .gridpress
	rm -rf build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
