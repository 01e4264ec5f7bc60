#include "transport/ssh/sshhost_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/ssh/sshknown.h"

/* What a binary revocation list (ssh-keygen -k) begins with. */
#define KRL_MAGIC "SSHKRL\n"

/* One line of a file that is about the server. */
struct visit {
    const char *file;
    unsigned number;
    const struct sshknown_line *line;
};

/* ssh's order; what libssh doesn't know of it, it leaves out. */
static const char usual_algorithms[] =
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
    "rsa-sha2-512,rsa-sha2-256";

#define ALGORITHM_NAME_MAX 64

/* A list of algorithms, and which of them there are keys for: a bit each, by
 * their order. */
struct algorithms {
    const char *list;
    unsigned known;
};

/* Whether a file may be there all the same, and be read the next time. As with
 * ssh one that is missing, forbidden or none says nothing. */
static bool
is_passing(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM ||
           error == EIO || error == ESTALE;
}

/* Returns 0, or the errno of a failure for now alone. */
static int
visit_file(const char *path, const char *name,
           void (*see)(void *arg, const struct visit *visit), void *arg)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    struct sshknown_line line;
    struct visit visit = {.file = path, .line = &line};
    ssize_t len;
    int error;

    if (!file)
        return is_passing(errno) ? errno : 0;
    errno = 0;
    while ((len = getline(&text, &size, file)) >= 0) {
        visit.number++;
        if (sshknown_read(text, (size_t)len, &line) &&
            sshknown_matches(&line, name))
            see(arg, &visit);
        errno = 0;
    }
    error = errno;
    free(text);
    fclose(file);
    return is_passing(error) ? error : 0;
}

/* *unread: the file that could not be read for now, if there is one. Returns
 * the errno of that, or 0. */
static int
visit_files(const struct sshdest *dest, const char *name,
            void (*see)(void *arg, const struct visit *visit), void *arg,
            const char **unread)
{
    const struct sshdest_list *const lists[] = {&dest->user_known_hosts,
                                                &dest->global_known_hosts};
    int failed = 0;

    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < lists[i]->count; j++) {
            int error = visit_file(lists[i]->item[j], name, see, arg);

            if (!error)
                continue;
            failed = error;
            *unread = lists[i]->item[j];
        }
    return failed;
}

struct finder {
    const struct sshhost_key *key;
    struct sshhost_found found;
};

static void
decide(struct finder *finder, enum sshhost_state state,
       const struct visit *visit)
{
    if (state <= finder->found.state)
        return;
    finder->found.state = state;
    finder->found.file = visit->file;
    finder->found.line = visit->number;
}

static void
see_line(void *arg, const struct visit *visit)
{
    struct finder *finder = arg;
    const struct sshhost_key *key = finder->key;
    bool same = sshknown_has_key(visit->line, key->type, key->base64);

    switch (visit->line->mark) {
    case SSHKNOWN_REVOKED:
        if (same)
            decide(finder, SSHHOST_REVOKED, visit);
        break;
    case SSHKNOWN_CA:
        finder->found.has_authority = true;
        break;
    case SSHKNOWN_PLAIN:
        if (same) {
            decide(finder, SSHHOST_SAME, visit);
        } else if (sshknown_has_type(visit->line, key->type)) {
            decide(finder, SSHHOST_CHANGED, visit);
        } else {
            finder->found.has_other = true;
            if (!finder->found.file) {
                finder->found.file = visit->file;
                finder->found.line = visit->number;
            }
        }
        break;
    case SSHKNOWN_STRANGE:
        break;
    }
}

struct sshhost_found
sshhost_find(const struct sshdest *dest, const struct sshhost_key *key)
{
    struct finder finder = {.key = key};

    finder.found.error =
        visit_files(dest, key->name, see_line, &finder, &finder.found.unread);
    return finder.found;
}

/* Takes the next name out of a list. Returns false at its end. */
static bool
next_algorithm(const char **list, char name[ALGORITHM_NAME_MAX])
{
    size_t len = strcspn(*list, ",");

    if (!**list)
        return false;
    snprintf(name, ALGORITHM_NAME_MAX, "%.*s", (int)len, *list);
    *list += len;
    *list += **list == ',';
    return true;
}

/* The type of key that an algorithm wants. */
static const char *
type_of(const char *algorithm)
{
    return strncmp(algorithm, "rsa-sha2-", 9) == 0 ? "ssh-rsa" : algorithm;
}

static void
see_type(void *arg, const struct visit *visit)
{
    struct algorithms *algorithms = arg;
    const char *list = algorithms->list;
    char name[ALGORITHM_NAME_MAX];

    for (unsigned bit = 1; next_algorithm(&list, name); bit <<= 1)
        if (visit->line->mark == SSHKNOWN_PLAIN &&
            sshknown_has_type(visit->line, type_of(name)))
            algorithms->known |= bit;
}

/* Appends those names that are known, or those that are not. */
static size_t
append_algorithms(const struct algorithms *algorithms, bool known, char *buf,
                  size_t len, size_t size)
{
    const char *list = algorithms->list;
    char name[ALGORITHM_NAME_MAX];

    for (unsigned bit = 1; next_algorithm(&list, name); bit <<= 1) {
        if (((algorithms->known & bit) != 0) != known ||
            len + 1 + strlen(name) >= size)
            continue;
        len += (size_t)snprintf(buf + len, size - len, "%s%s",
                                len > 0 ? "," : "", name);
    }
    return len;
}

char *
sshhost_algorithms(const struct sshdest *dest, const char *name, char *buf,
                   size_t size)
{
    const char *given = dest->host_key_algorithms;
    struct algorithms algorithms = {.list = given ? given : usual_algorithms};
    const char *unread; /* which sshhost_find will say */
    size_t len;

    buf[0] = 0;
    visit_files(dest, name, see_type, &algorithms, &unread);
    len = append_algorithms(&algorithms, true, buf, 0, size);
    append_algorithms(&algorithms, false, buf, len, size);
    return buf;
}

static enum sshhost_revocation
find_revoked(FILE *file, const struct sshhost_key *key)
{
    enum sshhost_revocation revocation = SSHHOST_NOT_REVOKED;
    char *text = NULL;
    size_t size = 0;
    struct sshknown_line line;
    ssize_t len;

    while ((len = getline(&text, &size, file)) >= 0) {
        if (strcmp(text, KRL_MAGIC) == 0)
            revocation = SSHHOST_UNREADABLE;
        else if (sshknown_read_key(text, (size_t)len, &line) &&
                 sshknown_has_key(&line, key->type, key->base64))
            revocation = SSHHOST_IS_REVOKED;
        if (revocation != SSHHOST_NOT_REVOKED)
            break;
    }
    if (ferror(file))
        revocation = SSHHOST_UNREADABLE;
    free(text);
    return revocation;
}

enum sshhost_revocation
sshhost_revoked(const struct sshdest *dest, const struct sshhost_key *key,
                const char **path)
{
    enum sshhost_revocation revocation = SSHHOST_NOT_REVOKED;

    for (size_t i = 0; i < dest->revoked_host_keys.count; i++) {
        FILE *file = fopen(dest->revoked_host_keys.item[i], "re");

        *path = dest->revoked_host_keys.item[i];
        if (!file)
            return SSHHOST_UNREADABLE;
        revocation = find_revoked(file, key);
        fclose(file);
        if (revocation != SSHHOST_NOT_REVOKED)
            break;
    }
    return revocation;
}
