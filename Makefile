# `make demo` and `make test` do everything on a fresh Debian 12 with Swift 6.3; the other targets
# are the parts of the check that .ci/run makes of a change.
.DEFAULT_GOAL := help
.PHONY: help demo test build lint kernel-lint oclgrind check-nvidia device-bundle pages peers
.PHONY: dependencies test-dependencies clean

SWIFT ?= swift
PYTHON ?= python3
SOURCES := Package.swift Plugins Sources Tests Benchmarks $(wildcard Kernels/*.swift)
PEERS := .build/peers
PAGES := .build/pages
# The folder with MNIST's four IDX files.
DATA ?= ../shared/data/mnist
# quick, or full for what Benchmarks/Results.md records.
SIZE ?= quick

help:
	@echo "make demo         install what is missing, build, run the main job on embedded pictures"
	@echo "make test         install what is missing, build, run all tests"
	@echo "make build        build the command .build/release/blindspot"
	@echo "make lint         check the format of the Swift sources"
	@echo "make kernel-lint  compile every kernel in every variant, warnings as errors"
	@echo "make oclgrind     run the kernels in a simulator that finds races and stray accesses"
	@echo "make check-nvidia assemble the GPU's kernels for sm_90: registers, spills, local memory"
	@echo "make device-bundle  a folder that measures a GPU where nothing is installed"
	@echo "make pages        run every study quickly, open its page in Chromium (DATA=MNIST's folder)"
	@echo "make peers        compare numbers and speed with peers, in a venv (SIZE=full: hours)"
	@echo "make clean        remove what was built"

dependencies:
	@Scripts/install-dependencies

test-dependencies:
	@Scripts/install-dependencies chromium

build: dependencies
	$(SWIFT) build -c release --product blindspot

demo: build
	.build/release/blindspot demo

test: test-dependencies
	$(SWIFT) build -c release --build-tests
	Scripts/run-tests $(SWIFT)

lint:
	$(SWIFT) format lint --strict -r $(SOURCES)

kernel-lint:
	@Scripts/lint-kernels

oclgrind: build
	@Scripts/check-oclgrind

# The compiler and its built-in functions; pip fetches the assembler.
check-nvidia:
	@Scripts/install-dependencies clang-15 libclc-15 python3-pip
	@Scripts/check-nvidia

# Linked statically, in a build folder of its own; see Benchmarks/device/bundle.py.
device-bundle: dependencies
	@$(PYTHON) Benchmarks/device/bundle.py --swift $(SWIFT)

pages: build test-dependencies
	$(SWIFT) build -c release --build-tests
	.build/release/blindspot study all --quick --limit 5 --data $(DATA) --output $(PAGES)
	BLINDSPOT_PAGES=$(PAGES) $(SWIFT) test -c release --skip-build --filter 'PageTests'

peers: build
	@PYTHON=$(PYTHON) Scripts/run-peers $(PEERS) $(SIZE)

clean:
	rm -rf .build
