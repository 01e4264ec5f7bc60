#include "auth/keyfrom.h"

#include <stdlib.h>
#include <string.h>

#include "auth/cidr.h"
#include "auth/glob.h"

struct entry {
    bool negated;
    char *glob; /* lower case; NULL: net */
    struct cidr net;
};

struct keyfrom {
    size_t count;
    struct entry entries[];
};

static bool
only_of(const char *text, size_t len, const char *accepted)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(accepted, text[i]))
            return false;
    return true;
}

/* Whether wildcards could match an address: hexadecimal digits could be the
 * beginning of a name, unless there is a colon. */
static bool
is_glob_of_addr(const char *text, size_t len)
{
    return only_of(text, len, "0123456789.*?") ||
           (memchr(text, ':', len) &&
            only_of(text, len, "0123456789abcdefABCDEF.:*?"));
}

static enum err
set_glob(struct entry *entry, const char *text, size_t len, const char **why)
{
    if (!is_glob_of_addr(text, len)) {
        *why = memchr(text, '/', len)
                   ? "a prefix behind wildcards"
                   : "a host name, and we look up no names of addresses: "
                     "say which addresses";
        return ERR_MALFORMED;
    }
    entry->glob = malloc(len + 1);
    if (!entry->glob)
        return ERR_NO_MEMORY;
    glob_copy_lower(entry->glob, text, len);
    return ERR_OK;
}

static enum err
parse_entry(struct entry *entry, const char *text, size_t len, const char **why)
{
    entry->negated = len > 0 && *text == '!';
    if (entry->negated) {
        text++;
        len--;
    }
    if (len == 0) {
        *why = "an empty pattern";
        return ERR_MALFORMED;
    }
    if (memchr(text, '*', len) || memchr(text, '?', len))
        return set_glob(entry, text, len, why);
    if (only_of(text, len, "0123456789.") || memchr(text, '/', len) ||
        memchr(text, ':', len))
        return cidr_parse(&entry->net, text, len, why);
    return set_glob(entry, text, len, why);
}

enum err
keyfrom_parse(const char *text, struct keyfrom **from, const char **why)
{
    size_t most = 1;
    struct keyfrom *made;
    enum err err = ERR_OK;
    const char *comma;

    for (const char *p = text; *p; p++)
        most += *p == ',';
    made = calloc(1, sizeof(*made) + most * sizeof(made->entries[0]));
    if (!made)
        return ERR_NO_MEMORY;
    do {
        size_t len = strcspn(text, ",");

        comma = text[len] ? text + len : NULL;
        err = parse_entry(&made->entries[made->count++], text, len, why);
        text += len + 1;
    } while (!err && comma);
    if (err)
        keyfrom_destroy(made);
    else
        *from = made;
    return err;
}

void
keyfrom_destroy(struct keyfrom *from)
{
    if (!from)
        return;
    for (size_t i = 0; i < from->count; i++)
        free(from->entries[i].glob);
    free(from);
}

bool
keyfrom_allows(const struct keyfrom *from, const union addr *addr)
{
    union addr plain = *addr;
    char text[ADDR_TEXT_MAX];
    bool matched = false;

    if (!from)
        return true;
    if (addr->sa.sa_family == AF_UNSPEC)
        return false;
    addr_unmap(&plain);
    addr_format_host(&plain, text);
    for (size_t i = 0; i < from->count; i++) {
        const struct entry *entry = &from->entries[i];
        bool same = entry->glob ? glob_matches(entry->glob, strlen(entry->glob),
                                               text, strlen(text))
                                : cidr_has(&entry->net, &plain);

        if (same && entry->negated)
            return false;
        matched = matched || same;
    }
    return matched;
}
