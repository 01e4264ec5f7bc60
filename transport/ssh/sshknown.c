/* libssh has a look-up of its own, but for one user's file and one of the
 * system's only, and it reads them again at each re-key, on the loop. */
#include "transport/ssh/sshknown.h"

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <stdio.h>
#include <string.h>

/* What stands before salt and hash: HMAC-SHA1 is the only kind. */
#define HASH_MAGIC "|1|"

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool
text_is(const struct sshknown_text *text, const char *word)
{
    return text->len == strlen(word) && memcmp(text->at, word, text->len) == 0;
}

/* Takes the next field off rest. */
static struct sshknown_text
take_field(struct sshknown_text *rest)
{
    struct sshknown_text field;

    while (rest->len > 0 && is_blank(*rest->at)) {
        rest->at++;
        rest->len--;
    }
    field = (struct sshknown_text){rest->at, 0};
    while (rest->len > 0 && !is_blank(*rest->at)) {
        rest->at++;
        rest->len--;
        field.len++;
    }
    return field;
}

static enum sshknown_mark
read_mark(const struct sshknown_text *field)
{
    if (text_is(field, "@cert-authority"))
        return SSHKNOWN_CA;
    if (text_is(field, "@revoked"))
        return SSHKNOWN_REVOKED;
    return SSHKNOWN_STRANGE;
}

/* An even cheaper test than decoding: whether it could be base64. */
static bool
is_base64(const struct sshknown_text *text)
{
    for (size_t i = 0; i < text->len; i++) {
        char c = text->at[i];
        bool fits = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';

        if (!fits)
            return false;
    }
    return text->len > 0;
}

static struct sshknown_text
whole_line(const char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return (struct sshknown_text){text, len};
}

bool
sshknown_read(const char *text, size_t len, struct sshknown_line *line)
{
    struct sshknown_text rest = whole_line(text, len);
    struct sshknown_line made = {.mark = SSHKNOWN_PLAIN};
    struct sshknown_text field = take_field(&rest);

    if (field.len == 0 || *field.at == '#')
        return false;
    if (*field.at == '@') {
        made.mark = read_mark(&field);
        field = take_field(&rest);
    }
    made.hosts = field;
    made.type = take_field(&rest);
    made.key = take_field(&rest);
    if (made.hosts.len == 0 || made.type.len == 0 || !is_base64(&made.key))
        return false;
    *line = made;
    return true;
}

bool
sshknown_read_key(const char *text, size_t len, struct sshknown_line *line)
{
    struct sshknown_text rest = whole_line(text, len);
    struct sshknown_line made = {.mark = SSHKNOWN_REVOKED};

    made.type = take_field(&rest);
    made.key = take_field(&rest);
    if (made.type.len == 0 || *made.type.at == '#' || !is_base64(&made.key))
        return false;
    *line = made;
    return true;
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* `*` and `?`, whatever the case. Goes back to the last `*` alone, so that no
 * pattern takes more than its length times the name's. */
static bool
glob(const struct sshknown_text *pattern, const char *name)
{
    size_t at = 0;
    size_t star = (size_t)-1;
    const char *resume = name;

    while (*name) {
        char c = at < pattern->len ? pattern->at[at] : 0;

        if (c == '*') {
            star = at++;
            resume = name;
        } else if (c && (c == '?' || lower(c) == lower(*name))) {
            at++;
            name++;
        } else if (star != (size_t)-1) {
            at = star + 1;
            name = ++resume;
        } else {
            return false;
        }
    }
    while (at < pattern->len && pattern->at[at] == '*')
        at++;
    return at == pattern->len;
}

static void
hash_name(uint8_t digest[SHA1_DIGEST_SIZE], const char *name,
          const uint8_t salt[SSHKNOWN_SALT_BYTES])
{
    struct hmac_sha1_ctx hmac;

    hmac_sha1_set_key(&hmac, SSHKNOWN_SALT_BYTES, salt);
    hmac_sha1_update(&hmac, strlen(name), (const uint8_t *)name);
    hmac_sha1_digest(&hmac, SHA1_DIGEST_SIZE, digest);
}

/* Decodes exactly 20 bytes: both a salt and an HMAC-SHA1 have as many. */
static bool
decode_20(const char *text, size_t len, uint8_t out[SHA1_DIGEST_SIZE])
{
    uint8_t bytes[BASE64_DECODE_LENGTH(28)];
    struct base64_decode_ctx ctx;
    size_t got = sizeof(bytes);

    if (len != 28)
        return false;
    base64_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &got, bytes, len, text) ||
        !base64_decode_final(&ctx) || got != SHA1_DIGEST_SIZE)
        return false;
    memcpy(out, bytes, SHA1_DIGEST_SIZE);
    return true;
}

