# jwtd: `make help` lists what there is. Everything that is built goes into build/, instrumented builds into build/<sanitizers>/.
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
SYSCONFDIR ?= $(PREFIX)/etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
DESTDIR ?=
# A list for -fsanitize=, such as address,undefined or thread.
SANITIZE ?=
# Anything: counts for gcov what is executed, without optimization.
COVERAGE ?=
# Names of test files (pool for test_pool.c); empty runs all.
TESTS ?=
# To cross-compile: the compiler's prefix, the root of the other machine's libraries, and what runs its programs here (tools/arm64.sh).
TARGET ?=
SYSROOT ?=
EMULATOR ?=
comma := ,
BUILD := build$(if $(TARGET),/$(TARGET))$(if $(COVERAGE),/coverage)$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))
CC := $(TARGET:%=%-)gcc $(SYSROOT:%=--sysroot=%)
control_flow := $(if $(filter aarch64-%,$(shell $(CC) -dumpmachine)),-mbranch-protection=standard,-fcf-protection)

# Without optimization gcc also warns of the truncation of strings that cannot be truncated.
counting := -O0 --coverage -fprofile-update=atomic -Wno-format-truncation
# Fortify and the sanitizers intercept the same calls, and not both can.
fortify := $(if $(COVERAGE),$(counting),$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer,-D_FORTIFY_SOURCE=3))
# Hidden, since a shared library must not be linked to a function of the program that has the name of one of its own.
hardening := -O2 -fvisibility=hidden -fstack-protector-strong -fstack-clash-protection $(control_flow) -fPIE $(fortify)
warnings := -Wall -Wextra -Wconversion -Werror -Wformat=2 -Werror=format-security -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wimplicit-fallthrough
CPPFLAGS := -D_GNU_SOURCE -Iinclude -iquote . -I$(SYSROOT)/usr/include/postgresql
CFLAGS := -std=c11 -g -pthread $(hardening) $(warnings)
# Linked statically, so that their calls can be routed: libsodium's mmap and munmap to memory that is reused (hasher.h), json-c's
# allocations to an arena (json.c). json-c's names are not exported: libjwt must find Jansson's json_object_get.
json_wrapped := malloc calloc realloc strdup free
wrapped := mmap munmap $(json_wrapped)
LDFLAGS := -pie -pthread $(fortify) -Wl,-z,relro,-z,now,-z,noexecstack $(wrapped:%=-Wl,--wrap=%) -Wl,--exclude-libs,libjson-c.a
FAILPOINT_LDFLAGS := -pie -pthread $(fortify) -Wl,-z,relro,-z,now,-z,noexecstack $(json_wrapped:%=-Wl,--wrap=%)
FAILPOINT_LDLIBS := -lssl -lcrypto -l:libjson-c.a -lpq -l:libsodium.a -lunistring -lm
LDLIBS := -lmicrohttpd -ljwt -lcrypto -l:libsodium.a -l:libjson-c.a -ljansson -lpq -linih -lunistring
TEST_LDLIBS := -lcheck_pic -lsubunit -lrt -lm -lcurl

