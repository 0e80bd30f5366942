# The commands of README.md. `make run` and `make test` install the Debian packages that are missing.
SHELL := /bin/bash
PACKAGES := librdkafka-dev libsimdjson-dev libyaml-dev libxxhash-dev libzstd-dev libsystemd-dev pkg-config tzdata python3
# What a Swift toolchain that was only unpacked needs to run and to link.
PACKAGES += binutils libcurl4 libncurses6 libsqlite3-0 libstdc++-12-dev libxml2 zlib1g
TEST_PACKAGES := python3-jsonschema systemd xz-utils iproute2 valgrind
# A Kafka broker needs Java: only where one is to be started.
JAVA_PACKAGES := $(if $(KAFKA_HOME),$(shell command -v java >/dev/null 2>&1 || echo default-jre-headless))

# How all modules are optimized as one when they are linked: full, which takes 4 GB, thin, or nothing (docs/decisions/0023-one-program-laid-out-by-a-profile.md).
LTO := full
# What branches a run took, by which the compiler lays the code out (the same record); or nothing.
PROFILE := Benchmarks/profile/rfmd.proftext

# With Swift's libraries inside: a service cannot read a toolchain below /home or /root, and needs none.
# And a private function is named by its file alone in a profile, wherever the checkout is.
STATIC := swift build -c release --static-swift-stdlib \
    -Xswiftc -Xllvm -Xswiftc -static-func-full-module-prefix=0 -Xcxx -mllvm -Xcxx -static-func-full-module-prefix=0
# As the compiler reads it. Its name changes with it, so that everything is compiled anew.
PROFILE_DATA = "$(CURDIR)/.build/profile/$(shell sha256sum $(PROFILE) | cut -c 1-16).profdata"
BY_PROFILE = -Xswiftc -Xfrontend -Xswiftc -ir-profile-use=$(PROFILE_DATA) -Xswiftc -Xllvm -Xswiftc -no-pgo-warn-mismatch \
    -Xcxx -fprofile-use=$(PROFILE_DATA) -Xcxx -mllvm -Xcxx -no-pgo-warn-mismatch -Xcxx -Wno-backend-plugin
# The compiler would keep an object whose code did not change, whatever the profile says.
RELEASE = $(STATIC) $(if $(LTO),--experimental-lto-mode=$(LTO) -Xswiftc -use-ld=lld) -Xswiftc -Xfrontend -Xswiftc -disable-incremental-llvm-codegen $(if $(PROFILE),$(BY_PROFILE))

# Where `make install` puts what was built. DESTDIR is for packagers: everything goes below it.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BINARY ?= .build/release/rfmd

.PHONY: run build profile test simulate chaos soak fuzz sanitize deps deps-test packages-test install uninstall format lint

run: build
	.build/release/rfmd demo

build: deps
	$(RELEASE) --product rfmd