static bool
matches_hash(const struct sshknown_text *hosts, const char *name)
{
    const char *salt_text = hosts->at + strlen(HASH_MAGIC);
    size_t rest = hosts->len - strlen(HASH_MAGIC);
    const char *bar = memchr(salt_text, '|', rest);
    uint8_t salt[SSHKNOWN_SALT_BYTES];
    uint8_t kept[SHA1_DIGEST_SIZE];
    uint8_t digest[SHA1_DIGEST_SIZE];
    size_t salt_len;

    if (!bar)
        return false;
    salt_len = (size_t)(bar - salt_text);
    if (!decode_20(salt_text, salt_len, salt) ||
        !decode_20(bar + 1, rest - salt_len - 1, kept))
        return false;
    hash_name(digest, name, salt);
    return memcmp(digest, kept, sizeof(digest)) == 0;
}

static bool
matches_list(struct sshknown_text hosts, const char *name)
{
    bool found = false;

    for (;;) {
        const char *comma = memchr(hosts.at, ',', hosts.len);
        size_t len = comma ? (size_t)(comma - hosts.at) : hosts.len;
        struct sshknown_text pattern = {hosts.at, len};
        bool negated = len > 0 && *pattern.at == '!';

        if (negated) {
            pattern.at++;
            pattern.len--;
        }
        if (pattern.len > 0 && glob(&pattern, name)) {
            if (negated)
                return false;
            found = true;
        }
        if (!comma)
            return found;
        hosts.at += len + 1;
        hosts.len -= len + 1;
    }
}

bool
sshknown_matches(const struct sshknown_line *line, const char *name)
{
    size_t magic = strlen(HASH_MAGIC);

    if (line->hosts.len > magic &&
        memcmp(line->hosts.at, HASH_MAGIC, magic) == 0)
        return matches_hash(&line->hosts, name);
    return matches_list(line->hosts, name);
}

bool
sshknown_has_type(const struct sshknown_line *line, const char *type)
{
    return text_is(&line->type, type);
}

bool
sshknown_has_key(const struct sshknown_line *line, const char *type,
                 const char *key)
{
    return text_is(&line->type, type) && text_is(&line->key, key);
}

bool
sshknown_name(char *buf, const char *host, unsigned port)
{
    size_t len = strlen(host);
    size_t at = 0;

    if (len + sizeof("[]:65535") > SSHKNOWN_NAME_MAX)
        return false;
    if (port != 22)
        buf[at++] = '[';
    for (size_t i = 0; i < len; i++)
        buf[at++] = lower(host[i]);
    if (port != 22)
        at += (size_t)snprintf(buf + at, SSHKNOWN_NAME_MAX - at, "]:%u", port);
    buf[at] = 0;
    return true;
}

void
sshknown_hash(char *buf, const char *name,
              const uint8_t salt[SSHKNOWN_SALT_BYTES])
{
    uint8_t digest[SHA1_DIGEST_SIZE];
    char *at = buf;

    hash_name(digest, name, salt);
    at += sprintf(at, HASH_MAGIC);
    base64_encode_raw(at, SSHKNOWN_SALT_BYTES, salt);
    at += BASE64_ENCODE_RAW_LENGTH(SSHKNOWN_SALT_BYTES);
    *at++ = '|';
    base64_encode_raw(at, sizeof(digest), digest);
    at += BASE64_ENCODE_RAW_LENGTH(sizeof(digest));
    *at = 0;
}