migrations := $(sort $(wildcard migrations/*.sql))
generated := $(addprefix $(BUILD)/generated/,common_passwords.c migrations.c assets.c commit.c)
# The verifier library: what is its own, what it shares with the service, and the members of json-c that both link.
verify_own := $(wildcard src/verify/*.c)
verify_shared := $(addprefix src/token/,algorithm.c atomic_file.c base64url.c claims.c jwk.c key_files.c key_set.c key_state.c key_states.c openssl_errors.c public_key.c \
	revoked_sessions.c secret_key.c signature.c token_cache.c token_check.c) \
	$(addprefix src/base/,arena.c clock.c json.c json_scan.c json_writer.c role.c text.c uuid.c)
verify_pic := $(patsubst %.c,$(BUILD)/pic/%.o,$(verify_own) $(verify_shared))
verify_objects := $(patsubst %.c,$(BUILD)/%.o,$(verify_own))
verify_soname := libjwtd-verify.so.1
verify_ldlibs := -lcurl -lcrypto -lsodium -lunistring -pthread
objects := $(patsubst %.c,$(BUILD)/%.o,$(filter-out src/main.c $(verify_own),$(wildcard src/*/*.c))) $(generated:.c=.o)
main := $(BUILD)/src/main.o
test_kinds := unit loadtest service contract
test_objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/$(1)/*.c tests/$(1)/support/*.c)) $(BUILD)/generated/$(1)_suites.o
failpoint_objects := $(patsubst %.c,$(BUILD)/%.o,$(wildcard loadtest/*.c) $(addprefix src/base/,arena.c cgroup.c clock.c cores.c json.c json_scan.c text.c))
manual := $(addprefix $(BUILD)/man/,jwtd.1 jwtd.conf.5 failpoint.1)
all_objects := $(BUILD)/web/docs_page.o $(patsubst %.c,$(BUILD)/%.o,$(wildcard man/*.c)) $(failpoint_objects) $(objects) $(verify_objects) $(verify_pic) $(main) $(BUILD)/tests/runner.o $(foreach kind,$(test_kinds),$(call test_objects,$(kind)))

.PHONY: all library failpoint man tests run test chaos fuzz fuzz-api coverage lint bench bench-peers compare-articles soak deps install install-library install-proxies install-examples install-failpoint clean reset help always
.DELETE_ON_ERROR:
.SECONDARY:
all: $(BUILD)/jwtd library ## build the program and the verifier library
library: $(BUILD)/libjwtd-verify.so $(BUILD)/libjwtd-verify.a ## build the verifier library, shared and static
failpoint: $(BUILD)/failpoint ## build the load tester
man: $(manual) ## make the manual pages
tests: $(test_kinds:%=$(BUILD)/%_tests) $(BUILD)/fault.so library $(BUILD)/sibling build/previous/jwtd ## build the tests

run: ## install what is missing, build, start a private PostgreSQL, serve on http://127.0.0.1:8080
	@tools/run.sh
test: ## the same set-up, then every test; SANITIZE=address,undefined or thread; TESTS="pool config" for some
	@tools/test.sh
chaos: ## chaotic clients against the service under each sanitizer, for CHAOS_SECONDS=20 each
	@tools/chaos.sh
fuzz: ## libFuzzer with sanitizers against each parser, for FUZZ_SECONDS=10 each; FUZZ="token http" for some
	@tools/fuzz.sh
fuzz-api: ## Schemathesis, which makes requests of /openapi.json, against a private server for FUZZ_SECONDS=60
	@tools/fuzz_api.sh
coverage: ## run the tests with gcov and write build/coverage/index.html; TESTS="pool config" for some
	@tools/coverage.sh
lint: ## clang-format, clang-tidy, cppcheck, shellcheck and the project's own rules
	@tools/lint.sh
deps: ## install the Debian packages that are missing, for all of these
	@tools/packages.sh run test languages lint bench fuzz coverage package-check
bench: ## measure the figures of the README, a few minutes; SECONDS_EACH=10 for longer ones
	@tools/bench.sh
peers: ## build the peers of bench/peers that this machine has the tools for: Go, Rust, Python; PEERS="gin axum" for some
	@bench/peers/build.sh
peers-smoke: peers ## run one list of requests against jwtd and each peer that is built, and move users from each to jwtd
	@bench/peers/smoke.sh
	@bench/peers/moving.sh
.PHONY: peers peers-smoke
peers peers-smoke: export BUILD := $(BUILD)
bench-peers: ## measure jwtd and its peers side by side, a quarter of an hour, and write docs/peers.md; PEERS="jwtd axum" for some; SECONDS_EACH=1 ROUNDS=1 for a glance
	@bench/peers/bench.sh
compare-articles: ## compare FastAPI and Gin by failpoint as the two articles did, a quarter of an hour, and write docs/comparison.md
	@bench/peers/articles.sh
board: ## draw docs/board.png, the board of Grafana with real data, four minutes
	@tools/board.sh
report: ## measure docs/run.json and draw docs/report.png, the README's run of failpoint, three to five minutes
	@tools/report.sh
.PHONY: board report
board report: export BUILD := $(BUILD)
soak: ## a million requests an hour for SOAK=10m (72h works the same); fails when something grows
	@tools/soak.sh
deb: ## make the Debian packages: build/deb/*.deb
	@tools/deb.sh
arm64: ## cross-compile for ARM64 and run the unit tests under qemu; TESTS="pool config" for some
	@tools/arm64.sh
sbom: $(BUILD)/jwtd ## write build/sbom.json (CycloneDX): what is in the program, and what it loads, with the licences
	/usr/bin/python3 tools/sbom.py $(BUILD)/jwtd > $(BUILD)/sbom.json
production-check: ## run docs/production.md as it is written, in a Debian that systemd-nspawn boots
	@tools/production.sh
.PHONY: production-check
package-check: ## test what operators install: image, Debian packages, units, Kubernetes, compose, SBOM; PARTS="image deb" for some
	@tools/package_check.sh
.PHONY: deb arm64 sbom package-check
deb arm64 sbom package-check: export BUILD := $(BUILD)
collector: build/collector ## build a collector of OpenTelemetry's own decoder, with Go 1.26, for the test of traces, which does without it
.PHONY: collector
build/collector: $(addprefix tests/collector/,main.go go.mod go.sum)
	@mkdir -p $(@D)
	cd tests/collector && go build -buildvcs=false -trimpath -ldflags="-s -w" -o $(abspath $@) .
run test chaos fuzz-api coverage lint bench bench-peers compare-articles soak: export BUILD := $(BUILD)
lint: export CPPFLAGS := $(CPPFLAGS)

$(BUILD)/jwtd: $(main) $(objects)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
.SECONDEXPANSION:
$(BUILD)/unit_tests $(BUILD)/service_tests: $(verify_objects)
$(BUILD)/unit_tests $(BUILD)/service_tests $(BUILD)/contract_tests: $(BUILD)/%_tests: $(BUILD)/tests/runner.o $$(call test_objects,%) $(objects)
	$(CC) $(LDFLAGS) -o $@ $^ $(TEST_LDLIBS) $(LDLIBS)
$(BUILD)/loadtest_tests: $(BUILD)/tests/runner.o $$(call test_objects,loadtest) $(filter-out %/main.o,$(failpoint_objects))
	$(CC) $(FAILPOINT_LDFLAGS) -o $@ $^ $(TEST_LDLIBS) $(FAILPOINT_LDLIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/generated/%.o: $(BUILD)/generated/%.c Makefile
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/generated/common_passwords.c: tools/common_passwords.sh
	tools/common_passwords.sh $@
$(BUILD)/generated/migrations.c: tools/embed_migrations.sh $(migrations)
	tools/embed_migrations.sh $@ $(migrations)
# Made each time, because the commit may be another; rewritten only when it is. A package names it: make COMMIT=1a2b3c4d5e6f.
COMMIT ?=
$(BUILD)/generated/commit.c: always
	@tools/commit.sh $@ $(COMMIT)
# ---- pages for browsers, embedded in the program
swagger_ui := $(addprefix build/swagger-ui/,swagger-ui.css swagger-ui-bundle.js licenses.txt)
assets := /docs.html=$(BUILD)/generated/docs.html /docs/docs.css=web/docs.css /docs/docs.js=web/docs.js \
	$(foreach file,$(swagger_ui),/docs/$(notdir $(file))=$(file)) \
	/admin.html=web/admin.html $(foreach name,admin.css service.js admin.js,/admin/$(name)=web/$(name))
asset_sources := $(foreach asset,$(assets),$(lastword $(subst =, ,$(asset))))
$(swagger_ui) &: tools/swagger_ui.sh
	tools/swagger_ui.sh $(@D)
$(BUILD)/docs_page: $(addprefix $(BUILD)/,web/docs_page.o src/base/status.o src/base/violation.o)
	$(CC) -pie -pthread $(fortify) -o $@ $^
$(BUILD)/generated/docs.html: $(BUILD)/docs_page web/docs.html
	@mkdir -p $(@D)
	$(EMULATOR) $< web/docs.html > $@
$(BUILD)/generated/assets.c: tools/embed_assets.sh $(asset_sources)
	tools/embed_assets.sh $@ $(BUILD)/generated/assets $(assets)
# Made each time, because a test file may have been removed; rewritten only when the list has changed.
$(BUILD)/generated/%_suites.c: always
	@tools/list_suites.sh $@ $(sort $(wildcard tests/$*/test_*.c))
