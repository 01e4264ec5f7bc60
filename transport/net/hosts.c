#include "transport/net/hosts.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/net/sysfile.h"

/* One name of one line; both point into the text. Sorted by name, and by
 * place in the file for equal ones, so that a look-up is a binary search and
 * a file of many thousand names costs little more than its text. */
struct host {
    const char *name;
    const char *addr;
};

struct hosts {
    char *text;
    struct host *list;
    size_t count;
    size_t room;
};

static int
compare(const void *left, const void *right)
{
    const struct host *a = left;
    const struct host *b = right;
    int order = strcmp(a->name, b->name);

    if (order != 0)
        return order;
    return (a->addr > b->addr) - (a->addr < b->addr);
}

static bool
add(struct hosts *hosts, const char *name, const char *addr)
{
    if (hosts->count == hosts->room) {
        size_t room = hosts->room ? hosts->room * 2 : 32;
        struct host *list = realloc(hosts->list, room * sizeof(*list));

        if (!list)
            return false;
        hosts->list = list;
        hosts->room = room;
    }
    hosts->list[hosts->count++] = (struct host){.name = name, .addr = addr};
    return true;
}

/* Lower case, and no dot at the end. */
static void
normalize(char *name)
{
    size_t len = strlen(name);

    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = 0;
    for (; *name; name++)
        *name = (char)tolower((unsigned char)*name);
}

static bool
add_line(struct hosts *hosts, char *line)
{
    char *addr = sysfile_word(&line);
    union addr parsed;
    char *name;

    if (!addr || addr[0] == '[' || !addr_parse(&parsed, addr, strlen(addr), 0))
        return true;
    while ((name = sysfile_word(&line))) {
        normalize(name);
        if (!add(hosts, name, addr))
            return false;
    }
    return true;
}

enum err
hosts_parse(char *text, size_t len, struct hosts **out)
{
    struct hosts *hosts = calloc(1, sizeof(*hosts));
    const char *end = text + len;
    char *at = text;
    char *line;

    if (!hosts) {
        free(text);
        return ERR_NO_MEMORY;
    }
    hosts->text = text;
    while ((line = sysfile_line(&at, end, false))) {
        if (!add_line(hosts, line)) {
            hosts_destroy(hosts);
            return ERR_NO_MEMORY;
        }
    }
    if (hosts->count > 0)
        qsort(hosts->list, hosts->count, sizeof(hosts->list[0]), compare);
    *out = hosts;
    return ERR_OK;
}

void
hosts_destroy(struct hosts *hosts)
{
    if (!hosts)
        return;
    free(hosts->list);
    free(hosts->text);
    free(hosts);
}

/* The index of the first entry of a name; count when there is none. */
static size_t
first_of(const struct hosts *hosts, const char *name)
{
    size_t low = 0;
    size_t high = hosts->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(hosts->list[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < hosts->count && strcmp(hosts->list[low].name, name) == 0)
        return low;
    return hosts->count;
}

static bool
copy_normal(char *out, size_t size, const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len >= size)
        return false;
    memcpy(out, name, len + 1);
    normalize(out);
    return true;
}

bool
hosts_has(const struct hosts *hosts, const char *name)
{
    char normal[256];

    return hosts && copy_normal(normal, sizeof(normal), name) &&
           first_of(hosts, normal) < hosts->count;
}

size_t
hosts_find(const struct hosts *hosts, const char *name, int family,
           union addr addrs[HOSTS_ADDRS_MAX])
{
    char normal[256];
    size_t found = 0;

    if (!hosts || !copy_normal(normal, sizeof(normal), name))
        return 0;
    for (size_t i = first_of(hosts, normal);
         i < hosts->count && strcmp(hosts->list[i].name, normal) == 0 &&
         found < HOSTS_ADDRS_MAX;
         i++) {
        const char *text = hosts->list[i].addr;
        union addr addr;

        if (addr_parse(&addr, text, strlen(text), 0) &&
            addr.sa.sa_family == family)
            addrs[found++] = addr;
    }
    return found;
}
