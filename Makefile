# Two commands do everything on a fresh Debian machine with Rust: `make demo` and `make test`.

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "make %-9s %s\n", $$1, $$2 }'

demo: ## the whole loop on this machine: throwaway Postgres, local vault, backup, copy, check, drill
	@tools/setup demo
	@cargo build --quiet -p lastgood
	@target/debug/lastgood demo

test: ## every test, against real components
	@tools/setup test
	cargo build --workspace --bins
	cargo test --workspace --no-fail-fast
	cargo check -p lastgood-core --no-default-features

lint: ## formatting, lints, licences and advisories
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@command -v cargo-deny >/dev/null && cargo deny check || echo "cargo-deny is not installed: licences and advisories not checked" >&2

bench: ## ratios against the tools everybody has, side by side in one run
	@tools/setup bench
	cargo build --release -p lastgood --bins
	@# By itself: built beside the command it would link the clouds that only that needs.
	cargo build --release -p freshness-checker --bins
	@cargo build --quiet -p lastgood-tests --bin bench --bin cold-start --bin page
	@cargo build --release --quiet -p lastgood-tests --bin tick
	@target/debug/bench target/release/lastgood; met=$$?; \
	  echo; target/debug/cold-start target/release/freshness-checker && echo && target/release/tick && echo && target/debug/page && exit $$met

clean: ## removes what was built and what a demo left
	rm -rf target lastgood-demo

-include package.mk
