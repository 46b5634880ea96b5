# Every target installs what it needs first. Requires only Python 3.11 or later, make and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

SUITE := not measured and not long and not prometheus and not studio and not deploy and not containers
TEST_PROCESSES ?= $(or $(shell nproc 2>/dev/null | awk '{print int($$1 * 3 / 2 + 0.5)}'),auto)
# Only the files with such tests: to import all others would take as long as some of them.
MEASURED = $(shell grep -rl --include="test_*.py" "mark\.measured" tests) -m measured
once_more = { test $$? = 1 && $(BIN)/python -m pytest --numprocesses 0 --last-failed --last-failed-no-failures none $(1); }

.DEFAULT_GOAL := help
# Bytecode is kept even where a container image says otherwise: hundreds of processes would compile the same modules.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup demo train-demo up test test-long attack fuzz check check-types check-code check-deploy check-observability format docs bench-api bench-ar bench-ar-steps bench-dit bench-e2e bench-held bench-restart bench-webhooks bench-batch bench-fairness bench-autoscale bench-cost bench-schedule bench-dispatch bench-store bench-metrics eval-demo chaos images sbom lock test-containers test-clients test-studio test-upgrade screenshots clean

help: ## show this help
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed ## create .venv and install everything into it

# pip would compile all 19,000 modules, one after the other, for a minute. Python compiles those that are imported.
$(VENV)/.installed: pyproject.toml
	@echo "Setting up $(VENV) (torch and Triton alone are about 400 MB; a few minutes on a first run)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --no-compile --editable '.[api,workers,local,eval,otel,c2pa]' --group dev
	@touch $@

demo: setup ## render examples/prompts.jsonl through the whole service into out/demo
	$(BIN)/gridpress demo

train-demo: setup ## train the demonstration model into out/train-demo (about five hours on one core); continues an earlier run
	$(BIN)/python -m workers.checkpoint.demo train
	$(BIN)/python -m workers.checkpoint.demo sheet
	$(BIN)/python -m workers.checkpoint.demo assemble --to out/train-demo/weights

up: setup ## start the whole service on this machine and keep it running
	$(BIN)/gridpress up

# A test that fails in parallel is repeated alone, because a busy machine of two cores sometimes exceeds a timeout.
# Many tests wait for processes, so three of them at once keep two cores busy.
test: setup ## run the whole test suite; failed tests run once more, alone
	$(BIN)/python -m pip install --quiet --no-compile --group kernels
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder -m '$(SUITE)' || $(call once_more,tests -m '$(SUITE)')
	$(BIN)/python -m pytest --numprocesses 0 $(MEASURED) || $(call once_more,$(MEASURED))
	@$(BIN)/python -m tests.missing

test-long: setup ## run what `make test` leaves out because it takes long, and property tests with 300 examples (20 minutes)
	PROPERTY_EXAMPLES=300 $(BIN)/python -m pytest -m 'long or hypothesis' --numprocesses 0

attack: setup ## run every attack and machine failure that the docs list, against a service on loopback
	$(BIN)/python -m pytest -m attack --numprocesses 0

fuzz: setup ## send generated and mutated requests for a long time: FUZZ_REQUESTS, FUZZ_EXAMPLES, FUZZ_SEED
	FUZZ_REQUESTS=$${FUZZ_REQUESTS:-50000} FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-100} FUZZ_SEED=$${FUZZ_SEED:-$$(date +%s)} \
		$(BIN)/python -m pytest tests/api/server/test_raw_requests.py tests/api/service/test_schemathesis.py --numprocesses 0

check: setup ## run ruff, mypy and import contracts, and check the files of docker/ and deploy/
	$(MAKE) --jobs 2 check-types check-code check-deploy

check-types: setup
	$(BIN)/mypy

check-code: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

check-deploy: setup ## check docker/ and deploy/ with Helm, Kubernetes' schemas, KEDA's models, hadolint, Compose and yamllint
	$(BIN)/python -m pytest tests/deploy -m deploy --numprocesses 0

docs: setup ## write docs/settings.md and the tables of docs/metrics.md, docs/devices.md and of the chart from the code
	$(BIN)/python -m tests.docs.settings_table
	$(BIN)/python -m tests.docs.metrics_table
	$(BIN)/python -m tests.docs.devices_table
	$(BIN)/python -m tests.deploy.settings_schema
	$(BIN)/python -m tests.deploy.values_table

check-observability: setup ## test the alert rules, and run every panel's queries on a real Prometheus (Debian's package prometheus)
	$(BIN)/python -m pytest tests/observability --numprocesses 0

format: setup ## format the code and apply the fixes that ruff can make
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-ar: setup ## measure the AR engine beside the reference (about ten minutes on two cores)
	$(BIN)/python -m benchmarks.ar

bench-ar-steps: setup ## measure a decode step beside the memory-bandwidth limit
	$(BIN)/python -m benchmarks.ar_steps

