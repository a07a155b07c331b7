# jwtd: `make help` lists what there is.
SANITIZE ?=
BUILD ?= build$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)),)
comma := ,
CC = gcc
PREFIX ?= /usr/local

packages := libmicrohttpd libjwt libsodium jansson libpq inih
hardening := -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
warnings := -Wall -Wextra -Wconversion -Werror -Wformat=2 -Werror=format-security -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wimplicit-fallthrough
sanitize_flags := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all -U_FORTIFY_SOURCE,)
# libsodium is linked statically so that its mmap and munmap can be routed to a region that is kept (hasher.h)
CFLAGS := -std=c11 -D_GNU_SOURCE -g $(hardening) $(sanitize_flags) $(warnings) -Iinclude $(shell pkg-config --cflags libmicrohttpd libpq 2>/dev/null)
LDFLAGS := -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--wrap=mmap -Wl,--wrap=munmap $(sanitize_flags)
LDLIBS := -lmicrohttpd -ljwt -l:libsodium.a -ljansson -lpq -linih -lunistring

sources := $(filter-out src/main.c,$(wildcard src/*/*.c)) $(BUILD)/generated/common_passwords.c $(BUILD)/generated/migrations.c
objects := $(patsubst %.c,$(BUILD)/%.o,$(filter src/%,$(sources))) $(patsubst %.c,%.o,$(filter $(BUILD)/%,$(sources)))

.PHONY: all help clean
all: $(BUILD)/jwtd ## build the program
$(BUILD)/jwtd: $(BUILD)/src/main.o $(objects)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/generated/%.o: $(BUILD)/generated/%.c
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<
help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'
clean: ## remove what was built
	rm -rf build
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