-include $(all_objects:.o=.d)

# the release before this one, for the test of both on one schema
build/previous/jwtd: tests/previous_release tools/build_previous.sh
	@mkdir -p $(@D)
	tools/build_previous.sh $@

# loaded in front of the program by the tests that make its calls fail
$(BUILD)/fault.so: tests/fault/fault.c tests/fault/fault.h Makefile
	$(CC) $(CPPFLAGS) -std=c11 -O2 -g -fPIC -shared $(warnings) -o $@ $<

# ---- libjwtd-verify: one object, in which every name but those of exports.map is local, so that neither kind of library clashes
# with the names of a program, or with another json-c or Jansson in it. json-c's allocations go to json.c's arena, as in the service.
$(BUILD)/pic/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(filter-out -fPIE,$(CFLAGS)) -fPIC -MMD -MP -c -o $@ $<
$(BUILD)/jwtd-verify.o: $(verify_pic) src/verify/exports.map
	$(CC) -r -o $@.whole $(verify_pic) $(json_wrapped:%=-Wl,--wrap=%) -l:libjson-c.a
	sed -n 's/^ *\(jwtd_[a-z_]*\);$$/\1/p' src/verify/exports.map > $@.names
	$(TARGET:%=%-)objcopy --keep-global-symbols=$@.names $@.whole $@