# Counts anew and writes PROFILE: after a change of the hot path. Needs KAFKA_HOME. Without LTO, which would count once more when it links.
COUNTED := .build/counted
profile: packages-test
	@test -n "$(KAFKA_HOME)" || { echo "profile needs a broker: set KAFKA_HOME to a Kafka distribution" >&2; exit 1; }
	@test -n "$(PROFILE)" || { echo "profile needs a file to write: leave PROFILE as it is" >&2; exit 1; }
	$(STATIC) --product rfmd --scratch-path $(COUNTED) -Xswiftc -DCOUNTED -Xswiftc -Xfrontend -Xswiftc -ir-profile-generate -Xcxx -fprofile-generate \
	    -Xswiftc -Xclang-linker -Xswiftc -fprofile-generate
	rm -f $(COUNTED)/*.profraw
	python3 Benchmarks/profile/records.py 300000 > $(COUNTED)/records.ndjson
	export LLVM_PROFILE_FILE="$(CURDIR)/$(COUNTED)/%p.profraw"; \
	    $(COUNTED)/release/rfmd bench --customers 50000 --events 1000000 engine decode workers snapshot restore deadlines end-to-end && \
	    $(COUNTED)/release/rfmd replay --config Benchmarks/profile/rfmd.yaml $(COUNTED)/records.ndjson > $(COUNTED)/replayed.ndjson
	$(PROFDATA) merge --sparse --text $(COUNTED)/*.profraw -o $(COUNTED)/all.proftext
	python3 Benchmarks/profile/hot.py 10000 < $(COUNTED)/all.proftext > $(COUNTED)/hot.proftext
	mv $(COUNTED)/hot.proftext $(PROFILE)

test: deps-test
	$(RELEASE) --product rfmd
	RFMD_BINARY=$(CURDIR)/.build/release/rfmd swift test --no-parallel --disable-xctest

# SEEDS runs from FIRST on, on all cores; or one SEED with its trace. MUTATION: with a deliberate defect (docs/simulation.md).
SEEDS ?= 1000
FIRST ?= 1
simulate: deps
	@$(RELEASE) --product rfmd-simulate >&2
	@.build/release/rfmd-simulate $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST)) $(if $(MUTATION),--mutation $(MUTATION))

# MINUTES of faults of every kind on real brokers and daemons, drawn by SEED; needs KAFKA_HOME (docs/guarantees.md).
MINUTES ?= 5
chaos: deps-test
	@test -n "$(KAFKA_HOME)" || { echo "chaos needs a broker: set KAFKA_HOME to a Kafka distribution" >&2; exit 1; }
	$(RELEASE) --product rfmd
	RFMD_BINARY=$(CURDIR)/.build/release/rfmd RFMD_CHAOS_MINUTES=$(MINUTES) $(if $(SEED),RFMD_TEST_SEED=$(SEED)) \
	    swift test --no-parallel --disable-xctest --filter nothingIsLostOrDoubledInChaos

# SECONDS of libFuzzer on a TARGET, with the address sanitizer, in a folder of its own (docs/guarantees.md). What it finds is there too.
SECONDS ?= 60
FUZZ := .build/fuzz
fuzz: deps
	@test -d "Tests/Corpus/$(TARGET)" -a -n "$(TARGET)" || { echo "fuzz what? TARGET=$$(ls -x -w 1000 Tests/Corpus | tr -s ' ' '|')" >&2; exit 1; }
	swift build -c release --product rfmd-fuzz --scratch-path $(FUZZ) -Xswiftc -sanitize=fuzzer,address -Xswiftc -use-ld=lld \
	    -Xcc -fsanitize=fuzzer-no-link,address -Xcxx -fsanitize=fuzzer-no-link,address
	mkdir -p $(FUZZ)/found/$(TARGET) $(FUZZ)/corpus/$(TARGET)
	$(FUZZ)/release/rfmd-fuzz $(TARGET) --words > $(FUZZ)/$(TARGET).words
	SWIFT_BACKTRACE=enable=no $(FUZZ)/release/rfmd-fuzz $(TARGET) -max_total_time=$(SECONDS) -rss_limit_mb=3000 -timeout=20 \
	    -max_len=$$($(FUZZ)/release/rfmd-fuzz $(TARGET) --longest) $$(test ! -s $(FUZZ)/$(TARGET).words || echo -dict=$(FUZZ)/$(TARGET).words) -print_final_stats=1 \
	    -artifact_prefix=$(FUZZ)/found/$(TARGET)/ $(FUZZ)/corpus/$(TARGET) Tests/Corpus/$(TARGET)

# EVENTS through a daemon and a broker, its memory measured meanwhile; needs KAFKA_HOME (docs/limits.md).
EVENTS ?= 10000000
soak: deps-test
	@test -n "$(KAFKA_HOME)" || { echo "soak needs a broker: set KAFKA_HOME to a Kafka distribution" >&2; exit 1; }
	$(RELEASE) --product rfmd
	RFMD_BINARY=$(CURDIR)/.build/release/rfmd RFMD_SOAK_EVENTS=$(EVENTS) \
	    swift test --no-parallel --disable-xctest --filter memoryStaysWhatItIsAfterWarmingUp

# The tests that need neither broker nor fibers, under the address sanitizer, and what is C or C++ with traps for undefined behaviour.
# What an empty file leaks in Foundation is not ours: `make soak` looks for leaks (docs/guarantees.md).
UNDEFINED := -fsanitize=undefined -fsanitize-trap=undefined
sanitize: deps-test
	$(RELEASE) --product rfmd
	ASAN_OPTIONS=detect_leaks=0 RFMD_BINARY=$(CURDIR)/.build/release/rfmd swift test --sanitize=address --scratch-path .build/address \
	    --no-parallel --disable-xctest $(foreach flag,$(UNDEFINED),-Xcc $(flag) -Xcxx $(flag)) \
	    --skip 'BrokerTests|SimulatorTests|SystemdTests|DemoTests|OracleTests'

deps:
	@$(call packages,$(PACKAGES))
	@$(has-swift)
	@$(if $(PROFILE),$(profile-data))

packages-test:
	@$(call packages,$(PACKAGES) $(TEST_PACKAGES) $(JAVA_PACKAGES))
	@$(has-swift)

deps-test: packages-test
	@$(if $(PROFILE),$(profile-data))

has-swift = command -v swift >/dev/null || { echo "there is no swift in PATH: unpack Swift 6.3, and add its usr/bin to PATH" >&2; exit 1; }

PROFDATA := "$$(swiftc -print-target-info | sed -n 's|.*"runtimeResourcePath": "\(.*\)/lib/swift.*".*|\1|p')/bin/llvm-profdata"
profile-data = mkdir -p .build/profile && { $(PROFDATA) merge $(PROFILE) -o $(PROFILE_DATA).$$$$ && mv $(PROFILE_DATA).$$$$ $(PROFILE_DATA); } || \
    { echo "this Swift cannot read $(PROFILE): add PROFILE= to the command to build without it" >&2; exit 1; }

# Installs what dpkg does not know as installed; asks for root only then.
define packages
missing=""; for package in $(1); do \
    dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
if [ -n "$$missing" ]; then \
    as_root=""; if [ "$$(id -u)" -ne 0 ]; then as_root=sudo; fi; \
    if [ -n "$$as_root" ] && ! command -v sudo >/dev/null; then \
        echo "Debian packages are missing, and there is no sudo to install them. As root: apt-get install$$missing" >&2; exit 1; fi; \
    echo "installing Debian packages:$$missing"; \
    $$as_root apt-get update -q && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; fi
endef

# Builds nothing, so that root need not: `make build` comes before. A configuration that is there is kept.
install:
	@test -x $(BINARY) || { echo "there is no $(BINARY): run 'make build' first" >&2; exit 1; }
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/rfmd
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/man/man8 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	umask 022; sed 's|/usr/bin/rfmd|$(PREFIX)/bin/rfmd|' systemd/rfmd.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/rfmd.service
	install -D -m 644 systemd/rfmd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/rfmd.conf
	umask 022; $(BINARY) man > $(DESTDIR)$(PREFIX)/share/man/man8/rfmd.8
	umask 022; $(BINARY) completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/rfmd
	umask 022; $(BINARY) completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_rfmd
	umask 022; $(BINARY) completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/rfmd.fish
	test -e $(DESTDIR)$(SYSCONFDIR)/rfmd/rfmd.yaml || install -D -m 644 Config/rfmd.yaml $(DESTDIR)$(SYSCONFDIR)/rfmd/rfmd.yaml

# Leaves the configuration and the state.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/rfmd $(DESTDIR)$(PREFIX)/lib/systemd/system/rfmd.service \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/rfmd.conf $(DESTDIR)$(PREFIX)/share/man/man8/rfmd.8 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/rfmd $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_rfmd \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/rfmd.fish

format:
	swift format --in-place --recursive --parallel Sources Tests Package.swift

lint:
	swift format lint --strict --recursive --parallel Sources Tests Package.swift
