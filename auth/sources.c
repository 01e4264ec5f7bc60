#include "auth/sources.h"

#include <stdlib.h>
#include <string.h>

#include "auth/cidr.h"

struct sources {
    struct cidr *list;
    size_t count;
    bool any;
};

struct sources *
sources_create(void)
{
    return calloc(1, sizeof(struct sources));
}

void
sources_destroy(struct sources *sources)
{
    if (!sources)
        return;
    free(sources->list);
    free(sources);
}

enum err
sources_add(struct sources *sources, const char *text, const char **why)
{
    struct cidr cidr;
    struct cidr *list;
    enum err err;

    if (strcmp(text, "any") == 0) {
        sources->any = true;
        return ERR_OK;
    }
    err = cidr_parse(&cidr, text, strlen(text), why);
    if (err)
        return err;
    list = reallocarray(sources->list, sources->count + 1, sizeof(*list));
    if (!list)
        return ERR_NO_MEMORY;
    sources->list = list;
    list[sources->count++] = cidr;
    return ERR_OK;
}

bool
sources_empty(const struct sources *sources)
{
    return sources->count == 0 && !sources->any;
}

bool
sources_allow_unknown(const struct sources *sources)
{
    return sources->any || sources->count == 0;
}

bool
sources_allow(const struct sources *sources, const union addr *addr)
{
    if (sources->any || sources->count == 0 || addr->sa.sa_family == AF_UNSPEC)
        return true;
    for (size_t i = 0; i < sources->count; i++)
        if (cidr_has(&sources->list[i], addr))
            return true;
    return false;
}
