#include "transport/ssh/sshnames.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "transport/base/target.h"

/* Resolvers on the server's side keep most names at least so long, or find
 * them again as quickly. */
#define KNOWN_SECONDS 300.0

/* When there are more, all are forgotten: that costs less than to keep them in
 * order, and nothing but some care is lost. */
#define NAMES_MAX 1000

struct sshname {
    char text[TARGET_NAME_MAX + 1]; /* in lower case */
    double at;
    UT_hash_handle hh;
};

static struct sshname *
find(struct sshnames *names, const char *name, char text[TARGET_NAME_MAX + 1])
{
    struct sshname *found = NULL;
    size_t len = strnlen(name, TARGET_NAME_MAX);

    for (size_t i = 0; i < len; i++)
        text[i] = (char)tolower((unsigned char)name[i]);
    text[len] = 0;
    HASH_FIND(hh, names->names, text, len, found);
    return found;
}

bool
sshnames_is_known(struct sshnames *names, const char *name, double now)
{
    char text[TARGET_NAME_MAX + 1];
    const struct sshname *found = find(names, name, text);

    return found && now - found->at < KNOWN_SECONDS;
}

static void
forget(struct sshnames *names, struct sshname *name)
{
    HASH_DEL(names->names, name);
    names->count--;
    free(name);
}

void
sshnames_note(struct sshnames *names, const char *name, bool quick, double now)
{
    char text[TARGET_NAME_MAX + 1];
    struct sshname *found = find(names, name, text);

    if (found && !quick) {
        forget(names, found);
    } else if (found) {
        found->at = now;
    } else if (quick) {
        if (names->count >= NAMES_MAX)
            sshnames_clear(names);
        found = calloc(1, sizeof(*found));
        if (!found)
            return;
        memcpy(found->text, text, sizeof(text));
        found->at = now;
        HASH_ADD_STR(names->names, text, found);
        if (!found->hh.tbl) { /* the table could not grow */
            free(found);
            return;
        }
        names->count++;
    }
}

void
sshnames_clear(struct sshnames *names)
{
    struct sshname *each;
    struct sshname *next;

    HASH_ITER (hh, names->names, each, next)
        forget(names, each);
}
