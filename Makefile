# Every target is one command. `make test` is what continuous integration runs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

ROOT := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
VENV := $(ROOT).tools/venv
PYTHON := $(VENV)/bin/python
# No build step may fetch a toolchain: what is not installed is an error that says so.
export RUSTUP_DIST_SERVER := http://127.0.0.1:9
export PATH := $(VENV)/bin:$(PATH)
# The emulator that `sam local invoke` puts into its container comes with the SAM CLI.
RIE = $(shell $(PYTHON) -c 'import pathlib, samcli; print(pathlib.Path(samcli.__file__).parent / "local/rapid/aws-lambda-rie-x86_64")')

# Compiles and lints the workspace in one pass; every target below uses the same build.
LINTED := RUSTC_WORKSPACE_WRAPPER='$(ROOT)tools/clippy-rustc'
# Prints a line every 20 seconds while a build runs, also into a log.
WATCH := $(PYTHON) tools/progress.py

.PHONY: help tools build functions demo events arm64 sam-local check test unit lint generated template deny advisories typos fuzz bench clean

help: ## shows this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

tools: ## installs the pinned tools into .tools/
	@tools/setup.sh

build: functions ## builds the functions as they are deployed, and the operator's tool
	cargo build --package cli --locked

# SAM can't pass `--locked`, and without it cargo changes a lock file that doesn't fit. So check the lock file first.
functions: tools
	cargo fetch --locked --quiet
	$(WATCH) 'building the functions for release' -- sam build
	@$(PYTHON) tools/check_build.py

demo: tools ## deploys to a local AWS and plays sign-up, codes, invitation and reset
	@$(WATCH) demo
	@$(PYTHON) tools/demo.py $(DEMO_FLAGS)

events: tools ## writes sender events with genuinely encrypted codes into events/
	@$(PYTHON) tools/events.py $(EVENTS_FLAGS)

arm64: tools ## builds the functions for arm64 and plays every event file under emulation; needs root on Debian
	$(LINTED) AWS_LAMBDA_RIE='$(RIE)' INSTA_UPDATE=no $(WATCH) 'building and testing for arm64' -- tools/arm64.sh

sam-local: functions ## plays every event file through sam local invoke, in containers
	@$(PYTHON) tools/sam_local.py $(SAM_LOCAL_FLAGS)

check: tools fmt ## the quick subset during work: formatting, lints, unit tests
	$(LINTED) $(WATCH) 'compiling and linting' -- cargo build --workspace --all-targets --locked
	$(LINTED) cargo test --workspace --lib --bins --locked --quiet

test: tools announce-test fmt unit generated template deny typos language ## everything, including the demo
	@$(PYTHON) tools/demo.py --no-build

.PHONY: announce-test fmt
announce-test: tools
	@$(WATCH) test

fmt:
	cargo fmt --all --check
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml

# The release functions, which the integration tests run, and one debug build for lints, tests and the tool.
lint: tools fmt
	$(LINTED) $(WATCH) 'compiling and linting' -- cargo build --workspace --all-targets --locked

unit: lint functions
	$(LINTED) AWS_LAMBDA_RIE='$(RIE)' INSTA_UPDATE=no $(WATCH) 'testing' -- cargo test --workspace --locked

# Generated files are what their generators make.
generated: tools
	$(PYTHON) tools/phone_table.py --check
	$(PYTHON) tools/disposable_domains.py --check
	$(PYTHON) tools/fixtures/make_events.py --check

template: tools
	cfn-lint template.yaml observability.yaml examples/user-pool/template.yaml
	sam validate --lint --region eu-central-1
	$(PYTHON) tools/guard.py
	$(PYTHON) -m unittest discover --start-directory tools/tests --top-level-directory tools

# The advisories' check needs a database from the network; the others need the crates only.
deny: tools ## licenses, bans and sources of all dependencies
	cargo fetch --locked --quiet
	cargo-deny --offline check licenses bans sources

advisories: tools ## known vulnerabilities; fetches a database
	cargo-deny check advisories

typos: tools ## spelling
	typos

.PHONY: language
language: ## words that the project's texts must not use
	python3 tools/language.py

CARGO_FUZZ := .tools/cargo/bin/cargo-fuzz
$(CARGO_FUZZ):
	cargo install --quiet --locked --root .tools/cargo cargo-fuzz@0.13.2

FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(sort $(notdir $(basename $(wildcard tests/fuzz/fuzz_targets/*.rs))))
fuzz: $(FUZZ_TARGETS:%=fuzz-%) ## looks for inputs that break a property, FUZZ_SECONDS each; needs a nightly compiler

# Without a sanitizer: no code of ours is unsafe, so there is nothing for one to find, and it halves the speed.
# What is new stays in tests/fuzz/corpus/; an input that breaks a property is named and belongs into tests/fuzz/seeds/.
fuzz-event: FUZZ_SEEDS := tests/fixtures/events
fuzz-%: $(CARGO_FUZZ)
	@mkdir -p tests/fuzz/corpus/$*
	RUSTUP_TOOLCHAIN=nightly $(CARGO_FUZZ) run --fuzz-dir tests/fuzz --sanitizer none $* tests/fuzz/corpus/$* tests/fuzz/seeds/$* $(FUZZ_SEEDS) -- \
		-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -rss_limit_mb=2048 -dict=tests/fuzz/words.dict -print_final_stats=1

bench: build ## measures the functions against their peers and prints docs/benchmarks.md's tables
	cargo lambda build --release --package tests --no-default-features --bin empty-handler
	cargo lambda build --release --package tests --bin decrypt-and-post
	cd tests/benches/node-sender && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	cargo run --release --package tests --no-default-features --bin benchmark

clean: ## removes all build results and the tools
	rm -rf target .aws-sam .ci/cache .demo events .tools tests/fuzz/target tests/fuzz/corpus tests/fuzz/artifacts tests/fuzz/coverage
