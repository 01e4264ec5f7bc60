/* One copy of the file's text, cut into strings in place, and an array of
 * users sorted by name that points into it: one block to wipe in the end, and
 * a look-up that allocates nothing. */
#include "auth/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/hash.h"

#define USER_NAME_MAX 255

struct user {
    const char *name; /* name_len bytes, no NUL */
    size_t name_len;
    const char *hash;
    size_t line;
};

struct users {
    atomic_uint refs;
    char *text; /* what all of the above points into */
    size_t text_len;
    struct user *list; /* by name */
    size_t count;
    const char *decoy; /* the first hash of the file, for unknown users */
};

/* Where the parser is, and where it tells what is wrong. */
struct parse {
    const char *path;
    size_t line;
    char *message;
    size_t size;
};

static enum err fail_at(const struct parse *parse, size_t line,
                        const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum err
fail_at(const struct parse *parse, size_t line, const char *format, ...)
{
    va_list args;
    int used =
        snprintf(parse->message, parse->size, "%s:%zu: ", parse->path, line);

    if (used < 0 || (size_t)used >= parse->size)
        return ERR_MALFORMED;
    va_start(args, format);
    vsnprintf(parse->message + used, parse->size - (size_t)used, format, args);
    va_end(args);
    return ERR_MALFORMED;
}

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

/* Takes one line, of len bytes with a NUL behind them. */
static enum err
parse_line(struct users *users, const struct parse *parse, char *line,
           size_t len)
{
    struct user *user = &users->list[users->count];
    const char *colon = memchr(line, ':', len);
    const char *fault;

    if (memchr(line, 0, len))
        return fail_at(parse, parse->line, "a NUL byte: not a text file");
    if (len > USERS_LINE_MAX)
        return fail_at(parse, parse->line, "longer than %d bytes",
                       USERS_LINE_MAX);
    if (line[0] == '#' || is_blank(line, len))
        return ERR_OK;
    if (!colon)
        return fail_at(parse, parse->line, "no colon: user:hash is expected");
    if (colon == line)
        return fail_at(parse, parse->line, "no user name before the colon");
    user->name = line;
    user->name_len = (size_t)(colon - line);
    user->hash = colon + 1;
    user->line = parse->line;
    if (user->name_len > USER_NAME_MAX)
        return fail_at(parse, parse->line, "a user name longer than %d bytes",
                       USER_NAME_MAX);
    fault = hash_fault(user->hash);
    if (fault)
        return fail_at(parse, parse->line, "%s", fault);
    if (users->count == 0)
        users->decoy = user->hash;
    users->count++;
    return ERR_OK;
}

/* Cuts the text into lines. */
static enum err
parse_lines(struct users *users, struct parse *parse)
{
    static const char mark[] = "\xef\xbb\xbf";
    char *line = users->text;
    char *end = users->text + users->text_len;
    enum err err = ERR_OK;

    /* Some editors put one in front; it would become part of a name. */
    if (users->text_len >= 3 && memcmp(line, mark, 3) == 0)
        line += 3;
    while (!err && line < end) {
        char *next = memchr(line, '\n', (size_t)(end - line));
        char *stop = next ? next : end;

        parse->line++;
        *stop = 0;
        if (stop > line && stop[-1] == '\r')
            *--stop = 0;
        err = parse_line(users, parse, line, (size_t)(stop - line));
        line = next ? next + 1 : end;
    }
    return err;
}

static enum err
sort_users(struct users *users, const struct parse *parse)
{
    qsort(users->list, users->count, sizeof(*users->list), compare_users);
    for (size_t i = 1; i < users->count; i++) {
        const struct user *a = &users->list[i - 1];
        const struct user *b = &users->list[i];

        if (compare_names(a->name, a->name_len, b->name, b->name_len) == 0)
            return fail_at(parse, b->line, "the same user as in line %zu",
                           a->line);
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
    struct parse parse = {.path = path, .message = message, .size = size};
    struct users *made = calloc(1, sizeof(*made));
    enum err err = ERR_NO_MEMORY;

    if (!made)
        goto fail;
    atomic_init(&made->refs, 1);
    made->text = malloc(len + 1);
    made->list = calloc(count_lines(text, len), sizeof(*made->list));
    if (!made->text || !made->list)
        goto fail;
    memcpy(made->text, text, len);
    made->text[len] = 0;
    made->text_len = len;
    err = parse_lines(made, &parse);
    if (err)
        goto fail;
    err = sort_users(made, &parse);
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

/* Doubles a buffer of room bytes, all used. Not by realloc, which would leave
 * a copy of the hashes behind. */
static enum err
grow(char **bytes, size_t *room)
{
    char *more;

    if (*room >= USERS_FILE_MAX)
        return ERR_LIMIT;
    more = malloc(*room * 2);
    if (!more)
        return ERR_NO_MEMORY;
    memcpy(more, *bytes, *room);
    explicit_bzero(*bytes, *room);
    free(*bytes);
    *bytes = more;
    *room *= 2;
    return ERR_OK;
}

/* Reads all of fd into *text, which the caller wipes and frees, on failure
 * too. */
static enum err
read_all(int fd, char **text, size_t *len)
{
    size_t room = 4096;
    enum err err = ERR_OK;
    ssize_t got = 1;

    *len = 0;
    *text = malloc(room);
    if (!*text)
        return ERR_NO_MEMORY;
    while (!err && got != 0) {
        got = read(fd, *text + *len, room - *len);
        if (got > 0)
            *len += (size_t)got;
        else if (got < 0 && errno != EINTR)
            err = err_from_errno(errno);
        if (!err && *len == room)
            err = grow(text, &room);
    }
    return err;
}

/* Opens the file, unless others could have written it. */
static enum err
open_trusted(const char *path, int *fd, char *message, size_t size)
{
    struct stat status;
    enum err err;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &status) < 0) {
        err = err_from_errno(errno);
        snprintf(message, size, "%s: %m", path);
        return err;
    }
    /* Reading anything else could take for ever. */
    if (!S_ISREG(status.st_mode)) {
        snprintf(message, size, "%s: not a regular file", path);
        return ERR_NOT_PERMITTED;
    }
    if (status.st_mode & S_IWOTH) {
        snprintf(message, size,
                 "%s: others can write to it (chmod o-w makes it safe)", path);
        return ERR_NOT_PERMITTED;
    }
    return ERR_OK;
}

enum err
users_load(const char *path, struct users **users, char *message, size_t size)
{
    char *text = NULL;
    size_t len = 0;
    int fd;
    enum err err = open_trusted(path, &fd, message, size);

    if (!err) {
        err = read_all(fd, &text, &len);
        if (err == ERR_LIMIT)
            snprintf(message, size, "%s: %u bytes or more", path,
                     USERS_FILE_MAX);
        else if (err)
            snprintf(message, size, "%s: %m", path);
        else
            err = users_parse(text, len, path, users, message, size);
    }
    if (fd >= 0)
        close(fd);
    if (text)
        explicit_bzero(text, len);
    free(text);
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
    if (users->text)
        explicit_bzero(users->text, users->text_len);
    free(users->text);
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

bool
users_check(const struct users *users, const uint8_t *user, size_t user_len,
            const uint8_t *password, size_t password_len)
{
    const struct user *known = find_user(users, (const char *)user, user_len);
    const char *hash = known ? known->hash : users->decoy;
    bool good = hash_matches(hash, password, password_len);

    return known && good;
}
