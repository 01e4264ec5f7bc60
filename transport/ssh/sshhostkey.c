#include "transport/ssh/sshhostkey.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/server.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* An RSA key of 16,384 bits takes 13 KB. */
#define FILE_MAX (64u * 1024)

/* What ssh-keygen makes at least today, and what libssh takes. */
#define RSA_BITS_MIN 2048

/* What is said of one file. */
struct report {
    const char *path;
    char *text;
    size_t size;
};

static enum err fail(const struct report *report, enum err err,
                     const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum err
fail(const struct report *report, enum err err, const char *format, ...)
{
    char what[256];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(report->text, report->size, "%s: %s", report->path, what);
    return err;
}

static enum err
fail_by_errno(const struct report *report)
{
    enum err err = err_from_errno(errno);

    return fail(report, err, "%s", strerror(errno));
}

/* --- reading -------------------------------------------------------------- */

static void
wipe(char *text)
{
    if (text)
        explicit_bzero(text, FILE_MAX + 1);
    free(text);
}

/* libssh would ask on the terminal. */
static int
never_ask(const char *prompt, char *buf, size_t len, int echo, int verify,
          void *arg)
{
    (void)prompt;
    (void)buf;
    (void)len;
    (void)echo;
    (void)verify;
    *(bool *)arg = true;
    return -1;
}

static enum err
check_file(const struct report *report, int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return fail_by_errno(report);
    if (!S_ISREG(st.st_mode))
        return fail(report, ERR_MALFORMED, "not a file");
    if (st.st_mode & 077)
        return fail(report, ERR_NOT_PERMITTED,
                    "permissions %04o are too open for a private key: "
                    "chmod 600",
                    (unsigned)(st.st_mode & 07777));
    if (st.st_size > (off_t)FILE_MAX)
        return fail(report, ERR_MALFORMED, "not a private key: too long");
    return ERR_OK;
}

/* Gives the text of an open file, to be wiped. */
static enum err
read_text(const struct report *report, int fd, char **result)
{
    char *text = calloc(1, FILE_MAX + 1);
    size_t len = 0;
    ssize_t n = 1;

    if (!text)
        return fail(report, ERR_NO_MEMORY, "out of memory");
    while (len < FILE_MAX && n > 0) {
        n = read(fd, text + len, FILE_MAX - len);
        if (n > 0)
            len += (size_t)n;
    }
    if (n < 0) {
        enum err err = fail_by_errno(report);

        wipe(text);
        return err;
    }
    *result = text;
    return ERR_OK;
}

static enum err
import(const struct report *report, const char *text, ssh_key *key)
{
    bool is_encrypted = false;

    if (ssh_pki_import_privkey_base64(text, NULL, never_ask, &is_encrypted,
                                      key) == SSH_OK)
        return ERR_OK;
    if (is_encrypted)
        return fail(report, ERR_MALFORMED,
                    "is encrypted: a host key can have no passphrase");
    return fail(report, ERR_MALFORMED, "not a private key");
}

static enum err
read_key(const struct report *report, int fd, ssh_key *key)
{
    char *text = NULL;
    enum err err = check_file(report, fd);

    if (!err)
        err = read_text(report, fd, &text);
    if (!err)
        err = import(report, text, key);
    wipe(text);
    return err;
}

/* --- making --------------------------------------------------------------- */

static void
sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory =
        slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd =
        directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(directory);
}

/* libssh says nothing of a disk that is full: what it wrote is read again. */
static bool
is_whole(int fd)
{
    char unused[256];
    const struct report report = {
        .path = "", .text = unused, .size = sizeof(unused)};
    ssh_key key = NULL;
    bool is_key = read_key(&report, fd, &key) == ERR_OK;

    ssh_key_free(key);
    return is_key;
}

/* Gives the file its name, once it is complete. Of two programs that make it
 * at once, one is to read the other's: a link does not replace. Some file
 * systems have none. */
static bool
publish(const char *beside, const char *path)
{
    return link(beside, path) == 0 || errno == EEXIST ||
           rename(beside, path) == 0;
}

/* libssh writes a private key to a file by its name alone, with whatever mode
 * the process gives: so it is made before with the right one, under a name that
 * nobody knows. */
static enum err
write_key(const struct report *report, const char *beside, ssh_key key)
{
    int fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum err err = ERR_OK;

    if (fd < 0)
        return fail_by_errno(report);
    if (fchmod(fd, 0600) < 0)
        err = fail_by_errno(report);
    else if (ssh_pki_export_privkey_file(key, NULL, NULL, NULL, beside) !=
                 SSH_OK ||
             !is_whole(fd))
        err = fail(report, ERR_IO, "can't be written");
    else if (fsync(fd) < 0 || !publish(beside, report->path))
        err = fail_by_errno(report);
    close(fd);
    unlink(beside);
    if (!err)
        sync_directory(report->path);
    return err;
}

