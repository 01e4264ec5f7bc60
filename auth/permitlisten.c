#include "auth/permitlisten.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/glob.h"
#include "auth/service.h"
#include "transport/base/target.h"

struct entry {
    uint16_t port; /* 0 is every port */
    size_t len;
    char *host; /* lower case, with wildcards */
};

struct permitlisten {
    struct entry *entries;
    size_t count;
};

struct permitlisten *
permitlisten_create(void)
{
    return calloc(1, sizeof(struct permitlisten));
}

void
permitlisten_destroy(struct permitlisten *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++)
        free(list->entries[i].host);
    free(list->entries);
    free(list);
}

/* Takes [HOST:]PORT apart. Returns the port's text, or NULL. */
static const char *
split(const char *text, const char **host, size_t *len)
{
    const char *end;

    *host = text;
    if (*text == '[') {
        *host = ++text;
        end = strchr(text, ']');
        if (!end || end[1] != ':')
            return NULL;
        *len = (size_t)(end - text);
        return end + 2;
    }
    end = strchr(text, ':');
    if (!end) {
        *host = "*";
        *len = 1;
        return text;
    }
    *len = (size_t)(end - text);
    return end + 1;
}

static bool
is_host(const char *host, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)host[i] <= ' ' || strchr("[]/,\x7f", host[i]))
            return false;
    return len <= TARGET_NAME_MAX;
}

static enum err
parse(struct entry *entry, const char *text, const char **why)
{
    const char *host;
    const char *port = split(text, &host, &entry->len);

    if (!port) {
        *why = "not [host:]port";
        return ERR_MALFORMED;
    }
    if (!service_parse(port, &entry->port)) {
        *why = strchr(port, ':')
                   ? "not [host:]port; an IPv6 address stands in brackets"
                   : "port must be 1 to 65535, a service's name, or *";
        return ERR_MALFORMED;
    }
    if (!is_host(host, entry->len)) {
        *why = "not a host name or address";
        return ERR_MALFORMED;
    }
    entry->host = malloc(entry->len + 1);
    if (!entry->host)
        return ERR_NO_MEMORY;
    glob_copy_lower(entry->host, host, entry->len);
    return ERR_OK;
}

enum err
permitlisten_add(struct permitlisten *list, const char *text, const char **why)
{
    struct entry entry = {.port = 0};
    struct entry *grown;
    enum err err = parse(&entry, text, why);

    if (err)
        return err;
    grown = reallocarray(list->entries, list->count + 1, sizeof(*grown));
    if (!grown) {
        free(entry.host);
        return ERR_NO_MEMORY;
    }
    list->entries = grown;
    grown[list->count++] = entry;
    return ERR_OK;
}

bool
permitlisten_allows(const struct permitlisten *list, const char *address,
                    unsigned port)
{
    char lower[TARGET_NAME_MAX + 1];
    size_t len = strlen(address);

    if (!list || list->count == 0)
        return true;
    /* Nothing that can be listened at is longer. */
    if (len > TARGET_NAME_MAX)
        return false;
    glob_copy_lower(lower, address, len);
    for (size_t i = 0; i < list->count; i++) {
        const struct entry *entry = &list->entries[i];

        if ((entry->port == 0 || entry->port == port) &&
            glob_matches(entry->host, entry->len, lower, len))
            return true;
    }
    return false;
}
