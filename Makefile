# The commands of README.md. `make run` and `make test` install the Debian packages that are missing.
SHELL := /bin/bash
PACKAGES := librdkafka-dev libsimdjson-dev libyaml-dev libxxhash-dev libzstd-dev libsystemd-dev pkg-config tzdata python3
TEST_PACKAGES := python3-jsonschema systemd xz-utils
# A Kafka broker needs Java: only where one is to be started.
JAVA_PACKAGES := $(if $(KAFKA_HOME),$(shell command -v java >/dev/null 2>&1 || echo default-jre-headless))

.PHONY: run build test deps deps-test format lint

run: build
	.build/release/rfmd demo

build: deps
	swift build -c release --product rfmd

test: deps-test
	swift build -c release --product rfmd
	RFMD_BINARY=$(CURDIR)/.build/release/rfmd swift test --no-parallel

deps:
	@$(call install,$(PACKAGES))

deps-test:
	@$(call install,$(PACKAGES) $(TEST_PACKAGES) $(JAVA_PACKAGES))

# Installs what dpkg does not know as installed; asks for root only then.
define install
missing=""; for package in $(1); do \
    dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
if [ -n "$$missing" ]; then \
    echo "installing Debian packages:$$missing"; \
    as_root=""; if [ "$$(id -u)" -ne 0 ]; then as_root=sudo; fi; \
    $$as_root apt-get update -q && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; fi
endef

format:
	swift format --in-place --recursive --parallel Sources Tests Package.swift

lint:
	swift format lint --strict --recursive --parallel Sources Tests Package.swift
