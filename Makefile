# Builds smartnode: one static library per room, one program, and the tests of each room.
#
#   make                            build/smartnode
#   make demo [ONCE=1]              install what is needed, build, run nine nodes on loopback
#   make check                      install what is needed, build, run every test
#   make check-unit                 unit, trace and golden tests
#   make check-ROOM                 the unit tests of one room, e.g. check-storage
#   make sim [SEED=7] [SEEDS=100]   the simulator; a failing seed is replayed by its number
#   make fuzz T=wire SECONDS=600    one fuzz target; make fuzz-smoke runs all of them briefly
#   make bench [T=import]           the figures beside their limits (docs/BENCH.md); BENCH_SCALE=n
#   make lint, format, format-check, install, uninstall, deb, clean
#
# Variables: BUILD (default build), CC (gcc or clang), WERROR=0, SAN=address,undefined (builds
# into $(BUILD)-san), DESTDIR, PREFIX.

SHELL := /bin/bash
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

VERSION := 0.1.0
BUILD ?= build
SAN ?=
WERROR ?= 1
PREFIX ?= /usr/local
JOBS := $(shell nproc 2>/dev/null || echo 2)
ifeq ($(origin CC),default)
CC := gcc
endif
FUZZ_CC ?= clang
PROTOC_C ?= protoc-c
PKG_CONFIG ?= pkg-config

# B is the build directory in use: a sanitized build never mixes with a plain one.
B := $(BUILD)$(if $(SAN),-san)

# ---- flags -------------------------------------------------------------------------------------

PACKAGES := libsodium libprotobuf-c lmdb libzmq libmicrohttpd jansson inih libutf8proc libqrencode libpng libcurl
HAVE_SYSTEMD := $(shell $(PKG_CONFIG) --exists libsystemd 2>/dev/null && echo 1)
ifeq ($(HAVE_SYSTEMD),1)
PACKAGES += libsystemd
endif

# The packages' headers are system headers: their warnings are not ours.
PACKAGE_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null))
PACKAGE_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null) -lcsv

COMMON := -std=c17 -D_GNU_SOURCE -g -I. $(PACKAGE_CFLAGS) -fno-strict-aliasing -pthread \
	$(if $(HAVE_SYSTEMD),-DHAVE_SYSTEMD=1) -DSMARTNODE_VERSION='"$(VERSION)"' \
	-ffile-prefix-map=$(CURDIR)=.

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wmissing-declarations -Wold-style-definition -Wpointer-arith -Wcast-qual -Wformat=2 -Wvla \
	-Wundef -Wwrite-strings -Wimplicit-fallthrough -Wredundant-decls -Wunused-result \
	-Wno-sign-conversion $(if $(filter 1,$(WERROR)),-Werror)
CC_IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
GCC_WARNINGS := -Wlogical-op -Wduplicated-cond $(if $(SAN),-Wno-maybe-uninitialized)
# What gcc says of a format that is passed on with its va_list, nothing, is right.
CLANG_WARNINGS := -Wno-format-nonliteral

HARDENING := -fstack-protector-strong -fPIE
ifeq ($(SAN),)
OPTIMIZE := -O2
# With clang, glibc fortifies by macros, and a macro of that name cannot be banned.
HARDENING += $(if $(CC_IS_CLANG),,-D_FORTIFY_SOURCE=2)
else
OPTIMIZE := -O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
endif

# Calls that the project does not use are compile errors everywhere, tests included.
BANNED := $(patsubst %,-include %,$(wildcard proto/base/banned.h))

# Deferred, so that per-target additions (the generated headers) reach the compiler.
ALL_CFLAGS := $(COMMON) $(OPTIMIZE) $(HARDENING) $(WARNINGS) \
	$(if $(CC_IS_CLANG),$(CLANG_WARNINGS),$(GCC_WARNINGS)) $(CFLAGS)
ALL_LDFLAGS := -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all) $(LDFLAGS)
FUZZ_CFLAGS := $(COMMON) -O1 -fno-omit-frame-pointer $(WARNINGS) $(CLANG_WARNINGS) \
	-fno-sanitize-recover=all -DFUZZING=1
FUZZ_LDFLAGS := -pthread -fsanitize=fuzzer,address,undefined -Wl,--as-needed
# Test functions of cmocka have a fixed signature whose parameter few of them use.
TEST_CFLAGS := -Wno-unused-parameter

# ---- rooms -------------------------------------------------------------------------------------

ROOMS := proto storage rules sync command apply view api net host exchange cli
DIRS_proto := proto/base proto
DIRS_storage := storage
$(foreach r,rules sync command apply view api net host exchange cli,$(eval DIRS_$(r) := node/$(r)))

