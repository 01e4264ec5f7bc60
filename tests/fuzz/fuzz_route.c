/* Routes: the first line is the patterns, each other one asks for a host. What
 * was accepted as a list is the same as its pieces, one after the other. */
#include "tests/fuzz/fuzz.h"

#include "proxy/route.h"

#define WAY  1
#define NONE 2

/* Adds the patterns piece by piece, each with as many of the commas as make it
 * a good one. Returns whether all were. */
static bool
add_pieces(struct routes *routes, const char *at)
{
    char why[ROUTE_WHY_MAX];

    while (at) {
        const char *end = NULL;
        const char *comma = at;

        do {
            comma = strchr(comma, ',');
            if (routes_add(routes, at,
                           comma ? (size_t)(comma - at) : strlen(at), WAY,
                           why) == ERR_OK)
                end = comma ? comma : at + strlen(at);
            comma = comma ? comma + 1 : NULL;
        } while (comma);
        if (!end)
            return false;
        at = *end ? end + 1 : NULL;
    }
    return true;
}

static void
check_host(const struct routes *all, const struct routes *pieces,
           const char *host)
{
    struct target target;
    unsigned way;

    if (target_set_host(&target, host, strlen(host), 443))
        return;
    way = routes_find(all, &target, NONE);
    FUZZ_CHECK(way == WAY || way == NONE);
    FUZZ_CHECK(way == routes_find(pieces, &target, NONE));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = strndup((const char *)bytes, len < 4000 ? len : 4000);
    struct routes *all = routes_create();
    struct routes *pieces = routes_create();
    char why[ROUTE_WHY_MAX] = "";
    char *rest = text;
    char *line;
    enum err err;

    FUZZ_CHECK(text && all && pieces);
    line = strsep(&rest, "\n");
    err = routes_add(all, line, strlen(line), WAY, why);
    FUZZ_CHECK(err == ERR_OK || (err == ERR_MALFORMED && *why));
    if (!err) {
        FUZZ_CHECK(add_pieces(pieces, line));
        while ((line = strsep(&rest, "\n")))
            check_host(all, pieces, line);
    }
    routes_destroy(all);
    routes_destroy(pieces);
    free(text);
    return 0;
}