bench-dit: setup ## measure the DiT engine beside the reference (about ten minutes on two cores)
	$(BIN)/python -m benchmarks.dit

bench-e2e: setup ## measure the whole service beside the reference pipeline in a loop
	$(BIN)/python -m benchmarks.e2e

bench-api: setup ## measure submissions, a job in an idle service, and pictures per second (three minutes)
	$(BIN)/python -m benchmarks.api.submit
	$(BIN)/python -m benchmarks.api.idle
	$(BIN)/python -m benchmarks.api.throughput

bench-held: setup ## measure the cost of a thousand clients that wait at one API (half a minute)
	$(BIN)/python -m benchmarks.api.held

bench-restart: setup ## measure how long the store takes to restart with 100,000 jobs
	$(BIN)/python -m benchmarks.restart

bench-batch: setup ## measure a batch's ingestion, waiting lines, throughput and effect on other tenants (ten minutes)
	$(BIN)/python -m benchmarks.batch

bench-webhooks: setup ## measure deliveries per second, and first attempts beside a thousand dead receivers (five minutes)
	$(BIN)/python -m benchmarks.webhooks

bench-fairness: setup ## simulate fair shares of thousands of tenants (half a minute)
	$(BIN)/python -m benchmarks.fairness

bench-schedule: setup ## measure interactive pictures beside a batch, and pictures that wait while a worker idles (half an hour; ENGINES=real for small real engines)
	$(BIN)/python -m benchmarks.schedule --engines $(or $(ENGINES),simulated)

bench-cost: setup ## compare estimated costs with step times of the DiT engine, for sizes and edits (two minutes)
	$(BIN)/python -m benchmarks.dit_cost

bench-autoscale: setup ## simulate an autoscaler that follows wanted_workers (seconds)
	$(BIN)/python -m benchmarks.autoscale

bench-dispatch: setup ## measure claims and submissions beside up to 100,000 waiting renders (a minute)
	$(BIN)/python -m benchmarks.dispatch

bench-store: setup ## measure what jobs, heartbeats and looks at the queue cost the store (ten minutes)
	$(BIN)/python -m benchmarks.store

bench-metrics: setup ## measure the CPU time of metrics for a picture with a webhook (four minutes)
	$(BIN)/python -m benchmarks.metrics

eval-demo: setup ## measure how well the demonstration model paints held-out prompts (EVAL="--num 20"; needs tesseract-ocr)
	$(BIN)/python -m benchmarks.demo_model $(EVAL)

chaos: setup ## kill KILLS processes at random under load, interrupt every role and store, and audit every job (KILLS=1000 SEED=1)
	$(BIN)/python -m tests.chaos --kills $(or $(KILLS),1000) --seed $(or $(SEED),1)

# The code of the earlier release runs with the packages of .venv, so the packages that it needs must be in it.
test-upgrade: setup ## upgrade a service under load from the release FROM, process by process, and audit every job (FROM=<commit> KILLS= SEED= ORDER=any)
	$(BIN)/python -m tests.upgrade $(FROM) --kills $(or $(KILLS),0) --seed $(or $(SEED),1) $(if $(ORDER),--any-order)

images: ## build the images gridpress-api, -worker and -gpu (DOCKER=docker BASE= TORCH=cuda TAG=)
	docker/images

sbom: ## write the software bill of materials of the images to out/sbom, as CycloneDX (DOCKER=docker TAG=)
	docker/sbom

lock: setup ## write docker/locks again: every version in the images, with hashes
	$(BIN)/python -m pip install --quiet --group containers
	UV=$(BIN)/uv docker/lock

test-containers: setup ## build the images, run the Compose stack on a Docker engine and test its failures (root; Debian)
	$(BIN)/python -m pip install --quiet --group containers
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m containers --numprocesses 0 tests/containers

# axe-core, which finds faults of accessibility, comes inside a package for Playwright, which itself is not needed.
test-studio: setup ## use the studio in a headless Chromium (Debian's packages chromium and chromium-driver; a few minutes)
	$(BIN)/python -m pip install --quiet --group studio
	$(BIN)/python -m pip install --quiet --no-deps 'axe-playwright-python>=0.1.8,<0.2'
	$(BIN)/python -m pytest -m studio --numprocesses 0 tests/studio

screenshots: setup ## take the screenshots in the README again (MODEL=demo for real pictures; needs Chromium as test-studio does)
	$(BIN)/python -m pip install --quiet --group studio
	$(BIN)/python -m tests.studio.screenshots $(if $(MODEL),--model $(MODEL))

# The environments are in .venv-clients (1.1 GB). Not in `make test`, because installing them needs package registries.
test-clients: setup ## run published clients against a service on loopback (CLIENTS="curl ai_sdk" chooses; WRITE=1 updates docs/clients.md)
	$(BIN)/python -m pip install --quiet --group clients
	$(BIN)/python -m tests.clients $(CLIENTS) $(if $(WRITE),--write)

clean: ## delete the files that the tools made, never your data under .gridpress
	rm -rf build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
