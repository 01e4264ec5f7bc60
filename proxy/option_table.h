/* Every option of the command line, those of later versions too. */
#ifndef CULVERT_PROXY_OPTION_TABLE_H
#define CULVERT_PROXY_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/option_apply.h"

enum option_kind {
    OPTION_KIND_ACTS,
    OPTION_KIND_SETS,   /* a keyword of ssh_config, whatever it was */
    OPTION_KIND_OFFERS, /* the same, if it has no value yet */
    OPTION_KIND_SILENT, /* accepted: asks for what is so anyway */
    OPTION_KIND_IDLE,   /* accepted with a warning: has no effect here */
    OPTION_KIND_LATER,  /* an error until it is built */
    OPTION_KIND_NEVER,  /* an error */
};

struct option_entry {
    enum option_kind kind;
    char letter;      /* 0: none */
    const char *name; /* NULL: none */
    bool takes_value;
    option_apply_fn *apply; /* OPTION_KIND_ACTS */
    enum sshconf_id id;     /* OPTION_KIND_SETS and _OFFERS */
    const char *fixed;      /* what is read when no value is taken */
};

/* Each lends an entry, or NULL when there is none. name has len bytes. */
const struct option_entry *option_table_letter(char letter);
const struct option_entry *option_table_name(const char *name, size_t len);

/* Lends the index-th entry; NULL behind the last. */
const struct option_entry *option_table_at(size_t index);

#endif
