# culvert: see HACKING.md for what each target is for.
#
# VARIANT picks the build below build/: release (default), debug, asan, ubsan,
# tsan, cover. CC=clang works for each.

VARIANT ?= release
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
PREFIX  ?= /usr/local
DESTDIR ?=
SECS    ?= 60
JOBS    ?= $(shell nproc)

VERSION := 0.1.0

# What `make run` needs, and what `make check` needs on top of it.
DEPS_BUILD := gcc libc6-dev pkg-config libev-dev libc-ares-dev uthash-dev \
              libcrypt-dev nettle-dev libssh-dev libjansson-dev
DEPS_TEST  := libcriterion-dev python3-minimal python3 python3-socks curl \
              netbase openssh-server openssh-client dropbear-bin \
              python3-asyncssh python3-paramiko autossh netcat-openbsd ncat \
              socat proxychains4 iperf3 iproute2 procps chromium
# For single targets, installed by them.
DEPS_CLANG := clang libclang-rt-14-dev llvm
DEPS_DEMO  := openssh-client curl python3
DEPS_LINT  := clang-format clang-tidy cppcheck mandoc
DEPS_BENCH := microsocks dante-server gnuplot-nox
DEPS_VALGRIND := valgrind
DEPS_COVER := gcovr

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wformat=2 \
        -Wundef -Wvla -Wimplicit-fallthrough -Wswitch-enum
# libev's macros read one struct through another's type, so strict aliasing
# is off, as its documentation asks.
# uthash's default hash function falls through its switch unannotated, and a
# table that cannot grow would end the program.
BASE := -std=c11 -D_GNU_SOURCE -I. -g -fno-strict-aliasing -fno-common -pthread \
        -DHASH_FUNCTION=HASH_OAT -DHASH_NONFATAL_OOM=1 \
        -DCULVERT_VERSION='"$(VERSION)"' $(WARN) $(EXTRA_CFLAGS)
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
OPT_release := -O2 -DNDEBUG $(HARDEN)
OPT_debug   := -O0 -DCULVERT_DEBUG
OPT_asan    := -O1 -DCULVERT_DEBUG -fno-omit-frame-pointer -fsanitize=address
OPT_ubsan   := -O1 -DCULVERT_DEBUG -fsanitize=undefined \
               -fno-sanitize-recover=all
OPT_tsan    := -O1 -DCULVERT_DEBUG -fsanitize=thread
OPT_cover   := -O0 -DCULVERT_DEBUG --coverage
LINK_release := -pie -Wl,-z,relro,-z,now
LINK_asan  := -fsanitize=address
LINK_ubsan := -fsanitize=undefined
LINK_tsan  := -fsanitize=thread
LINK_cover := --coverage

B       := build/$(VARIANT)
CFLAGS_ALL := $(BASE) $(OPT_$(VARIANT)) $(CFLAGS)
LDLIBS_ALL := -lssh -lev -lcares -lcrypt -lnettle -ljansson $(LDLIBS)
LDFLAGS_ALL := -pthread $(LINK_$(VARIANT)) $(LDFLAGS)

