# `make package`: one zip for each function, for AWS Lambda (runtime provided.al2023), in target/lambda/<function>/bootstrap.zip.
# ARCH=arm64 builds for Graviton (rustup target add aarch64-unknown-linux-gnu first); FUNCTIONS="export-to-bucket" builds one.

.PHONY: package cold-start

ARCH ?= x86_64
FUNCTIONS ?= snapshot-trigger export-to-bucket cross-region-copy freshness-checker restore-drill restore

target/venv/bin/cargo-lambda:
	python3 -m venv target/venv
	target/venv/bin/pip install -q --disable-pip-version-check cargo-lambda==1.9.2 ziglang==0.17.0

package: target/venv/bin/cargo-lambda ## the Lambda zips, with their sizes; ARCH=arm64 for Graviton
	@PATH="$(CURDIR)/target/venv/bin:$$PATH" cargo lambda build --release --output-format zip \
	  $(if $(filter arm64,$(ARCH)),--arm64,--x86-64) $(foreach f,$(FUNCTIONS),--package $(f) --bin $(f))
	@tools/zip-sizes $(FUNCTIONS)

cold-start: ## how long a Lambda's process takes from exec to its first poll, and how large it is
	cargo build --release -p freshness-checker --bins
	cargo run --quiet -p lastgood-tests --bin cold-start -- target/release/freshness-checker
