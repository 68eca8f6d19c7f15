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

.PHONY: help tools build functions demo events check test unit lint generated template deny advisories typos fuzz bench clean

help: ## shows this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

tools: ## installs the pinned tools into .tools/
	@tools/setup.sh

build: functions ## builds the functions as they are deployed, and the operator's tool
	cargo build --package cli --locked

functions: tools
	sam build --parameter-overrides Architecture=x86_64

demo: tools ## deploys to a local AWS and plays sign-up, codes, invitation and reset
	@$(PYTHON) tools/demo.py $(DEMO_FLAGS)

events: tools ## writes sender events with genuinely encrypted codes into events/
	@$(PYTHON) tools/events.py $(EVENTS_FLAGS)

check: ## the quick subset for people at work: formatting, lints, unit tests
	cargo fmt --all --check
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	cargo test --workspace --exclude tests --locked --quiet

test: tools lint functions unit generated template deny typos ## everything, the demo included
	@$(PYTHON) tools/demo.py --no-build

lint:
	cargo fmt --all --check
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- --deny warnings

# The tool is built together with the tests: alone it would have all its dependencies built a second time, with fewer
# features.
unit: functions
	cargo build --workspace --bin cognito-triggers --test it --locked
	AWS_LAMBDA_RIE='$(RIE)' INSTA_UPDATE=no cargo test --workspace --locked

# Generated files are what their generators make.
generated: tools
	$(PYTHON) tools/phone_table.py --check
	$(PYTHON) tools/disposable_domains.py --check
	$(PYTHON) tools/fixtures/make_events.py --check

template: tools
	cfn-lint template.yaml
	sam validate --lint --region eu-central-1
	$(PYTHON) -m unittest tools/test_template.py tools/test_world.py

# No package registry but Rust's own carries it, so it is built once; --locked takes the versions it was released with.
DENY := .tools/cargo/bin/cargo-deny
$(DENY):
	cargo install --quiet --locked --root .tools/cargo cargo-deny@0.20.2

deny: $(DENY) ## licences, bans and sources of all dependencies
	cargo fetch --locked --quiet
	$(DENY) --offline check licenses bans sources

advisories: $(DENY) ## known vulnerabilities; fetches a database
	$(DENY) check advisories

typos: tools
	typos

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

clean: ## removes what was built, and the tools
	rm -rf target .aws-sam .demo events .tools tests/fuzz/target tests/fuzz/corpus tests/fuzz/artifacts tests/fuzz/coverage