# never unloaded, since a thread of it may run
$(BUILD)/$(verify_soname): $(BUILD)/jwtd-verify.o src/verify/exports.map
	$(CC) -shared -o $@ $< -Wl,-soname,$(verify_soname) -Wl,--version-script=src/verify/exports.map -Wl,-z,relro,-z,now,-z,noexecstack \
		-Wl,-z,nodelete $(if $(SANITIZE),,-Wl,-z,defs) $(fortify) $(verify_ldlibs)
$(BUILD)/libjwtd-verify.so: $(BUILD)/$(verify_soname)
	ln -sf $(<F) $@
$(BUILD)/libjwtd-verify.a: $(BUILD)/jwtd-verify.o
	rm -f $@
	$(TARGET:%=%-)ar rcs $@ $<
$(BUILD)/sibling: examples/sibling.c include/jwtd-verify.h $(BUILD)/libjwtd-verify.so Makefile
	$(CC) -std=c11 -D_GNU_SOURCE -Iinclude -g -pthread $(hardening) $(warnings) -pie -o $@ $< -L$(BUILD) -ljwtd-verify -lmicrohttpd \
		-Wl,-rpath,'$$ORIGIN'

# see tests/fuzz/fuzz.h; built by tools/fuzz.sh, with clang
fuzz_support := $(addprefix $(BUILD)/,tests/fuzz/support.o tests/service/support/reference.o loadtest/response.o)
$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(fuzz_support) $(objects) $(verify_objects)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ -lcurl $(LDLIBS)

# ---- the manual pages, of the tables that --help prints and the configuration that is installed
$(BUILD)/jwtd_pages: $(BUILD)/man/jwtd_pages.o $(BUILD)/man/mdoc.o $(objects)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/failpoint_page: $(BUILD)/man/failpoint_page.o $(BUILD)/man/mdoc.o $(filter-out %/main.o,$(failpoint_objects))
	$(CC) $(FAILPOINT_LDFLAGS) -o $@ $^ $(FAILPOINT_LDLIBS)
$(BUILD)/man/jwtd.1 $(BUILD)/man/jwtd.conf.5: $(BUILD)/man/%: man/%.in $(BUILD)/jwtd_pages config/jwtd.conf
	$(EMULATOR) $(BUILD)/jwtd_pages $< config/jwtd.conf > $@
$(BUILD)/man/failpoint.1: man/failpoint.1.in $(BUILD)/failpoint_page
	$(EMULATOR) $(BUILD)/failpoint_page $< > $@

# the load tester, which uses of the service src/base only
$(BUILD)/failpoint: $(failpoint_objects)
	$(CC) $(FAILPOINT_LDFLAGS) -o $@ $^ $(FAILPOINT_LDLIBS)

