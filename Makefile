# Two commands matter: `make demo` shows the product at work on a fresh machine, `make test` says whether it is whole.
# Both install what they need: the Rust toolchain of rust-toolchain.toml by rustup, Python packages (pinned by hash)
# into .venv. A C compiler, python3 and, for the container tests, a Docker engine are taken from the machine.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
CACHE := .cache
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

AZURITE := azurite@3.35.0
ACT := github.com/nektos/act@v0.2.89
CONFORMANCE ?= ../shared/conformance
BUNDLE ?= examples/churn
DIST_TARGET ?= x86_64-unknown-linux-musl
DIST_BINARY := target/$(DIST_TARGET)/dist/mlops-deploy

# The program, and the Debian package that brings it.
need = command -v $(1) >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq >/dev/null \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends $(2) >/dev/null; } \
	|| { echo "$(1) is missing: install the package $(2)" >&2; exit 1; }

.PHONY: demo test faults rust description minilake python lint mlflow clouds container act conformance bench bench-copy image dist clean

demo: $(VENV)/.uv
	cargo build --locked
	target/debug/mlops-deploy rehearse $(BUNDLE)

test: rust lint python

# Without its default features the program is the one that ships: no stand-ins.
rust: $(VENV)/.all description minilake
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features -- -D warnings
	tools/with-docker.sh cargo test --locked

# The whole fault matrix: every request of every stage with everything that can go wrong. `make test` plays a part.
faults:
	MLOPS_DEPLOY_ALL_FAULTS=1 cargo test --release --locked --test it -- fault_matrix

# GitHub's published description of its API, which our requests are judged by; without npm they are not, and it says so.
description:
	$(PYTHON) tools/github_description.py

# A workspace server that is not ours; where its packages cannot be had the story that needs it says so.
minilake: $(CACHE)/minilake/.done
$(CACHE)/minilake/.done: tools/minilake.txt
	$(PYTHON) -m venv $(CACHE)/minilake
	$(CACHE)/minilake/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $< && touch $@ \
		|| echo "MiniLake cannot be installed here" >&2

# The workflows are ours and those a user copies; action.yml is what the user's workflow is checked against.
lint: $(VENV)/.all
	check-jsonschema --builtin-schema vendor.github-actions action.yml
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/*/.github/workflows/*.yml
	zizmor --offline --quiet action.yml .github examples

python: $(VENV)/.all
	cd examples/churn && python -m pytest -q -p no:cacheprovider

# MLflow's own client against the stand-in. Not part of `test`: it costs more than a minute.
mlflow: $(VENV)/.mlflow
	cargo test --locked --test it -- mlflow

# Copies with keys for a bucket or a container, on servers of S3's and Azure's interfaces that are not ours.
clouds: $(VENV)/.s3 $(CACHE)/azurite/.done
	cargo test --locked --test it -- model_copy::clouds

$(CACHE)/azurite/.done: Makefile
	npm install --prefix $(CACHE)/azurite --ignore-scripts --no-audit --no-fund --no-save --silent $(AZURITE) && touch $@

# The image as the runner runs it: that of MLOPS_DEPLOY_IMAGE, or one made of the debug binary.
container: $(VENV)/.all
	tools/with-docker.sh cargo test --locked --test it -- container

# The default image as a program that is not ours runs it: act reads a workflow, and action.yml. The stand-ins are its
# GitHub and its workspace.
act: image $(CACHE)/bin/act
	MLOPS_DEPLOY_IMAGE=mlops-deploy-action:full tools/with-docker.sh cargo test --locked --test it -- container

$(CACHE)/bin/act:
	@command -v go >/dev/null || { echo "go is missing: act cannot be built here" >&2; exit 1; }
	GOBIN=$(CURDIR)/$(CACHE)/bin go install $(ACT)

# All cases of the corpus against the stand-in. It lies beside the checkout, not in it.
conformance: $(VENV)/.uv
	cargo build --locked
	python3 tools/conformance.py $(CONFORMANCE) target/debug/mlops-deploy

bench: $(VENV)/.uv
	cargo build --locked --release
	python3 tools/bench.py target/release/mlops-deploy
	python3 tools/bench_release.py target/release/mlops-deploy

# Without MLflow (a Python that has it: MLFLOW=...) only the pipe is measured beside it.
bench-copy:
	cargo build --locked --release --bin mlops-deploy --example bare_pipe
	python3 tools/bench_copy.py target/release/mlops-deploy target/release/examples/bare_pipe $(if $(MLFLOW),--mlflow $(MLFLOW))
	python3 tools/bench_copy.py target/release/mlops-deploy target/release/examples/bare_pipe --big 10

# The binary as it ships: static, small, without the stand-ins.
dist: $(DIST_BINARY)

$(DIST_BINARY): Cargo.toml Cargo.lock $(shell find src -type f)
	@$(call need,musl-gcc,musl-tools)
	rustup target add $(DIST_TARGET)
	cargo build --locked --profile dist --no-default-features --target $(DIST_TARGET)

image: $(DIST_BINARY) $(VENV)/.uv
	@test -n "$(IMAGE_BASE)" || $(call need,debootstrap,debootstrap)
	@docker version >/dev/null 2>&1 || { $(call need,dockerd,docker.io); }
	tools/with-docker.sh tools/image.sh $(DIST_BINARY)

$(VENV)/.uv: tools/uv.txt
	test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

$(VENV)/.all: tools/requirements.txt | $(VENV)/.uv
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# An environment of its own: MLflow is ten times what the other tests need.
$(VENV)/.mlflow: tools/mlflow.txt | $(VENV)/.all
	uv venv --quiet --clear $(VENV)/mlflow
	uv pip install --quiet --require-hashes --python $(VENV)/mlflow/bin/python -r $<
	touch $@

$(VENV)/.s3: tools/s3.txt | $(VENV)/.all
	uv venv --quiet --clear $(VENV)/s3
	uv pip install --quiet --require-hashes --python $(VENV)/s3/bin/python -r $<
	touch $@

clean:
	rm -rf target $(VENV)
