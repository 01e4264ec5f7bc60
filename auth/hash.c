/* The form is checked here and not by a trial run of crypt(3), which would
 * find more (a cost out of range) but takes as long as a log-in for each user
 * each time the file is read. Such a hash matches nothing. */
#include "auth/hash.h"

#include <crypt.h>
#include <nettle/memops.h>
#include <string.h>

_Static_assert(HASH_PASSWORD_MAX == CRYPT_MAX_PASSPHRASE_SIZE - 1,
               "crypt(3) counts the NUL");

/* How long what follows the last '$' is, by method (crypt(5)). */
static const struct {
    const char *prefix;
    size_t tail;
} methods[] = {
    {"$y$", 43},  {"$gy$", 43}, {"$7$", 43},   {"$2a$", 53}, {"$2b$", 53},
    {"$2x$", 53}, {"$2y$", 53}, {"$6$", 86},   {"$5$", 43},  {"$1$", 22},
    {"$3$", 32},  {"$md5", 22}, {"$sha1", 28},
};

/* Lengths of the two kinds without '$': one with "_", one with nothing. */
#define BSDI_LEN 20
#define DES_LEN  13

static bool
starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool
has_right_length(const char *hash)
{
    const char *last = strrchr(hash, '$');

    if (hash[0] == '_')
        return strlen(hash) == BSDI_LEN;
    if (hash[0] != '$')
        return strlen(hash) == DES_LEN;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (starts_with(hash, methods[i].prefix))
            return strlen(last + 1) == methods[i].tail;
    /* A method newer than this table: libcrypt knows it. */
    return true;
}

const char *
hash_fault(const char *hash)
{
    int check;

    if (hash[0] == 0)
        return "no password hash behind the colon";
    if (hash[0] == '*' || hash[0] == '!')
        return "a locked account (its hash starts with * or !)";
    if (starts_with(hash, "$apr1$"))
        return "$apr1$ is a hash of Apache's own, not of crypt(3); make one "
               "with mkpasswd or openssl passwd -6";
    if (starts_with(hash, "$argon2"))
        return "Argon2 is not a hash of crypt(3); make one with mkpasswd or "
               "openssl passwd -6";
    if (hash[0] == '{')
        return "a hash in braces is of LDAP, not of crypt(3); make one with "
               "mkpasswd or openssl passwd -6";
    if (strchr(hash, ':'))
        return "a colon behind the hash: user:hash or user:hash:agent=NAME is "
               "expected";
    check = crypt_checksalt(hash);
    if (check != CRYPT_SALT_OK && check != CRYPT_SALT_METHOD_LEGACY &&
        check != CRYPT_SALT_TOO_CHEAP)
        return "not a hash of crypt(3); make one with mkpasswd or openssl "
               "passwd -6";
    if (!has_right_length(hash))
        return hash[0] == '$' ? "the hash is cut short or too long"
                              : "not a hash of crypt(3), perhaps a plain "
                                "password; make one with mkpasswd or openssl "
                                "passwd -6";
    return NULL;
}

bool
hash_matches(const char *hash, const uint8_t *password, size_t password_len)
{
    struct crypt_data scratch;
    char phrase[HASH_PASSWORD_MAX + 1];
    const char *made;
    size_t len = strlen(hash);
    bool whole = password_len <= HASH_PASSWORD_MAX;
    bool good;

    if (!whole)
        password_len = HASH_PASSWORD_MAX;
    for (size_t i = 0; i < password_len; i++) {
        /* Any other byte keeps the length, and with it the cost. */
        phrase[i] = password[i] ? (char)password[i] : ' ';
        whole = whole && password[i];
    }
    phrase[password_len] = 0;
    memset(&scratch, 0, sizeof(scratch));
    made = crypt_r(phrase, hash, &scratch);
    good = made && made[0] != '*' && strlen(made) == len &&
           memeql_sec(made, hash, len) && whole;
    explicit_bzero(&scratch, sizeof(scratch));
    explicit_bzero(phrase, sizeof(phrase));
    return good;
}
