# Commands for people and for CI. `make` alone lists them.
# Machine needed: Linux, Rust 1.95, Go 1.26, Python 3.11. The laboratory (test, bench, CLOUD=lab demo) also needs root, apt
# and a network; the demonstration on the simulator only etcd, openssl and curl.

.DEFAULT_GOAL := help
.PHONY: help check test bench demo fmt fuzz soak scenarios pages lint lint-deny doc unit mutants clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: lint unit doc ## format, lints, unit tests, documentation: no root, no laboratory

test: ## check, then the end-to-end tests on a real OpenStack and Kubernetes (the laboratory)
	@tests/full

bench: ## what the controller costs on the laboratory: API calls and times, as a table
	cargo build --locked --release --package cloud-controller
	cargo build --locked --release --package cloud-tests --features lab --bin bench
	tests/lab/lab up all
	tests/lab/lab inside target/release/bench

demo: ## the controller at work, step by step, on the simulated OpenStack; CLOUD=lab: on the laboratory
	@tests/demo/demo

fmt: ## format the sources
	cargo fmt --all

pages: ## write the reference pages of cloud.conf and flags from their declarations
	UPDATE_PAGES=1 cargo test --locked --package cloud-controller --test pages --quiet

lint: ## formatting and lints
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

lint-deny: ## licences, bans and sources of dependencies; needs cargo-deny (cargo install --locked cargo-deny)
	cargo deny --locked --workspace check bans licenses sources

doc: ## documentation of our crates, where a warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

unit: ## unit tests, tests of the repository, tests of the laboratory's own code
	cargo test --locked --workspace --quiet
	cd tests/lab && python3 -m unittest --quiet
	tests/mutants/run.py --check

mutants: ## takes out one protection after the other: each must be noticed by a test (minutes, on a copy of the sources)
	tests/mutants/run.py

SEEDS ?= 2000

scenarios: ## the simulated scenarios at length: SEEDS seeds of each (default 2000), a kill at every boundary, big counts; prints statistics
	SEEDS=$(SEEDS) cargo test --locked --profile ci --package cloud-tests --test scenarios -- --include-ignored --nocapture --test-threads=1 --skip replay

FUZZ_RUNS ?= 10000000

fuzz: ## everything that reads foreign bytes is given FUZZ_RUNS mutated inputs (default ten million)
	FUZZ_RUNS=$(FUZZ_RUNS) cargo test --locked --release --package cloud-tests --test fuzz -- --nocapture --test-threads=1

soak: scenarios fuzz ## what takes long: scenarios, fuzzing, a Keystone that is away for five minutes (needs the laboratory)
	tests/lab/lab up all
	E2E_KEYSTONE_OUTAGE=300 tests/lab/lab inside cargo test --locked --offline --package cloud-tests --features lab --test e2e -- --nocapture outage

clean: ## delete what was built; the laboratory's cache stays (tests/lab/lab down stops it)
	cargo clean
