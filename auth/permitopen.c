#include "auth/permitopen.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/service.h"

struct entry {
    bool any_host;
    uint16_t port;      /* 0 is every port */
    struct target host; /* its port is not looked at */
};

struct permitopen {
    struct entry *entries;
    size_t count;
    bool any;
    bool given; /* something was added, even if it is no entry */
};

struct permitopen *
permitopen_create(void)
{
    return calloc(1, sizeof(struct permitopen));
}

void
permitopen_destroy(struct permitopen *list)
{
    if (!list)
        return;
    free(list->entries);
    free(list);
}

/* Takes HOST:PORT apart; brackets may be round a name too. Returns the port's
 * text, or NULL. */
static const char *
split(const char *text, const char **host, size_t *len)
{
    const char *end;

    if (*text == '[') {
        end = strchr(++text, ']');
        if (!end || end[1] != ':')
            return NULL;
        *len = (size_t)(end++ - text);
    } else {
        end = strchr(text, ':');
        if (!end)
            return NULL;
        *len = (size_t)(end - text);
    }
    *host = text;
    return end + 1;
}

static size_t
without_dots(const char *name, size_t len)
{
    while (len > 0 && name[len - 1] == '.')
        len--;
    return len;
}

static enum err
parse(struct entry *entry, const char *text, const char **why)
{
    const char *host;
    size_t len;
    const char *port = split(text, &host, &len);

    if (!port) {
        *why = "not host:port";
        return ERR_MALFORMED;
    }
    if (!service_parse(port, &entry->port)) {
        *why = strchr(port, ':')
                   ? "not host:port; an IPv6 address stands in brackets"
                   : "port must be 1 to 65535, a service's name, or *";
        return ERR_MALFORMED;
    }
    entry->any_host = len == 1 && *host == '*';
    /* With a slash it would be a path, which no client asks for. */
    if (!entry->any_host &&
        (without_dots(host, len) == 0 || memchr(host, '/', len) ||
         target_set_host(&entry->host, host, len, 0) != ERR_OK)) {
        *why = "not a host name or address";
        return ERR_MALFORMED;
    }
    return ERR_OK;
}

enum err
permitopen_add(struct permitopen *list, const char *text, const char **why)
{
    struct entry entry = {.port = 0};
    struct entry *grown;
    enum err err;

    if (strcasecmp(text, "any") == 0 || strcasecmp(text, "none") == 0) {
        list->any = list->any || strcasecmp(text, "any") == 0;
        list->given = true;
        return ERR_OK;
    }
    err = parse(&entry, text, why);
    if (err)
        return err;
    grown = reallocarray(list->entries, list->count + 1, sizeof(*grown));
    if (!grown)
        return ERR_NO_MEMORY;
    list->entries = grown;
    grown[list->count++] = entry;
    list->given = true;
    return ERR_OK;
}

bool
permitopen_empty(const struct permitopen *list)
{
    return !list || !list->given;
}

static bool
same_name(const char *a, const char *b)
{
    size_t len = without_dots(a, strlen(a));

    return len == without_dots(b, strlen(b)) && strncasecmp(a, b, len) == 0;
}

static bool
matches(const struct entry *entry, const struct target *target)
{
    const struct target *host = &entry->host;

    if (entry->port && entry->port != target->port)
        return false;
    if (entry->any_host)
        return target->kind != TARGET_UNIX;
    if (host->kind != target->kind)
        return false;
    return host->kind == TARGET_ADDR
               ? addr_same_host(&host->addr, &target->addr)
               : same_name(host->name, target->name);
}

bool
permitopen_allows(const struct permitopen *list, const struct target *target)
{
    if (permitopen_empty(list) || list->any)
        return true;
    for (size_t i = 0; i < list->count; i++)
        if (matches(&list->entries[i], target))
            return true;
    return false;
}