static enum err
make_key(const struct report *report)
{
    ssh_key key = NULL;
    char *beside = NULL;
    uint64_t number = 0;
    enum err err;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number) ||
        asprintf(&beside, "%s.%016llx", report->path,
                 (unsigned long long)number) < 0)
        return fail(report, ERR_NO_MEMORY, "out of memory");
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
        err = fail(report, ERR_NO_MEMORY, "no key could be made");
    else
        err = write_key(report, beside, key);
    ssh_key_free(key);
    free(beside);
    return err;
}

/* --- adding --------------------------------------------------------------- */

/* The kinds of which a server can have one each. */
enum kind { KIND_ED25519, KIND_ECDSA, KIND_RSA, KIND_OTHER };

static enum kind
kind_of(ssh_key key)
{
    enum ssh_keytypes_e type = ssh_key_type(key);

    if (type == SSH_KEYTYPE_ED25519)
        return KIND_ED25519;
    if (type == SSH_KEYTYPE_RSA)
        return KIND_RSA;
    if (type == SSH_KEYTYPE_ECDSA_P256 || type == SSH_KEYTYPE_ECDSA_P384 ||
        type == SSH_KEYTYPE_ECDSA_P521)
        return KIND_ECDSA;
    return KIND_OTHER;
}

/* libssh tells a key's size to itself alone, but refuses small ones here. */
static bool
is_strong(ssh_key key)
{
    ssh_bind bind = ssh_bind_new();
    bool off = false;
    int bits = RSA_BITS_MIN;
    ssh_key copy = ssh_key_dup(key);
    bool fits = false;

    if (bind && copy &&
        ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &off) ==
            SSH_OK &&
        ssh_bind_options_set(bind, SSH_BIND_OPTIONS_RSA_MIN_SIZE, &bits) ==
            SSH_OK)
        fits = ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, copy) ==
               SSH_OK;
    if (!fits)
        ssh_key_free(copy);
    ssh_bind_free(bind);
    return fits;
}

static enum err
check_key(const struct report *report, const struct sshhostkeys *keys,
          ssh_key key)
{
    enum kind kind = kind_of(key);

    if (kind == KIND_OTHER || !ssh_key_is_private(key))
        return fail(report, ERR_MALFORMED,
                    "a key of the kind %s can't be a host key here: ed25519, "
                    "ecdsa and rsa can",
                    ssh_key_type_to_char(ssh_key_type(key)));
    if (kind == KIND_RSA && !is_strong(key))
        return fail(report, ERR_MALFORMED,
                    "an rsa key of fewer than %d bits is too weak",
                    RSA_BITS_MIN);
    for (unsigned i = 0; i < keys->count; i++)
        if (kind_of(keys->keys[i]) == kind)
            return fail(report, ERR_MALFORMED,
                        "a second key of the kind %s: there can be one of "
                        "each",
                        ssh_key_type_to_char(ssh_key_type(key)));
    return ERR_OK;
}

static enum err
print_key(const struct report *report, ssh_key key,
          char print[SSHHOSTKEY_PRINT_MAX])
{
    if (!sshhostkey_print(key, print))
        return fail(report, ERR_NO_MEMORY, "out of memory");
    return ERR_OK;
}

enum err
sshhostkeys_load(struct sshhostkeys *keys, const char *path, bool *made,
                 char print[SSHHOSTKEY_PRINT_MAX], char *message, size_t size)
{
    const struct report report = {.path = path, .text = message, .size = size};
    bool is_new = false;
    ssh_key key = NULL;
    enum err err;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 && errno == ENOENT) {
        err = make_key(&report);
        if (err)
            return err;
        is_new = true;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }
    if (fd < 0)
        return fail_by_errno(&report);
    err = read_key(&report, fd, &key);
    close(fd);
    if (!err)
        err = check_key(&report, keys, key);
    if (!err)
        err = print_key(&report, key, print);
    if (err) {
        ssh_key_free(key);
        return err;
    }
    keys->keys[keys->count++] = key;
    *made = is_new;
    return ERR_OK;
}

bool
sshhostkey_print(ssh_key key, char print[SSHHOSTKEY_PRINT_MAX])
{
    unsigned char *hash = NULL;
    size_t len = 0;
    char *text = NULL;
    bool fits = false;

    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) ==
        0) {
        text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
        fits = text && strlen(text) < SSHHOSTKEY_PRINT_MAX;
        if (fits)
            strcpy(print, text);
    }
    ssh_string_free_char(text);
    ssh_clean_pubkey_hash(&hash);
    return fits;
}

void
sshhostkeys_clear(struct sshhostkeys *keys)
{
    for (unsigned i = 0; i < keys->count; i++)
        ssh_key_free(keys->keys[i]);
    *keys = (struct sshhostkeys){0};
}