$(BUILD)/bench_hasher: $(BUILD)/tests/bench/bench_hasher.o $(objects)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/bench_limiter: $(BUILD)/tests/bench/bench_limiter.o $(objects)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/bench_tokens: $(BUILD)/tests/bench/bench_tokens.o $(objects)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/bench_metrics: $(BUILD)/tests/bench/bench_metrics.o $(objects)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/bench_json: $(BUILD)/tests/bench/bench_json.o $(objects)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
# without --wrap and with the shared library: as other programs use it
$(BUILD)/bench_stock: $(BUILD)/tests/bench/bench_stock.o
	$(CC) -pie -pthread -o $@ $^ -lsodium
$(BUILD)/probe $(BUILD)/burst: $(BUILD)/%: $(BUILD)/tests/bench/%.o
	$(CC) -pie -pthread -o $@ $^
# what the library alone costs
$(BUILD)/floor: $(BUILD)/tests/bench/floor.o
	$(CC) -pie -pthread -o $@ $^ -lmicrohttpd

install: $(BUILD)/jwtd $(manual) install-library install-proxies install-examples ## install below PREFIX (/usr/local), staged in DESTDIR: program, manual, configuration, systemd units, SQL of the roles, the library, files for proxies and others
	install -D -m 755 $(BUILD)/jwtd "$(DESTDIR)$(PREFIX)/bin/jwtd"
	[ -e "$(DESTDIR)$(SYSCONFDIR)/jwtd.conf" ] || install -D -m 600 config/jwtd.conf "$(DESTDIR)$(SYSCONFDIR)/jwtd.conf"
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/man/man1" $(filter %.1,$(manual))
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/man/man5" $(filter %.5,$(manual))
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/jwtd" config/roles.sql
	install -d "$(DESTDIR)$(UNITDIR)"
	set -e; for unit in service socket; do \
		sed 's|/usr/local/etc|$(SYSCONFDIR)|g; s|/usr/local|$(PREFIX)|g' config/jwtd.$$unit > "$(DESTDIR)$(UNITDIR)/jwtd.$$unit"; \
	done
install-failpoint: failpoint ## install the load tester alone
	install -D -m 755 $(BUILD)/failpoint "$(DESTDIR)$(PREFIX)/bin/failpoint"
install-library: library ## install the verifier library alone: shared, static, header, pkg-config file, man page
	install -D -m 644 $(BUILD)/$(verify_soname) "$(DESTDIR)$(LIBDIR)/$(verify_soname)"
	ln -sf $(verify_soname) "$(DESTDIR)$(LIBDIR)/libjwtd-verify.so"
	install -D -m 644 $(BUILD)/libjwtd-verify.a "$(DESTDIR)$(LIBDIR)/libjwtd-verify.a"
	install -D -m 644 include/jwtd-verify.h "$(DESTDIR)$(PREFIX)/include/jwtd-verify.h"
	install -D -m 644 man/jwtd-verify.3 "$(DESTDIR)$(PREFIX)/share/man/man3/jwtd-verify.3"
	install -d "$(DESTDIR)$(LIBDIR)/pkgconfig"
	sed 's|^prefix=.*|prefix=$(PREFIX)|; s|^libdir=.*|libdir=$(LIBDIR)|' config/jwtd-verify.pc.in > "$(DESTDIR)$(LIBDIR)/pkgconfig/jwtd-verify.pc"
install-proxies: ## install the files for proxies alone, to PREFIX/share/jwtd/proxies
	install -d "$(DESTDIR)$(PREFIX)/share/jwtd/proxies"
	install -m 644 config/proxies/* "$(DESTDIR)$(PREFIX)/share/jwtd/proxies"
install-examples: # what an operator adapts: PREFIX/share/jwtd has a directory of each, and the migrations to read
	for directory in $(wildcard $(addprefix config/,kubernetes prometheus grafana)) migrations; do \
		install -d "$(DESTDIR)$(PREFIX)/share/jwtd/$${directory##*/}" && \
		install -m 644 $$directory/* "$(DESTDIR)$(PREFIX)/share/jwtd/$${directory##*/}" || exit 1; \
	done
clean: ## remove what was built
	rm -rf build
reset: ## remove the development database and its keys
	@[ ! -e .local/lock ] || flock -n .local/lock true || { echo "make run is running here: stop it first" >&2; exit 1; }
	tools/database.sh remove .local/postgres
	rm -rf .local
help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1	\2/p' Makefile | expand -t 18
