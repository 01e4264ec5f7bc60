/* What ssh's configuration says, while it is gathered: from the command line
 * first, then from the files. Of each keyword the value that came first
 * counts, but for those whose values add up.
 *
 * Thread: before any other has started, for all sshconf modules. */
#ifndef CULVERT_PROXY_SSHCONF_H
#define CULVERT_PROXY_SSHCONF_H

#include <stdbool.h>

#include "proxy/settings.h"
#include "proxy/sshconf_line.h"
#include "proxy/sshconf_table.h"
#include "transport/ssh/sshdest.h"

/* Where something was written, for messages. */
struct sshconf_place {
    const char *file;   /* NULL: the command line */
    unsigned line;      /* of file */
    const char *option; /* of the command line: "-o", "-i", "--via"... */
    const char *value;  /* what stood behind it */
};

struct sshconf_value {
    bool set;
    bool in_file; /* not from the command line */
    double number;
    double second;
    struct sshdest_list texts;
    char *where; /* "FILE:12: Keyword" or "-o Keyword=value", of the first */
};

struct sshconf {
    struct sshconf_value values[SSHCONF_IDS];
    struct forward *forwards;  /* of DynamicForward and the like, -D... */
    struct sshdest_list texts; /* which forwards of files and -o borrow */
    struct sshdest_list idle;  /* names of what has no effect here */
    char *jump_host;           /* the last of ProxyJump, once resolved */
};

/* Frees all that a conf holds; a zeroed one holds nothing. */
void sshconf_clear(struct sshconf *conf);

/* Writes "culvert: PLACE: why" to standard error; keyword may be NULL. Returns
 * false, for its caller to return. */
bool sshconf_fail(const struct sshconf_place *place, const char *keyword,
                  const char *why);

/* As sshconf_fail, about a value that is kept. */
bool sshconf_fail_value(const struct sshconf_value *value, const char *why);

/* Reads a keyword's value and keeps it if it counts. It is read where active
 * is false too, as ssh does, but then it never counts. Blocks (Host, Match,
 * Include) are the file's reader's.
 * Returns true, or false when it was wrong and a message has been printed. */
bool sshconf_take(struct sshconf *conf, const struct sshconf_entry *entry,
                  const struct sshconf_line *line,
                  const struct sshconf_place *place, bool active);

/* Sets a keyword's value from an option of the command line, in the place of
 * what it had, or with the values it has where they add up. text is one word,
 * whatever is in it. Returns as sshconf_take. */
bool sshconf_put(struct sshconf *conf, enum sshconf_id id, const char *text,
                 const struct sshconf_place *place);

/* The same unless there is a value: of -p, -l and -P, and of their keywords,
 * the first counts. */
bool sshconf_offer(struct sshconf *conf, enum sshconf_id id, const char *text,
                   const struct sshconf_place *place);

/* Adds a forward, parsed, to the end (takes; its text is copied), unless
 * unique is true and there is an equal one.
 * Returns false when out of memory; it is freed then. */
bool sshconf_add_forward(struct sshconf *conf, struct forward *forward,
                         bool unique);

/* The first text of a keyword, or NULL where it has none. */
const char *sshconf_text(const struct sshconf *conf, enum sshconf_id id);

/* The number of a keyword, or otherwise. */
double sshconf_number(const struct sshconf *conf, enum sshconf_id id,
                      double otherwise);

/* As sshconf_number, of a flag. */
bool sshconf_flag(const struct sshconf *conf, enum sshconf_id id,
                  bool otherwise);

#endif