SRC := $(sort $(wildcard transport/*.c transport/*/*.c auth/*.c proxy/*.c))
OBJ := $(SRC:%.c=$(B)/%.o)
LIB_OBJ := $(filter-out $(B)/proxy/main.o,$(OBJ))
HEADERS := $(sort $(wildcard transport/*.h transport/*/*.h auth/*.h proxy/*.h))
UNIT := $(sort $(wildcard tests/unit/*.c))
UNIT_OBJ := $(UNIT:%.c=$(B)/%.o)
TSAN_SRC := $(sort $(wildcard tests/tsan/*.c))
TSAN_BIN := $(TSAN_SRC:tests/tsan/%.c=$(B)/tests/tsan/%)
FUZZ := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_REPLAY := $(FUZZ:tests/fuzz/%.c=$(B)/replay/%)
FUZZ_BIN := $(FUZZ:tests/fuzz/%.c=build/fuzz/%)
BENCH_BIN := $(patsubst bench/%.c,$(B)/bench/%,$(sort $(wildcard bench/*.c)))
ALL_C := $(SRC) $(HEADERS) $(UNIT) $(TSAN_SRC) $(wildcard tests/tsan/*.h) \
         $(wildcard tests/unit/*.h) \
         $(wildcard tests/fuzz/*.c) $(wildcard tests/tools/*.c) \
         $(wildcard bench/*.c)

.PHONY: all program run demo deps-demo check check-variant test-programs asan ubsan tsan \
        memcheck fuzz soak soak-gateway cover bench bench-programs format format-check tidy \
        lint headers layers man install uninstall deps deps-test deps-clang \
        deps-lint deps-bench clean
.DEFAULT_GOAL := all
.SECONDARY: # objects of test programs are kept for the next build

all: culvert

culvert: build/release/culvert
	@cp build/release/culvert culvert.new && mv culvert.new culvert

ifneq ($(VARIANT),release)
build/release/culvert: FORCE
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=release $@
endif
.PHONY: FORCE

$(B)/culvert: $(OBJ)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

program: $(B)/culvert

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Anything built with other flags or another compiler is built again.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(B)/unit: $(LIB_OBJ) $(UNIT_OBJ)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ -lcriterion $(LDLIBS_ALL)

$(B)/tests/tsan/%: $(B)/tests/tsan/%.o $(LIB_OBJ)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(B)/replay/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(LIB_OBJ)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(B)/bench/%: bench/%.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< -lm $(MORE)
$(B)/bench/logins: MORE := -lssh

bench-programs: $(BENCH_BIN)

build/fuzz/%: tests/fuzz/%.c $(filter-out proxy/main.c,$(SRC)) $(HEADERS)
	@mkdir -p $(@D)
	clang $(BASE) -O1 -DCULVERT_DEBUG -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=all -o $@ $< \
	    $(filter-out proxy/main.c,$(SRC)) $(LDLIBS_ALL)

# --- what a person runs -------------------------------------------------------

# Finds out what is missing, and installs it as root or through sudo.
define install_packages
@missing=$$(for p in $(1); do \
    dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q ' installed$$' \
    || echo $$p; done); \
if [ -z "$$missing" ]; then exit 0; fi; \
echo "needs:" $$missing; \
if [ "$$(id -u)" = 0 ]; then sudo=; \
elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; \
then sudo=sudo; \
else echo "not root and no sudo; as root run:" >&2; \
     echo "  apt-get install --no-install-recommends" $$missing >&2; exit 1; fi; \
$$sudo apt-get update -qq && \
$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $$missing >/dev/null
endef

deps:
	$(call install_packages,$(DEPS_BUILD))

deps-test: deps
	$(call install_packages,$(DEPS_TEST))

deps-demo: deps
	$(call install_packages,$(DEPS_DEMO))

deps-clang:
	$(call install_packages,$(DEPS_CLANG))

deps-lint:
	$(call install_packages,$(DEPS_LINT))

deps-bench: deps-test
	$(call install_packages,$(DEPS_BENCH))

run: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	./culvert -D 1080

demo: deps deps-demo
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@contrib/demo ./culvert

# --- tests --------------------------------------------------------------------

test-programs: $(B)/culvert $(B)/unit $(FUZZ_REPLAY)

check: deps-test
	@$(MAKE) --no-print-directory -j$(JOBS) all check-variant

check-variant: test-programs headers layers
	@python3 tests/run --variant $(VARIANT)

asan ubsan: deps-test
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=$@ check-variant

# Criterion does not start under ThreadSanitizer: plain programs instead, and
# the end-to-end tests.
tsan: deps-test
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=tsan tsan-variant

.PHONY: tsan-variant
tsan-variant: $(B)/culvert $(TSAN_BIN)
	@python3 tests/run --variant tsan

memcheck: deps-test
	$(call install_packages,$(DEPS_VALGRIND))
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=debug test-programs
	@python3 tests/run --variant debug --valgrind

fuzz: deps deps-clang
	@$(MAKE) --no-print-directory -j$(JOBS) $(FUZZ_BIN)
	@tests/fuzz/run $(SECS) $(FUZZ_BIN)

cover: deps-test
	$(call install_packages,$(DEPS_COVER))
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=cover check-variant
	gcovr -r . --object-directory build/cover -e tests/ --print-summary \
	    --html-details build/cover/report.html

bench: deps-bench
	@$(MAKE) --no-print-directory -j$(JOBS) all bench-programs
	@python3 bench/run $(BENCH_ARGS)

# What it depends on is killed, stopped and cut off at random under load: an SSH
# server, or the agents and users of a gateway. VARIANT=asan too.
soak soak-gateway: deps-test
	@$(MAKE) --no-print-directory -j$(JOBS) program
	@python3 tests/soak $(if $(@:soak=),--gateway) --variant $(VARIANT) $(SECS)

# --- habits -------------------------------------------------------------------

format: deps-lint
	clang-format -i $(ALL_C)

format-check: deps-lint
	clang-format --dry-run -Werror $(ALL_C)

tidy: deps deps-lint
	clang-tidy --quiet --warnings-as-errors='*' $(SRC) -- $(BASE)

# cppcheck does not see that the loops of utlist set their variable: the compilers
# and clang-tidy look for that.
lint: deps-lint format-check man
	cppcheck --quiet --std=c11 --enable=warning,performance,portability \
	    --inline-suppr --suppress=missingIncludeSystem \
	    --suppress=unknownMacro --suppress=uninitvar --error-exitcode=1 \
	    -I. $(SRC)

# Every header compiles alone.
headers: $(HEADERS:%=$(B)/%.ok)

$(B)/%.h.ok: %.h $(HEADERS) $(B)/flags
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_ALL) -fsyntax-only -x c $<
	@touch $@

# No include goes up the layers.
layers:
	@tests/layers

man: deps-lint
	mandoc -T lint -W warning contrib/man/culvert.1

install: all
	install -D -m 755 culvert $(DESTDIR)$(PREFIX)/bin/culvert
	install -D -m 644 contrib/man/culvert.1 \
	    $(DESTDIR)$(PREFIX)/share/man/man1/culvert.1

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/culvert \
	    $(DESTDIR)$(PREFIX)/share/man/man1/culvert.1

clean:
	rm -rf build culvert

-include $(OBJ:.o=.d) $(UNIT_OBJ:.o=.d) $(wildcard $(B)/tests/*/*.d) \
    $(wildcard $(B)/bench/*.d)
