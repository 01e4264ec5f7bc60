#include "proxy/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pattern.h"

struct route {
    struct pattern pattern;
    unsigned way;
};

struct routes {
    struct route *list;
    size_t count;
};

struct routes *
routes_create(void)
{
    return calloc(1, sizeof(struct routes));
}

void
routes_destroy(struct routes *routes)
{
    if (!routes)
        return;
    for (size_t i = 0; i < routes->count; i++)
        pattern_clear(&routes->list[i].pattern);
    free(routes->list);
    free(routes);
}

/* Returns as routes_add; for ERR_MALFORMED sets *why (static text). */
static enum err
add_one(struct routes *routes, const char *text, unsigned way, const char **why)
{
    struct route made = {.way = way};
    struct route *list;
    enum err err = pattern_parse(&made.pattern, text, why);

    if (err)
        return err;
    list = reallocarray(routes->list, routes->count + 1, sizeof(*list));
    if (!list) {
        pattern_clear(&made.pattern);
        return ERR_NO_MEMORY;
    }
    routes->list = list;
    list[routes->count++] = made;
    return ERR_OK;
}

/* Where the pattern at the start of text ends: at a comma that no port, or
 * range of them, follows. No host is written with digits alone. */
static char *
pattern_end(char *text)
{
    char *comma = text;

    while ((comma = strchr(comma, ','))) {
        size_t len = strspn(comma + 1, "0123456789-");

        if (len == 0 || (comma[1 + len] && comma[1 + len] != ','))
            return comma;
        comma++;
    }
    return text + strlen(text);
}

enum err
routes_add(struct routes *routes, const char *patterns, size_t len,
           unsigned way, char why[ROUTE_WHY_MAX])
{
    char *copy = strndup(patterns, len);
    char *at = copy;
    bool more = true;
    enum err err = copy ? ERR_OK : ERR_NO_MEMORY;

    while (!err && more) {
        char *end = pattern_end(at);
        const char *wrong = NULL;

        more = *end == ',';
        *end = 0;
        err = add_one(routes, at, way, &wrong);
        if (err == ERR_MALFORMED)
            snprintf(why, ROUTE_WHY_MAX, "pattern \"%.200s\": %s", at, wrong);
        at = end + 1;
    }
    free(copy);
    return err;
}

void
routes_renumber(struct routes *routes, const unsigned *to)
{
    for (size_t i = 0; i < routes->count; i++)
        routes->list[i].way = to[routes->list[i].way];
}

unsigned
routes_find(const struct routes *routes, const struct target *target,
            unsigned otherwise)
{
    struct pattern_subject subject;

    if (routes->count == 0)
        return otherwise;
    pattern_subject_set(&subject, target, NULL);
    for (size_t i = 0; i < routes->count; i++) {
        if (pattern_match(&routes->list[i].pattern, &subject) == PATTERN_YES)
            return routes->list[i].way;
    }
    return otherwise;
}

bool
routes_at(const struct routes *routes, size_t index, unsigned *way)
{
    if (index >= routes->count)
        return false;
    *way = routes->list[index].way;
    return true;
}
