/* An array of keys sorted by blob, those that are equal in the file's order:
 * a look-up compares a few, and takes no memory. */
#include "auth/authkeys.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "auth/authkeys_option.h"
#include "auth/keyblob.h"
#include "auth/textfile.h"

struct key {
    uint8_t *blob;
    size_t len;
    size_t line;
    struct authkeys_options options;
};

struct authkeys {
    atomic_uint refs;
    struct key *list; /* by blob */
    size_t count;
    size_t room;
};

static int
compare_blobs(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    if (a_len != b_len)
        return a_len < b_len ? -1 : 1;
    return a_len ? memcmp(a, b, a_len) : 0;
}

static int
compare_keys(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;
    int order = compare_blobs(x->blob, x->len, y->blob, y->len);

    return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Makes room for one more. */
static enum err
reserve(struct authkeys *keys)
{
    size_t room = keys->room ? keys->room * 2 : 16;
    struct key *grown;

    if (keys->count < keys->room)
        return ERR_OK;
    grown = reallocarray(keys->list, room, sizeof(*grown));
    if (!grown)
        return ERR_NO_MEMORY;
    keys->list = grown;
    keys->room = room;
    return ERR_OK;
}

/* Moves behind what is not blank, puts a NUL there, and moves on to what
 * follows the blanks. Returns how much it was. */
static size_t
cut(char **at, size_t len)
{
    char *end = *at + len;

    *at = end + strspn(end, " \t");
    *end = 0;
    return len;
}

/* Takes the key at text, whose options are in key. */
static enum err
parse_key(struct key *key, char *text, const struct textfile_spot *spot)
{
    char *at = text;
    size_t type_len = cut(&at, strcspn(at, " \t"));
    const char *why = NULL;
    enum err err;

    if (type_len == 0)
        return textfile_fail(spot, "no key behind the options");
    if (!keyblob_is_type(text, type_len))
        return textfile_fail(spot, "no type of key that is supported behind "
                                   "the options");
    /* libssh does not look, and shows nobody what the signature says. */
    if (keyblob_is_fido(text, type_len) && !key->options.untouched)
        return textfile_fail(spot, "whether a FIDO key was touched is not "
                                   "looked at: its options have to have "
                                   "no-touch-required");
    err = keyblob_decode(text, type_len, at, strcspn(at, " \t"), &key->blob,
                         &key->len, &why);
    return err == ERR_MALFORMED ? textfile_fail(spot, "%s", why) : err;
}

/* Takes one line, of len bytes with a NUL behind them. */
static enum err
parse_line(struct authkeys *keys, const struct textfile_spot *spot, char *line,
           size_t len)
{
    char *at = line + strspn(line, " \t");
    char *options = line + len; /* none */
    struct key key = {.line = spot->line};
    enum err err;

    if (memchr(line, 0, len))
        return textfile_fail(spot, "a NUL byte: not a text file");
    if (len > AUTHKEYS_LINE_MAX)
        return textfile_fail(spot, "longer than %u bytes", AUTHKEYS_LINE_MAX);
    if (!*at || *at == '#')
        return ERR_OK;
    if (!keyblob_is_type(at, strcspn(at, " \t"))) {
        options = at;
        cut(&at, authkeys_options_span(at));
    }
    err = authkeys_options_parse(options, spot, &key.options);
    if (err)
        return err;
    err = parse_key(&key, at, spot);
    if (!err)
        err = reserve(keys);
    if (err) {
        free(key.blob);
        authkeys_options_clear(&key.options);
        return err;
    }
    keys->list[keys->count++] = key;
    return ERR_OK;
}

static enum err
parse_file(struct authkeys *keys, struct textfile *file,
           struct textfile_spot *spot)
{
    enum err err = ERR_OK;
    char *line;
    size_t len;

    while (!err && textfile_next(file, &line, &len)) {
        spot->line = file->line;
        err = parse_line(keys, spot, line, len);
    }
    if (!err && keys->count > 0)
        qsort(keys->list, keys->count, sizeof(*keys->list), compare_keys);
    return err;
}

/* Reads a file whose text it changes. */
static enum err
make(struct textfile *file, struct textfile_spot *spot, struct authkeys **keys)
{
    struct authkeys *made = calloc(1, sizeof(*made));
    enum err err = ERR_NO_MEMORY;

    if (made) {
        atomic_init(&made->refs, 1);
        err = parse_file(made, file, spot);
    }
    if (err == ERR_NO_MEMORY)
        snprintf(spot->message, spot->size, "%s: %s", spot->path,
                 err_text(err));
    if (err)
        authkeys_unref(made);
    else
        *keys = made;
    return err;
}

enum err
authkeys_parse(const char *text, size_t len, const char *path,
               struct authkeys **keys, char *message, size_t size)
{
    struct textfile_spot spot = {
        .path = path, .message = message, .size = size};
    struct textfile file;
    enum err err = textfile_copy(text, len, &file);

    if (err) {
        snprintf(message, size, "%s: %s", path, err_text(err));
        return err;
    }
    err = make(&file, &spot, keys);
    textfile_wipe(&file);
    return err;
}

enum err
authkeys_load(const char *path, struct authkeys **keys, char *message,
              size_t size)
{
    struct textfile_spot spot = {
        .path = path, .message = message, .size = size};
    struct textfile file;
    enum err err = textfile_read(path, AUTHKEYS_FILE_MAX, S_IWGRP | S_IWOTH,
                                 &file, message, size);

    if (err)
        return err;
    err = make(&file, &spot, keys);
    textfile_wipe(&file);
    return err;
}

struct authkeys *
authkeys_ref(struct authkeys *keys)
{
    atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
    return keys;
}

void
authkeys_unref(struct authkeys *keys)
{
    if (!keys ||
        atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        free(keys->list[i].blob);
        authkeys_options_clear(&keys->list[i].options);
    }
    free(keys->list);
    free(keys);
}

size_t
authkeys_count(const struct authkeys *keys)
{
    return keys->count;
}

/* Where the first key is that does not come before a blob. */
static size_t
find_first(const struct authkeys *keys, const uint8_t *blob, size_t len)
{
    size_t low = 0;
    size_t high = keys->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct key *key = &keys->list[middle];

        if (compare_blobs(key->blob, key->len, blob, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum err
authkeys_find(const struct authkeys *keys, const uint8_t *blob, size_t len,
              const union addr *addr, time_t now, struct grant **grant,
              const char **why)
{
    size_t i = find_first(keys, blob, len);
    const char *fault = NULL;

    for (; i < keys->count; i++) {
        const struct key *key = &keys->list[i];

        if (compare_blobs(key->blob, key->len, blob, len) != 0)
            break;
        if (!keyfrom_allows(key->options.from, addr)) {
            fault = fault ? fault : "the key may not be used from there";
        } else if (key->options.expires && key->options.expires < now) {
            fault = fault ? fault : "the key has expired";
        } else {
            *grant = grant_ref(key->options.grant);
            return ERR_OK;
        }
    }
    *why = fault ? fault : "the key is not known";
    return fault ? ERR_DENIED : ERR_AUTH_FAILED;
}

bool
authkeys_names_agent(const struct authkeys *keys, const char *agent)
{
    for (size_t i = 0; i < keys->count; i++) {
        const char *name = grant_agent(keys->list[i].options.grant);

        if (name && strcasecmp(name, agent) == 0)
            return true;
    }
    return false;
}
