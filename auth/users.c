/* One copy of the file's text, cut into strings in place, and an array of
 * users sorted by name that points into it: one block to wipe in the end, and
 * a look-up that allocates nothing. */
#include "auth/users.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/grant.h"
#include "auth/hash.h"
#include "auth/textfile.h"

#define USER_NAME_MAX 255

/* What the third field starts with. */
#define AGENT_FIELD ":agent="

struct user {
    const char *name; /* name_len bytes, no NUL */
    size_t name_len;
    const char *hash;
    const char *agent; /* or NULL */
    size_t line;
};

struct users {
    atomic_uint refs;
    struct textfile file; /* what all of the above points into */
    struct user *list;    /* by name */
    size_t count;
    const char *decoy; /* the first hash of the file, for unknown users */
};

static int
compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    if (order)
        return order;
    return (a_len > b_len) - (a_len < b_len);
}

static int
compare_users(const void *a, const void *b)
{
    const struct user *x = a;
    const struct user *y = b;
    int order = compare_names(x->name, x->name_len, y->name, y->name_len);

    /* In the file's order where the names are equal. */
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static bool
is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (line[i] != ' ' && line[i] != '\t')
            return false;
    return true;
}

/* Cuts the agent's name, if there is one, off a user's hash. Other fields stay
 * for hash_fault to tell about. */
static const char *
cut_agent(char *hash)
{
    char *colon = strchr(hash, ':');

    if (!colon || strncmp(colon, AGENT_FIELD, strlen(AGENT_FIELD)) != 0)
        return NULL;
    *colon = 0;
    return colon + strlen(AGENT_FIELD);
}

/* Takes one line, of len bytes with a NUL behind them. */
static enum err
parse_line(struct users *users, const struct textfile_spot *spot, char *line,
           size_t len)
{
    struct user *user = &users->list[users->count];
    char *colon = memchr(line, ':', len);
    const char *fault;

    if (memchr(line, 0, len))
        return textfile_fail(spot, "a NUL byte: not a text file");
    if (len > USERS_LINE_MAX)
        return textfile_fail(spot, "longer than %d bytes", USERS_LINE_MAX);
    if (line[0] == '#' || is_blank(line, len))
        return ERR_OK;
    if (!colon)
        return textfile_fail(spot, "no colon: user:hash is expected");
    if (colon == line)
        return textfile_fail(spot, "no user name before the colon");
    user->name = line;
    user->name_len = (size_t)(colon - line);
    user->agent = cut_agent(colon + 1);
    user->hash = colon + 1;
    user->line = spot->line;
    if (user->name_len > USER_NAME_MAX)
        return textfile_fail(spot, "a user name longer than %d bytes",
                             USER_NAME_MAX);
    fault = hash_fault(user->hash);
    if (fault)
        return textfile_fail(spot, "%s", fault);
    if (user->agent && !grant_agent_is_legal(user->agent))
        return textfile_fail(spot,
                             "agent= is not 1 to %d of A-Z, a-z, 0-9, _ "
                             "and -",
                             GRANT_AGENT_MAX);
    if (users->count == 0)
        users->decoy = user->hash;
    users->count++;
    return ERR_OK;
}

static enum err
parse_lines(struct users *users, struct textfile_spot *spot)
{
    enum err err = ERR_OK;
    char *line;
    size_t len;

    while (!err && textfile_next(&users->file, &line, &len)) {
        spot->line = users->file.line;
        err = parse_line(users, spot, line, len);
    }
    return err;
}

static enum err
sort_users(struct users *users, struct textfile_spot *spot)
{
    qsort(users->list, users->count, sizeof(*users->list), compare_users);
    for (size_t i = 1; i < users->count; i++) {
        const struct user *a = &users->list[i - 1];
        const struct user *b = &users->list[i];

        spot->line = b->line;
        if (compare_names(a->name, a->name_len, b->name, b->name_len) == 0)
            return textfile_fail(spot, "the same user as in line %zu", a->line);
    }
    return ERR_OK;
}

static size_t
count_lines(const char *text, size_t len)
{
    size_t lines = 1;

    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    return lines;
}

enum err
users_parse(const char *text, size_t len, const char *path,
            struct users **users, char *message, size_t size)
{
    struct textfile_spot spot = {
        .path = path, .message = message, .size = size};
    struct users *made = calloc(1, sizeof(*made));
    enum err err = ERR_NO_MEMORY;

    if (!made)
        goto fail;
    atomic_init(&made->refs, 1);
    made->list = calloc(count_lines(text, len), sizeof(*made->list));
    if (!made->list || textfile_copy(text, len, &made->file))
        goto fail;
    err = parse_lines(made, &spot);
    if (err)
        goto fail;
    err = sort_users(made, &spot);
    if (err)
        goto fail;
    if (made->count == 0) {
        snprintf(message, size, "%s: no user in it", path);
        err = ERR_MALFORMED;
        goto fail;
    }
    *users = made;
    return ERR_OK;
fail:
    if (err == ERR_NO_MEMORY)
        snprintf(message, size, "%s: %s", path, err_text(err));
    users_unref(made);
    return err;
}

enum err
users_load(const char *path, struct users **users, char *message, size_t size)
{
    struct textfile file;
    enum err err =
        textfile_read(path, USERS_FILE_MAX, S_IWOTH, &file, message, size);

    if (err)
        return err;
    err = users_parse(file.text, file.len, path, users, message, size);
    textfile_wipe(&file);
    return err;
}

struct users *
users_ref(struct users *users)
{
    atomic_fetch_add_explicit(&users->refs, 1, memory_order_relaxed);
    return users;
}

void
users_unref(struct users *users)
{
    if (!users ||
        atomic_fetch_sub_explicit(&users->refs, 1, memory_order_acq_rel) != 1)
        return;
    textfile_wipe(&users->file);
    free(users->list);
    free(users);
}

size_t
users_count(const struct users *users)
{
    return users->count;
}

static const struct user *
find_user(const struct users *users, const char *name, size_t name_len)
{
    size_t low = 0;
    size_t high = name_len ? users->count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct user *user = &users->list[middle];
        int order = compare_names(name, name_len, user->name, user->name_len);

        if (order == 0)
            return user;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *
users_agent(const struct users *users, const uint8_t *user, size_t len)
{
    const struct user *known = find_user(users, (const char *)user, len);

    return known ? known->agent : NULL;
}

bool
users_has(const struct users *users, const uint8_t *user, size_t len)
{
    return find_user(users, (const char *)user, len) != NULL;
}

bool
users_check(const struct users *users, const uint8_t *user, size_t user_len,
            const uint8_t *password, size_t password_len)
{
    const struct user *known = find_user(users, (const char *)user, user_len);
    const char *hash = known ? known->hash : users->decoy;
    bool good = hash_matches(hash, password, password_len);

    return known && good;
}
