/* A pattern of destinations, HOST, HOST:PORTS or :PORTS; auth/rules.h says what
 * they are. */
#ifndef CULVERT_AUTH_PATTERN_H
#define CULVERT_AUTH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/cidr.h"
#include "transport/base/err.h"
#include "transport/base/target.h"

enum pattern_kind {
    PATTERN_ANY,  /* every host */
    PATTERN_NAME, /* one name */
    PATTERN_GLOB, /* names with wildcards */
    PATTERN_NET,  /* an address or a network */
};

/* Both ends are within. */
struct port_range {
    uint16_t first;
    uint16_t last;
};

/* More mean that a pattern was not meant, or was made by a program that can
 * as well make two. */
#define PATTERN_PORTS_MAX 32

struct pattern {
    enum pattern_kind kind;
    unsigned port_count; /* 0 is every port */
    struct port_range *ports;
    char *name; /* lower case, no dot at the end; PATTERN_NAME and _GLOB */
    size_t name_len;
    struct cidr net; /* PATTERN_NET */
};

/* Reads a pattern. Returns ERR_OK and gives what is in *pattern
 * (pattern_clear); ERR_NO_MEMORY; or ERR_MALFORMED with *why set (lent, static
 * text); *pattern untouched on failure. */
enum err pattern_parse(struct pattern *pattern, const char *text,
                       const char **why);

/* Frees what a pattern holds; a zeroed one holds nothing. */
void pattern_clear(struct pattern *pattern);

/* A target made ready to be compared with many patterns. */
struct pattern_subject {
    enum target_kind kind;
    uint16_t port;
    size_t name_len;
    char name[TARGET_NAME_MAX + 1]; /* lower case, no dot at the end */
    union addr addrs[2];            /* asked for, and looked up; or "none" */
};

/* addr is what the target's name led to, or NULL; both are copied. */
void pattern_subject_set(struct pattern_subject *subject,
                         const struct target *target, const union addr *addr);

enum pattern_match {
    PATTERN_NO,
    PATTERN_YES,
    PATTERN_NEEDS_ADDR, /* the subject is a name, the pattern a network */
};

/* 0.0.0.0 and :: are in the networks of 127.0.0.1 and ::1 as well as in their
 * own: Linux connects to itself for them, so a denial of 127.0.0.0/8 would be
 * worth nothing otherwise. */
enum pattern_match pattern_match(const struct pattern *pattern,
                                 const struct pattern_subject *subject);

#endif