# What the tests of a room link: the room and the rooms below it, so that a room that does not
# compile today does not stop the tests of another one.
LINK_proto := proto
LINK_storage := storage proto
LINK_rules := rules proto
LINK_sync := sync proto
LINK_apply := apply rules storage proto
LINK_command := command apply rules storage proto
LINK_view := view apply rules storage proto
LINK_api := $(ROOMS)
LINK_net := $(ROOMS)
LINK_host := $(ROOMS)
LINK_exchange := $(ROOMS)

GEN := $(B)/gen
SCHEMAS := $(wildcard proto/schema/*.proto)
GEN_C := $(SCHEMAS:proto/schema/%.proto=$(GEN)/%.pb-c.c)
GEN_H := $(GEN_C:.c=.h)

# room(name): its sources, its objects for the program and for the fuzzers.
define room
SRC_$(1) := $$(filter-out node/cli/main.c,$$(foreach d,$$(DIRS_$(1)),$$(wildcard $$(d)/*.c)))
OBJ_$(1) := $$(SRC_$(1):%.c=$$(B)/obj/%.o)
FUZZ_OBJ_$(1) := $$(SRC_$(1):%.c=$$(B)/fuzz/obj/%.o)
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))
OBJ_proto += $(GEN_C:%.c=%.o)
FUZZ_OBJ_proto += $(GEN_C:$(GEN)/%.c=$(B)/fuzz/gen/%.o)

SUPPORT_SRC := $(wildcard tests/support/*.c)
OBJ_testsupport := $(SUPPORT_SRC:%.c=$(B)/obj/%.o)
FUZZ_OBJ_testsupport := $(SUPPORT_SRC:%.c=$(B)/fuzz/obj/%.o)

LIBS := $(ROOMS:%=$(B)/lib%.a)
MAIN_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard node/cli/main.c))
PROGRAM := $(if $(MAIN_OBJ),$(B)/smartnode)
DEMO_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard ops/demo/*.c))
GENERATE := $(if $(DEMO_OBJ),$(B)/smartnode-generate)

# ---- test programs -----------------------------------------------------------------------------

UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
TRACE_SRC := $(wildcard tests/trace/test_*.c)
GOLDEN_SRC := $(wildcard tests/golden/test_*.c)
BENCH_SRC := $(wildcard tests/bench/bench_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
SIM_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/sim/*.c))
# Sources of a bench beside its programs are shared by all of them.
BENCH_SHARED_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(BENCH_SRC),$(wildcard tests/bench/*.c)))

UNIT := $(UNIT_SRC:%.c=$(B)/%)
TRACE := $(TRACE_SRC:%.c=$(B)/%)
GOLDEN := $(GOLDEN_SRC:%.c=$(B)/%)
BENCH := $(BENCH_SRC:%.c=$(B)/%)
FUZZ := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)
SIM := $(if $(SIM_OBJ),$(B)/sim)

.PHONY: all demo check check-unit check-programs unit-programs sim fuzz fuzz-smoke fuzz-programs \
	bench bench-programs lint format format-check install uninstall deb clean FORCE
# Objects are kept: a test program is relinked, never recompiled for nothing.
.SECONDARY:

all: $(LIBS) $(PROGRAM) $(GENERATE)

# A stamp changes only when its text does, so what depends on it is rebuilt only then.
define stamp
@mkdir -p $(@D)
@printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(1))' >$@
endef

$(B)/flags: FORCE
	$(call stamp,$(CC) $(ALL_CFLAGS) $(BANNED) $(ALL_LDFLAGS) $(PACKAGE_LIBS))
$(B)/fuzz/flags: FORCE
	$(call stamp,$(FUZZ_CC) $(FUZZ_CFLAGS) $(BANNED) $(FUZZ_LDFLAGS) $(PACKAGE_LIBS))

# ---- compile -----------------------------------------------------------------------------------

# Only proto/ (and tests of it) see the generated headers.
WITH_GEN = $(if $(filter proto/% tests/unit/proto/% tests/golden/% tests/fuzz/%,$<),-isystem $(GEN))
WITH_TEST = $(if $(filter tests/%,$<),$(TEST_CFLAGS))
$(OBJ_proto) $(FUZZ_OBJ_proto) $(UNIT:$(B)/%=$(B)/obj/%.o) $(GOLDEN:$(B)/%=$(B)/obj/%.o) \
	$(FUZZ_SRC:%.c=$(B)/fuzz/obj/%.o): | $(GEN_H)

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ALL_CFLAGS) $(BANNED) $(WITH_GEN) $(WITH_TEST) -MMD -MP -c -o $@ $<

$(B)/fuzz/obj/%.o: %.c $(B)/fuzz/flags
	@mkdir -p $(@D)
	@echo "  CC    $< (fuzz)"
	@$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined $(BANNED) $(WITH_GEN) \
		$(WITH_TEST) -MMD -MP -c -o $@ $<

$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h &: proto/schema/%.proto
	@mkdir -p $(GEN)
	@echo "  GEN   $<"
	@$(PROTOC_C) --proto_path=proto/schema --c_out=$(GEN) $<

# Generated code is not ours to warn about. A schema may import another one: all headers first.
$(GEN)/%.pb-c.o: $(GEN)/%.pb-c.c $(B)/flags | $(GEN_H)
	@$(CC) $(COMMON) $(OPTIMIZE) $(HARDENING) $(CFLAGS) -w -isystem $(GEN) -MMD -MP -c -o $@ $<
$(B)/fuzz/gen/%.pb-c.o: $(GEN)/%.pb-c.c $(B)/fuzz/flags | $(GEN_H)
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -w -isystem $(GEN) \
		-MMD -MP -c -o $@ $<

# ---- libraries and programs --------------------------------------------------------------------

# archive(name): the list file makes a deleted source leave the library too. Appending (q) keeps
# two objects of the same base name, e.g. of proto/base/ and proto/, apart.
define archive
$$(B)/lib$(1).list: FORCE
	$$(call stamp,$$(OBJ_$(1)))
$$(B)/lib$(1).a: $$(OBJ_$(1)) $$(B)/lib$(1).list
	@rm -f $$@
	@ar qcs $$@ $$(OBJ_$(1))
$$(B)/fuzz/lib$(1).list: FORCE
	$$(call stamp,$$(FUZZ_OBJ_$(1)))
$$(B)/fuzz/lib$(1).a: $$(FUZZ_OBJ_$(1)) $$(B)/fuzz/lib$(1).list
	@rm -f $$@
	@ar qcs $$@ $$(FUZZ_OBJ_$(1))
endef
$(foreach r,$(ROOMS) testsupport,$(eval $(call archive,$(r))))

# The order of the rooms is a layering, not a line: the group lets the linker go round.
LINK = @echo "  LINK  $@"; mkdir -p $(@D); $(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) \
	-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PACKAGE_LIBS)
FUZZ_LINK = @echo "  LINK  $@"; mkdir -p $(@D); $(FUZZ_CC) $(FUZZ_LDFLAGS) -o $@ $(filter %.o,$^) \
	-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PACKAGE_LIBS)

$(B)/smartnode: $(MAIN_OBJ) $(LIBS)
	$(LINK)
$(B)/smartnode-generate: $(DEMO_OBJ) $(LIBS)
	$(LINK)
$(B)/sim: $(SIM_OBJ) $(B)/libtestsupport.a $(LIBS)
	$(LINK)

# The program of a later version, for the test of an upgrade: what names its version is compiled again.
NEXT_SRC := $(shell grep -l SMARTNODE_VERSION $(foreach r,$(ROOMS),$(SRC_$(r))) node/cli/main.c)
NEXT_OBJ := $(NEXT_SRC:%.c=$(B)/next/obj/%.o)
NEXT := $(B)/next/smartnode
$(B)/next/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC    $< (next)"
	@$(CC) $(ALL_CFLAGS) -USMARTNODE_VERSION -DSMARTNODE_VERSION='"$(VERSION)-next"' $(BANNED) -MMD -MP -c -o $@ $<
$(NEXT): $(NEXT_OBJ) $(LIBS)
	$(LINK)

# test_program(source, rooms): one cmocka program.
define test_program
$$(B)/$(1:.c=): $$(B)/obj/$(1:.c=.o) $$(B)/libtestsupport.a $(patsubst %,$$(B)/lib%.a,$(2))
	$$(LINK) -lcmocka
endef
room_of = $(patsubst base,proto,$(word 3,$(subst /, ,$(1))))
$(foreach s,$(UNIT_SRC),$(eval $(call test_program,$(s),$(or $(LINK_$(call room_of,$(s))),$(ROOMS)))))
$(foreach s,$(TRACE_SRC),$(eval $(call test_program,$(s),$(LINK_sync))))
$(foreach s,$(GOLDEN_SRC),$(eval $(call test_program,$(s),$(LINK_proto))))

define bench_program
$$(B)/$(1:.c=): $$(B)/obj/$(1:.c=.o) $$(BENCH_SHARED_OBJ) $$(B)/libtestsupport.a $$(LIBS)
	$$(LINK)
endef
$(foreach s,$(BENCH_SRC),$(eval $(call bench_program,$(s))))

# fuzz_ROOM_what.c links that room and those below it; any other name links proto.
fuzz_room = $(or $(filter $(ROOMS),$(word 2,$(subst _, ,$(basename $(notdir $(1)))))),proto)
define fuzz_program
$$(B)/fuzz/$(basename $(notdir $(1))): $$(B)/fuzz/obj/$(1:.c=.o) $$(B)/fuzz/libtestsupport.a \
	$(patsubst %,$$(B)/fuzz/lib%.a,$(LINK_$(call fuzz_room,$(1))))
	$$(FUZZ_LINK)
endef
$(foreach s,$(FUZZ_SRC),$(eval $(call fuzz_program,$(s))))

# ---- tests -------------------------------------------------------------------------------------

RUN := BUILD='$(B)' CC='$(CC)' tests/run
SUBMAKE := $(MAKE) --no-print-directory -k -j$(JOBS)

unit-programs: $(UNIT) $(TRACE) $(GOLDEN)
fuzz-programs: $(FUZZ)
bench-programs: $(BENCH)
check-programs: all unit-programs fuzz-programs bench-programs $(SIM) $(NEXT)

# A build that fails is a failed case of the run; what did build is tested all the same.
check:
	@ops/bootstrap
	@rc=0; $(SUBMAKE) check-programs || rc=$$?; $(RUN) --build-rc $$rc all

check-unit:
	@rc=0; $(SUBMAKE) unit-programs || rc=$$?; $(RUN) --build-rc $$rc unit

define check_room
.PHONY: check-$(1) programs-$(1)
programs-$(1): $(filter $(B)/tests/unit/$(1)/% $(if $(filter proto,$(1)),$(B)/tests/unit/base/%),$(UNIT))
check-$(1):
	@rc=0; $$(SUBMAKE) programs-$(1) || rc=$$$$?; $$(RUN) --build-rc $$$$rc unit:$(1)
endef
$(foreach r,$(ROOMS),$(eval $(call check_room,$(r))))

.PHONY: check-trace check-golden check-e2e
check-trace: $(TRACE)
	@$(RUN) trace
check-golden: $(GOLDEN)
	@$(RUN) golden
check-e2e: all $(NEXT)
	@$(RUN) e2e

# SEED alone replays that one seed; nothing at all runs seeds 1 to 300.
SEEDS ?= $(if $(SEED),1,300)
sim: $(SIM)
	@$(if $(SIM),$(SIM) --seed=$(or $(SEED),1) --seeds=$(SEEDS),echo "sim: tests/sim has no sources yet"; exit 1)

SECONDS ?= 60
fuzz: $(if $(T),$(B)/fuzz/fuzz_$(T:fuzz_%=%))
	@$(if $(T),,echo "usage: make fuzz T=NAME [SECONDS=600]; targets: $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%)"; exit 2)
	@$(RUN) --seconds $(SECONDS) fuzz:$(T:fuzz_%=%)
fuzz-smoke: fuzz-programs
	@$(RUN) fuzz

bench: all bench-programs
	@BUILD='$(B)' tests/bench/run $(T)

lint: $(B)/libproto.a $(B)/librules.a $(B)/libsync.a
	@ops/lint/lint --build $(B)

# Built first: the lint by symbol reads these objects.
FORMAT_FILES = $(shell git ls-files -co --exclude-standard -- '*.c' '*.h')
format:
	@clang-format -i $(FORMAT_FILES)
format-check:
	@clang-format --dry-run --Werror $(FORMAT_FILES)

demo:
	@ops/bootstrap
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@ONCE='$(ONCE)' BUILD='$(B)' exec ops/demo/demo

# ---- install -----------------------------------------------------------------------------------

BINDIR := $(DESTDIR)$(PREFIX)/bin
DOCDIR := $(DESTDIR)$(PREFIX)/share/doc/smartnode
MANDIR := $(DESTDIR)$(PREFIX)/share/man/man1
UNITDIR := $(DESTDIR)$(PREFIX)/lib/systemd/system
UNIT_FILES := $(wildcard ops/systemd/*.service)
MAN_FILES := $(wildcard docs/*.1)
DOC_FILES := README.md CHANGELOG.md LICENSE $(wildcard ops/*.sample)

install: all
	install -D -m 0755 $(B)/smartnode $(BINDIR)/smartnode
	install -D -m 0644 -t $(DOCDIR) $(DOC_FILES)
	install -D -m 0644 -t $(DOCDIR)/docs $(wildcard docs/*.md) docs/openapi.yaml
	$(if $(UNIT_FILES),install -D -m 0644 -t $(UNITDIR) $(UNIT_FILES))
	$(if $(MAN_FILES),install -D -m 0644 -t $(MANDIR) $(MAN_FILES))

uninstall:
	rm -f $(BINDIR)/smartnode $(UNIT_FILES:ops/systemd/%=$(UNITDIR)/%) $(MAN_FILES:docs/%=$(MANDIR)/%)
	rm -rf $(DOCDIR)

deb: all
	rm -rf $(B)/deb
	$(MAKE) install DESTDIR=$(abspath $(B)/deb) PREFIX=/usr BUILD=$(BUILD)
	ops/deb/build $(abspath $(B)/deb) $(VERSION) $(abspath $(B))/smartnode_$(VERSION)_$(shell dpkg --print-architecture).deb

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
